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
from ledgerhub.ledger.models import Account, Document
from ledgerhub.ledger.queries import Balance, CurrencyBalance


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
