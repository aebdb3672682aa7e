"""Balances a bank states day by day, without a statement around them -> Statement rows, one a day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.db.models import Q

from ledgerhub.ledger.kinds import Draft
from ledgerhub.ledger.models import Account, Source, Statement

ONE_DAY = dt.timedelta(days=1)


def store(account: Account, source: Source, drafts: Sequence[Draft]) -> None:
    """Keep the closing balance of each day; what is said of a day later replaces what was said before.

    A row covers the days since the one before it of the same source, so that no day seems to be without a
    statement only because nobody asked the bank on it.
    """
    for draft in sorted(drafts, key=lambda draft: (draft["date"], str(draft["external_id"]))):
        _state(account, source, draft)


def _state(account: Account, source: Source, draft: Draft) -> None:
    day: dt.date = draft["date"]
    rows = Statement.objects.filter(account=account, source=source)
    before = rows.filter(end__lt=day).order_by("-end").first()
    start = before.end + ONE_DAY if before is not None and before.end is not None else day
    rows.update_or_create(
        account=account,
        source=source,
        end=day,
        defaults={"closing": draft["total"], "currency": draft["currency"]},
        create_defaults={
            "organization_id": account.organization_id,
            "name": f"Balance of {day.isoformat()}",
            "currency": draft["currency"],
            "start": start,
            "closing": draft["total"],
        },
    )
    # One that was covered by a later row until now ends that row's days behind it.
    later = rows.filter(Q(start__lte=day), end__gt=day).order_by("end").first()
    if later is not None:
        Statement.objects.filter(pk=later.pk).update(start=day + ONE_DAY)
