"""The whole way: sync the simulated business over HTTP; the books equal its truth to the cent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db.models import Sum

from integrations.models import Quarantine, SyncRun
from integrations.sandbox import truth
from integrations.sandbox.business import simulate
from integrations.sandbox.server import SandboxServer, running
from ledgerhub.access.models import Organization
from ledgerhub.ledger.models import Posting
from tests.harbor import SOURCES, connect, found
from tests.integrations.limits import without_limits
from tests.jobs import drain

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def unlimited(loopback: None, monkeypatch: pytest.MonkeyPatch) -> None:
    without_limits(monkeypatch)


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with running(simulate(7, orders=60)) as server:
        yield server


@pytest.fixture
def harbor() -> Organization:
    return found()


def balances(organization: Organization, currency: str = "") -> dict[str, int]:
    """Account role[:qualifier] -> balance, zeros left out: in base currency, or of one currency alone."""
    postings = Posting.objects.filter(organization=organization)
    if currency:
        postings = postings.filter(currency=currency)
    rows = postings.values_list("account__role", "account__qualifier").annotate(
        total=Sum("amount" if currency else "base_amount")
    )
    return {f"{role}:{qualifier}" if qualifier else role: total for role, qualifier, total in rows if total}


@pytest.mark.parametrize("key", SOURCES)
def test_books_equal_the_truth(harbor: Organization, sandbox: SandboxServer, key: str) -> None:
    connect(harbor, sandbox, key)
    drain()
    assert [(q.external_id, q.cause_label) for q in Quarantine.objects.all()] == []
    assert {run.state for run in SyncRun.objects.all()} == {"succeeded"}
    business, clock = sandbox.business, sandbox.state.clock
    assert balances(harbor) == truth.balances(business, clock=clock, systems=[key])
    for currency in ("USD", *business.rates.currencies):
        expected = truth.balances(business, clock=clock, systems=[key], currency=currency)
        assert balances(harbor, currency) == expected
