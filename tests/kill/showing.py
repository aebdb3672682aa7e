"""Invoices shown in the sandbox's HubSpot by a process that is killed at random, then paid and shown."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NamedTuple

from integrations.models import Route
from integrations.sandbox.business import simulate
from integrations.sandbox.hubspot_objects import portal
from integrations.sandbox.server import SandboxServer, running
from integrations.sandbox.systems import hubspot
from ledgerhub.ledger.accounts import install_chart
from ledgerhub.ledger.models import Document, Source
from tests.integrations.delivering import sell
from tests.integrations.hubspot_portal import NO_LIMITS, registered
from tests.integrations.test_payments_followed import settle
from tests.kill.delivering import INSIDE, killed
from tests.kill.scene import found_bare
from tests.ledger.drafts import DAY
from tests.processes import Installation


class Shown(NamedTuple):
    """Of each number how often it is there, the words for them, invoices without a customer, contacts."""

    numbers: Counter[str]
    words: Counter[str]
    untied: int
    contacts: int


def show(installation: Installation, documents: int, kills: int) -> list[Shown]:
    """What is there after all were shown, and after half of them was paid."""
    with running(simulate()) as server:
        server.state.settings["hubspot_limits"] = NO_LIMITS
        given = json.dumps(hubspot.issue(server.state))
        asked = ("tests.kill.showing.owed", server.address, given, str(documents))
        pk = str(installation.ask(INSIDE, *asked, seconds=300))
        found = [_round(installation, server, pk, documents, kills)]
        installation.ask(INSIDE, "tests.kill.showing.paid", seconds=300)
        return [*found, _round(installation, server, pk, 0, kills)]


def _round(installation: Installation, server: SandboxServer, pk: str, documents: int, kills: int) -> Shown:
    here = portal(server.state)
    worker = killed(installation, lambda: len(here.invoices), pk, documents, kills)
    assert worker.wait(300) == 0, installation.log.read_text()[-2000:]
    rows = [row["properties"] for row in here.invoices.values()]
    return Shown(
        Counter(row["hs_number"] for row in rows),
        Counter(row["ledgerhub_status"] for row in rows),
        len(here.invoices) - len({invoice for invoice, _ in here.ties}),
        len(here.contacts),
    )


# ── inside the installation ─────────────────────────────────────────────────────────────────────────


def owed(address: str, given: str, documents: str) -> int:
    """An organization with that many open invoices of one customer; the integration's id."""
    organization = found_bare()
    install_chart(organization)
    integration = registered(organization, address, json.loads(given), make_contacts=True)
    source = Source.objects.create(organization=organization, key="shop", label="Shop")
    Route.objects.create(destination=integration, source=source, start_date=DAY)
    for number in range(int(documents)):
        sell(integration, 1000, id=str(number), status="open", tenders=[])
    return integration.pk


def paid() -> Any:
    """Every second invoice is paid."""
    for invoice in Document.objects.filter(kind="invoice").order_by("pk")[::2]:
        settle(invoice, 1000, id=f"p{invoice.pk}")
