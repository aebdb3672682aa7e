"""The bank lines as a feed shows them: pending first under an id of their own, then booked, then enriched."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Literal, NamedTuple

from integrations.sandbox.events import DAY, BankLine, Business, instant

What = Literal["added", "modified", "removed"]
SHOWN_FIRST = {"card", "supplier", "payout"}  # kinds of lines that stand pending before they are booked
HOLD = 100  # cents a pump asks for before it knows the sum


class Shown(NamedTuple):
    """One line as the feed shows it at a time; `pending_id` is the pending line that it books."""

    id: str
    line: BankLine
    pending: bool = False
    pending_id: str = ""
    enriched: bool = False


class Change(NamedTuple):
    at: int
    what: What
    shown: Shown


def token(*parts: object) -> str:
    """An id that looks like the feed's own."""
    return hashlib.sha256(":".join(map(str, parts)).encode()).hexdigest()[:37]


@lru_cache(maxsize=8)
def changes(business: Business, account: str) -> tuple[Change, ...]:
    """Everything that the feed of one account ever says, in order."""
    found = [
        change
        for line in business.bank_lines
        if line.account == account
        for change in _life(business.seed, line)
    ]
    return tuple(sorted(found, key=lambda change: (change.at, change.shown.line.id)))


def _life(seed: int, line: BankLine) -> Iterator[Change]:
    booked = Shown(token(seed, "booked", line.id), line)
    if line.kind in SHOWN_FIRST:
        seen = _pending(seed, line)
        yield Change(instant(seen.line.date, 18), "added", seen)
        yield Change(line.at, "removed", seen)
        # One in eight comes without the name of its pending line.
        if int(seen.id[:2], 16) % 8:
            booked = booked._replace(pending_id=seen.id)
    yield Change(line.at, "added", booked)
    if line.kind == "card":
        yield Change(line.at + DAY, "modified", booked._replace(enriched=True))


def _pending(seed: int, line: BankLine) -> Shown:
    date = line.date - dt.timedelta(days=1)
    amount = -HOLD if "OIL" in line.description else line.amount
    return Shown(token(seed, "pending", line.id), replace(line, date=date, amount=amount), pending=True)


class News(NamedTuple):
    """What is to be told, each line once and as it stands at the end."""

    what: What
    shown: Shown


def news(told: tuple[Change, ...]) -> list[News]:
    """The sum of changes: what came and went between is not told at all."""
    found: dict[str, News] = {}
    for _, what, shown in told:
        before = found.pop(shown.id, None)
        if what == "removed" and before is not None and before.what == "added":
            continue
        first = before.what if before is not None and what == "modified" else what
        found[shown.id] = News(first, shown)
    order = {"added": 0, "modified": 1, "removed": 2}
    return sorted(found.values(), key=lambda one: order[one.what])
