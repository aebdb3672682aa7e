"""Settling: payouts' items set against what is booked on a clearing account, and what each leaves (pure)."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

# Why something is left on the account. The first three wait for a payout; the others are differences.
UNSETTLED, PARTLY, RETURNED = "unsettled", "partly", "returned"
NO_ITEMS, ITEM_SUM, TWICE, DIFFERS, LATER = "no_items", "item_sum", "twice", "differs", "later"
NEVER_BOOKED, FEE_NOT_BOOKED = "never", "fee"
WAITS = (UNSETTLED, PARTLY, RETURNED)


class Booked(NamedTuple):
    """What a document has on the account in one currency: `amount` up to the day asked for (minor units,
    debit positive, less what was settled otherwise), of `postings` postings, the first on `first`; several
    may share a `reference`."""

    document_id: int
    kind: str
    external_id: str
    currency: str
    amount: int
    postings: int
    first: dt.date
    reference: str = ""


class Item(NamedTuple):
    """One row of a payout's composition, in the payout's currency; minor units. `day` None: not told."""

    line_id: int
    payout_id: int
    currency: str
    external_id: str
    source: str
    amount: int
    fee: int
    net: int
    category: str = ""
    day: dt.date | None = None


class Tender(NamedTuple):
    """A payment of a document, by which an item may name it; signed as it is booked."""

    document_id: int
    external_id: str
    amount: int


class Part(NamedTuple):
    """What an item says a document must have on the account; `document_id` None: nothing is booked for it.

    `reason` is NEVER_BOOKED or FEE_NOT_BOOKED where nothing is, else ""."""

    item: Item
    document_id: int | None
    amount: int
    reason: str = ""


class Rest(NamedTuple):
    """What a document leaves on the account, and why; `day` is its first posting's."""

    document_id: int
    currency: str
    amount: int
    day: dt.date
    reason: str
    kind: str = ""


@dataclass
class Settlement:
    """The whole: rests by document and currency, parts nothing is booked for, all parts by payout item.

    The balance is the sum of the rests less the unbooked parts, always.
    """

    rests: dict[tuple[int, str], Rest] = field(default_factory=dict)
    unbooked: list[Part] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)

    def balance(self, currency: str) -> int:
        held = sum(rest.amount for rest in self.rests.values() if rest.currency == currency)
        return held - sum(part.amount for part in self.unbooked if part.item.currency == currency)


class _Names:
    """Documents on the account by the ids that items may use."""

    def __init__(self, booked: Iterable[Booked], tenders: Iterable[Tender]) -> None:
        self.by_id: dict[str, list[Booked]] = defaultdict(list)
        self._shared: dict[tuple[str, str], list[Booked]] = defaultdict(list)
        self._taken: set[int] = set()
        documents: dict[int, Booked] = {}
        for row in booked:
            self.by_id[row.external_id].append(row)
            if row.reference and row.kind != "payout":
                self._shared[row.reference, row.currency].append(row)
            documents[row.document_id] = row
        self.by_tender = {
            tender.external_id: documents[tender.document_id]
            for tender in tenders
            if tender.document_id in documents
        }

    def own(self, item: Item) -> Booked | None:
        """What bears the item's own id: a fee before others."""
        return _best(self.by_id.get(item.external_id), item.currency, fee=True)

    def source(self, item: Item) -> Booked | None:
        if not item.source:
            return None
        found = _best(self.by_id.get(item.source), item.currency, fee=False)
        return found or self.by_tender.get(item.source)

    def sharing(self, item: Item) -> list[Booked]:
        """The documents of the item's reference that make its amount to the cent: all that no other item
        took, or else those of one day; [] where none do."""
        free = [
            row
            for row in self._shared.get((item.source, item.currency), ())
            if row.document_id not in self._taken
        ]
        days = [[row for row in free if row.first == day] for day in sorted({row.first for row in free})]
        found = next(
            (rows for rows in (free, *days) if rows and sum(row.amount for row in rows) == item.net), []
        )
        self._taken.update(row.document_id for row in found)
        return found


def _best(found: list[Booked] | None, currency: str, *, fee: bool) -> Booked | None:
    if not found:
        return None
    if len(found) == 1:
        return found[0]
    return min(found, key=lambda row: (row.currency != currency, (row.kind == "fee") != fee))


def settle(booked: Collection[Booked], items: Collection[Item], tenders: Collection[Tender]) -> Settlement:
    """Items must be those of payouts booked up to the day; other documents may be booked after it."""
    names = _Names(booked, tenders)
    found = Settlement()
    for item in items:
        found.parts += _parts(item, names)
    known = {(row.document_id, row.currency) for row in booked}
    claims: dict[tuple[int, str], list[Part]] = defaultdict(list)
    for part in found.parts:
        key = (part.document_id or 0, part.item.currency)
        if key in known:
            claims[key].append(part)
        else:
            found.unbooked.append(part)
    _cancel_out(found)
    sums: dict[int, int] = defaultdict(int)
    for item in items:
        sums[item.payout_id] += item.net
    owed = _tender_amounts(tenders)
    for row in booked:
        if rest := _rest(row, claims.get((row.document_id, row.currency), []), sums, owed):
            found.rests[row.document_id, row.currency] = rest
    _take_converted(found, booked)
    return found


