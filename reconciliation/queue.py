"""The queue: open lines with the proposal each leads, one item a proposal; narrowed, ordered and counted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import Case, Count, F, FilteredRelation, Q, QuerySet, Sum, Value, When
from django.db.models.functions import Abs, Coalesce, Least
from django.utils import timezone

from ledgerhub.access.models import Organization
from ledgerhub.core.tables import Column, Filter
from ledgerhub.ledger.models import Account, StatementLine
from reconciliation import notes, open_rows
from reconciliation.amounts import NoAmount, parse_amount
from reconciliation.cancelling import OF_LINES
from reconciliation.models import LineNote, Match, MatchLine

SURE = 0.9
Lines = QuerySet[StatementLine]
Rows = QuerySet[Any]


@dataclass(frozen=True)
class Scope:
    """Whose lines: one account's, or those of all accounts of an organization."""

    organization: Organization
    account: Account | None = None

    @property
    def currency(self) -> str:
        """Of amounts that people type into filters."""
        return open_rows.currency_of(self.account) if self.account else self.organization.base_currency

    @property
    def lines(self) -> Lines:
        found = open_rows.all_lines().filter(organization=self.organization)
        return found.filter(account=self.account) if self.account else found

    @property
    def proposals(self) -> QuerySet[Match]:
        found = Match.objects.filter(OF_LINES, organization=self.organization, state=Match.State.PROPOSED)
        return found.filter(account=self.account) if self.account else found


def approvable(scope: Scope) -> QuerySet[Match]:
    """Proposals that may be approved without looking at each: nothing left over, no tie."""
    return scope.proposals.filter(difference=0, tie=False)


# ── the items ─────────────────────────────────────────────────────────────────────────────────────────


def items(scope: Scope) -> Lines:
    """Open lines, each with the proposal it leads as `best`; the other lines of a group are left out.

    `probability` is 0 without a proposal and 1 of what a person prepared; `size` the amount without sign;
    `worth` rises with what a look at it is worth.
    """
    others = _rows(scope).filter(match__line_count__gt=1).exclude(statement_line=F("match__line"))
    lines = scope.lines.exclude(pk__in=others.values("statement_line"))
    best = FilteredRelation("led", condition=Q(led__state=Match.State.PROPOSED))
    return lines.annotate(best=best).annotate(
        proposal=F("best__pk"),
        probability=Case(When(best__isnull=True, then=0.0), default=Coalesce(F("best__probability"), 1.0)),
        size=Abs("amount"),
        worth=_worth(),
    )


def _rows(scope: Scope) -> QuerySet[MatchLine]:
    """The statement lines of all proposals."""
    rows = MatchLine.objects.filter(match__state=Match.State.PROPOSED, statement_line__isnull=False)
    rows = rows.filter(match__organization=scope.organization)
    return rows.filter(match__account=scope.account) if scope.account else rows


READY = Q(best__isnull=False, best__tie=False, best__difference=0) & (
    Q(best__probability__gte=SURE) | Q(best__probability__isnull=True)
)
# Said outright rather than as "not ready": without a proposal all of these are unknown.
NEEDS_A_PERSON = (
    Q(best__isnull=True) | Q(best__tie=True) | ~Q(best__difference=0) | Q(best__probability__lt=SURE)
)
_CLASS = 10**15
_LARGEST = 10**14


def _worth() -> Any:
    """Ties, differences, doubtful ones, lines without a proposal, the rest; in each by amount and age."""
    today = timezone.now().date()
    old, older = today - dt.timedelta(days=30), today - dt.timedelta(days=90)
    rank = Case(
        When(best__tie=True, then=5),
        When(Q(best__isnull=False) & ~Q(best__difference=0), then=4),
        When(best__probability__lt=SURE, then=3),
        When(best__isnull=True, then=2),
        default=1,
    )
    age = Case(When(date__lt=older, then=4), When(date__lt=old, then=2), default=1)
    return rank * Value(_CLASS) + Least(Abs(F("amount")), Value(_LARGEST)) * age


# ── filters ───────────────────────────────────────────────────────────────────────────────────────────

SHOW = "Show"
SHOWN = (("", "All open"), ("ready", "Ready"), ("person", "Needs a person"), ("none", "No proposal"))
KINDS = (
    ("one_one", "One to one"),
    ("one_many", "One line, several entries"),
    ("many_one", "Several lines, one entry"),
    ("many_many", "Several to several"),
    ("cancel", "Lines that cancel each other"),
    ("rule", "Booked by a rule"),
    ("category", "Suggested category"),
    ("person", "Prepared by a person"),
    ("difference", "With a difference"),
    ("tie", "Tie"),
)
_KIND = {
    "one_one": Q(best__line_count=1, best__entry_count=1),
    "one_many": Q(best__line_count=1, best__entry_count__gt=1),
    "many_one": Q(best__line_count__gt=1, best__entry_count=1),
    "many_many": Q(best__line_count__gt=1, best__entry_count__gt=1),
    "cancel": Q(best__line_count__gt=1, best__entry_count=0),
    "rule": Q(best__method="rule"),
    "category": Q(best__method="category"),
    "person": Q(best__method="person"),
    "difference": Q(best__isnull=False) & ~Q(best__difference=0),
    "tie": Q(best__tie=True),
}
_WORDS = ("description", "counterparty", "reference")

