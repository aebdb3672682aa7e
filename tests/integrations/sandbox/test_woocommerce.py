"""WooCommerce and its sandbox: lists as WordPress cuts them, what is gone, and its signed messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.test import Client as DjangoClient
from pytest_django import Settings

from integrations.client import Client
from integrations.connectors import CONNECTORS
from integrations.messages import Message, Trust, WebhookRefused
from integrations.models import Integration, Quarantine, WebhookEvent
from integrations.sandbox import truth
from integrations.sandbox.business import simulate
from integrations.sandbox.events import DAY
from integrations.sandbox.faults import Fault
from integrations.sandbox.server import SandboxServer, running
from integrations.sandbox.systems.woocommerce import HOOK_SECRET, SECRET, signed, system
from integrations.sandbox.woocommerce_sales import CASH, FORCED, Order, Wholesale
from ledgerhub.core.errors import ConfigError
from ledgerhub.ledger.models import Document, Posting
from ledgerhub.ledger.settlement import Booked, Item, Tender, settle
from tests.harbor import connect, found
from tests.integrations.proving import NOW, never, proven
from tests.integrations.sampled import made_of, mapping
from tests.integrations.test_connector_records import FIXTURES
from tests.integrations.test_connectors import Unlimited
from tests.jobs import drain

WOO = CONNECTORS["woocommerce"]
ORDERS = WOO.stream("orders")
assert WOO.webhook is not None
VERIFY = WOO.webhook.verify


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with running(simulate(7, orders=60)) as made:
        yield made


def talking(server: SandboxServer, secret: str = SECRET) -> Client:
    return Client(
        WOO,
        {**system.settings, "base_url": f"{server.address}{system.base}"},
        {**system.secrets, "secret": secret},
        allow_loopback=True,
        budget=lambda bucket: Unlimited(),
    )


def orders_of(server: SandboxServer) -> tuple[Order, ...]:
    return server.business.of(Wholesale).orders


def one_of(server: SandboxServer, scenario: str) -> Order:
    return next(order for order in orders_of(server) if order.scenario == scenario)


def ids(client: Client, cursor: Any = None) -> tuple[list[int], Any]:
    pages = list(client.pages(ORDERS, cursor))
    return [row["id"] for page in pages for row in page.records], pages[-1].cursor


# ── the facts ───────────────────────────────────────────────────────────────────────────────────
def test_every_kind_of_order_is_there(server: SandboxServer) -> None:
    orders = orders_of(server)
    assert {order.scenario for order in orders} >= set(FORCED)
    assert {order.with_tax for order in orders} == {order.coupon for order in orders} == {True, False}
    days = range(server.business.clock - 90 * DAY, server.business.clock, DAY)
    assert {order.status(clock) for order in orders for clock in days} == {
        *("", "trash", "pending", "on-hold", "processing", "completed", "refunded", "cancelled", "failed"),
        "checkout-draft",
    }


def test_the_books_follow_the_orders_at_any_time(server: SandboxServer) -> None:
    """What customers owe is what was sent for cash and not paid; nothing of what is gone."""
    for clock in range(server.business.clock - 60 * DAY, server.business.clock, 7 * DAY):
        owed = [
            order.total - sum(refund.amount for refund in order.refunds if refund.at <= clock)
            for order in orders_of(server)
            if order.method == CASH and order.status(clock) == "processing"
        ]
        balances = truth.balances(server.business, clock=clock, systems=["woocommerce"])
        assert balances.get("receivable", 0) == sum(owed)


# ── lists ───────────────────────────────────────────────────────────────────────────────────────
def test_orders_are_read_with_those_in_the_trash(server: SandboxServer) -> None:
    with talking(server) as client:
        assert client.test().words == "Connected to wholesale.harbor.example, sells in USD."
        read, _ = ids(client)
    there = [order.id for order in orders_of(server) if order.status(server.state.clock)]
    assert sorted(read) == there
    assert one_of(server, "trashed").id == read[-1]


def test_only_what_changed_is_read_again_whatever_the_shops_zone(server: SandboxServer) -> None:
    """WordPress turns an instant that says it is UTC into the site's time and compares it with UTC: four
    hours of changes would be left out each time."""
    begun = server.state.clock
    with talking(server) as client:
        _, cursor = ids(client)
        server.state.move(begun + 2 * DAY)
        again, _ = ids(client, cursor)
    shown = [order for order in orders_of(server) if order.status(server.state.clock)]
    changed = {order.id for order in shown if any(begun < at <= begun + 2 * DAY for at in order.moments())}
    assert changed
    assert changed <= set(again)
    assert len(again) < len(shown) / 2


def test_a_refund_brings_its_order_with_its_lines(server: SandboxServer) -> None:
    order = one_of(server, "refund")
    with talking(server) as client:
        record = client.fetch_one(ORDERS, str(order.id))
    assert record is not None
    [refund] = ORDERS.shape(record)["refunds"]
    assert [refund["id"], refund["is_credit"], len(refund["lines"])] == [order.refunds[0].id, False, 1]


# ── trouble ─────────────────────────────────────────────────────────────────────────────────────
def test_a_wrong_secret_is_said_in_words(server: SandboxServer) -> None:
    with talking(server, "cs_wrong") as client, pytest.raises(ConfigError) as caught:
        client.test()
    assert str(caught.value).startswith("WooCommerce does not accept these credentials (401). Enter a key")


@pytest.mark.parametrize("path", ["/wp-json/wc/v3/wrong", "/wrong"])
def test_a_shop_without_the_interface_does_not_say_that_orders_are_gone(
    server: SandboxServer, path: str
) -> None:
    with talking(server) as client:
        assert client.fetch_one(ORDERS, "999999") is None
        client.base_url += path
        with pytest.raises(ConfigError, match=r"no REST interface of WooCommerce at this address \(404\)"):
            client.fetch_one(ORDERS, "999999")


def test_a_page_of_the_host_does_not_say_that_an_order_is_gone() -> None:
    said = WOO.understand(404, {}, None)
    assert said is not None
    assert said.kind == "config"


@pytest.mark.parametrize(
    ("shop", "right"),
    [
        *(("shop.example.com", True), ("example.com/de/shop", True), ("https://example.com", False)),
        *(("example", False), ("example.com/../admin", False), ("example.com@evil.example", False)),
        *(("example.com?x=1", False), ("example.com#", False), ("Example.com", False)),
    ],
)
def test_an_address_is_a_host_and_a_folder(shop: str, right: bool) -> None:
    assert (WOO.setting("shop").problem(shop) == "") == right


# ── who books what ──────────────────────────────────────────────────────────────────────────────
def test_a_payout_of_stripes_finds_the_order_by_its_charge() -> None:
    """The shop books the sale, Stripe's own integration its fee and the payout: nothing is left of either."""
    case = json.loads((FIXTURES / "woocommerce/order_paid.json").read_text(), parse_float=Decimal)
    [invoice], _, _ = made_of(ORDERS, mapping(WOO, ORDERS, case), case["record"])
    [tender] = invoice["tenders"]
    amount, day = tender["amount"], tender["date"]
    booked = [
        Booked(1, "invoice", invoice["external_id"], "USD", amount, 1, day),
        Booked(2, "fee", "txn_1", "USD", -216, 1, day),
        Booked(3, "payout", "po_1", "USD", 216 - amount, 1, day),
    ]
    item = Item(1, 3, "USD", "txn_1", "ch_3Example", amount, 216, amount - 216)
    found = settle(booked, [item], [Tender(1, tender["external_id"], amount)])
    assert (tender["gateway"], found.rests, found.unbooked) == ("stripe", {}, [])


