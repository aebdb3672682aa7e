"""A Xero organisation of the sandbox without limits, and an integration that delivers a shop's documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import Settings

from integrations import naming, register
from integrations.connection import TokenRow
from integrations.models import Integration, NameMap, Route
from integrations.oauth import Token
from integrations.sandbox.business import simulate
from integrations.sandbox.faults import Fault
from integrations.sandbox.server import SandboxServer, running
from integrations.sandbox.systems import xero
from integrations.sandbox.xero_books import Books, Record
from ledgerhub.access.models import Organization
from ledgerhub.core.money import from_minor
from ledgerhub.ledger import queries
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.models import Account, Source
from tests.integrations.limits import without_limits
from tests.ledger.drafts import DAY

NO_LIMITS = (10**9, 10**9)


@dataclass
class There:
    """The organisation over there, and the integration that delivers to it."""

    server: SandboxServer
    integration: Integration

    @property
    def books(self) -> Books:
        return xero.organisation(self.server.state).books

    def only(self, endpoint: str) -> Record:
        [row] = self.books.standing(endpoint)
        return row

    def fail(self, kind: str, path: str = "/api.xro", **how: Any) -> None:
        """The next answer below the path goes wrong."""
        self.server.state.faults.append(Fault("xero", kind, path=path, **how))

    def our_balances(self) -> dict[str, Decimal]:
        """What our books say of each account, in major units; those at nothing are left out."""
        accounts = Account.objects.filter(organization=self.integration.organization)
        found = {row.code: from_minor(queries.account_balance(row), "USD") for row in accounts}
        return {code: amount for code, amount in found.items() if amount}


@pytest.fixture
def there(organization: Organization, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[There]:
    settings.ALLOW_LOOPBACK_INTEGRATIONS = True
    without_limits(monkeypatch, "xero")
    with running(simulate()) as server:
        server.state.settings["xero_limits"] = NO_LIMITS
        yield There(server, connected(organization, server.address, xero.issue(server.state)))


def connected(organization: Organization, address: str, given: Mapping[str, Any]) -> Integration:
    """Connected with the tokens given, their lists read, names chosen, a shop's documents on their way."""
    install_chart(organization)
    # No bank account over there: PayPal's money moves by invoices, credit notes and journals.
    Account.objects.get_or_create(
        organization=organization,
        role="clearing",
        qualifier="paypal",
        defaults={"code": "1102", "name": "PayPal clearing", "type": "asset"},
    )
    system = xero.system
    made = register.create(
        organization,
        "xero",
        name="Xero",
        settings={
            **system.settings,
            **system.secrets,
            "tenant": xero.TENANT,
            "base_url": address + system.base,
        },
    )
    Integration.objects.filter(pk=made.pk).update(state=Integration.State.ACTIVE)
    TokenRow(made).store(Token(given["access_token"], given["refresh_token"]))
    naming.refresh(made, patience=1)
    source = Source.objects.create(organization=organization, key="shop", label="Shop")
    Route.objects.create(destination=made, source=source, start_date=DAY)
    accounts = made.listed.filter(what="account")
    NameMap.objects.bulk_create(
        [
            *(
                NameMap(integration=made, what="account", ours=one.code, theirs=one.external_id)
                for one in accounts
            ),
            NameMap(integration=made, what="tax", ours="none", theirs="NONE"),
        ]
    )
    return made
