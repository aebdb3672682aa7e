"""The reconciliation report of a period: outstanding items on both sides, methods, adjustments; and back
from the form in which a sign-off keeps it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery, Sum

from ledgerhub.ledger.force import in_force
from ledgerhub.ledger.models import Account, Posting
from reconciliation import open_rows
from reconciliation.models import Confirmation, Match, MatchLine
from reconciliation.proof import Proof, prove

AGES = ((30, "Up to 30 days"), (60, "31 to 60 days"), (90, "61 to 90 days"))
_OLDER = "Over 90 days"
# Settling what is owed is no adjustment.
_SETTLED = ("receivable", "payable", "clearing", "bank")


class Item(NamedTuple):
    """A row that one side has and the other not yet, on the report's last day; minor units, signed as the
    bank shows it. `met` is the day on which the other side followed, None while it has not."""

    day: dt.date
    text: str
    reference: str
    contact: str
    amount: int
    age: int
    met: dt.date | None = None
    entry_id: int | None = None

    @property
    def bucket(self) -> str:
        return next((label for days, label in AGES if self.age <= days), _OLDER)


class Tally(NamedTuple):
    """How many matches, by method or by person."""

    label: str
    number: int


class Adjustment(NamedTuple):
    """What matches of the period booked to an account themselves; debit positive, minor units."""

    code: str
    name: str
    number: int
    amount: int


class Age(NamedTuple):
    """How many outstanding items of an age there are, and what they come to."""

    label: str
    number: int
    amount: int


class Section(NamedTuple):
    """One list of the report; `empty` says what it means that there is nothing in it."""

    title: str
    empty: str
    items: list[Item]
    total: int


@dataclass
class Report:
    """What is printed. `payments` and `receipts` are in the books and not at the bank, `later` bank lines
    whose entry is dated after the day, `unbooked` bank lines nobody has explained, `cancelling` rows of a
    clearing account that come to nothing, two by two; `totals` what each of these comes to, `ages` how old
    what is outstanding is."""

    payments: list[Item] = field(default_factory=list)
    receipts: list[Item] = field(default_factory=list)
    later: list[Item] = field(default_factory=list)
    unbooked: list[Item] = field(default_factory=list)
    cancelling: list[Item] = field(default_factory=list)
    adjustments: list[Adjustment] = field(default_factory=list)
    methods: list[Tally] = field(default_factory=list)
    people: list[Tally] = field(default_factory=list)
    totals: dict[str, int] = field(default_factory=dict)
    ages: list[Age] = field(default_factory=list)

    def sections(self, *, clearing: bool = False) -> list[Section]:
        """The lists as they are printed, of a bank or a clearing account."""
        titles = _CLEARING_SECTIONS if clearing else _SECTIONS
        return [
            Section(title, empty, getattr(self, name), self.totals.get(name, 0))
            for name, (title, empty) in titles.items()
        ]

    def kept(self) -> dict[str, Any]:
        """As JSON, for a sign-off."""
        return {
            **{name: [_plain(item) for item in getattr(self, name)] for name in _LISTS},
            "totals": self.totals,
            "ages": [list(row) for row in self.ages],
            "adjustments": [list(row) for row in self.adjustments],
            "methods": [list(row) for row in self.methods],
            "people": [list(row) for row in self.people],
        }


_SECTIONS = {
    "payments": ("Payments not at the bank yet", "No payment is outstanding."),
    "receipts": ("Receipts not at the bank yet", "No receipt is outstanding."),
    "later": ("Bank lines booked after the day", "None: every line is booked by that day."),
    "unbooked": ("Bank lines not in the books", "None: every line is explained."),
}


_CLEARING_SECTIONS = {
    "receipts": ("Owed by the processor, not in a payout yet", "Nothing waits for a payout."),
    "payments": ("Owed to the processor, not taken from a payout yet", "Nothing is owed."),
    "cancelling": ("Pairs that cancel each other", "None: nothing had to be paired."),
}
_LISTS = (*_SECTIONS, "cancelling")


def counted(found: Report) -> Report:
    """Totals and ages, which a sign-off keeps as they were."""
    found.totals = {name: sum(item.amount for item in getattr(found, name)) for name in _LISTS}
    waiting = [*found.payments, *found.receipts]
    for label in [*(label for _, label in AGES), _OLDER]:
        if rows := [item.amount for item in waiting if item.bucket == label]:
            found.ages.append(Age(label, len(rows), sum(rows)))
    return found


def read(kept: dict[str, Any]) -> Report:
    """The report as it was signed."""
    lists = {name: [_item(row) for row in kept.get(name, ())] for name in _LISTS}
    return Report(
        **lists,
        adjustments=[Adjustment(*row) for row in kept.get("adjustments", ())],
        methods=[Tally(*row) for row in kept.get("methods", ())],
        people=[Tally(*row) for row in kept.get("people", ())],
        totals=kept.get("totals", {}),
        ages=[Age(*row) for row in kept.get("ages", ())],
    )


def _plain(item: Item) -> list[Any]:
    return [value.isoformat() if isinstance(value, dt.date) else value for value in item]


def _item(row: Sequence[Any]) -> Item:
    day, text, reference, contact, amount, age, met, entry_id = row
    seen = dt.date.fromisoformat(met) if met else None
    return Item(dt.date.fromisoformat(day), text, reference, contact, amount, age, seen, entry_id)


# ── from the books ────────────────────────────────────────────────────────────────────────────────────


def compile_report(account: Account, until: dt.date) -> tuple[Proof, Report]:
    """What stands now, of the period that ends with `until`; about twenty queries."""
    proof = prove(account, until=until)
    after = proof.opening.day if proof.opening else None
    waiting, later = _waiting(account, until), _later(account, until)
    matches = period_matches(account, after, until)
    found = Report(
        payments=[item for item in waiting if item.amount < 0],
        receipts=[item for item in waiting if item.amount >= 0],
        later=later,
        unbooked=_unbooked(account, until),
        adjustments=_adjustments(account, matches),
        methods=_methods(matches),
        people=_people(matches),
    )
    return proof, counted(found)


def period_matches(account: Account, after: dt.date | None, until: dt.date) -> QuerySet[Match]:
    """Confirmed matches with a bank line of the period."""
    lines = MatchLine.objects.filter(match__account=account, confirmed=True, statement_line__date__lte=until)
    if after is not None:
        lines = lines.filter(statement_line__date__gt=after)
    return Match.objects.filter(account=account, state=Match.State.CONFIRMED, pk__in=lines.values("match"))


def _waiting(account: Account, until: dt.date) -> list[Item]:
    """In the books on the day, at the bank later or not yet; oldest first."""
    still_open = open_rows.postings(account).filter(date__lte=until)
    related = ("entry__document__contact",)
    found = [_posting_item(row, until, None) for row in still_open.select_related(*related)]
    reaching = _reaching(account, until).filter(posting__date__lte=until)
    for row in reaching.select_related("posting__entry__document__contact"):
        if row.posting is not None:
            found.append(_posting_item(row.posting, until, row.met))  # type: ignore[attr-defined]
    return sorted(found, key=lambda item: (item.day, item.text))


def _reaching(account: Account, until: dt.date) -> QuerySet[MatchLine]:
    """Rows of matches that reach over the day; `met` is when the other side followed."""
    rows = MatchLine.objects.filter(match__account=account, confirmed=True)
    late = rows.filter(Q(posting__date__gt=until) | Q(statement_line__date__gt=until))
    others = MatchLine.objects.filter(match=OuterRef("match"))
    bank = others.filter(statement_line__isnull=False).order_by("-statement_line__date")
    books = others.filter(posting__isnull=False).order_by("-posting__date")
    return rows.filter(match__in=late.values("match")).annotate(
        met=Subquery(bank.values("statement_line__date")[:1]),
        booked=Subquery(books.values("posting__date")[:1]),
    )


def _later(account: Account, until: dt.date) -> list[Item]:
    rows = _reaching(account, until).filter(statement_line__date__lte=until)
    return [
        _line_item(row.statement_line, until, row.booked)  # type: ignore[attr-defined]
        for row in rows.select_related("statement_line").order_by("statement_line__date", "pk")
    ]


def _unbooked(account: Account, until: dt.date) -> list[Item]:
    rows = open_rows.lines(account).filter(date__lte=until).order_by("date", "position")
    return [_line_item(line, until, None) for line in rows]


def _posting_item(row: Posting, until: dt.date, met: dt.date | None) -> Item:
    document = row.entry.document
    reference = document.number or document.reference or document.external_id
    contact = document.contact.name if document.contact else document.get_gateway_label()
    text = row.memo or row.entry.memo
    reference = "" if reference in text else reference
    return Item(row.date, text, reference, contact, row.amount, (until - row.date).days, met, row.entry_id)


def _line_item(line: Any, until: dt.date, met: dt.date | None) -> Item:
    age = (until - line.date).days
    return Item(line.date, line.description, line.reference, line.counterparty, line.amount, age, met)


_METHODS = {
    "engine": "Proposed by the engine, approved by a person",
    "person": "Matched by a person",
    "coded": "Booked from the bank line",
    "rule": "Booked by a bank rule",
    "category": "Booked to a suggested category",
}
_AUTO = "Approved by an auto-approval rule"


def _methods(matches: QuerySet[Match]) -> list[Tally]:
    confirmed = Confirmation.objects.filter(match=OuterRef("pk"), action=Confirmation.Action.CONFIRM)
    auto = Exists(confirmed.filter(rule__isnull=False))
    rows = matches.annotate(auto=auto).order_by().values_list("method", "auto").annotate(count=Count("pk"))
    found: dict[str, int] = {}
    for method, is_auto, count in rows:
        label = _AUTO if is_auto else _METHODS.get(method, method)
        found[label] = found.get(label, 0) + count
    return [Tally(label, count) for label, count in sorted(found.items())]


def _people(matches: QuerySet[Match]) -> list[Tally]:
    """Who confirmed how many; what a rule approved has no person."""
    rows = Confirmation.objects.filter(
        match__in=matches, action=Confirmation.Action.CONFIRM, by__isnull=False
    )
    counted = (
        rows.order_by().values_list("by__name", "by__email").annotate(count=Count("match", distinct=True))
    )
    return sorted(Tally(name or email, count) for name, email, count in counted)


def _adjustments(account: Account, matches: QuerySet[Match]) -> list[Adjustment]:
    """What confirming booked beside the bank account: charges, interest, differences, by account."""
    documents = matches.filter(document__isnull=False).values("document")
    rows = (
        Posting.objects.filter(entry__document__in=documents)
        .filter(in_force("entry__"))
        .exclude(account=account)
        .exclude(account__role__in=_SETTLED)
    )
    counted = rows.order_by("account__code").values_list("account__code", "account__name")
    return [
        Adjustment(*row)
        for row in counted.annotate(count=Count("entry", distinct=True), amount=Sum("amount"))
    ]
