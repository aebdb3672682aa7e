"""Sales in other currencies as a user meets them: rates asked for, balances a currency each, reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from integrations import sync
from integrations.models import Quarantine, Stream
from integrations.sandbox import truth
from integrations.sandbox.business import simulate
from integrations.sandbox.paypal_sales import PayPal
from integrations.sandbox.server import SandboxServer, running
from ledgerhub.access.models import Organization, Role, User
from ledgerhub.core.templatetags.formats import NO_BREAK, format_money
from ledgerhub.ledger.models import Account, Document, ExchangeRate
from tests.factories import make_user
from tests.harbor import connect, found
from tests.integrations.test_sandbox_books import balances
from tests.jobs import drain

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sandbox(settings: Settings) -> Iterator[SandboxServer]:
    settings.ALLOW_LOOPBACK_INTEGRATIONS = True
    with running(simulate(7, orders=60)) as server:
        yield server


@pytest.fixture
def harbor() -> Organization:
    return found()


@pytest.fixture
def keeper(harbor: Organization, signed_in: Callable[[User], Client]) -> Client:
    """A bookkeeper's browser."""
    return signed_in(
        make_user(email="keeper@harbor.example", name="Kit", organization=harbor, role=Role.BOOKKEEPER)
    )


def read(client: Client, name: str, harbor: Organization, *more: int, **query: str) -> str:
    answer = client.get(reverse(name, args=[harbor.slug, *more]), query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_without_rates_they_wait_until_a_file_of_rates_is_uploaded(
    harbor: Organization, sandbox: SandboxServer, keeper: Client
) -> None:
    ExchangeRate.objects.all().delete()
    connect(harbor, sandbox, "paypal")
    drain()
    business, clock = sandbox.business, sandbox.state.clock
    abroad = [move for move in business.of(PayPal).moves if move.currency != "USD" and move.counts(clock)]
    assert set(Quarantine.objects.values_list("external_id", flat=True)) == {move.key for move in abroad}
    assert "There is no exchange rate from CAD to USD" in read(keeper, "ledger:rates", harbor)
    file = SimpleUploadedFile("rates.csv", business.rates.csv().encode(), "text/csv")
    keeper.post(reverse("ledger:rates", args=[harbor.slug]), {"upload": "1", "file": file})
    assert ExchangeRate.objects.count() == len(business.rates.rows)
    sync.replay(Stream.objects.get())
    drain()
    assert balances(harbor) == truth.balances(business, clock=clock, systems=["paypal"])


def test_each_currency_has_its_balance_and_what_it_cost_is_in_the_profit_and_loss(
    harbor: Organization, sandbox: SandboxServer, keeper: Client
) -> None:
    connect(harbor, sandbox, "paypal")
    drain()
    business, clock = sandbox.business, sandbox.state.clock
    assert set(Document.objects.values_list("currency", flat=True)) == {"USD", "CAD", "GBP"}
    held = business.of(PayPal).held(clock)
    account = Account.objects.get(organization=harbor, role="clearing", qualifier="paypal")
    for name, amount in held.items():
        currency = name.partition(":")[2] or "USD"
        page = read(keeper, "ledger:clearing_account", harbor, account.pk, on="2026-10-31", currency=currency)
        assert "What came first is taken as paid out first" in page
        assert f'{format_money(amount, currency)}{NO_BREAK}<abbr class="currency">{currency}<' in page
    lost = truth.balances(business, clock=clock, systems=["paypal"])["exchange_difference"]
    page = read(keeper, "ledger:profit_and_loss", harbor, start="2026-07-01", end="2026-10-31")
    assert "Exchange gains and losses" in page
    assert format_money(lost, "USD") in page
