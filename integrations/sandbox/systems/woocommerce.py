"""The simulated WooCommerce: its REST interface as WordPress serves it, and its signed webhooks."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

from integrations.sandbox.events import CURRENCY, ZONE, Business
from integrations.sandbox.web import Hook, Request, Response, State, System, json_response
from integrations.sandbox.woocommerce_sales import (
    RATE,
    SHIPPING,
    TRANSFER,
    Buyer,
    Item,
    Order,
    Refund,
    Wholesale,
    simulate_wholesale,
)

KEY = "ck_" + hashlib.sha256(b"harbor wholesale key").hexdigest()[:40]
SECRET = "cs_" + hashlib.sha256(b"harbor wholesale secret").hexdigest()[:40]
HOOK_SECRET = "whsec_wholesale"
API = "/wp-json/wc/v3"
SHOP = "wholesale.harbor.example"
MOST = 100
Record = dict[str, Any]
KNOWN = ("pending", "processing", "on-hold", "completed", "cancelled", "refunded", "failed", "checkout-draft")
METHODS = {TRANSFER: "Direct bank transfer"}


class ApiError(Exception):
    """An answer in WordPress's error shape."""

    def __init__(self, status: int, code: str, message: str, **data: Any) -> None:
        super().__init__(message)
        self.response = json_response(
            {"code": code, "message": message, "data": {"status": status, **data}}, status
        )


def respond(business: Business, state: State, request: Request) -> Response:
    try:
        if request.basic != f"{KEY}:{SECRET}":
            raise ApiError(401, "woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")
        return _route(business.of(Wholesale), state.clock, request)
    except ApiError as error:
        return error.response


def _route(shop: Wholesale, clock: int, request: Request) -> Response:
    path = request.path.removeprefix(API).strip("/").split("/") if request.path.startswith(f"{API}/") else []
    if request.method == "GET":
        if path == ["data", "currencies", "current"]:
            return json_response({"code": CURRENCY, "name": "United States (US) dollar", "symbol": "&#36;"})
        if path == ["orders"]:
            return _page(request, [_shown(one, clock, request) for one in _listed(shop, clock, request)])
        if path == ["customers"]:
            return _page(request, [customer(one) for one in shop.buyers if one.created <= clock])
        if len(path) == 2 and path[0] == "customers":
            return json_response(
                _one([customer(one) for one in shop.buyers if one.created <= clock], path[1])
            )
        if len(path) >= 2 and path[0] == "orders":
            return _of_order(shop, clock, request, path)
    raise ApiError(404, "rest_no_route", "No route was found matching the URL and request method.")


def _of_order(shop: Wholesale, clock: int, request: Request, path: list[str]) -> Response:
    there = [one for one in shop.orders if one.status(clock)]
    if path[2:] == ["refunds"]:
        order = next((one for one in there if str(one.id) == path[1]), None)
        if order is None:
            raise ApiError(404, "woocommerce_rest_order_invalid_id", "Invalid order ID.")
        found = [refund(one, order, _decimals(request)) for one in order.refunds if one.at <= clock]
        return _page(request, found[::-1])
    if path[2:]:
        raise ApiError(404, "rest_no_route", "No route was found matching the URL and request method.")
    return json_response(_one([_shown(one, clock, request) for one in there], path[1]))


def _one(rows: list[Record], identity: str) -> Record:
    for row in rows:
        if str(row["id"]) == identity:
            return row
    raise ApiError(404, "woocommerce_rest_shop_order_invalid_id", "Invalid ID.")


def _shown(order: Order, clock: int, request: Request) -> Record:
    return shown(order, clock, _decimals(request))


# ── lists ───────────────────────────────────────────────────────────────────────────────────────
def _listed(shop: Wholesale, clock: int, request: Request) -> list[Order]:
    """Of the statuses asked for, changed since; `any` leaves out the trash, whatever stands beside it."""
    asked = request.all("status", "status[]") or ["any"]
    for status in asked:
        if status not in ("any", "trash", "auto-draft", *KNOWN):
            raise _invalid("status", f"status[0] is not one of any, trash, {', '.join(KNOWN)}.")
    wanted = KNOWN if "any" in asked else tuple(asked)
    found = [one for one in shop.orders if one.status(clock) in wanted and _since(one, clock, request)]
    keys = {"id": lambda one: one.id, "modified": lambda one: (changed(one, clock), one.id)}
    key = keys.get(request.get("orderby") or "date", lambda one: (one.created, one.id))
    return sorted(found, key=key, reverse=request.get("order") != "asc")


def _since(order: Order, clock: int, request: Request) -> bool:
    """As WordPress reads `modified_after`: an instant with an offset becomes the site's own time, one without
    is taken as it stands; then it is compared, without any zone, with the column that was asked for."""
    text = request.get("modified_after")
    if not text:
        return True
    try:
        after = dt.datetime.fromisoformat(text)
    except ValueError:
        raise _invalid("modified_after", "Invalid date.") from None
    after = after.astimezone(ZONE).replace(tzinfo=None) if after.tzinfo else after
    column = _gmt if request.get("dates_are_gmt") in ("true", "1") else _local
    return dt.datetime.fromisoformat(column(changed(order, clock))) > after


