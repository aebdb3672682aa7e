"""The connectors against what the vendors themselves publish: schema, samples; and their webhooks' proofs."""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import hashlib
import hmac
import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    build_client_schema,
    parse,
    validate,
)

from integrations.connectors import CONNECTORS
from integrations.connectors.shopify.streams import ORDERS
from integrations.connectors.shopify.webhook import verify as verify_shopify
from integrations.connectors.stripe.webhook import verify as verify_stripe
from integrations.mapping import CompiledMapping, MappingContext, compile_mapping
from integrations.messages import Event, WebhookRefused
from integrations.paging import GraphQL
from integrations.spec import Read, Stream
from tests.integrations.proving import NOW, proven

SHOPIFY, STRIPE = CONNECTORS["shopify"], CONNECTORS["stripe"]


def mapping(stream: Stream, **settings: str) -> CompiledMapping:
    return compile_mapping(stream.outputs, MappingContext(timezone="America/New_York", settings=settings))


def load(path: Path) -> Any:
    return json.loads(path.read_text(), parse_float=Decimal)


# ── Shopify's schema ────────────────────────────────────────────────────────────────────────────
@cache
def shopify_schema(root: Path) -> GraphQLSchema:
    path = root / "vendor/shopify/admin-graphql/admin_2026-07.json.gz"
    if not path.exists():
        pytest.skip(f"no Shopify schema at {path}")
    # The vendor's schema itself breaks a rule of newer specifications (deprecated fields of interfaces).
    return build_client_schema(json.loads(gzip.decompress(path.read_bytes()))["data"], assume_valid=True)


def shopify_reads() -> list[Any]:
    named: list[tuple[str, Read | None]] = []
    for stream in SHOPIFY.streams:
        named += [(stream.key, stream.read), (f"{stream.key}-one", stream.one)]
        named += [(f"{stream.key}-{each.into}", each.read) for each in stream.children]
    if SHOPIFY.test:
        named.append(("test", SHOPIFY.test.read))
    return [pytest.param(read, id=name) for name, read in named if read]


@pytest.mark.parametrize("read", shopify_reads())
def test_query_is_valid_in_the_vendors_schema(read: Read, reference: Path) -> None:
    document = parse(read.query)
    assert [error.message for error in validate(shopify_schema(reference), document)] == []


@pytest.mark.parametrize("read", shopify_reads())
def test_query_reads_no_deprecated_field(read: Read, reference: Path) -> None:
    schema = shopify_schema(reference)
    assert [name for name in _fields(read.query, schema) if name.endswith(" (deprecated)")] == []


