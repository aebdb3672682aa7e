"""Clearing accounts reconciled: the balance of a day as what is unsettled, and every payout to the cent."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db.models import BigIntegerField, Case, Count, F, Min, Q, QuerySet, Sum, When
from django.db.models.functions import Coalesce

from ledgerhub.core import bulk
from ledgerhub.core.collecting import uncollected
from ledgerhub.ledger import pairing, queries, settlement
from ledgerhub.ledger.force import in_force
from ledgerhub.ledger.models import Account, Allocation, Document, DocumentLine, Entry, Posting, Source
from ledgerhub.ledger.pairing import Decided, Pair, Row
from ledgerhub.ledger.settlement import WAITS, Booked, Item, Part, Rest, Settlement, Tender

_CHUNK = 5_000
NOTHING_DECIDED = Decided()


@dataclass
class Held:
    """A clearing account at the end of a day in one currency; minor units, oldest first.

    balance = unsettled + difference: `unsettled_sum` is what waits for a payout, `differences` and
    `unbooked` (items nothing is booked for, which count against) make the rest. What cancels is in `pairs`
    and nowhere else; `rows` is all else that may be paired by hand. `oldest_first`: no payout says what it
    is made of, so what came first is taken as paid out first, and nothing is proved by it.
    """

    currency: str
    balance: int = 0
    unsettled: list[Rest] = field(default_factory=list)
    differences: list[Rest] = field(default_factory=list)
    unbooked: list[Part] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    oldest_first: bool = False

    @property
    def unsettled_sum(self) -> int:
        return sum(rest.amount for rest in self.unsettled)

    @property
    def difference(self) -> int:
        return self.balance - self.unsettled_sum

    @property
    def causes(self) -> list[Cause]:
        """What makes the difference, by reason; they sum to it."""
        sums: dict[str, list[int]] = defaultdict(list)
        for rest in self.differences:
            sums[rest.reason].append(rest.amount)
        for part in self.unbooked:
            sums[part.reason or settlement.NEVER_BOOKED].append(-part.amount)
        return [Cause(reason, len(amounts), sum(amounts)) for reason, amounts in sorted(sums.items())]


class Cause(NamedTuple):
    """Rows that differ for one reason."""

    reason: str
    number: int
    amount: int


def held(clearing: Account, *, on: dt.date, decided: Decided = NOTHING_DECIDED) -> list[Held]:
    """The account at the end of a day, one row a currency; six queries. `decided` is what people said of
    rows that cancel."""
    with uncollected():
        return _held(clearing, on, decided)


def _held(clearing: Account, on: dt.date, decided: Decided) -> list[Held]:
    booked = list(_booked(clearing, Posting.objects.filter(account=clearing), on))
    payouts = _payouts(booked)
    items = _items(payouts)
    found = settlement.settle(booked, items, _tenders(clearing))
    pairs, open_rows = _take_pairs(found, booked, decided) if items else ([], [])
    by_currency: dict[str, Held] = {}
    for row in booked:
        by_currency.setdefault(row.currency, Held(row.currency))
    for balance in queries.currency_balances(clearing.organization, on=on, role="clearing"):
        if balance.account.pk == clearing.pk:
            by_currency.setdefault(balance.currency, Held(balance.currency)).balance = balance.amount
    for rest in found.rests.values():
        one = by_currency[rest.currency]
        (one.unsettled if rest.reason in WAITS else one.differences).append(rest)
    for part in found.unbooked:
        by_currency.setdefault(part.item.currency, Held(part.item.currency)).unbooked.append(part)
    for pair in pairs:
        by_currency.setdefault(pair.debit.currency, Held(pair.debit.currency)).pairs.append(pair)
    for left in open_rows:
        by_currency[left.currency].rows.append(left)
    for one in by_currency.values():
        one.unsettled.sort(key=lambda rest: (rest.day, rest.document_id))
        one.differences.sort(key=lambda rest: (rest.day, rest.document_id))
        if payouts and not items:
            _take_oldest(one)
    return [by_currency[currency] for currency in sorted(by_currency)]


def _take_pairs(
    found: Settlement, booked: Iterable[Booked], decided: Decided
) -> tuple[list[Pair], list[Row]]:
    """The pairs that cancel, taken off what is found, and all that is left."""
    paid = {row.document_id: row.first for row in booked if row.kind == "payout"}
    rows = pairing.rows(found, paid)
    pairs = pairing.pairs(rows, decided)
    gone = {row.left for pair in pairs for row in pair.rows}
    found.rests = {key: rest for key, rest in found.rests.items() if rest not in gone}
    found.unbooked = [part for part in found.unbooked if part not in gone]
    return pairs, [row for row in rows if row.left not in gone]


def _take_oldest(one: Held) -> None:
    rests = settlement.newest([*one.unsettled, *one.differences])
    one.unsettled = [rest for rest in rests if rest.reason in WAITS]
    one.differences = [rest for rest in rests if rest.reason not in WAITS]
    one.oldest_first = True


def _payouts(booked: Iterable[Booked]) -> list[int]:
    """Payouts of which something is booked up to the day."""
    return [row.document_id for row in booked if row.kind == "payout" and row.postings]


_DOCUMENT = ("document", "document__kind", "document__external_id", "document__reference")


def _booked(clearing: Account, postings: QuerySet[Posting], on: dt.date) -> Iterable[Booked]:
    until = Q(date__lte=on)
    rows = (
        postings.order_by()
        .values_list(*(f"entry__{name}" for name in _DOCUMENT), "currency")
        .annotate(
            total=Coalesce(Sum("amount", filter=until), 0),
            number=Count("pk", filter=until),
            first=Min("date"),
        )
    )
    moved = _allocated(clearing, on)
    for document, kind, external_id, reference, currency, total, number, first in rows:
        amount = total + moved.get(document, 0)
        yield Booked(document, kind, external_id, currency, amount, number, first, reference)


def _allocated(clearing: Account, on: dt.date) -> dict[int, int]:
    """Document id -> what was settled without a payout (cash carried to the bank), off both documents."""
    sign = Case(
        When(document__kind__in=("refund", "credit_note"), then=-F("amount")),
        default=F("amount"),
        output_field=BigIntegerField(),
    )
    rows = Allocation.objects.filter(account=clearing, by__date__lte=on).annotate(signed=sign)
    found: dict[int, int] = defaultdict(int)
    for document, by, amount in rows.values_list("document", "by", "signed"):
        found[document] -= amount
        found[by] += amount
    return found


_ITEM = (
    *("pk", "document", "document__currency", "external_id", "source_ref", "amount", "fee", "net"),
    *("category", "date"),
)


def _items(payouts: Sequence[int]) -> list[Item]:
    found: list[Item] = []
    for start in range(0, len(payouts), _CHUNK):
        rows = DocumentLine.objects.filter(document__in=payouts[start : start + _CHUNK], section="items")
        found += [Item(*row) for row in rows.order_by().values_list(*_ITEM)]
    return found


def _tenders(clearing: Account, documents: Collection[int] | None = None) -> list[Tender]:
    rows = DocumentLine.objects.filter(section="tenders")
    if documents is None:
        rows = rows.filter(document__in=Posting.objects.filter(account=clearing).values("entry__document"))
    else:
        rows = rows.filter(document__in=documents)
    columns = rows.order_by().values_list("document", "external_id", "amount", "document__kind", "category")
    return [
        Tender(document, external_id, -amount if kind == "refund" else amount)
        for document, external_id, amount, kind, gateway in columns
        if external_id and _is(gateway, clearing)
    ]


def _is(gateway: str, clearing: Account) -> bool:
    """Whether a tender went through this gateway; its name as sources write it."""
    return not gateway or "_".join(gateway.casefold().split()) == clearing.qualifier


# ── payouts ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class PayoutCheck:
    """A payout's items against its total and the books; minor units. `faults` and the ids of the documents
    an item stands for by item (line id); `rest` is what the payout itself leaves on the account."""

    payout_id: int
    total: int
    rest: Rest | None = None
    items: list[Item] = field(default_factory=list)
    faults: dict[int, list[Fault]] = field(default_factory=dict)
    documents: dict[int, list[int]] = field(default_factory=dict)
    cancelled: dict[int, Pair] = field(default_factory=dict)
    silent: bool = False

    @property
    def items_sum(self) -> int:
        return sum(item.net for item in self.items)

    @property
    def state(self) -> str:
        """complete: the items make the total, each booked as it is; manual: without items, and a later
        payout names it; silent: no payout of this gateway has items; missing: items are missing; differs:
        they do not agree with the books."""
        if self.items_sum == self.total and self.items:
            return "differs" if self.faults else "complete"
        if self.items:
            return "missing"
        if self.silent:
            return "silent"
        return "manual" if self.rest is None or self.rest.reason in WAITS else "missing"


class Fault(NamedTuple):
    """Why an item does not agree with the books: by how much, against which document."""

    reason: str
    amount: int
    document_id: int | None


def check_payouts(clearing: Account, payouts: Sequence[Document]) -> dict[int, PayoutCheck]:
    """Payout id -> check, of some payouts; a dozen queries however many, by the ids that items name."""
    found = {payout.pk: PayoutCheck(payout.pk, payout.total) for payout in payouts}
    items = _items(list(found))
    for item in items:
        found[item.payout_id].items.append(item)
    whole = _settled_around(clearing, items, payouts)
    for payout in payouts:
        found[payout.pk].rest = whole.rests.get((payout.pk, payout.currency))
    unbooked = set(whole.unbooked)
    for part in whole.parts:
        check = found.get(part.item.payout_id)
        if check is None:
            continue
        if part.document_id is not None:
            check.documents.setdefault(part.item.line_id, []).append(part.document_id)
        if fault := _fault(part, whole, unbooked):
            check.faults.setdefault(part.item.line_id, []).append(fault)
    if not items and any(check.state == "missing" for check in found.values()) and _never_says(clearing):
        for check in found.values():
            check.silent, check.rest = True, None
    return found


def explain(checks: Mapping[int, PayoutCheck], pairs: Iterable[Pair]) -> None:
    """Take the faults off items that cancel with something else; `cancelled` then names the pair."""
    by_key = {row.key: pair for pair in pairs for row in pair.rows if row.item}
    for check in checks.values():
        for item in check.items:
            pair = by_key.get((item.payout_id, pairing.item_key(item)))
            if pair is not None and item.line_id in check.faults:
                del check.faults[item.line_id]
                check.cancelled[item.line_id] = pair


def _never_says(clearing: Account) -> bool:
    """Whether no payout booked on the account has items."""
    booked = Posting.objects.filter(account=clearing, entry__document__kind="payout")
    rows = DocumentLine.objects.filter(section="items", document__in=booked.values("entry__document"))
    return not rows.exists()


def _fault(part: Part, whole: Settlement, unbooked: set[Part]) -> Fault | None:
    if part in unbooked:
        return Fault(part.reason or settlement.NEVER_BOOKED, part.amount, part.document_id)
    if part.document_id is None:
        return None
    rest = whole.rests.get((part.document_id, part.item.currency))
    if rest is None or rest.reason in WAITS:
        return None
    return Fault(rest.reason, rest.amount, part.document_id)


def _settled_around(clearing: Account, items: Sequence[Item], payouts: Sequence[Document]) -> Settlement:
    """`settle` over these payouts and the documents that their items name, with all other items that name
    the same ones."""
    names = {name for item in items for name in (item.external_id, item.source) if name}
    documents = sorted({*bearing(clearing.organization_id, names), *(payout.pk for payout in payouts)})
    tenders = _tenders(clearing, documents)
    booked = list(_booked(clearing, _postings_of(clearing, documents), dt.date.max))
    theirs = names | {row.external_id for row in booked} | {tender.external_id for tender in tenders}
    theirs |= {row.reference for row in booked if row.reference}
    mine = {item.line_id for item in items}
    more = [item for item in _items_naming(clearing, theirs) if item.line_id not in mine]
    whole = settlement.settle(booked, [*items, *more], tenders)
    # Of other payouts not all items were read: they are judged on their own pages.
    own = {payout.pk for payout in payouts}
    others = {row.document_id for row in booked if row.kind == "payout"} - own
    whole.rests = {key: rest for key, rest in whole.rests.items() if key[0] not in others}
    return whole


class Settling(NamedTuple):
    """A payout that settles a document, and the ids by which its items name that or a payment of it."""

    payout: Document
    names: frozenset[str]


def settling(clearing: Account, documents: Collection[int]) -> dict[int, list[Settling]]:
    """Document id -> the payouts in the books that settle it, the earliest first; those without: left out."""
    names = {tender.external_id for tender in _tenders(clearing, documents)}
    for own in Document.objects.filter(pk__in=documents).values_list("external_id", "reference"):
        names.update(filter(None, own))
    ids = {item.payout_id for item in _items_naming(clearing, names)}
    standing = Entry.objects.filter(in_force(), document__in=ids).values("document")
    payouts = list(Document.objects.filter(pk__in=standing).defer("data").order_by("date", "pk"))
    checks = check_payouts(clearing, payouts)
    found: dict[int, list[Settling]] = defaultdict(list)
    for payout in payouts:
        for document, said in _names_used(checks[payout.pk]).items():
            if document in documents:
                found[document].append(Settling(payout, frozenset(said)))
    return found


def _names_used(check: PayoutCheck) -> dict[int, set[str]]:
    items = {item.line_id: item for item in check.items}
    found: dict[int, set[str]] = defaultdict(set)
    for line_id, documents in check.documents.items():
        for document in documents:
            found[document] |= {items[line_id].external_id, items[line_id].source}
    return found


def bearing(organization_id: int, names: Collection[str]) -> list[int]:
    """Documents that bear one of these ids or references, or of which a payment does."""
    found: set[int] = set()
    rows = Document.objects.filter(organization=organization_id).order_by()
    lines = DocumentLine.objects.filter(section="tenders").order_by()
    sources = Source.objects.filter(organization=organization_id).values("pk")
    for chunk in bulk.chunks(sorted(names), _CHUNK):
        found.update(rows.filter(external_id__in=chunk).values_list("pk", flat=True))
        found.update(rows.filter(source__in=sources, reference__in=chunk).values_list("pk", flat=True))
        paid = list(lines.filter(external_id__in=chunk).values_list("document", flat=True))
        found.update(rows.filter(pk__in=paid).values_list("pk", flat=True))
    return sorted(found)


def _postings_of(clearing: Account, documents: Sequence[int]) -> QuerySet[Posting]:
    """Postings of some documents on the account, found by their entries, not by the whole account."""
    entries = list(Entry.objects.filter(document__in=documents).order_by().values_list("pk", flat=True))
    rows = Posting.objects.filter(entry__in=entries).order_by().values_list("pk", "account")
    return Posting.objects.filter(pk__in=[pk for pk, account in rows if account == clearing.pk])


def _items_naming(clearing: Account, names: Collection[str]) -> list[Item]:
    """Items of booked payouts on this account that name one of these ids."""
    found: dict[int, Item] = {}
    rows = DocumentLine.objects.filter(section="items").order_by()
    for chunk in bulk.chunks(sorted(names), _CHUNK):
        for lookup in ("source_ref__in", "external_id__in"):
            for row in rows.filter(**{lookup: chunk}).values_list(*_ITEM):
                found[row[0]] = Item(*row)
    payouts = {item.payout_id for item in found.values()}
    standing = _postings_of(clearing, sorted(payouts)).order_by()
    booked = set(standing.values_list("entry__document", flat=True))
    return [item for item in found.values() if item.payout_id in booked]


def documents_of(ids: Iterable[int]) -> dict[int, Document]:
    """Documents to be named on a page, without their data."""
    rows: Any = Document.objects.select_related("contact").defer("data")
    return {row.pk: row for row in rows.filter(pk__in=set(ids))}
