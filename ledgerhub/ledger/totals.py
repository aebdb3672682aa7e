"""Totalling: what was posted a day to each account, written with the postings, so balances are read fast.

Measured in PostgreSQL on two cores: summing 1,000,000 postings takes 150 to 190 ms, these rows 3 ms.
Rows are only added, never changed: no two writers wait for each other. Now and then those of a day merge.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from typing import NamedTuple

from django.db import transaction
from django.db.models import QuerySet, Sum

from ledgerhub.access.models import Organization
from ledgerhub.core import bulk
from ledgerhub.ledger.models import DailyTotal, Posting

MERGE_EVERY = 64  # entries


class Part(NamedTuple):
    """A posting as the totals see it; amounts in minor units, debit positive."""

    account_id: int
    date: dt.date
    currency: str
    amount: int
    base_amount: int


class Wrong(NamedTuple):
    """A day whose totals are not the sum of its postings."""

    account_id: int
    date: dt.date
    currency: str
    totals: tuple[int, int]
    postings: tuple[int, int]


def add(parts: Iterable[Part]) -> None:
    """Add postings to the totals; call it in the transaction that writes the postings."""
    sums: dict[tuple[int, dt.date, str], tuple[int, int]] = {}
    for account_id, date, currency, amount, base_amount in parts:
        key = (account_id, date, currency)
        before = sums.get(key, (0, 0))
        sums[key] = (before[0] + amount, before[1] + base_amount)
    _insert({key: value for key, value in sums.items() if value != (0, 0)})


@transaction.atomic
def merge(accounts: Collection[int], days: Collection[dt.date]) -> None:
    """Make one row of the several an account may have for a day. Sums stay what they are.

    Only rows this transaction could lock are taken, so two merging at once never take the same row.
    """
    rows = list(
        DailyTotal.objects.filter(account__in=accounts, date__in=days)
        .order_by("pk")
        .select_for_update(skip_locked=True, of=("self",))
    )
    add(Part(row.account_id, row.date, row.currency, row.amount, row.base_amount) for row in rows)
    DailyTotal.objects.filter(pk__in=[row.pk for row in rows]).delete()


def wrong(organization: Organization | None = None) -> list[Wrong]:
    """Days whose totals differ from the sum of their postings: must be empty."""
    totals, postings = (
        _sums(DailyTotal.objects.all(), organization),
        _sums(Posting.objects.all(), organization),
    )
    return [
        Wrong(*key, totals.get(key, (0, 0)), postings.get(key, (0, 0)))
        for key in sorted(totals.keys() | postings.keys())
        if totals.get(key, (0, 0)) != postings.get(key, (0, 0))
    ]


def _sums(
    rows: QuerySet[DailyTotal] | QuerySet[Posting], organization: Organization | None
) -> dict[tuple[int, dt.date, str], tuple[int, int]]:
    if organization is not None:
        rows = rows.filter(account__organization=organization)
    grouped = rows.order_by().values_list("account", "date", "currency")
    summed = grouped.annotate(whole=Sum("amount"), base=Sum("base_amount"))
    return {(account, date, currency): (whole, base) for account, date, currency, whole, base in summed}


def _insert(sums: dict[tuple[int, dt.date, str], tuple[int, int]]) -> None:
    bulk.write(DailyTotal, Part._fields, [(*key, *value) for key, value in sums.items()])
