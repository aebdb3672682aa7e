"""Reporting: profit and loss, balance sheet and what the gateways hold, from balances a day or a period."""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from django.db.models import Q, QuerySet

from ledgerhub.access.models import Organization
from ledgerhub.ledger import queries
from ledgerhub.ledger.models import Account, Document, DocumentLine, Posting
from ledgerhub.ledger.queries import Balance, CurrencyBalance

_CHUNK = 150
_CHUNKS = 24
_MARGIN = dt.timedelta(days=3)  # a payout may be dated before what it settles, in another zone


class Section(NamedTuple):
    """Accounts of one type with what each comes to, and their sum; as people read it, mostly positive."""

    title: str
    rows: list[Balance]
    total: int


@dataclass(frozen=True)
class Report:
    """Sections in order, and the line under them."""

    sections: list[Section]
    label: str
    total: int


class Period(NamedTuple):
    """Two days, both included, and what people call that time."""

    key: str
    label: str
    start: dt.date
    end: dt.date


def periods(today: dt.date) -> list[Period]:
    """The periods people ask for, from `today` back."""
    month, quarter, year = _months(today, 1), _months(today, 3), _months(today, 12)
    before = [
        _months(start - dt.timedelta(days=1), size)
        for (start, _), size in ((month, 1), (quarter, 3), (year, 12))
    ]
    return [
        Period("month", "This month", *month),
        Period("last_month", "Last month", *before[0]),
        Period("quarter", "This quarter", *quarter),
        Period("last_quarter", "Last quarter", *before[1]),
        Period("year", "This year", *year),
        Period("last_year", "Last year", *before[2]),
    ]


def _months(day: dt.date, size: int) -> tuple[dt.date, dt.date]:
    """The month, quarter or year (1, 3 or 12 months) that `day` is in."""
    first = (day.month - 1) // size * size + 1
    last = first + size - 1
    return dt.date(day.year, first, 1), dt.date(day.year, last, calendar.monthrange(day.year, last)[1])


def profit_and_loss(organization: Organization, *, start: dt.date, end: dt.date) -> Report:
    """Income and expenses of a period in base minor units, and what is left."""
    moved = queries.balances(organization, on=end, since=start)
    income = _section("Income", moved, Account.Type.INCOME, sign=-1)
    expenses = _section("Expenses", moved, Account.Type.EXPENSE, sign=1)
    return Report([income, expenses], "Net profit", income.total - expenses.total)


def balance_sheet(organization: Organization, *, on: dt.date) -> Report:
    """Assets, liabilities and equity on a day; `total` is assets less the two others, 0 in sound books.

    Profits not yet closed to retained earnings stand as a line of equity of their own.
    """
    standing = queries.balances(organization, on=on)
    assets = _section("Assets", standing, Account.Type.ASSET, sign=1)
    liabilities = _section("Liabilities", standing, Account.Type.LIABILITY, sign=-1)
    equity = _section("Equity", standing, Account.Type.EQUITY, sign=-1)
    earned = -sum(
        row.base for row in standing if row.account.type in (Account.Type.INCOME, Account.Type.EXPENSE)
    )
    equity = Section(equity.title, [*equity.rows, *_earnings(earned)], equity.total + earned)
    difference = assets.total - liabilities.total - equity.total
    return Report([assets, liabilities, equity], "Assets less liabilities and equity", difference)


def _earnings(earned: int) -> list[Balance]:
    return [Balance(Account(code="", name="Profit to date, not yet closed"), earned)] if earned else []


def _section(title: str, rows: Iterable[Balance], type_: str, *, sign: int) -> Section:
    found = [Balance(row.account, sign * row.base) for row in rows if row.account.type == type_ and row.base]
    return Section(title, found, sum(row.base for row in found))


class Gateway(NamedTuple):
    """A clearing account: what it holds by currency (minor units) and in base, and its newest payouts."""

    account: Account
    currencies: list[CurrencyBalance]
    base: int
    payouts: list[Document]


def gateways(organization: Organization, *, on: dt.date | None = None, payouts: int = 3) -> list[Gateway]:
    """Every gateway with a clearing account; the payouts in one query a gateway."""
    accounts = Account.objects.filter(organization=organization, role="clearing")
    held = queries.clearing_balances(organization, on=on)
    found = []
    for account in accounts:
        mine = [row for row in held if row.account == account]
        newest = payouts_of(account)[:payouts] if payouts else ()
        found.append(Gateway(account, mine, sum(row.base for row in mine), list(newest)))
    return found


def payouts_of(clearing: Account) -> QuerySet[Document]:
    """Payouts of a gateway, newest first; its name as sources write it: "Shop Pay" is `shop_pay`."""
    named = Q(gateway__iexact=clearing.qualifier) | Q(gateway__iexact=clearing.qualifier.replace("_", " "))
    rows = Document.objects.filter(named, organization=clearing.organization_id, kind="payout")
    return rows.order_by("-date", "-id")


class Unsettled(NamedTuple):
    """Postings no payout's items name; `complete` is False where older ones were not looked at."""

    postings: list[Posting]
    complete: bool


def unsettled(clearing: Account, *, on: dt.date | None = None, limit: int = 60) -> Unsettled:
    """What payouts up to a day have not settled, newest first; postings are compared a chunk at a time.

    A payout item names a document by the id of its charge or refund at the source (the document's own or
    one of its payments'), or by its own id, which is a fee's.
    """
    found: list[Posting] = []
    settled: set[str] = set()
    last: Posting | None = None
    until = on or dt.date.max
    for _ in range(_CHUNKS):
        chunk = _chunk(clearing, on or dt.date.max, last)
        if chunk:
            since = chunk[-1].date - _MARGIN
            settled |= _named_by_payouts(clearing, since=since, until=until)
            until = since
            found += _without_item(chunk, settled)
        if len(found) > limit:
            break
        if len(chunk) < _CHUNK:
            return Unsettled(found, complete=True)
        last = chunk[-1]
    return Unsettled(found[:limit], complete=False)


def _chunk(clearing: Account, on: dt.date, last: Posting | None) -> list[Posting]:
    rows = Posting.objects.filter(account=clearing, date__lte=last.date if last else on)
    if last:
        rows = rows.exclude(date=last.date, pk__gte=last.pk)
    related = rows.select_related("entry__document__contact", "entry__reversed_by").defer(
        "entry__document__data"
    )
    return list(related.order_by("-date", "-pk")[:_CHUNK])


def _named_by_payouts(clearing: Account, *, since: dt.date, until: dt.date) -> set[str]:
    """Ids in the items of payouts of some days."""
    payouts = (
        payouts_of(clearing).filter(date__gte=since, date__lte=until).order_by().values_list("pk", flat=True)
    )
    items = DocumentLine.objects.filter(document__in=list(payouts), section="items")
    return {name for row in items.order_by().values_list("external_id", "source_ref") for name in row} - {""}


def _without_item(postings: list[Posting], settled: set[str]) -> list[Posting]:
    """Those that stand and whose document, or one of its payments, is not among the settled ids."""
    standing = [
        row
        for row in postings
        if row.entry.document.kind != "payout"
        and row.entry.document.external_id not in settled
        and row.entry.reverses_id is None
        and not hasattr(row.entry, "reversed_by")
    ]
    tenders: dict[int, list[str]] = {}
    rows = DocumentLine.objects.filter(
        document__in={row.entry.document_id for row in standing}, section="tenders"
    )
    for document, tender in rows.order_by().values_list("document", "external_id"):
        tenders.setdefault(document, []).append(tender)
    return [row for row in standing if settled.isdisjoint(tenders.get(row.entry.document_id, ()))]
