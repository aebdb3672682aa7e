"""Entry drafts: balanced journal entries before they are posted, named by account roles."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import NamedTuple


class AccountRef(NamedTuple):
    """An account by role (`sales`; `clearing` with the gateway as qualifier) or by `code`."""

    role: str
    qualifier: str = ""


class Line(NamedTuple):
    """One side of an entry; `amount` in minor units of the entry's currency, debit positive.

    `base` in base minor units where the amount does not say it: a revaluation moves no money.
    """

    account: AccountRef
    amount: int
    memo: str = ""
    base: int | None = None

    @property
    def text(self) -> str:
        """As it is hashed; must never change form."""
        base = "" if self.base is None else f" base {self.base}"
        return f"{self.account.role}:{self.account.qualifier!r} {self.amount} {self.memo!r}{base}"


class EntryDraft(NamedTuple):
    """One journal entry of a document; `part` is stable across versions of the document."""

    part: str
    date: dt.date
    currency: str
    memo: str
    lines: tuple[Line, ...] = ()

    @property
    def imbalance(self) -> int:
        """What the lines sum to, in minor units; 0 for an entry that may be posted."""
        return sum(line.amount for line in self.lines)

    def content_hash(self) -> str:
        """Hash of what is posted: same hash, same entry. Stored, so its text must never change form."""
        # repr() escapes quotes and control characters, so no memo can imitate a line.
        lines = (line.text for line in self.lines)
        text = "\n".join((f"{self.date.isoformat()} {self.currency} {self.memo!r}", *lines))
        return hashlib.sha256(text.encode()).hexdigest()