def _fields(text: str, schema: GraphQLSchema) -> list[str]:
    document = parse(text)
    fragments = {
        node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
    }
    found: list[str] = []

    def walk(selections: SelectionSetNode, kind: Any) -> None:
        for node in selections.selections:
            if isinstance(node, FragmentSpreadNode):
                fragment = fragments[node.name.value]
                walk(fragment.selection_set, schema.get_type(fragment.type_condition.name.value))
            elif isinstance(node, FieldNode):
                field = kind.fields[node.name.value]
                late = " (deprecated)" if field.deprecation_reason else ""
                found.append(f"{kind.name}.{node.name.value}{late}")
                if node.selection_set:
                    named = field.type
                    while hasattr(named, "of_type"):
                        named = named.of_type
                    walk(node.selection_set, named)

    operation = next(node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    walk(operation.selection_set, schema.query_type)
    return found


def cost(text: str, first: int) -> int:
    """The strictest reading of Shopify's rules: every object a point, a connection 2 and its whole length."""
    document = parse(text)
    fragments = {
        node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
    }

    def of(selections: SelectionSetNode | None) -> int:
        total = 0
        for node in selections.selections if selections else ():
            if isinstance(node, FragmentSpreadNode):
                total += of(fragments[node.name.value].selection_set)
            elif isinstance(node, FieldNode) and node.selection_set:
                total += of_field(node, node.selection_set)
        return total

    def of_field(node: FieldNode, selections: SelectionSetNode) -> int:
        length = _length(node, first)
        if length is None:
            return 1 + of(selections)
        named = {field.name.value: field for field in selections.selections if isinstance(field, FieldNode)}
        if "nodes" not in named:  # a plain list that may be limited
            return length * (1 + of(selections))
        return 2 + length * (1 + of(named["nodes"].selection_set)) + ("pageInfo" in named)

    operation = next(node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    return of(operation.selection_set)


def _length(node: FieldNode, first: int) -> int | None:
    for argument in node.arguments or ():
        if argument.name.value == "first":
            if isinstance(argument.value, IntValueNode):
                return int(argument.value.value)
            assert isinstance(argument.value, VariableNode)
            return first
    return None


@pytest.mark.parametrize("read", shopify_reads())
def test_query_costs_at_most_a_thousand_points(read: Read) -> None:
    first = read.paginator.size if isinstance(read.paginator, GraphQL) else 1
    assert cost(read.query, first) <= 1000
    assert cost(read.query, first) <= read.cost


def test_pages_grow_and_shrink_with_the_cost_reported() -> None:
    pages = GraphQL("data.orders", size=5)
    assert pages.resized(None, None) == 5
    assert pages.resized(None, 60) == 10  # 75 would be affordable; at most doubled at a time
    assert pages.resized(80, 200) == 100
    assert pages.resized(50, 3000) == 15
    assert pages.resized(1, 5000) == 1


# ── samples ─────────────────────────────────────────────────────────────────────────────────────
def test_shopify_order_webhook_sample(reference: Path) -> None:
    sample = load(reference / "vendor/shopify/webhooks/2026-07/orders/create.json")["response"]
    assert ORDERS.identity(sample) == "820982911946154508"
    (result,) = mapping(ORDERS)(ORDERS.shape(sample))
    assert result.errors == ()
    assert result.draft is not None
    lines = result.draft.pop("lines")
    assert [(line["sku"], line["unit_price"], line["quantity"]) for line in lines][:2] == [
        ("SKU2006-001", Decimal("89.99"), Decimal(1)),
        ("LENS-PROTECT-2YR", Decimal("19.99"), Decimal(1)),
    ]
    assert sum(line["unit_price"] * line["quantity"] for line in lines) == Decimal("414.95")
    assert result.draft.pop("occurred_at") == dt.datetime(2022, 1, 1, tzinfo=dt.UTC)
    assert result.draft == {
        "kind": "invoice",
        "external_id": "820982911946154508",
        "number": "#9999",
        "date": dt.date(2021, 12, 31),
        "currency": "USD",
        "status": "void",
        "total": 40495,
        "discount": 2000,
        "shipping": 1000,
        "tax": 0,
        "shipping_tax": 0,
        "tips": 0,
        "taxes_included": False,
        "reference": "#9999",
        "customer": {
            "external_id": "115310627314723954",
            "name": "John Smith",
            "email": "john@example.com",
            "country": "CA",
        },
        "tenders": [],
    }


@pytest.mark.parametrize(
    "topic", ["create", "updated", "paid", "cancelled", "fulfilled", "partially_fulfilled"]
)
def test_shopify_order_samples_map_without_errors(topic: str, reference: Path) -> None:
    sample = load(reference / f"vendor/shopify/webhooks/2026-07/orders/{topic}.json")["response"]
    results = mapping(ORDERS)(ORDERS.shape(sample))
    assert [error for result in results for error in result.errors] == []
    assert results[0].draft is not None
    assert results[0].draft["total"] == 40495


def test_shopify_rest_orders(reference: Path) -> None:
    orders = load(reference / "vendor/shopify/rest-samples/orders.json")["orders"]
    drafts = [result.draft for order in orders for result in mapping(ORDERS)(ORDERS.shape(order))]
    assert [
        draft and (draft["number"], draft["total"], draft["discount"], draft["status"]) for draft in drafts
    ] == [("#1001", 59894, 1000, "paid")]


def test_shopify_rest_customers_and_payments(reference: Path) -> None:
    rest = reference / "vendor/shopify/rest-samples"
    contacts, balance = SHOPIFY.stream("customers"), SHOPIFY.stream("balance_transactions")
    (contact,) = mapping(contacts)(contacts.shape(load(rest / "customer.json")["customer"]))
    assert contact.draft == {
        "kind": "contact",
        "external_id": "207119551",
        "name": "Bob Norman",
        "email": "bob.norman@hostmail.com",
        "country": "US",
        "role": "customer",
    }
    rows = load(rest / "payouts_transactions.json")["transactions"]
    found = {
        row["id"]: [
            (r.kind, r.draft and (r.draft["total"], r.draft.get("fee"))) for r in mapping(balance)(shaped)
        ]
        for row in rows
        if (shaped := balance.shape(row)) and row["id"] in (726130462, 854848137, 746296004, 699519475)
    }
    assert found == {
        726130462: [("dispute", (1150, 1500))],
        854848137: [],
        746296004: [("fee", (200, None))],
        699519475: [("fee", (5000, None))],
    }


def test_stripe_sample_objects(reference: Path) -> None:
    samples = load(reference / "vendor/stripe/fixtures3.2024-06-20.json")["resources"]
    found = {}
    for stream in STRIPE.streams:
        sample = samples[stream.key.removesuffix("s")]
        results = mapping(stream, charges_count_as="sales")(stream.shape(sample))
        assert [error for result in results for error in result.errors] == []
        drafts = [result.draft for result in results if result.draft]
        found[stream.key] = [
            {name: draft.get(name) for name in ("kind", "total", "currency", "status")} for draft in drafts
        ]
    assert found == {
        "customers": [{"kind": "contact", "total": None, "currency": None, "status": None}],
        "charges": [{"kind": "payment", "total": 100, "currency": "USD", "status": "pending"}],
        "refunds": [{"kind": "refund", "total": 100, "currency": "USD", "status": "pending"}],
        "disputes": [{"kind": "dispute", "total": 0, "currency": "USD", "status": "inquiry"}],
        "balance_transactions": [],
        "payouts": [{"kind": "payout", "total": 1100, "currency": "USD", "status": "in_transit"}],
    }


# ── Stripe's webhooks ───────────────────────────────────────────────────────────────────────────
def stripe_headers(body: bytes, *secrets: str, at: dt.datetime = NOW) -> dict[str, str]:
    stamp = int(at.timestamp())
    signatures = [
        hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
        for secret in secrets
    ]
    return {"stripe-signature": ",".join([f"t={stamp}", *(f"v1={each}" for each in signatures), "v0=00"])}


def stripe_event(**changes: Any) -> bytes:
    event = {
        "id": "evt_1",
        "object": "event",
        "type": "charge.refunded",
        "data": {"object": {"id": "ch_1", "object": "charge"}},
    }
    return json.dumps(event | changes).encode()


def test_stripe_webhook_names_what_to_read_again() -> None:
    body = stripe_event()
    headers = stripe_headers(body, "whsec_one")
    expected = Event("evt_1", "charge.refunded", "charges", "ch_1")
    assert proven(verify_stripe, headers, body, ("whsec_one",)) == expected


def test_stripe_webhook_while_the_secret_is_rolled() -> None:
    """During a roll Stripe signs with both; either of ours, old or new, must do."""
    body = stripe_event()
    both = stripe_headers(body, "whsec_new", "whsec_old")
    for ours in (("whsec_old",), ("whsec_new",), ("whsec_other", "whsec_old")):
        assert proven(verify_stripe, both, body, ours).id == "evt_1"


@pytest.mark.parametrize(
    ("headers", "body", "why"),
    [
        ({}, stripe_event(), "signature"),
        ({"stripe-signature": "t=,v1="}, stripe_event(), "signature"),
        ({"stripe-signature": "nonsense"}, stripe_event(), "signature"),
        (stripe_headers(stripe_event(), "whsec_foreign"), stripe_event(), "signature"),
        (stripe_headers(stripe_event(), "whsec_one"), stripe_event(id="evt_2"), "signature"),
        (
            stripe_headers(stripe_event(), "whsec_one", at=NOW - dt.timedelta(seconds=301)),
            stripe_event(),
            "older than five minutes",
        ),
        (
            stripe_headers(stripe_event(), "whsec_one", at=NOW + dt.timedelta(seconds=301)),
            stripe_event(),
            "clocks",
        ),
        (stripe_headers(b"[1]", "whsec_one"), b"[1]", "not one record"),
        (stripe_headers(b"{", "whsec_one"), b"{", "not proper JSON"),
        ({"stripe-signature": "t=1,v1=\u00e9"}, stripe_event(), "signature"),
    ],
)
def test_stripe_webhook_refused(headers: dict[str, str], body: bytes, why: str) -> None:
    with pytest.raises(WebhookRefused, match=why):
        proven(verify_stripe, headers, body, ("whsec_one",))


@pytest.mark.parametrize(
    ("changes", "stream", "record_id"),
    [
        ({"data": {"object": {"id": "dp_1", "object": "dispute"}}}, "disputes", "dp_1"),
        ({"data": {"object": {"id": "re_1", "object": "refund"}}}, "refunds", "re_1"),
        ({"data": {"object": {"id": "po_1", "object": "payout"}}}, "payouts", "po_1"),
        ({"data": {"object": {"id": "prod_1", "object": "product"}}}, "", ""),
        ({"object": "v2.core.event", "data": {}, "related_object": {"id": "x"}}, "", ""),
        ({"data": None}, "", ""),
    ],
)
def test_stripe_webhook_of_other_objects(changes: dict[str, Any], stream: str, record_id: str) -> None:
    body = stripe_event(**changes)
    event = proven(verify_stripe, stripe_headers(body, "whsec_one"), body, ("whsec_one",))
    assert (event.stream, event.record_id) == (stream, record_id)


# ── Shopify's webhooks ──────────────────────────────────────────────────────────────────────────
def shopify_headers(body: bytes, topic: str, *, secret: str = "app-secret", **changes: str) -> dict[str, str]:
    return {
        "x-shopify-hmac-sha256": base64.b64encode(
            hmac.new(secret.encode(), body, hashlib.sha256).digest()
        ).decode(),
        "x-shopify-topic": topic,
        "x-shopify-shop-domain": "acme.myshopify.com",
        "x-shopify-webhook-id": "delivery-1",
    } | {name.replace("_", "-"): value for name, value in changes.items()}


SHOP = {"shop": "acme.myshopify.com"}


@pytest.mark.parametrize(
    ("topic", "payload", "stream", "record_id"),
    [
        ("orders/updated", {"id": 8, "admin_graphql_api_id": "gid://shopify/Order/9"}, "orders", "9"),
        ("refunds/create", {"id": 8, "order_id": 9}, "orders", "9"),
        ("order_transactions/create", {"id": 8, "order_id": 9}, "orders", "9"),
        ("customers/update", {"id": 7}, "customers", "7"),
        ("customers/redact", {"customer": {"id": 7}}, "", ""),
        ("app/uninstalled", {"id": 7}, "", ""),
    ],
)
def test_shopify_webhook(topic: str, payload: dict[str, Any], stream: str, record_id: str) -> None:
    body = json.dumps(payload).encode()
    event = proven(verify_shopify, shopify_headers(body, topic), body, ("old", "app-secret"), SHOP)
    assert event == Event("delivery-1", topic, stream, record_id, "acme.myshopify.com")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"secret": "foreign"}, "signature"),
        ({"x_shopify_hmac_sha256": ""}, "signature"),
        ({"x_shopify_shop_domain": "other.myshopify.com"}, "another shop"),
        ({"x_shopify_webhook_id": ""}, "no delivery id"),
    ],
)
def test_shopify_webhook_refused(changes: dict[str, str], why: str) -> None:
    body = b'{"id": 1}'
    headers = shopify_headers(body, "orders/create", **changes)
    with pytest.raises(WebhookRefused, match=why):
        proven(verify_shopify, headers, body, ("app-secret",), SHOP)


def test_shopify_webhook_changed_on_the_way() -> None:
    headers = shopify_headers(b'{"id": 1}', "orders/create")
    with pytest.raises(WebhookRefused, match="signature"):
        proven(verify_shopify, headers, b'{"id": 2}', ("app-secret",), SHOP)