# ── messages ────────────────────────────────────────────────────────────────────────────────────
def test_messages_of_a_real_shop_are_believed(reference: Path) -> None:
    path = reference / "vendor/woocommerce/recorded-6.9.4/webhook-deliveries.json"
    if not path.exists():
        pytest.skip(f"no recorded messages at {path}")
    told = []
    for delivery in json.loads(path.read_text()).values():
        headers = {name.lower(): str(value) for name, value in delivery["headers"].items()}
        body = delivery["raw_body"].encode()
        event = proven(VERIFY, headers, body, ("old", delivery["secret"]))
        told.append((event.id, event.type, event.stream, event.record_id))
        with pytest.raises(WebhookRefused):
            proven(VERIFY, headers, body + b" ", (delivery["secret"],))
    assert [event[1:] for event in told] == [
        ("order.updated", "orders", "16"),
        ("order.deleted", "orders", "16"),
        ("customer.updated", "customers", "2"),
        ("product.updated", "", "12"),
    ]
    # All four came in one second, under one delivery id.
    assert len({event[0] for event in told}) == 4


def test_a_repeat_is_the_same_event_and_another_of_the_same_second_is_not() -> None:
    def event(topic: str, body: bytes) -> str:
        headers = {name.lower(): value for name, value in signed(topic, body).items()}
        return proven(VERIFY, headers, body, (HOOK_SECRET,)).id

    first = event("order.updated", b'{"id":16,"status":"processing"}')
    assert event("order.updated", b'{"id":16,"status":"processing"}') == first
    assert event("order.updated", b'{"id":16,"status":"completed"}') != first
    assert event("order.deleted", b'{"id":16}') != event("order.updated", b'{"id":16}')


