"""A QuickBooks company of the sandbox without limits, and an integration that delivers a shop's sales."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from pytest_django import Settings

from integrations import naming, register
from integrations.connection import TokenRow
from integrations.models import Integration, NameMap, Route
from integrations.oauth import Token
from integrations.sandbox.business import simulate
from integrations.sandbox.faults import Fault
from integrations.sandbox.quickbooks_books import Books
from integrations.sandbox.server import SandboxServer, running
from integrations.sandbox.systems import quickbooks
from ledgerhub.access.models import Organization
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.models import Source
from tests.integrations.limits import without_limits
from tests.ledger.drafts import DAY

NO_LIMITS = (10**9, 10**9, 10**9)


@dataclass
class There:
    """The company over there, and the integration that delivers to it."""

    server: SandboxServer
    integration: Integration

    @property
    def books(self) -> Books:
        return quickbooks.company(self.server.state).books

    def standing(self) -> list[tuple[str, Any]]:
        """(our reference, total) of documents that stand."""
        return sorted(
            (str(row.get("DocNumber") or row.get("PaymentRefNum")), row.get("TotalAmt"))
            for row in self.books.standing()
        )

    def fail(self, kind: str, path: str = "/v3", **how: Any) -> None:
        """The next answer below the path goes wrong."""
        self.server.state.faults.append(Fault("quickbooks", kind, path=path, **how))


@pytest.fixture
def there(organization: Organization, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[There]:
    settings.ALLOW_LOOPBACK_INTEGRATIONS = True
    without_limits(monkeypatch, "quickbooks")
    with running(simulate()) as server:
        server.state.settings["quickbooks_limits"] = NO_LIMITS
        given = quickbooks.issue(server.state)
        yield There(server, connected(organization, server.address, given))


def connected(organization: Organization, address: str, given: Mapping[str, Any]) -> Integration:
    """Connected with the tokens given, their lists read, names chosen, a shop's sales on their way."""
    install_chart(organization)
    system = quickbooks.system
    made = register.create(
        organization,
        "quickbooks",
        name="QuickBooks",
        settings={**system.settings, **system.secrets, "base_url": address + system.base},
    )
    Integration.objects.filter(pk=made.pk).update(state=Integration.State.ACTIVE)
    TokenRow(made).store(Token(given["access_token"], given["refresh_token"]))
    naming.refresh(made, patience=1)
    source = Source.objects.create(organization=organization, key="shop", label="Shop")
    Route.objects.create(destination=made, source=source, start_date=DAY)
    choose_all(made)
    return made


def choose_all(integration: Integration) -> None:
    """Every account of theirs with a code of ours, every item, and the tax code for no tax."""
    rows = [
        NameMap(
            integration=integration, what=one.what, ours=one.code or one.external_id, theirs=one.external_id
        )
        for one in integration.listed.filter(what__in=("account", "item"))
    ]
    NameMap.objects.bulk_create(
        [*rows, NameMap(integration=integration, what="tax", ours="none", theirs="NON")]
    )