COLUMNS = (
    Column("date", "Date", order_by="date"),
    Column("description", "Text", order_by="description"),
    Column("counterparty", "Payer or payee", order_by="counterparty"),
    Column("reference", "Reference"),
    Column("amount", "Amount (minor units)", order_by="size"),
    Column("currency", "Currency"),
    Column("probability", "Probability", order_by="probability"),
    Column("worth", "Worth a look", order_by="worth", exported=False),
)
SORTS = (
    ("-worth", "Worth a look first"),
    ("date", "Oldest first"),
    ("-date", "Newest first"),
    ("-amount", "Largest first"),
    ("-probability", "Likeliest first"),
    ("probability", "Least likely first"),
)


def filters(scope: Scope, accounts: Sequence[Account] = ()) -> list[Filter]:
    """What narrows the queue; `accounts` to choose from where it is of all."""

    def in_lines(condition: Callable[[str, str], Q]) -> Callable[[Rows, str], Rows]:
        def apply(rows: Rows, text: str) -> Rows:
            others = _rows(scope).filter(condition(text, "statement_line__"), match__line_count__gt=1)
            return rows.filter(condition(text, "") | Q(pk__in=others.values("match__line")))

        return apply

    def amount(text: str, prefix: str) -> Q:
        return _amount(text, prefix, scope.currency)

    choice = Filter("account", "Account", choices=[(str(one.pk), str(one)) for one in accounts])
    return [
        Filter("show", SHOW, kind="hidden", apply=_by_show),
        Filter("q", "Search", kind="text", apply=in_lines(_words)),
        *([choice] if accounts else []),
        Filter("amount", "Amount", kind="text", apply=in_lines(amount)),
        Filter("payer", "Payer or payee", kind="text", apply=in_lines(_payer)),
        Filter("way", "Money", choices=[("in", "Money in"), ("out", "Money out")], apply=_by_way),
        Filter("kind", "Kind", choices=KINDS, apply=lambda rows, kind: rows.filter(_KIND[kind])),
        Filter("least", "Likely at least (%)", kind="text", apply=_by_probability),
        Filter("notes", "Notes", choices=[("any", "With a note"), ("asked", "Waits for an answer")],
               apply=_by_notes),
        Filter("since", "From", "date__gte", kind="date"),
        Filter("until", "To", "date__lte", kind="date"),
    ]  # fmt: skip


def _words(text: str, prefix: str) -> Q:
    """Every word somewhere in the line or in what was said about it."""
    wanted = Q()
    for word in text.split():
        said = LineNote.objects.filter(text__icontains=word)
        found = Q(**{f"{prefix}pk__in": said.values("line")})
        for path in _WORDS:
            found |= Q(**{f"{prefix}{path}__icontains": word})
        wanted &= found
    return wanted


def _payer(text: str, prefix: str) -> Q:
    return Q(**{f"{prefix}counterparty__icontains": text})


def _amount(text: str, prefix: str, currency: str) -> Q:
    """`120.50` with either sign, or `100..200`; raises ValueError, which the list puts in words."""
    first, dots, last = text.partition("..")
    try:
        least = abs(parse_amount(first, currency)) if first or not dots else 0
        most = abs(parse_amount(last, currency)) if last else least if not dots else 10**15
    except NoAmount as error:
        raise ValueError(str(error)) from None
    path = f"{prefix}amount__range"
    return Q(**{path: (least, most)}) | Q(**{path: (-most, -least)})


def _by_show(rows: Rows, show: str) -> Rows:
    conditions = {"ready": READY, "person": NEEDS_A_PERSON, "none": Q(best__isnull=True)}
    return rows.filter(conditions[show]) if show in conditions else rows


def _by_way(rows: Rows, way: str) -> Rows:
    return rows.filter(amount__gt=0) if way == "in" else rows.filter(amount__lt=0)


def _by_probability(rows: Rows, text: str) -> Rows:
    """`95`, `99.9%`; raises ValueError where it is no number."""
    percent = float(text.replace("%", "").replace(",", ".").strip())
    if not 0 <= percent <= 100:
        raise ValueError("A probability lies between 0 and 100.")
    return rows.filter(best__isnull=False, probability__gte=percent / 100)


def _by_notes(rows: Rows, which: str) -> Rows:
    found = notes.asked() if which == "asked" else LineNote.objects.all()
    return rows.filter(pk__in=found.values("line"))


# ── counts ────────────────────────────────────────────────────────────────────────────────────────────


class Counts(NamedTuple):
    """How many items each tab has."""

    all: int
    ready: int
    person: int
    none: int


def count(scope: Scope) -> Counts:
    """Two queries: of open lines, and of proposals with the lines they take."""
    lines = scope.lines.count()
    sure = Q(difference=0, tie=False) & (Q(probability__gte=SURE) | Q(probability__isnull=True))
    found = scope.proposals.aggregate(
        matches=Count("pk"), lines=Coalesce(Sum("line_count"), 0), ready=Count("pk", filter=sure)
    )
    every = max(0, lines - found["lines"] + found["matches"])
    ready = min(found["ready"], every)
    return Counts(every, ready, every - ready, max(0, lines - found["lines"]))
