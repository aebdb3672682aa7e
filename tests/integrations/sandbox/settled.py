"""What a payroll system of the sandbox leaves owed once the bank's lines of it are coded."""

from __future__ import annotations

import datetime as dt
from collections import Counter

from integrations.sandbox import truth
from integrations.sandbox.events import Business, instant


def owed(business: Business, key: str, date: dt.date) -> Counter[str]:
    """Account -> cents owed at the end of the day."""
    found = Counter(truth.balances(business, clock=instant(date, 23), systems=[key]))
    for draft in business.ventures[key].bank_drafts:
        found[draft.role] -= draft.amount if draft.date <= date else 0
    return Counter({account: -amount for account, amount in found.items()})
