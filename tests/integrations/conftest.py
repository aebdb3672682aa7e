"""A destination of the tests: somebody else's books on loopback, and an integration that delivers to them."""

from __future__ import annotations

import pytest
from pytest_django import Settings
from pytest_httpserver import HTTPServer

from integrations import connectors, register
from integrations.models import Integration, NameMap, Route
from ledgerhub.access.models import Organization
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.models import Source
from tests.integrations.limits import without_pauses
from tests.integrations.tiny_books import TinyBooks, connector
from tests.ledger.drafts import DAY


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    without_pauses(monkeypatch)


@pytest.fixture
def tiny_books(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> TinyBooks:
    settings.ALLOW_LOOPBACK_INTEGRATIONS = True
    monkeypatch.setitem(connectors.CONNECTORS, "tiny_books", connector())
    return TinyBooks(httpserver)


@pytest.fixture
def destination(organization: Organization, tiny_books: TinyBooks) -> Integration:
    install_chart(organization)
    source = Source.objects.create(organization=organization, key="shop", label="Shop")
    made = register.create(
        organization,
        "tiny_books",
        name="Tiny Books",
        settings={"key": "canary", "base_url": tiny_books.server.url_for("").rstrip("/")},
    )
    Integration.objects.filter(pk=made.pk).update(state=Integration.State.ACTIVE)
    Route.objects.create(destination=made, source=source, start_date=DAY)
    for ours, theirs in (("1100", "a1"), ("4000", "a2")):
        NameMap.objects.create(integration=made, what="account", ours=ours, theirs=theirs)
    return made
