"""The whole way: sync the simulated business over HTTP; the books equal its truth to the cent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db.models import Sum

from integrations import connectors, register
from integrations.models import Integration, Quarantine, SyncRun
from integrations.register import Choice
from integrations.sandbox import truth
from integrations.sandbox.business import simulate
from integrations.sandbox.catalog import SYSTEMS
from integrations.sandbox.server import SandboxServer, running
from ledgerhub.access.models import Organization
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.models import Account, Posting
from tests.jobs import drain

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def loopback(settings: object) -> None:
    settings.ALLOW_LOOPBACK_INTEGRATIONS = True  # type: ignore[attr-defined]


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with running(simulate(7, orders=60)) as server:
        yield server


@pytest.fixture
def harbor() -> Organization:
    made = Organization.objects.create(
        name="Harbor Coffee Co.", slug="harbor", base_currency="USD", timezone="America/New_York"
    )
    install_chart(made)
    return made


def connect(organization: Organization, sandbox: SandboxServer, key: str) -> Integration:
    """Register a system of the sandbox with all its streams, first sync queued."""
    system = SYSTEMS[key]
    integration = register.create(
        organization,
        key,
        name=system.label,
        settings={**system.settings, **system.secrets, "base_url": sandbox.address + system.base},
        bank_account=Account.objects.get(organization=organization, role="bank", qualifier=""),
    )
    streams = connectors.get(key).streams
    register.activate(integration, [Choice(stream.key) for stream in streams])
    return integration


def balances(organization: Organization) -> dict[str, int]:
    """Account role[:qualifier] -> base balance, zeros left out."""
    rows = (
        Posting.objects.filter(organization=organization)
        .values_list("account__role", "account__qualifier")
        .annotate(total=Sum("base_amount"))
    )
    return {f"{role}:{qualifier}" if qualifier else role: total for role, qualifier, total in rows if total}


@pytest.mark.parametrize("key", ["stripe", "shopify"])
def test_books_equal_the_truth(harbor: Organization, sandbox: SandboxServer, key: str) -> None:
    connect(harbor, sandbox, key)
    drain()
    assert [(q.external_id, q.cause_label) for q in Quarantine.objects.all()] == []
    assert {run.state for run in SyncRun.objects.all()} == {"succeeded"}
    expected = truth.balances(sandbox.business, clock=sandbox.state.clock, systems=[key])
    assert balances(harbor) == expected