def newest(rests: Collection[Rest]) -> list[Rest]:
    """What is left where no payout says what it is made of: the newest rows that make the sum, the oldest of
    them in part. Whatever goes out is taken from what came first."""
    left, found = sum(rest.amount for rest in rests), list[Rest]()
    for rest in sorted(rests, key=lambda rest: (rest.day, rest.document_id), reverse=True):
        if left and (rest.amount > 0) is (left > 0):
            found.append(rest if abs(rest.amount) <= abs(left) else _part_of(rest, left))
            left -= found[-1].amount
    return found[::-1]


def _part_of(rest: Rest, amount: int) -> Rest:
    return rest._replace(amount=amount, reason=PARTLY if rest.reason in WAITS else rest.reason)


def _cancel_out(found: Settlement) -> None:
    """A refund that failed is booked by nobody, and its two items come to nothing."""
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for part in found.unbooked:
        sums[part.item.source or part.item.external_id, part.item.currency] += part.amount
    found.unbooked = [
        part for part in found.unbooked if sums[part.item.source or part.item.external_id, part.item.currency]
    ]


def _take_converted(found: Settlement, booked: Iterable[Booked]) -> None:
    """What is in a currency that no payout is made in, and comes to nothing under its reference (a sale, what
    was kept of it, and what was given up for another currency), waits for none."""
    paid = {row.currency for row in booked if row.kind == "payout"}
    groups: dict[tuple[str, str], list[Rest]] = defaultdict(list)
    for row in booked:
        rest = found.rests.get((row.document_id, row.currency))
        if rest and row.reference and paid and row.currency not in paid:
            groups[row.reference, row.currency].append(rest)
    for rests in groups.values():
        if sum(rest.amount for rest in rests) == 0:
            for rest in rests:
                del found.rests[rest.document_id, rest.currency]


def _parts(item: Item, names: _Names) -> list[Part]:
    own, source = names.own(item), names.source(item)
    if own is not None and own.kind == "fee" and item.fee and item.amount:
        gross = Part(item, source.document_id, item.amount) if source else None
        return [gross or Part(item, None, item.amount, NEVER_BOOKED), Part(item, own.document_id, -item.fee)]
    if own is not None:
        return [Part(item, own.document_id, item.net)]
    if source is None and (sharing := names.sharing(item)):
        return [Part(item, row.document_id, row.amount) for row in sharing]
    if source is None:
        return [Part(item, None, item.net, NEVER_BOOKED)] if item.net else []
    if item.fee and source.kind != "dispute":
        gross = Part(item, source.document_id, item.amount)
        return [gross, Part(item, None, -item.fee, FEE_NOT_BOOKED)]
    return [Part(item, source.document_id, item.net)]


def _tender_amounts(tenders: Iterable[Tender]) -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for tender in tenders:
        found[tender.document_id][tender.external_id] = tender.amount
    return found


def _rest(
    row: Booked, claims: list[Part], sums: Mapping[int, int], owed: Mapping[int, dict[str, int]]
) -> Rest | None:
    amount = row.amount - sum(part.amount for part in claims) + sums.get(row.document_id, 0)
    if not amount:
        return None
    if row.kind == "payout":
        reason = _payout_reason(row, sums)
    elif not claims:
        reason = UNSETTLED
    elif not row.postings:
        reason = LATER
    else:
        reason = _claimed_reason(row, amount, claims, owed.get(row.document_id, {}))
    return Rest(row.document_id, row.currency, amount, row.first, reason, row.kind)


def _payout_reason(row: Booked, sums: Mapping[int, int]) -> str:
    if row.document_id not in sums:
        return NO_ITEMS
    return RETURNED if row.amount == 0 and row.postings else ITEM_SUM


def _claimed_reason(row: Booked, amount: int, claims: list[Part], tenders: Mapping[str, int]) -> str:
    """Payments of the document that no item names yet are still to be paid out."""
    named = {part.item.source for part in claims}
    if tenders and amount == sum(value for key, value in tenders.items() if key not in named):
        return PARTLY
    # A dispute that was won later, a payment that was paid back: the later half waits for its payout.
    if row.kind == "dispute" and amount == row.amount - sum(part.amount for part in claims) > 0:
        return PARTLY
    payouts = {part.item.payout_id for part in claims}
    if len(payouts) > 1 and any(part.amount == -amount for part in claims):
        return TWICE
    return DIFFERS
