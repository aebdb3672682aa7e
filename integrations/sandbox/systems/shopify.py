"""The simulated Shopify: Admin GraphQL with cost throttling, and signed webhooks."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from integrations.sandbox import shopify_payments as payments
from integrations.sandbox import shopify_rest as rest
from integrations.sandbox import shopify_shapes as shapes
from integrations.sandbox.events import BalanceLine, Business, Customer, Order, Payout
from integrations.sandbox.graphql_parse import QueryError, parse
from integrations.sandbox.graphql_run import Nodes, Record, context, cost, execute, operation_of
from integrations.sandbox.shopify_search import search
from integrations.sandbox.shopify_values import SHOP_DOMAIN, iso
from integrations.sandbox.web import Hook, Request, Response, State, System, json_response

TOKEN = "shpat_sandbox"
WEBHOOK_SECRET = "shpss_sandbox"
VERSION = "2026-07"
PATH = f"/admin/api/{VERSION}/graphql.json"
QUERY_LIMIT = 1000
# Answers are kept while the clock stands still: a walk of 20,000 orders is 80 of them, 40 MB.
PAGES_KEPT = 300
# A large plan by default, so that demos do not wait; state.settings["shopify_bucket"] changes it.
BUCKET = (20_000.0, 1_000.0)
_NODE = frozenset({"Node", "LegacyInteroperability"})
INTERFACES: dict[str, frozenset[str]] = {
    **dict.fromkeys(
        ("Order", "Customer", "Refund", "Product", "ProductVariant", "ShopifyPaymentsPayout",
         "ShopifyPaymentsDispute"), _NODE),
    **dict.fromkeys(
        ("LineItem", "OrderTransaction", "Shop", "ShopifyPaymentsAccount", "TransactionFee", "MailingAddress",
         "ShopifyPaymentsBalanceTransaction", "OrderAdjustment", "RefundShippingLine"), frozenset({"Node"})),
    "DiscountCodeApplication": frozenset({"DiscountApplication"}),
    "ManualDiscountApplication": frozenset({"DiscountApplication"}),
    "MoneyV2": frozenset({"PricingValue"}),
    "PricingPercentageValue": frozenset({"PricingValue"}),
}  # fmt: skip


class Rows(NamedTuple):
    """A searchable collection: `rows` hold what queries may ask for, `item` under "item"."""

    rows: list[dict[str, Any]]
    node: Callable[[Any], Record]
    sort_keys: Mapping[str, str]


def respond(business: Business, state: State, request: Request) -> Response:
    """Answer one request; `path` starts with /admin/api/."""
    if not hmac.compare_digest(request.headers.get("x-shopify-access-token", "").encode(), TOKEN.encode()):
        message = "[API] Invalid API key or access token (unrecognized login or wrong password)"
        return json_response({"errors": message}, 401)
    if request.path != PATH:
        return json_response({"errors": "Not Found"}, 404)
    if request.method != "POST":
        return json_response({"errors": "Method Not Allowed"}, 405)
    try:
        payload = json.loads(request.body)
        text, variables = payload["query"], payload.get("variables") or {}
        name = payload.get("operationName") or ""
    except (ValueError, KeyError, TypeError, AttributeError):
        return json_response({"errors": {"query": "Required parameter missing or invalid"}}, 400)
    return _answer(business, state, str(text), variables, name)


def _answer(business: Business, state: State, text: str, variables: Record, name: str) -> Response:
    key = (text, json.dumps(variables, sort_keys=True), name)
    known = state.pages.get(key)
    if known is None:
        known = state.pages[key] = _run(business, state, text, variables, name)
        if len(state.pages) > PAGES_KEPT:
            del state.pages[next(iter(state.pages))]
    body, requested, actual, search_notes = known
    if not isinstance(body, bytes):
        return json_response({"errors": body, **_extensions(state, requested, 0, search_notes)})
    if requested > QUERY_LIMIT:
        return _too_costly(requested)
    if not _spend(state, requested, actual):
        error = {
            "message": "Throttled",
            "extensions": {"code": "THROTTLED", "documentation": "https://shopify.dev/api/usage/rate-limits"},
        }
        return json_response({"errors": [error], **_extensions(state, requested, None, [])})
    tail = json.dumps(_extensions(state, requested, actual, search_notes), separators=(",", ":"))
    headers = (("X-Shopify-API-Version", VERSION), ("X-Request-Id", "sandbox"))
    return Response(200, b'{"data":' + body + b"," + tail[1:].encode(), headers=headers)


def _too_costly(requested: int) -> Response:
    message = f"Query cost is {requested}, which exceeds the single query max cost limit ({QUERY_LIMIT})."
    error = {
        "message": message,
        "extensions": {"code": "MAX_COST_EXCEEDED", "cost": requested, "maxCost": QUERY_LIMIT},
    }
    return json_response({"errors": [error]})


def _run(
    business: Business, state: State, text: str, variables: Record, name: str
) -> tuple[Any, int, int, Any]:
    """(body of `data` or the list of errors, requested cost, actual cost, search warnings)."""
    requested, notes = 0, list[Record]()
    try:
        document = parse(text)
        operation = operation_of(document, name)
        if operation.kind != "query":
            raise QueryError(f"The sandbox answers queries, not a {operation.kind}", code="undefinedField")
        run = context(document, operation, variables, INTERFACES)
        run.linear = bool(state.settings.get("shopify_linear_cost"))
        requested = cost(operation, run)
        if requested > QUERY_LIMIT:
            return b"null", requested, 0, notes
        data = execute(operation, _root(business, state, notes), run)
    except QueryError as error:
        return [_error(error)], requested, 0, notes
    body = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    return body, requested, cost(operation, run, actual=True), notes


def _error(error: QueryError) -> Record:
    record: Record = {"message": str(error), "locations": [{"line": 1, "column": 1}]}
    if error.path:
        record["path"] = list(error.path)
    if error.code:
        record["extensions"] = {"code": error.code}
    return record


def _spend(state: State, requested: int, actual: int) -> bool:
    """Take the query's cost from the bucket, which refills with time; False when it does not hold enough."""
    size, restore = state.settings.get("shopify_bucket", BUCKET)
    now = state.monotonic()
    level, since = state.budgets.get("shopify", (size, now))
    level = min(size, level + (now - since) * restore)
    allowed = level >= requested
    state.budgets["shopify"] = (level - actual if allowed else level, now)
    return bool(allowed)


