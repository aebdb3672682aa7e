"""The simulated Shopify: real GraphQL, pages, search, cost and throttling, signed webhooks."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from integrations.sandbox.business import simulate
from integrations.sandbox.events import DAY, Business
from integrations.sandbox.shopify_values import decimal, iso
from integrations.sandbox.systems import shopify
from integrations.sandbox.web import Request, State

ORDERS = """query Orders($first: Int = 50, $after: String, $query: String, $key: OrderSortKeys = UPDATED_AT) {
  orders(first: $first, after: $after, query: $query, sortKey: $key) {
    pageInfo { hasNextPage endCursor }
    nodes { id name updatedAt displayFinancialStatus totalPriceSet { shopMoney { amount } } }
  } }"""


@pytest.fixture(scope="module")
def business() -> Business:
    return simulate(7, orders=200)


@pytest.fixture
def state(business: Business) -> State:
    return State(business.clock)


def post(
    business: Business, state: State, text: str, /, token: str = shopify.TOKEN, **variables: Any
) -> tuple[int, Any]:
    body = json.dumps({"query": text, "variables": variables}).encode()
    request = Request("POST", shopify.PATH, (), {"x-shopify-access-token": token}, body)
    response = shopify.respond(business, state, request)
    return response.status, json.loads(response.body)


def data(business: Business, state: State, text: str, /, **variables: Any) -> Any:
    status, answer = post(business, state, text, **variables)
    assert (status, answer.get("errors")) == (200, None)
    return answer["data"]


def refusal(business: Business, state: State, text: str, /, **variables: Any) -> tuple[str, str | None]:
    status, answer = post(business, state, text, **variables)
    assert (status, "data" in answer) == (200, False)
    first = answer["errors"][0]
    return first["message"], first.get("extensions", {}).get("code")


def walk(business: Business, state: State, **variables: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    after = None
    while True:
        page = data(business, state, ORDERS, after=after, **variables)["orders"]
        rows += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return rows
        after = page["pageInfo"]["endCursor"]


def test_token_and_address(business: Business, state: State) -> None:
    assert post(business, state, "{ shop { name } }", token="shpat_wrong")[0] == 401
    assert data(business, state, "{ shop { name } }") == {"shop": {"name": "Harbor Coffee Co."}}
    request = Request(
        "POST", "/admin/api/2019-01/graphql.json", (), {"x-shopify-access-token": shopify.TOKEN}
    )
    assert shopify.respond(business, state, request).status == 404


@pytest.mark.parametrize("first", [7, 50, 250])
@pytest.mark.parametrize("key", ["UPDATED_AT", "CREATED_AT", "ID"])
def test_a_walk_sees_every_order_once_in_order(
    business: Business, state: State, first: int, key: str
) -> None:
    rows = walk(business, state, first=first, key=key)
    expected = {f"gid://shopify/Order/{o.id}" for o in business.orders if o.created <= state.clock}
    assert [len(rows), {row["id"] for row in rows}] == [len(expected), expected]
    if key == "UPDATED_AT":
        assert [row["updatedAt"] for row in rows] == sorted(row["updatedAt"] for row in rows)


def test_search_by_update_time(business: Business, state: State) -> None:
    since = state.clock - 10 * DAY
    expected = sorted(
        o.name
        for o in business.orders
        if o.created <= state.clock and o.times[o.stage(state.clock) - 1] >= since
    )
    for text in (
        f"updated_at:>={iso(since)}",
        f"updated_at:>='{iso(since)}' AND id:>=1",
        f"NOT updated_at:<{iso(since)}",
    ):
        assert sorted(row["name"] for row in walk(business, state, query=text)) == expected


def test_search_syntax(business: Business, state: State) -> None:
    names = [o.name for o in business.orders[:3]]
    either = walk(business, state, query=f"name:{names[0]} OR (name:'{names[1]}' status:open)")
    assert sorted(row["name"] for row in either) == sorted(names[:2])
    paid = walk(business, state, query="financial_status:paid")
    assert {row["displayFinancialStatus"] for row in paid} == {"PAID"}
    assert refusal(business, state, ORDERS, query="updated_at:>=soon")[1] == "BAD_REQUEST"
    _, answer = post(business, state, ORDERS, query="colour:red")
    assert answer["extensions"]["search"][0]["warnings"][0]["field"] == "colour"


def test_aliases_fragments_directives_and_node(business: Business, state: State) -> None:
    order = next(o for o in business.orders if o.refunds and o.refunds[0].at <= state.clock)
    query = """query One($id: ID!, $no: Boolean!) {
      mine: node(id: $id) { __typename ...Head ... on Customer { email } ... on Node { same: id } }
      order(id: $id) { number @skip(if: true) name @include(if: $no)
        refunds(first: 1) { totalRefundedSet { ...Bag } order { name } } } }
      fragment Head on Order { id lineItems(first: 1) { edges { cursor node { title quantity } } } }
      fragment Bag on MoneyBag { shopMoney { amount currencyCode } }"""
    identity = f"gid://shopify/Order/{order.id}"
    found = data(business, state, query, id=identity, no=False)
    line = order.lines[0]
    edge = found["mine"].pop("lineItems")["edges"][0]
    assert edge["node"] == {"title": line.product.title, "quantity": line.quantity}
    assert found == {
        "mine": {"__typename": "Order", "id": identity, "same": identity},
        "order": {
            "refunds": [
                {
                    "totalRefundedSet": {
                        "shopMoney": {"amount": decimal(order.refunds[0].total), "currencyCode": "USD"}
                    },
                    "order": {"name": order.name},
                }
            ]
        },
    }


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("{ shop { nme } }", "Field 'nme' doesn't exist on type 'Shop'"),
        ("{ shop }", "Field must have selections (field 'shop' returns an object)"),
        ("{ shop { name { x } } }", "Selections can't be made on scalars"),
        ("{ orders { nodes { id } } }", "you must provide one of first or last"),
        ("{ orders(first: 251) { nodes { id } } }", "first or last must be between 1 and 250, got 251"),
        ("{ shop { name }", 'syntax error, unexpected "end of file", expecting a name at 15'),
        ("{ shop { ...A } } fragment A on Shop { ...A }",
         "Fragment A was used, but not defined, or contains itself"),
        ("query Q($a: ID!) { node(id: $a) { id } }",
         "Variable $a was provided invalid value: expected value to not be null"),
        ("mutation { shop { name } }", "The sandbox answers queries, not a mutation"),
    ],
)  # fmt: skip
def test_a_bad_query_is_refused_in_words(business: Business, state: State, query: str, message: str) -> None:
    found = refusal(business, state, query)[0]
    assert found.replace('unexpected "", ', 'unexpected "end of file", ') == message


def test_cost_and_throttling(business: Business, state: State) -> None:
    state.settings["shopify_bucket"] = (100, 10)
    now = [0.0]
    state.monotonic = lambda: now[0]
    query = "{ orders(first: 200) { nodes { id lineItems(first: 10) { nodes { id } } } } }"
    _, answer = post(business, state, query)
    cost = answer["extensions"]["cost"]
    assert cost["throttleStatus"]["maximumAvailable"] == 100
    left = cost["throttleStatus"]["currentlyAvailable"]
    assert left == 100 - cost["actualQueryCost"]
    assert refusal(business, state, query) == ("Throttled", "THROTTLED")
    now[0] += (cost["requestedQueryCost"] - left) / 10 + 0.1
    assert "data" in post(business, state, query)[1]
    state.settings["shopify_linear_cost"] = True
    state.move(state.clock)
    assert refusal(business, state, query)[1] == "MAX_COST_EXCEEDED"


PAYOUT = """query P($query: String) { shopifyPaymentsAccount { balance { amount }
  payouts(first: 250) { nodes { id net { amount } } }
  balanceTransactions(first: 250, query: $query) { nodes { type net { amount }
    associatedPayout { id status } } } } }"""


def cents(money: dict[str, str]) -> int:
    whole, _, part = money["amount"].partition(".")
    return int(whole + part.ljust(2, "0"))


def test_payouts_are_the_sum_of_their_balance_transactions(business: Business, state: State) -> None:
    for payout in business.shop_payouts[:20]:
        account = data(business, state, PAYOUT, query=f"payments_transfer_id:{payout.id}")[
            "shopifyPaymentsAccount"
        ]
        rows = account["balanceTransactions"]["nodes"]
        assert {row["associatedPayout"]["id"] for row in rows} == {
            f"gid://shopify/ShopifyPaymentsPayout/{payout.id}"
        }
        assert sum(cents(row["net"]) for row in rows if row["type"] != "TRANSFER") == payout.amount
        assert sum(cents(row["net"]) for row in rows) == 0


def test_a_balance_transaction_has_no_payout_at_first(business: Business) -> None:
    line = business.shop_payouts[5].items[0]
    state = State(line.at)
    account = data(business, state, PAYOUT, query=f"id:{line.id}")["shopifyPaymentsAccount"]
    assert [row["associatedPayout"] for row in account["balanceTransactions"]["nodes"]] == [
        {"id": None, "status": "PENDING"}
    ]


def test_an_order_changes_as_time_moves(business: Business) -> None:
    order = next(o for o in business.orders if o.scenario == "twice")
    query = """query O($id: ID!) { order(id: $id) {
      displayFinancialStatus currentTotalPriceSet { shopMoney { amount } } } }"""
    seen = []
    for at in order.times:
        found = data(business, State(at), query, id=f"gid://shopify/Order/{order.id}")["order"]
        seen.append(found["displayFinancialStatus"])
    assert seen == ["PENDING", "PAID", "PARTIALLY_REFUNDED", "REFUNDED"]
    assert cents(found["currentTotalPriceSet"]["shopMoney"]) == 0
    assert data(business, State(order.created - 1), query, id=f"gid://shopify/Order/{order.id}") == {
        "order": None
    }


def test_amounts_are_written_as_the_api_does() -> None:
    assert [decimal(n) for n in (0, 5, 50, 100, 1230, -1, -250)] == [
        "0.0",
        "0.05",
        "0.5",
        "1.0",
        "12.3",
        "-0.01",
        "-2.5",
    ]


def test_hooks_are_signed_and_in_rest_shape(business: Business, state: State) -> None:
    state.hooks["shopify"] = ["http://127.0.0.1:9/hook"]
    since = business.clock - 3 * DAY
    hooks = shopify.hooks(business, state, since, business.clock)
    created = [o.id for o in business.orders if since < o.created <= business.clock]
    told = [json.loads(h.body)["id"] for h in hooks if h.headers["X-Shopify-Topic"] == "orders/create"]
    assert told == created
    for hook in hooks:
        digest = hmac.new(b"shpss_sandbox", hook.body, hashlib.sha256).digest()
        assert hook.headers["X-Shopify-Hmac-SHA256"] == base64.b64encode(digest).decode()
    assert len({hook.headers["X-Shopify-Webhook-Id"] for hook in hooks}) == len(hooks)
