"""Pairing what is left on a clearing account and cancels: equal, opposite, near, without another (pure)."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ledgerhub.ledger.settlement import WAITS, Item, Part, Rest, Settlement

FEES, REFUNDS, DISPUTES = "Fees", "Refunds", "Disputes"
RESERVES, PAYOUTS, CHARGES, OTHER = "Reserves", "Payouts", "Charges", "Adjustments"
ABOUTS = (CHARGES, REFUNDS, FEES, DISPUTES, RESERVES, PAYOUTS, OTHER)
# What an item is about, by words in its category; the first that fits (a `fee_refund` is about fees).
_WORDS = (
    (FEES, ("fee", "billing", "tax", "shipping_label")),
    (REFUNDS, ("refund",)),
    (DISPUTES, ("dispute", "chargeback")),
    (RESERVES, ("reserve", "risk", "hold", "minimum_balance")),
    (PAYOUTS, ("payout", "topup", "transfer")),
    (CHARGES, ("charge", "payment")),
)
_KINDS = {
    "invoice": CHARGES,
    "payment": CHARGES,
    "refund": REFUNDS,
    "credit_note": REFUNDS,
    "dispute": DISPUTES,
    "payout": PAYOUTS,
    "fee": FEES,
}
# Banks give a payout back within ten working days; shop and processor tell of all else within a week.
_DAYS = {PAYOUTS: 14}
_NEAR = 7

Key = tuple[int, str]


class Row(NamedTuple):
    """Something left on the account: what a document leaves, or an item that nothing is booked for.

    `amount` is signed as it counts in the balance (minor units), `document_id` is an item's payout, `item`
    "" for a document. `about` is one of ABOUTS, "" where the kind says nothing.
    """

    left: Rest | Part
    document_id: int
    item: str
    currency: str
    amount: int
    day: dt.date | None
    about: str

    @property
    def key(self) -> Key:
        return self.document_id, self.item


class Pair(NamedTuple):
    """Two rows that come to nothing, the debit first; `by_hand` where a person said so."""

    debit: Row
    credit: Row
    by_hand: bool = False

    @property
    def keys(self) -> tuple[Key, Key]:
        return self.debit.key, self.credit.key

    @property
    def rows(self) -> tuple[Row, Row]:
        return self.debit, self.credit

    @property
    def days(self) -> int | None:
        """How many days lie between them."""
        if self.debit.day is None or self.credit.day is None:
            return None
        return abs((self.debit.day - self.credit.day).days)


@dataclass(frozen=True)
class Decided:
    """What people said of rows, as (key of the debit, key of the credit): that they cancel, or do not."""

    together: Collection[tuple[Key, Key]] = field(default=())
    apart: Collection[tuple[Key, Key]] = field(default=())


def about(category: str) -> str:
    """What an item is about, by the category it is listed under."""
    lower = category.casefold()
    return next((name for name, words in _WORDS if any(word in lower for word in words)), OTHER)


def rows(found: Settlement, paid: Mapping[int, dt.date]) -> list[Row]:
    """All that is left; `paid` are the days of payouts, for items without a day of their own."""
    rests = [_of_rest(rest) for rest in found.rests.values()]
    return rests + [_of_part(part, paid) for part in found.unbooked]


def key_of(left: Rest | Part) -> Key:
    return (left.document_id, "") if isinstance(left, Rest) else (left.item.payout_id, item_key(left.item))


def _of_rest(rest: Rest) -> Row:
    sort = _KINDS.get(rest.kind, "")
    return Row(rest, *key_of(rest), rest.currency, rest.amount, rest.day, sort)


def _of_part(part: Part, paid: Mapping[int, dt.date]) -> Row:
    item = part.item
    day = item.day or paid.get(item.payout_id)
    return Row(part, *key_of(part), item.currency, -part.amount, day, about(item.category))


def item_key(item: Item) -> str:
    """What an item is known by within its payout: lines get new numbers when the payout is read again."""
    return f"{item.external_id}|{item.source}"


def pairs(left: Collection[Row], decided: Decided) -> list[Pair]:
    """What people paired, then what can be nothing else; each row once, in order of day.

    A pair is found where an item that nothing is booked for meets a document that waits for its payout, or
    another such item, both about the same, and neither has a second candidate.
    """
    made = list(_by_hand(left, decided))
    taken = {row for pair in made for row in pair.rows}
    found = _found([row for row in left if row not in taken], set(decided.apart))
    return sorted([*made, *found], key=lambda pair: (pair.debit.day or dt.date.min, pair.keys))


def cancelling(row: Row, left: Iterable[Row]) -> list[Row]:
    """What a person may pair a row with: all that is equal and opposite, the nearest in time first."""
    fit = [other for other in left if (other.currency, other.amount) == (row.currency, -row.amount)]
    return sorted(fit, key=lambda other: (other.about != row.about, Pair(row, other).days or 0))


def _by_hand(left: Iterable[Row], decided: Decided) -> Iterable[Pair]:
    """Pairs that people made and that still come to nothing: what was booked since no longer does."""
    known: dict[Key, list[Row]] = defaultdict(list)
    for row in left:
        known[row.key].append(row)
    for debit, credit in decided.together:
        both = [(one, other) for one in known[debit] for other in known[credit] if _cancel(one, other)]
        if both:
            yield Pair(*both[0], by_hand=True)


def _cancel(one: Row, other: Row) -> bool:
    return one.currency == other.currency and one.amount == -other.amount


class _Near:
    """Rows by what they are about, currency and amount, in order of day."""

    def __init__(self, left: Iterable[Row]) -> None:
        self._days: dict[tuple[str, str, int], list[dt.date]] = defaultdict(list)
        self._rows: dict[tuple[str, str, int], list[Row]] = defaultdict(list)
        for row in sorted((row for row in left if row.day), key=lambda row: row.day or dt.date.min):
            key = (row.about, row.currency, row.amount)
            self._days[key].append(row.day or dt.date.min)
            self._rows[key].append(row)

    def only(self, row: Row) -> Row | None:
        """The one row that may cancel this one; None where there is none or more than one."""
        if row.day is None:
            return None
        key, reach = (row.about, row.currency, -row.amount), dt.timedelta(_DAYS.get(row.about, _NEAR))
        days = self._days.get(key, [])
        first, last = bisect_left(days, row.day - reach), bisect_right(days, row.day + reach)
        return self._rows[key][first] if last - first == 1 else None


def _found(left: Collection[Row], apart: Collection[tuple[Key, Key]]) -> Iterable[Pair]:
    items = [row for row in left if row.item and row.about]
    waiting = [row for row in left if not row.item and row.about and row.left.reason in WAITS]
    all_rows, only_items = _Near([*items, *waiting]), _Near(items)
    for row in items:
        other = all_rows.only(row)
        back = other and (all_rows if other.item else only_items).only(other)
        # Two items find each other twice: once is enough.
        if other is None or back != row or (other.item and row.amount < 0):
            continue
        pair = Pair(row, other) if row.amount > 0 else Pair(other, row)
        if pair.keys not in apart:
            yield pair