def _extensions(state: State, requested: int, actual: int | None, notes: list[Record]) -> Record:
    size, restore = state.settings.get("shopify_bucket", BUCKET)
    level = state.budgets.get("shopify", (size, 0.0))[0]
    status = {"maximumAvailable": size, "currentlyAvailable": int(level), "restoreRate": restore}
    extensions: Record = {
        "cost": {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": status}
    }
    if notes:
        extensions["search"] = notes
    return {"extensions": extensions}


def _root(business: Business, state: State, notes: list[Record]) -> Record:
    desk = _Desk(business, state, notes)
    return {
        "__typename": "QueryRoot",
        "shop": payments.shop(business),
        "orders": desk.connection("orders", desk.orders, "PROCESSED_AT"),
        "ordersCount": desk.count("orders", desk.orders),
        "order": lambda a: desk.node(a, "Order"),
        "customers": desk.connection("customers", desk.customers, "ID"),
        "customersCount": desk.count("customers", desk.customers),
        "customer": lambda a: desk.node(a, "Customer"),
        "refund": lambda a: desk.node(a, "Refund"),
        "shopifyPaymentsAccount": lambda _: desk.account(),
        "disputes": desk.connection("disputes", desk.disputes, "ID"),
        "dispute": lambda a: desk.node(a, "ShopifyPaymentsDispute"),
        "node": lambda a: desk.node(a, ""),
        "nodes": lambda a: [desk.node({"id": identity}, "") for identity in a.get("ids") or []],
    }


class _Index:
    """Facts by id, made once a business."""

    def __init__(self, business: Business) -> None:
        self.orders = {order.id: order for order in business.orders}
        self.customers = {customer.id: customer for customer in business.customers}
        self.refund_order = {refund.id: order.id for order in business.orders for refund in order.refunds}
        self.of_customer: dict[int, list[Order]] = defaultdict(list)
        for order in business.orders:
            self.of_customer[order.customer.id].append(order)
        self.payouts = {payout.id: payout for payout in business.shop_payouts}
        self.disputes = {dispute.id: dispute for dispute in business.shop_disputes}
        self.lines = {line.id: line for line in business.shop_lines}
        self.paid_in = {
            line.id: payout for payout in business.shop_payouts for line in (*payout.items, payout.line)
        }


@functools.lru_cache(maxsize=4)
def _index(business: Business) -> _Index:
    return _Index(business)


class _Desk:
    """The resolvers of one request: facts of the business as seen at the clock."""

    def __init__(self, business: Business, state: State, notes: list[Record]) -> None:
        self.business, self.state, self.notes = business, state, notes
        self.index = _index(business)
        self.clock = state.clock

    def order(self, order: Order) -> Record:
        return shapes.order(order, self.clock, lambda _: self.customer(order.customer))

    def customer(self, person: Customer) -> Record:
        orders = self.index.of_customer[person.id]
        return shapes.customer(
            person,
            orders,
            self.clock,
            lambda _: Nodes([o for o in orders if o.created <= self.clock], self.order),
        )

    def payout_of(self, line: BalanceLine) -> Payout | None:
        payout = self.index.paid_in.get(line.id)
        return payout if payout and payout.created <= self.clock else None

    def balance_line(self, line: BalanceLine) -> Record:
        return payments.balance_transaction(line, self.payout_of(line), self.clock)

    def dispute(self, identity: str) -> Record:
        item = self.index.disputes[identity]
        return payments.dispute(item, self.clock, lambda _: self.order(self.index.orders[item.order]))

    def orders(self) -> Rows:
        rows = [
            {
                "item": order,
                "id": order.id,
                "name": order.name,
                "email": order.customer.email,
                "default": f"{order.name} {order.customer.name} {order.customer.email}",
                "created_at": order.created,
                "processed_at": order.created,
                "updated_at": order.times[order.stage(self.clock) - 1],
                "financial_status": shapes.financial_status(order, self.clock).lower(),
                "status": "cancelled" if 0 < order.cancelled <= self.clock else "open",
                "test": "false",
                "customer_id": order.customer.id,
            }
            for order in self.business.orders
            if order.created <= self.clock
        ]
        keys = {"PROCESSED_AT": "processed_at", "CREATED_AT": "created_at", "UPDATED_AT": "updated_at",
                "ID": "id", "ORDER_NUMBER": "id"}  # fmt: skip
        return Rows(rows, self.order, keys)

    def customers(self) -> Rows:
        rows = []
        for person in self.business.customers:
            if person.created <= self.clock:
                seen = [o.created for o in self.index.of_customer[person.id] if o.created <= self.clock]
                rows.append(
                    {
                        "item": person,
                        "id": person.id,
                        "email": person.email,
                        "first_name": person.first,
                        "last_name": person.last,
                        "default": f"{person.name} {person.email}",
                        "created_at": person.created,
                        "customer_date": person.created,
                        "updated_at": max([person.created, *seen]),
                    }
                )
        keys = {"ID": "id", "CREATED_AT": "created_at", "UPDATED_AT": "updated_at", "NAME": "last_name"}
        return Rows(rows, self.customer, keys)

    def payouts(self) -> Rows:
        rows = [
            {
                "item": payout,
                "id": int(payout.id),
                "issued_at": payout.created,
                "status": payments.payout_status(payout, self.clock).lower(),
                "amount": payout.amount,
            }
            for payout in self.business.shop_payouts
            if payout.created <= self.clock
        ]
        keys = {"ISSUED_AT": "issued_at", "ID": "id", "AMOUNT": "amount"}
        return Rows(rows, lambda payout: payments.payout(payout, self.clock), keys)

    def balance_lines(self) -> Rows:
        rows = []
        for line in self.business.shop_lines:
            if line.at <= self.clock:
                payout = self.payout_of(line)
                rows.append(
                    {
                        "item": line,
                        "id": int(line.id),
                        "processed_at": line.at,
                        "available_on": line.available,
                        "payout_date": payout.created if payout else 0,
                        "payments_transfer_id": payout.id if payout else "",
                        "payout_status": payments.payout_status(payout, self.clock) if payout else "pending",
                        "transaction_type": line.category,
                        "currency": "USD",
                    }
                )
        keys = {"PROCESSED_AT": "processed_at", "ID": "id", "PAYOUT_DATE": "payout_date"}
        return Rows(rows, self.balance_line, keys)

    def disputes(self) -> Rows:
        rows = [
            {
                "item": item.id,
                "id": int(item.id),
                "initiated_at": item.opened,
                "status": item.outcome if item.closed <= self.clock else "needs_response",
            }
            for item in self.business.shop_disputes
            if item.opened <= self.clock
        ]
        return Rows(rows, self.dispute, {"ID": "id"})

    def account(self) -> Record:
        return payments.account(
            self.business,
            self.clock,
            payouts=self.connection("payouts", self.payouts, "ISSUED_AT"),
            balanceTransactions=self.connection("balanceTransactions", self.balance_lines, "PROCESSED_AT"),
            disputes=self.connection("disputes", self.disputes, "ID"),
        )

    def connection(self, name: str, rows: Callable[[], Rows], default: str) -> Callable[[Record], Nodes]:
        def resolve(arguments: Record) -> Nodes:
            sort = arguments.get("sortKey") or default
            text = arguments.get("query") or ""
            hidden = bool(arguments.get("hideTransfers"))
            key = ("rows", name, sort, text, hidden)
            nodes, warnings = self.state.cached(key, lambda: _selected(rows(), sort, text, hidden))
            if warnings:
                self.notes.append({"path": [name], "query": text, "warnings": warnings})
            found: Nodes = nodes
            return found

        return resolve

    def count(self, name: str, rows: Callable[[], Rows]) -> Callable[[Record], Record]:
        def resolve(arguments: Record) -> Record:
            nodes = self.connection(name, rows, "ID")({"query": arguments.get("query")})
            limit = arguments.get("limit", 10_000)
            number = len(nodes.items)
            capped = limit is not None and number > limit
            return {
                "__typename": "Count",
                "count": limit if capped else number,
                "precision": "AT_LEAST" if capped else "EXACT",
            }

        return resolve

    def node(self, arguments: Record, expected: str) -> Record | None:
        identity = str(arguments.get("id"))
        kind, _, number = identity.removeprefix("gid://shopify/").partition("/")
        if not identity.startswith("gid://shopify/") or not number.isdigit():
            raise QueryError(f"Invalid global id '{identity}'", code="argumentLiteralsIncompatible")
        if expected and kind != expected:
            raise QueryError(f"Invalid id: {identity}", code="RESOURCE_NOT_FOUND")
        return self._by_kind(kind, number)

    def _by_kind(self, kind: str, number: str) -> Record | None:
        index, clock = self.index, self.clock
        if kind == "Order" and (order := index.orders.get(int(number))) and order.created <= clock:
            return self.order(order)
        if kind == "Customer" and (person := index.customers.get(int(number))) and person.created <= clock:
            return self.customer(person)
        if kind == "Refund" and int(number) in index.refund_order:
            order = index.orders[index.refund_order[int(number)]]
            record = self.order(order) if order.created <= clock else None
            refunds = record["refunds"]({}) if record else []
            return next((r for r in refunds if r["legacyResourceId"] == number), None)
        if kind == "ShopifyPaymentsPayout" and (paid := index.payouts.get(number)) and paid.created <= clock:
            return payments.payout(paid, clock)
        if (
            kind == "ShopifyPaymentsBalanceTransaction"
            and (line := index.lines.get(number))
            and line.at <= clock
        ):
            return self.balance_line(line)
        if kind == "ShopifyPaymentsDispute" and (item := index.disputes.get(number)) and item.opened <= clock:
            return self.dispute(number)
        if kind in ("Shop", "ShopifyPaymentsAccount"):
            return payments.shop(self.business) if kind == "Shop" else self.account()
        return None


def _selected(found: Rows, sort: str, text: str, hidden: bool) -> tuple[Nodes, list[Record]]:
    if sort not in found.sort_keys:
        raise QueryError(f"The sandbox does not sort by {sort}", code="argumentLiteralsIncompatible")
    column = found.sort_keys[sort]
    rows = found.rows
    warnings: list[tuple[str, str]] = []
    if text and rows:
        test, warnings = search(text, frozenset(rows[0]) - {"item", "default"})
        rows = [row for row in rows if test(row)]
    if hidden:
        rows = [row for row in rows if row["transaction_type"] != "TRANSFER"]
    rows = sorted(rows, key=lambda row: (row[column], row["id"]))
    keys = [(row[column], row["id"]) for row in rows]
    notes = [{"field": field, "message": message} for field, message in warnings]
    return Nodes([row["item"] for row in rows], found.node, keys), notes


def hooks(business: Business, state: State, since: int, until: int) -> list[Hook]:
    """Signed deliveries of orders and refunds for what happened after `since` up to `until`."""
    made = []
    for number, (at, topic, payload) in enumerate(_happenings(business, since, until)):
        body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {
            "Content-Type": "application/json",
            "X-Shopify-Topic": topic,
            "X-Shopify-Shop-Domain": SHOP_DOMAIN,
            "X-Shopify-API-Version": VERSION,
            "X-Shopify-Triggered-At": iso(at),
            "X-Shopify-Webhook-Id": _uuid(f"{topic}:{payload['id']}:{at}:{number}"),
            "X-Shopify-Event-Id": _uuid(f"{payload.get('order_id', payload['id'])}:{at}"),
            "X-Shopify-Hmac-SHA256": signature(body),
        }
        made += [Hook(url, headers, body) for url in state.hooks.get("shopify", [])]
    return made


def _happenings(business: Business, since: int, until: int) -> list[tuple[int, str, Record]]:
    found: list[tuple[int, str, Record]] = []
    for order in business.orders:
        for at in order.times:
            if since < at <= until:
                found += _order_topics(order, at)
    found.sort(key=lambda item: item[0])
    return found


def _order_topics(order: Order, at: int) -> Iterator[tuple[int, str, Record]]:
    record = rest.order(order, at)
    yield at, "orders/create" if at == order.created else "orders/updated", record
    if any(tender.received and tender.at == at for tender in order.tenders):
        yield at, "orders/paid", record
    if order.cancelled == at:
        yield at, "orders/cancelled", record
    for refund in order.refunds:
        if refund.at == at:
            yield at, "refunds/create", rest.refund(refund, order)


def _uuid(text: str) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return "-".join((digest[:8], digest[8:12], "4" + digest[13:16], "8" + digest[17:20], digest[20:32]))


def signature(body: bytes) -> str:
    return base64.b64encode(hmac.new(WEBHOOK_SECRET.encode(), body, hashlib.sha256).digest()).decode()


def rewind(request: Request) -> Request:
    """The same request from its first page: an `after` in the variables is dropped."""
    try:
        payload = json.loads(request.body)
        variables = {
            k: v
            for k, v in (payload.get("variables") or {}).items()
            if "after" not in k.lower() and "cursor" not in k.lower()
        }
        payload["variables"] = variables
    except (ValueError, AttributeError):
        return request
    return replace(request, body=json.dumps(payload).encode())


system = System(
    key="shopify",
    label="Shopify (sandbox)",
    base="/shopify",
    settings={"shop": SHOP_DOMAIN},
    secrets={"access_token": TOKEN, "webhook_secret": WEBHOOK_SECRET},
    respond=respond,
    rewind=rewind,
    hooks=hooks,
)