def _page(request: Request, rows: list[Record]) -> Response:
    size, number = _number(request, "per_page", 10), _number(request, "page", 1)
    if size > MOST:
        raise _invalid("per_page", "per_page must be between 1 (inclusive) and 100 (inclusive)")
    total, pages = len(rows), -(-len(rows) // size)
    begin = int(request.get("offset") or (number - 1) * size)
    found = json_response(rows[begin : begin + size])
    headers = (("X-WP-Total", str(total)), ("X-WP-TotalPages", str(pages)))
    return replace(found, headers=headers)


def _number(request: Request, name: str, otherwise: int) -> int:
    text = request.get(name) or str(otherwise)
    if not text.isdigit() or int(text) < 1:
        raise _invalid(name, f"{name} must be greater than or equal to 1")
    return int(text)


def _invalid(name: str, words: str) -> ApiError:
    return ApiError(400, "rest_invalid_param", f"Invalid parameter(s): {name}", params={name: words})


def _decimals(request: Request) -> int:
    return _number(request, "dp", 2)


# ── records ─────────────────────────────────────────────────────────────────────────────────────
def changed(order: Order, clock: int) -> int:
    return max(at for at in order.moments() if at <= clock)


def _gmt(at: int) -> str:
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%dT%H:%M:%S}"


def _local(at: int) -> str:
    return f"{dt.datetime.fromtimestamp(at, ZONE):%Y-%m-%dT%H:%M:%S}"


def _times(name: str, at: int) -> Record:
    return {f"date_{name}": _local(at) if at else None, f"date_{name}_gmt": _gmt(at) if at else None}


def _text(cents: Decimal | int, decimals: int) -> str:
    return f"{Decimal(cents) / 100:.{decimals}f}"


def _split(cents: Decimal, *, with_tax: bool) -> tuple[Decimal, Decimal]:
    """What was typed in as (without tax, its tax), exact in cents."""
    net = cents * 1_000_000 / (1_000_000 + RATE) if with_tax else cents
    return net, net * RATE / 1_000_000


def _item(item: Item, order: Order, decimals: int) -> Record:
    typed = Decimal(item.price * item.quantity)
    before, before_tax = _split(typed, with_tax=order.with_tax)
    net, tax = _split(typed * 9 / 10 if order.coupon else typed, with_tax=order.with_tax)
    return {
        "id": item.id,
        "name": item.name,
        "product_id": 100,
        "variation_id": 0,
        "quantity": item.quantity,
        "tax_class": "",
        "subtotal": _text(before, decimals),
        "subtotal_tax": _text(before_tax, decimals),
        "total": _text(net, decimals),
        "total_tax": _text(tax, decimals),
        "taxes": [{"id": 1, "total": _text(tax, 6), "subtotal": _text(before_tax, 6)}],
        "meta_data": [],
        "sku": item.sku,
        "price": float(net / item.quantity / 100),
        "parent_name": None,
    }


def _extra(identity: int, name: str, typed: int, order: Order, decimals: int) -> Record:
    """A fee or the shipping."""
    net, tax = _split(Decimal(typed), with_tax=order.with_tax)
    return {
        "id": identity,
        "total": _text(net, decimals),
        "total_tax": _text(tax, decimals),
        "meta_data": [],
    } | (
        {"name": name, "tax_class": "", "tax_status": "taxable", "amount": ""}
        if name == "Gift wrap"
        else {"method_title": name, "method_id": "flat_rate", "instance_id": "1"}
    )


def shown(order: Order, clock: int, decimals: int = 2) -> Record:
    """An order as it stands at `clock`."""
    paid = order.paid if 0 < order.paid <= clock else 0
    coupon_net, coupon_tax = _split(Decimal(order.discount), with_tax=order.with_tax)
    done = next((at for at, status in order.steps if status == "completed" and at <= clock), 0)
    return {
        "id": order.id,
        "parent_id": 0,
        "status": order.status(clock),
        "currency": CURRENCY,
        "version": "9.4.2",
        "prices_include_tax": order.with_tax,
        **_times("created", order.created),
        **_times("modified", changed(order, clock)),
        **_times("completed", done),
        **_times("paid", paid),
        "discount_total": _text(coupon_net.quantize(Decimal(1)), decimals),
        "discount_tax": _text(coupon_tax.quantize(Decimal(1)), decimals),
        "shipping_total": _text(_split(Decimal(SHIPPING), with_tax=order.with_tax)[0], decimals),
        "shipping_tax": _text(order.shipping_tax, decimals),
        "cart_tax": _text(order.tax - order.shipping_tax, decimals),
        "total": _text(order.total, decimals),
        "total_tax": _text(order.tax, decimals),
        "customer_id": order.buyer.id,
        "order_key": f"wc_order_{order.id}",
        "billing": billing(order.buyer),
        "payment_method": order.method,
        "payment_method_title": METHODS.get(order.method, "Cash on delivery"),
        "transaction_id": "",
        "created_via": "checkout",
        "customer_note": "",
        "number": str(order.number),
        "meta_data": [],
        "line_items": [_item(item, order, decimals) for item in order.items],
        "tax_lines": [],
        "shipping_lines": [_extra(order.number + 6, "Parcel", SHIPPING, order, decimals)],
        "fee_lines": [_extra(order.number + 7, "Gift wrap", order.wrap, order, decimals)]
        if order.wrap
        else [],
        "coupon_lines": [],
        "refunds": [
            {"id": one.id, "reason": "", "total": _text(-one.amount, decimals)}
            for one in order.refunds
            if one.at <= clock
        ],
        "currency_symbol": "$",
    }


