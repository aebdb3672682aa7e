"""A destination of the tests whose documents go out summed up, and what stands over there by account."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from django.db.models import Sum

from integrations.models import Integration, NameMap, Route
from ledgerhub.ledger.models import Account, Posting, Source
from tests.integrations.tiny_books import TinyBooks
from tests.ledger.drafts import DAY


@pytest.fixture
def daily(destination: Integration) -> Integration:
    return going(destination, Route.Mode.DAILY)


@pytest.fixture
def by_payout(destination: Integration) -> Integration:
    for key in ("balance", "payouts"):
        source = Source.objects.create(organization=destination.organization, key=key, label=key.capitalize())
        Route.objects.create(destination=destination, source=source, start_date=DAY)
    return going(destination, Route.Mode.PAYOUT)


def going(integration: Integration, mode: str) -> Integration:
    """Its routes go that way; theirs are called as ours are."""
    Route.objects.update(mode=mode)
    NameMap.objects.all().delete()
    codes = {"1100", "1101", "1102", *Account.objects.values_list("code", flat=True)}
    NameMap.objects.bulk_create(
        NameMap(integration=integration, what="account", ours=code, theirs=code) for code in codes
    )
    return integration


def there(books: TinyBooks) -> list[tuple[str, str, dict[str, int]]]:
    """(day, currency, amount by account) of what stands over there, by day."""
    standing = [doc for doc in books.docs.values() if "day" in doc and not doc["void"]]
    rows = [(doc["day"], doc["currency"], dict(doc["lines"])) for doc in standing]
    return sorted(rows, key=lambda row: (row[0], row[1], sorted(row[2].items())))


def total_there(books: TinyBooks) -> dict[tuple[str, str], int]:
    """(account, currency) -> what stands over there."""
    found: Counter[tuple[str, str]] = Counter()
    for _, currency, lines in there(books):
        found.update({(code, currency): amount for code, amount in lines.items()})
    return {key: amount for key, amount in found.items() if amount}


def in_books(**narrow: Any) -> dict[tuple[str, str], int]:
    rows = Posting.objects.filter(**narrow).order_by().values_list("account__code", "currency")
    return {(code, currency): amount for code, currency, amount in rows.annotate(Sum("amount")) if amount}