def test_the_first_word_of_a_new_webhook_is_taken_and_says_nothing() -> None:
    assert VERIFY(Message({}, b"webhook_id=2"), Trust((HOOK_SECRET,), {}, NOW, never)) == ()
    with pytest.raises(WebhookRefused):
        VERIFY(Message({}, b"webhook_id=2&id=16"), Trust((HOOK_SECRET,), {}, NOW, never))


# ── in the books ────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def integration(server: SandboxServer, settings: Settings) -> Integration:
    settings.ALLOW_LOOPBACK_INTEGRATIONS = True
    return connect(found(), server, "woocommerce")


def tell(client: DjangoClient, integration: Integration, topic: str, body: bytes) -> int:
    headers = signed(topic, body)
    headers.pop("Content-Type")
    url = f"/hooks/{integration.webhook_token}/"
    status = client.post(url, body, content_type="application/json", headers=headers).status_code
    drain()
    return status


def invoice(order: Order) -> Document:
    return Document.objects.get(external_id=str(order.id), kind="invoice")


def owed(order: Order) -> int:
    """What is booked of it on the customers' account."""
    rows = Posting.objects.filter(account__role="receivable", entry__document=invoice(order))
    return sum(rows.values_list("amount", flat=True))


@pytest.mark.django_db
def test_an_order_deleted_for_good_is_taken_back_once(
    server: SandboxServer, client: DjangoClient, integration: Integration
) -> None:
    order = one_of(server, "deleted")
    server.state.move(order.created + DAY)
    drain()
    assert owed(order) == order.total
    server.state.move(order.gone + DAY)
    body = json.dumps({"id": order.id}).encode()
    assert [tell(client, integration, "order.deleted", body) for _ in range(2)] == [200, 200]
    assert WebhookEvent.objects.count() == 1
    assert (owed(order), invoice(order).status) == (0, "void")
    assert not Quarantine.objects.exists()


@pytest.mark.django_db
def test_a_paid_order_that_is_gone_stays_booked_and_waits_for_a_person(
    server: SandboxServer, client: DjangoClient, integration: Integration
) -> None:
    drain()
    order = next(one for one in orders_of(server) if one.status(server.state.clock) == "completed")
    fault = Fault("woocommerce", "status", path=f"/wp-json/wc/v3/orders/{order.id}", count=-1, status=404)
    server.state.faults.append(fault)
    assert tell(client, integration, "order.deleted", json.dumps({"id": order.id}).encode()) == 200
    [waiting] = Quarantine.objects.all()
    assert waiting.external_id == str(order.id)
    assert waiting.errors[0][2] == "'deleted/paid' is not in the list of 'Map values'"
    assert invoice(order).status == "paid"


@pytest.mark.django_db
def test_an_order_nobody_knew_is_gone_without_a_word(
    server: SandboxServer, client: DjangoClient, integration: Integration
) -> None:
    drain()
    held = Document.objects.count()
    assert tell(client, integration, "order.deleted", b'{"id":999999}') == 200
    assert (Document.objects.count(), Quarantine.objects.count()) == (held, 0)


@pytest.mark.django_db
def test_an_order_of_a_status_of_a_plugin_waits_and_the_others_are_booked(
    server: SandboxServer, integration: Integration
) -> None:
    path = "/wp-json/wc/v3/orders"
    server.state.faults.append(
        Fault("woocommerce", "malformed", path=path, field="status", value="shipped", remove=False)
    )
    drain()
    [waiting] = Quarantine.objects.all()
    assert waiting.errors[0][2].startswith("'shipped/")
    there = [order for order in orders_of(server) if order.status(server.state.clock)]
    assert Document.objects.filter(kind="invoice").count() == len(there) - 1