def refund(one: Refund, order: Order, decimals: int) -> Record:
    """With its lines, negative; an amount alone has none."""
    lines = [order.items[0]] if one.tax else []
    return {
        "id": one.id,
        **_times("created", one.at),
        "amount": _text(one.amount, decimals),
        "reason": "",
        "refunded_by": 1,
        "refunded_payment": False,
        "meta_data": [],
        "line_items": [_returned(item, one, decimals) for item in lines],
        "shipping_lines": [_returned_extra(one.shipping, decimals)] if one.shipping else [],
        "tax_lines": [],
        "fee_lines": [_returned_extra(one.wrap, decimals, name="Gift wrap")] if one.wrap else [],
    }


def _returned(item: Item, one: Refund, decimals: int) -> Record:
    return {
        "id": one.id + 1,
        "name": item.name,
        "quantity": -1,
        "subtotal": _text(-one.goods, decimals),
        "subtotal_tax": _text(-one.tax, decimals),
        "total": _text(-one.goods, decimals),
        "total_tax": _text(-one.tax, decimals),
        "sku": item.sku,
    }


def _returned_extra(cents: int, decimals: int, **named: str) -> Record:
    """Its tax stands with that of the items: a refund is entered with one sum of it."""
    return {"id": 1, "total": _text(-cents, decimals), "total_tax": _text(0, decimals), **named}


def billing(buyer: Buyer) -> Record:
    return {
        "first_name": buyer.first,
        "last_name": buyer.last,
        "company": buyer.company,
        "country": "US",
        "email": buyer.email,
        "phone": "555-0100",
    }


def customer(buyer: Buyer) -> Record:
    return {
        "id": buyer.id,
        **_times("created", buyer.created),
        **_times("modified", buyer.created),
        "email": buyer.email,
        "first_name": buyer.first,
        "last_name": buyer.last,
        "role": "customer",
        "username": buyer.first.lower(),
        "billing": billing(buyer),
        "is_paying_customer": True,
        "meta_data": [],
    }


# ── webhooks ────────────────────────────────────────────────────────────────────────────────────
def hooks(business: Business, state: State, since: int, until: int) -> list[Hook]:
    messages = list(_messages(business.of(Wholesale), since, until))
    return [
        Hook(url, signed(topic, body), body)
        for topic, body in messages
        for url in state.hooks.get("woocommerce", [])
    ]


def _messages(shop: Wholesale, since: int, until: int) -> Iterator[tuple[str, bytes]]:
    """What is put into the trash or deleted says no more than its id."""
    for order in shop.orders:
        for at in (*order.moments(), *([order.gone] if order.gone else ())):
            if since < at <= until:
                created, there = at == order.created, order.status(at) not in ("", "trash")
                topic = "order.created" if created else "order.updated" if there else "order.deleted"
                body = shown(order, at) if there else {"id": order.id}
                yield topic, json.dumps(body, separators=(",", ":")).encode()


def signed(topic: str, body: bytes) -> dict[str, str]:
    """The delivery id is made of the webhook and the second: two messages may share it."""
    resource, _, event = topic.partition(".")
    proof = hmac.new(HOOK_SECRET.encode(), body, hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "X-WC-Webhook-Source": f"https://{SHOP}/",
        "X-WC-Webhook-Topic": topic,
        "X-WC-Webhook-Resource": resource,
        "X-WC-Webhook-Event": event,
        "X-WC-Webhook-Signature": base64.b64encode(proof).decode(),
        "X-WC-Webhook-ID": "2",
        "X-WC-Webhook-Delivery-ID": "e6dbf63b38478cb3df71e353905b20da",
    }


system = System(
    key="woocommerce",
    label="WooCommerce (sandbox)",
    base="/woocommerce",
    settings={"shop": SHOP},
    secrets={"key": KEY, "secret": SECRET, "webhook_secret": HOOK_SECRET},
    respond=respond,
    rewind=lambda request: request.without("page", "offset"),
    hooks=hooks,
    venture=simulate_wholesale,
)
