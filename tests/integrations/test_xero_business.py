"""The simulated business in the sandbox's Xero: what stands there says what the books say, to the cent."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum

from integrations import delivery
from integrations.models import Delivery, Integration, NameMap, Route
from integrations.sandbox.business import simulate
from integrations.sandbox.server import SandboxServer, running
from integrations.sandbox.systems import xero
from ledgerhub.access.models import Organization
from ledgerhub.core.money import from_minor
from ledgerhub.ledger.models import Account, Posting, Source
from tests.harbor import SOURCES, connect, found
from tests.integrations.limits import without_limits
from tests.integrations.xero_company import NO_LIMITS, connected
from tests.jobs import drain

pytestmark = pytest.mark.django_db(transaction=True)
ABROAD = ("ebay", "paypal")  # hold other currencies


@pytest.fixture
def sandbox(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxServer]:
    settings.ALLOW_LOOPBACK_INTEGRATIONS = True
    without_limits(monkeypatch)
    with running(simulate(7, orders=60)) as server:
        server.state.settings["xero_limits"] = NO_LIMITS
        yield server


def to_xero(organization: Organization, sandbox: SandboxServer) -> Integration:
    """All its sources on their way there; an account over there for each of ours."""
    made = connected(organization, sandbox.address, xero.issue(sandbox.state))
    Route.objects.all().delete()
    Route.objects.bulk_create(
        Route(destination=made, source=source, start_date=dt.date(2000, 1, 1))
        for source in Source.objects.filter(organization=organization)
    )
    accounts = xero.organisation(sandbox.state).books.accounts
    for account in Account.objects.filter(organization=organization):
        if account.code not in accounts:
            accounts[account.code] = {**accounts["1050"], "Code": account.code, "Name": account.name}
            NameMap.objects.create(integration=made, what="account", ours=account.code, theirs=account.code)
    return made


def in_books(currency: str, **narrow: Any) -> Counter[str]:
    rows = Posting.objects.filter(currency=currency, **narrow).order_by().values_list("account__code")
    return Counter(dict(rows.annotate(Sum("amount")).values_list("account__code", "amount__sum")))


def test_the_business_arrives_to_the_cent(sandbox: SandboxServer) -> None:
    """Sales, payments, refunds, fees, disputes and payouts of every shop and processor, each by itself."""
    organization = found()
    # The first two gateways are bank accounts over there, where alone other currencies can stand.
    for keys in (ABROAD, [key for key in SOURCES if key not in ABROAD]):
        for key in keys:
            connect(organization, sandbox, key)
        drain()
    made = to_xero(organization, sandbox)
    for _ in range(3):
        delivery.run_slice(made.pk)
    failed = Delivery.objects.exclude(state="delivered")
    for row in failed:
        assert "booked in two months" in row.error or "comes to nothing" in row.error, (str(row), row.error)
    assert failed.count() < 6
    assert Delivery.objects.filter(state="delivered").count() > 300
    assert Delivery.objects.filter(part__gt=0).exists(), "the business sells what goes there in parts"
    books = xero.organisation(sandbox.state).books
    for currency in set(Posting.objects.values_list("currency", flat=True)):
        ours = in_books(currency)
        ours.subtract(in_books(currency, entry__document__in=failed.values("document")))
        expected = {code: from_minor(amount, currency) for code, amount in ours.items() if amount}
        assert books.balances(currency) == expected
    assert sum(books.balances().values(), Decimal(0)) == 0
