"""A HubSpot account of the sandbox without limits, and an integration that reads it and shows it invoices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from pytest_django import Settings

from integrations import connectors, register
from integrations.connection import TokenRow
from integrations.models import Integration, Route
from integrations.oauth import Token
from integrations.register import Choice
from integrations.sandbox.business import simulate
from integrations.sandbox.faults import Fault
from integrations.sandbox.hubspot_objects import Portal, portal
from integrations.sandbox.server import SandboxServer, running
from integrations.sandbox.systems import hubspot
from ledgerhub.access.models import Organization
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.models import Source
from tests.integrations.limits import without_limits
from tests.ledger.drafts import DAY

NO_LIMITS = (10**9, 10**9)


@dataclass
class Crm:
    """The account over there, and the integration."""

    server: SandboxServer
    integration: Integration

    @property
    def portal(self) -> Portal:
        return portal(self.server.state)

    def shown(self) -> dict[str, tuple[Any, ...]]:
        """Number -> (their status, our word, open) of invoices over there."""
        rows = [row["properties"] for row in self.portal.invoices.values()]
        names = ("hs_invoice_status", "ledgerhub_status", "ledgerhub_open")
        return {row["hs_number"]: tuple(row[name] for name in names) for row in rows}

    def fail(self, kind: str, path: str, **how: Any) -> None:
        """The next answer below the path goes wrong."""
        self.server.state.faults.append(Fault("hubspot", kind, path=path, **how))


@pytest.fixture
def crm(organization: Organization, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crm]:
    """With invoices of a shop on their way."""
    settings.ALLOW_LOOPBACK_INTEGRATIONS = True
    without_limits(monkeypatch, "hubspot")
    install_chart(organization)
    with running(simulate(7, orders=60)) as server:
        made = connected(organization, server)
        source = Source.objects.create(organization=organization, key="shop", label="Shop")
        Route.objects.create(destination=made, source=source, start_date=DAY)
        yield Crm(server, made)


def read(integration: Integration) -> None:
    """Queue the first sync of all streams."""
    streams = connectors.get("hubspot").streams
    register.activate(integration, [Choice(stream.key) for stream in streams])


def connected(organization: Organization, server: SandboxServer) -> Integration:
    """Connected with a token, nothing read yet."""
    server.state.settings["hubspot_limits"] = NO_LIMITS
    return registered(organization, server.address, hubspot.issue(server.state))


def registered(
    organization: Organization, address: str, given: Mapping[str, Any], **settings: Any
) -> Integration:
    system = hubspot.system
    made = register.create(
        organization,
        "hubspot",
        name="HubSpot",
        settings={**system.settings, **system.secrets, "base_url": address + system.base, **settings},
    )
    TokenRow(made).store(Token(given["access_token"], given["refresh_token"]))
    Integration.objects.filter(pk=made.pk).update(state=Integration.State.ACTIVE)
    return made
