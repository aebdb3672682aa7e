"""Reporting: profit and loss, balance sheet and what the gateways hold, from balances a day or a period."""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from django.db.models import Exists, OuterRef, QuerySet

from ledgerhub.access.models import Organization
from ledgerhub.ledger import queries
from ledgerhub.ledger.models import Account, Document, DocumentLine, Posting
from ledgerhub.ledger.queries import Balance, CurrencyBalance

_CHUNK = 400
_SCAN = 4_000
_FIRST = dt.date(1970, 1, 1)


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
    """Payouts that were booked against a clearing account, newest first."""
    booked = Posting.objects.filter(account=clearing, entry__document=OuterRef("pk"))
    rows = Document.objects.filter(Exists(booked), organization=clearing.organization_id, kind="payout")
    return rows.order_by("-date", "-id")


class Unsettled(NamedTuple):
    """Postings no payout's items name; `complete` is False where older ones were not looked at."""

    postings: list[Posting]
    complete: bool


def unsettled(clearing: Account, *, on: dt.date | None = None, limit: int = 200) -> Unsettled:
    """As queries.unsettled, newest first and bounded: a chunk of postings is compared at a time."""
    found: list[Posting] = []
    before, seen = on or dt.date.max, 0
    last = 0
    while len(found) <= limit and seen < _SCAN:
        chunk = _chunk(clearing, before, last)
        found += _without_item(clearing, chunk)
        seen += len(chunk)
        if len(chunk) < _CHUNK:
            return Unsettled(found[:limit], complete=len(found) <= limit)
        before, last = chunk[-1].date, chunk[-1].pk
    return Unsettled(found[:limit], complete=False)


def _chunk(clearing: Account, before: dt.date, last: int) -> list[Posting]:
    rows = Posting.objects.filter(account=clearing, date__lte=before)
    if last:
        rows = rows.exclude(date=before, pk__gte=last)
    return list(
        rows.select_related("entry__document__contact", "entry__reversed_by").order_by("-date", "-pk")[
            :_CHUNK
        ]
    )


def _without_item(clearing: Account, postings: list[Posting]) -> list[Posting]:
    """Those that stand and whose document, or one of its payments, no payout item names."""
    standing = [
        row
        for row in postings
        if row.entry.document.kind != "payout" and row.entry.reverses_id is None and not _is_reversed(row)
    ]
    tenders: dict[int, list[str]] = {}
    documents = {row.entry.document_id for row in standing}
    rows = DocumentLine.objects.filter(document__in=documents, section="tenders")
    for document, tender in rows.values_list("document", "external_id"):
        tenders.setdefault(document, []).append(tender)
    names = {row.entry.document.external_id for row in standing} | {
        t for ids in tenders.values() for t in ids
    }
    settled = set(
        DocumentLine.objects.filter(
            source_ref__in=names - {""}, section="items", document__organization=clearing.organization_id
        ).values_list("source_ref", flat=True)
    )
    return [
        row
        for row in standing
        if settled.isdisjoint([row.entry.document.external_id, *tenders.get(row.entry.document_id, [])])
    ]


def _is_reversed(row: Posting) -> bool:
    return hasattr(row.entry, "reversed_by")
