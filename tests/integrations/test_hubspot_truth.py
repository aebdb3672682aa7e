"""The CRM beside the shop: what it shows of invoices is what the simulated business says, then and later."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from integrations import delivery, outbox, sync
from integrations.models import Delivery, Integration, Quarantine, Route, Stream
from integrations.sandbox.business import simulate
from integrations.sandbox.crm import Crm
from integrations.sandbox.hubspot_objects import portal
from integrations.sandbox.server import SandboxServer, running
from integrations.sandbox.systems import hubspot
from ledgerhub.ledger.models import ContactIdentity, Document
from tests.harbor import connect, found
from tests.integrations.hubspot_portal import connected, read
from tests.integrations.limits import without_limits
from tests.jobs import drain

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sandbox(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxServer]:
    settings.ALLOW_LOOPBACK_INTEGRATIONS = True
    without_limits(monkeypatch, "hubspot")
    with running(simulate(7, orders=60)) as server:
        yield server


def shown(sandbox: SandboxServer) -> dict[str, tuple[str, int]]:
    """Number -> (word, cents open) of every invoice over there that is not voided."""
    rows = [row["properties"] for row in portal(sandbox.state).invoices.values()]
    names = [row["hs_number"] for row in rows]
    assert len(names) == len(set(names)), "no invoice is there twice"
    return {
        row["hs_number"]: (row["ledgerhub_status"], round(float(row["ledgerhub_open"]) * 100))
        for row in rows
        if row["hs_invoice_status"] != "voided"
    }


def round_trip(made: Integration) -> None:
    """Every stream is read again and everything goes out."""
    for stream in Stream.objects.filter(enabled=True):
        sync.request_run(stream, trigger="person")
    drain()
    delivery.run_slice(made.pk)
    drain()


def test_contacts_and_invoices_equal_the_truth(sandbox: SandboxServer) -> None:
    business, end = sandbox.business, sandbox.state.clock
    refunds = [
        refund.at
        for order in business.orders
        if order.name in business.of(Crm).invoices(business, end)
        for refund in order.refunds
        if refund.at <= end
    ]
    sandbox.state.move(refunds[len(refunds) // 2] - 60)
    organization = found()
    shop = connect(organization, sandbox, "shopify")
    made = connected(organization, sandbox)
    read(made)
    drain()
    source = shop.streams.get(key="orders").source
    Route.objects.create(destination=made, source=source, start_date=business.start)
    round_trip(made)
    assert shown(sandbox) == business.of(Crm).invoices(business, sandbox.state.clock)
    before = dict(shown(sandbox))
    hubspot.hooks(business, sandbox.state, sandbox.state.clock, end)  # as time passes there
    sandbox.state.move(end)
    round_trip(made)
    now = shown(sandbox)
    assert now == business.of(Crm).invoices(business, end)
    assert {word for word, _ in now.values()} >= {"paid", "part refunded", "refunded"}
    assert [name for name, state in before.items() if now[name] != state] != [], "some were paid or refunded"
    assert list(Quarantine.objects.values_list("cause_label", flat=True)) == []
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered", "dismissed"}
    ours = ContactIdentity.objects.filter(scope=f"integration:{made.pk}")
    assert set(ours.values_list("external_id", flat=True)) >= set(business.of(Crm).contacts(end))
    calls = made.calls.exclude(method="GET").exclude(url__contains="search").count()
    round_trip(made)
    assert (outbox.plan(made), shown(sandbox)) == (0, now)
    assert made.calls.exclude(method="GET").exclude(url__contains="search").count() == calls


def test_every_invoice_is_tied_to_whom_the_books_say(sandbox: SandboxServer) -> None:
    organization = found()
    shop = connect(organization, sandbox, "shopify")
    made = connected(organization, sandbox)
    read(made)
    drain()
    source = shop.streams.get(key="orders").source
    Route.objects.create(destination=made, source=source, start_date=sandbox.business.start)
    round_trip(made)
    people = {person.id: person.email for person in sandbox.business.of(Crm).people}
    here = portal(sandbox.state)
    emails = dict(Document.objects.filter(kind="invoice").values_list("number", "contact__email"))
    tied = {
        here.invoices[invoice]["properties"]["hs_number"]: people[to.removeprefix("contacts/")]
        for invoice, to in here.ties
    }
    assert tied == {number: emails[number] for number in tied}
    assert len(tied) == len(here.invoices) > 0
