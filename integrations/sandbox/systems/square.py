"""The simulated Square: payments, refunds, disputes, payouts and orders of two locations, signed webhooks."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from integrations.sandbox.events import CURRENCY, Business
from integrations.sandbox.square_sales import (
    BARS,
    Back,
    Case,
    Entry,
    Guest,
    Paid,
    Sale,
    Square,
    simulate_square,
)
from integrations.sandbox.web import Hook, Request, Response, State, System, json_response

TOKEN = "EAAAEsandboxHarborCoffee"
SIGNATURE_KEY = "sandbox-signature-key"
VERSION = "2025-08-20"
FEE_AFTER = 2 * 3600  # seconds until a payment tells its fee
YEAR = 365 * 86_400
Record = dict[str, Any]
_TIMES = ("begin_time", "end_time", "updated_at_begin_time", "updated_at_end_time")
_ASKED = {
    "customers": {"cursor", "limit", "sort_field", "sort_order"},
    "payments": {"cursor", "limit", "location_id", "sort_field", "sort_order", *_TIMES},
    "refunds": {"cursor", "limit", "location_id", "status", "sort_field", "sort_order", *_TIMES},
    "disputes": {"cursor", "states", "location_id"},
    "payouts": {"cursor", "limit", "location_id", "status", "begin_time", "end_time", "sort_order"},
}
_SOURCES = {"GIFT": "CARD"}


class ApiError(Exception):
    """An answer in Square's error shape."""

    def __init__(self, status: int, code: str, detail: str, field: str = "") -> None:
        super().__init__(detail)
        category = "AUTHENTICATION_ERROR" if status == 401 else "INVALID_REQUEST_ERROR"
        error = {"category": category, "code": code, "detail": detail}
        self.response = json_response({"errors": [error | ({"field": field} if field else {})]}, status)


class Row(NamedTuple):
    """A record of a list, when it was made and last changed, and where."""

    value: Record
    created: int
    updated: int
    bar: str


def respond(business: Business, state: State, request: Request) -> Response:
    try:
        if request.headers.get("authorization", "") != f"Bearer {TOKEN}":
            raise ApiError(401, "UNAUTHORIZED", "This request could not be authorized.")
        if request.headers.get("square-version", VERSION) != VERSION:
            raise ApiError(400, "INVALID_SQUARE_VERSION_FORMAT", "This sandbox speaks another version.")
        return json_response(_route(business.of(Square), state, request), Square_Version=VERSION)
    except ApiError as error:
        return error.response


def _route(square: Square, state: State, request: Request) -> Record:
    match [request.method, *request.path.strip("/").split("/")]:
        case ["GET", "v2", "locations"]:
            return {"locations": [_location(identity, name) for identity, name in BARS]}
        case ["POST", "v2", "orders", "batch-retrieve"]:
            return _orders(square, state, request)
        case ["GET", "v2", what] if what in _ROWS:
            return _list(square, state, request, what)
        case ["GET", "v2", what, identity] if what in _ROWS:
            return {what.removesuffix("s"): _one(square, state, what, identity).value}
        case ["GET", "v2", "payouts", identity, "payout-entries"]:
            return _entries(square, state, request, identity)
    raise ApiError(404, "NOT_FOUND", "The requested resource could not be found.")


# ── lists ───────────────────────────────────────────────────────────────────────────────────────
def _rows(square: Square, state: State, what: str) -> list[Row]:
    found: list[Row] = state.cached(("square", what), lambda: list(_ROWS[what](square, state.clock)))
    return found


def _one(square: Square, state: State, what: str, identity: str) -> Row:
    found = next((row for row in _rows(square, state, what) if row.value["id"] == identity), None)
    if found is None:
        raise ApiError(404, "NOT_FOUND", f"Could not find {what.removesuffix('s')} with id: {identity}")
    return found


def _list(square: Square, state: State, request: Request, what: str) -> Record:
    for name, _ in request.query:
        if name not in _ASKED[what]:
            raise ApiError(400, "BAD_REQUEST", "Unknown parameter.", name)
    rows = [row for row in _rows(square, state, what) if _is_asked(row, request, state, what)]
    rows.sort(key=_order(request), reverse=request.get("sort_order") != "ASC" and what != "customers")
    return _page(request, what, [row.value for row in rows])


def _is_asked(row: Row, request: Request, state: State, what: str) -> bool:
    if what == "customers":
        return True
    place = request.get("location_id") or (BARS[0][0] if what in ("payments", "payouts") else "")
    wanted = request.get("status") or request.get("states")
    told = (place and place != row.bar) or (
        wanted and wanted != row.value.get("status", row.value.get("state"))
    )
    return not told and (what == "disputes" or _in_time(row, request, state))


def _in_time(row: Row, request: Request, state: State) -> bool:
    begin, end = (
        _instant(request, "begin_time", state.clock - YEAR),
        _instant(request, "end_time", state.clock),
    )
    first, last = (
        _instant(request, "updated_at_begin_time", 0),
        _instant(request, "updated_at_end_time", state.clock),
    )
    return begin <= row.created <= end and first <= row.updated <= last


def _instant(request: Request, name: str, otherwise: int) -> int:
    text = request.get(name)
    if text is None:
        return otherwise
    try:
        return int(dt.datetime.fromisoformat(text).timestamp())
    except ValueError:
        raise ApiError(400, "INVALID_TIME", "The time is not in RFC 3339 format.", name) from None


def _order(request: Request) -> Callable[[Row], tuple[int, str]]:
    changed = request.get("sort_field") == "UPDATED_AT"
    return lambda row: (row.updated if changed else row.created, row.value["id"])


def _page(request: Request, what: str, values: list[Record]) -> Record:
    """A cursor is good for the very filters it came with; an empty list is left out."""
    limit = _limit(request)
    filters = hashlib.sha256(
        repr([pair for pair in request.query if pair[0] != "cursor"]).encode()
    ).hexdigest()[:8]
    start = _start(request, filters)
    shown = values[start : start + limit]
    answer: Record = {what: shown} if shown else {}
    if start + limit < len(values):
        answer["cursor"] = base64.urlsafe_b64encode(f"{filters}:{start + limit}".encode()).decode()
    return answer


def _limit(request: Request) -> int:
    text = request.get("limit") or "100"
    if not text.isdigit() or int(text) < 1:
        raise ApiError(400, "VALUE_TOO_LOW", "The limit must be a whole number from 1.", "limit")
    return min(int(text), 100)


def _start(request: Request, filters: str) -> int:
    given = request.get("cursor")
    if not given:
        return 0
    try:
        made, _, start = base64.urlsafe_b64decode(given).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        made = start = ""
    if made != filters or not start.isdigit():
        raise ApiError(
            400, "INVALID_CURSOR", "The cursor is not of this list, or its filters have changed.", "cursor"
        )
    return int(start)


def _entries(square: Square, state: State, request: Request, identity: str) -> Record:
    _one(square, state, "payouts", identity)
    paid = next(one for one in square.paid if one.payout.id == identity)
    return _page(request, "payout_entries", [_entry(entry, identity) for entry in paid.entries])


def _orders(square: Square, state: State, request: Request) -> Record:
    asked = json.loads(request.body).get("order_ids") or []
    if len(asked) > 100:
        raise ApiError(400, "ARRAY_LENGTH_TOO_LONG", "At most 100 orders at once.", "order_ids")
    found = [order for identity in asked if (order := _order_of(square, state.clock, identity))]
    return {"orders": found} if found else {}


# ── records ─────────────────────────────────────────────────────────────────────────────────────
def _money(cents: int) -> Record:
    return {"amount": cents, "currency": CURRENCY}


def _stamp(at: int) -> str:
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%dT%H:%M:%S}.000Z"


def _location(identity: str, name: str) -> Record:
    place = {"id": identity, "name": name, "business_name": "Harbor Coffee Co.", "status": "ACTIVE"}
    return {
        **place,
        "currency": CURRENCY,
        "country": "US",
        "timezone": "America/New_York",
        "type": "PHYSICAL",
    }


def _customers(square: Square, clock: int) -> Iterator[Row]:
    for guest in square.guests:
        yield Row(_customer(guest), 0, 0, "")


def _customer(guest: Guest) -> Record:
    names = {"given_name": guest.given, "family_name": guest.family, "company_name": guest.company}
    told = {name: value for name, value in names.items() if value}
    return {"id": guest.id, **told, "email_address": guest.email, "address": {"country": "US"}, "version": 1}


def _payments(square: Square, clock: int) -> Iterator[Row]:
    for sale in square.sales:
        if sale.at <= clock:
            steps = (sale.at, sale.done, sale.done + FEE_AFTER if sale.fee and sale.done else 0)
            updated = max(at for at in steps if at <= clock)
            yield Row(_payment(sale, clock, updated), sale.at, updated, sale.bar)


def _payment(sale: Sale, clock: int, updated: int) -> Record:
    done = 0 < sale.done <= clock
    payment: Record = {
        "id": sale.id,
        "created_at": _stamp(sale.at),
        "updated_at": _stamp(updated),
        "amount_money": _money(sale.amount),
        "total_money": _money(sale.total),
        "status": "COMPLETED" if done else "APPROVED" if sale.done else "FAILED",
        "source_type": _SOURCES.get(sale.source, sale.source),
        "location_id": sale.bar,
        "order_id": sale.order,
        "receipt_number": sale.id[:4],
    }
    if sale.tip:
        payment["tip_money"] = _money(sale.tip)
    if sale.source in ("CARD", "GIFT"):
        brand = "VISA" if sale.source == "CARD" else "SQUARE_GIFT_CARD"
        payment["card_details"] = {"status": "CAPTURED", "card": {"card_brand": brand, "last_4": "1111"}}
    if sale.source == "CASH":
        payment["cash_details"] = {"buyer_supplied_money": _money(sale.total), "change_back_money": _money(0)}
    if sale.source == "EXTERNAL":
        payment["external_details"] = {"type": "FOOD_DELIVERY", "source": "Harbor Bites"}
    if done and sale.fee and sale.done + FEE_AFTER <= clock:
        fee = {
            "effective_at": _stamp(sale.done + FEE_AFTER),
            "type": "INITIAL",
            "amount_money": _money(sale.fee),
        }
        payment["processing_fee"] = [fee]
    if sale.guest:
        payment |= {"customer_id": sale.guest.id, "buyer_email_address": sale.guest.email}
    return payment


def _order_of(square: Square, clock: int, identity: str) -> Record | None:
    sales = [sale for sale in square.sales if sale.order == identity and sale.at <= clock]
    if sales:
        return _sold(identity, sales)
    back = next((back for back in square.backs if _return_of(back) == identity and back.at <= clock), None)
    return _returned(identity, back) if back else None


def _sold(identity: str, sales: list[Sale]) -> Record:
    tax, gift = sum(sale.tax for sale in sales), sum(sale.gift for sale in sales)
    net, tip = sum(sale.amount for sale in sales) - gift, sum(sale.tip for sale in sales)
    lines = [_line("item", sales[0].item, "ITEM", net, tax)]
    lines += [_line("card", "Gift card", "GIFT_CARD", gift, 0)] if gift else []
    total = net + gift + tip
    return {
        "id": identity,
        "location_id": sales[0].bar,
        "state": "COMPLETED",
        "line_items": lines,
        "tenders": [{"id": sale.id, "payment_id": sale.id, "type": "OTHER"} for sale in sales],
        "total_money": _money(total),
        "total_tax_money": _money(tax),
        "total_tip_money": _money(tip),
        "net_amounts": {"total_money": _money(total), "tax_money": _money(tax), "tip_money": _money(tip)},
    }


def _line(uid: str, name: str, kind: str, total: int, tax: int) -> Record:
    money = {"total_money": _money(total), "total_tax_money": _money(tax)}
    return {"uid": uid, "name": name, "quantity": "1", "item_type": kind, **money}


def _returned(identity: str, back: Back) -> Record:
    sale = back.sale
    tax, tip = (sale.tax, sale.tip) if back.whole else (0, 0)
    amounts = {"total_money": _money(back.amount), "tax_money": _money(tax), "tip_money": _money(tip)}
    returns = [{"uid": "return", "source_order_id": sale.order}]
    return {"id": identity, "location_id": sale.bar, "returns": returns, "return_amounts": amounts}


def _return_of(back: Back) -> str:
    """The order that a refund makes."""
    return f"R{hashlib.sha256(back.id.encode()).hexdigest()[:26]}"


def _refunds(square: Square, clock: int) -> Iterator[Row]:
    for back in square.backs:
        if back.at <= clock:
            yield Row(_refund(back), back.at, back.at, back.sale.bar)


def _refund(back: Back) -> Record:
    kind = "CASH" if back.cash else _SOURCES.get(back.sale.source, back.sale.source)
    return {
        "id": back.id,
        "status": "COMPLETED",
        "location_id": back.sale.bar,
        "destination_type": kind,
        "amount_money": _money(back.amount),
        "payment_id": back.sale.id,
        "order_id": _return_of(back),
        "reason": "Not what was ordered",
        "created_at": _stamp(back.at),
        "updated_at": _stamp(back.at),
    }


def _disputes(square: Square, clock: int) -> Iterator[Row]:
    for case in square.cases:
        if case.at <= clock:
            yield Row(_dispute(case, clock), case.at, max(case.at, min(case.closed, clock)), case.sale.bar)


def _dispute(case: Case, clock: int) -> Record:
    over = case.closed <= clock
    return {
        "id": case.id,
        "amount_money": _money(case.sale.total),
        "reason": "NOT_AS_DESCRIBED",
        "state": ("WON" if case.won else "LOST") if over else "EVIDENCE_REQUIRED",
        "disputed_payment": {"payment_id": case.sale.id},
        "card_brand": "VISA",
        "created_at": _stamp(case.at),
        "updated_at": _stamp(case.closed if over else case.at),
        "location_id": case.sale.bar,
        "version": 2 if over else 1,
    }


def _payouts(square: Square, clock: int) -> Iterator[Row]:
    for paid in square.paid:
        if paid.payout.created <= clock:
            yield Row(_payout(paid, clock), paid.payout.created, _changed(paid, clock), paid.bar)


def _changed(paid: Paid, clock: int) -> int:
    payout = paid.payout
    return max(at for at in (payout.created, payout.arrived, payout.failed) if at <= clock)


def _payout(paid: Paid, clock: int) -> Record:
    payout = paid.payout
    status = "PAID" if payout.arrived <= clock else "SENT"
    return {
        "id": payout.id,
        "status": "FAILED" if 0 < payout.failed <= clock else status,
        "location_id": paid.bar,
        "created_at": _stamp(payout.created),
        "updated_at": _stamp(_changed(paid, clock)),
        "amount_money": _money(payout.amount),
        "destination": {"type": "BANK_ACCOUNT", "id": "bact:harborfirst"},
        "type": "BATCH",
        "arrival_date": payout.arrival.isoformat(),
        "end_to_end_id": payout.id[-8:].upper(),
        "version": 1,
    }


def _entry(entry: Entry, payout: str) -> Record:
    made: Record = {
        "id": entry.id,
        "payout_id": payout,
        "effective_at": _stamp(entry.at),
        "type": entry.kind,
        "gross_amount_money": _money(entry.gross),
        "fee_amount_money": _money(entry.fee),
        "net_amount_money": _money(entry.net),
    }
    return made | ({f"type_{entry.kind.lower()}_details": dict(entry.about)} if entry.about else {})


_ROWS: dict[str, Callable[[Square, int], Iterator[Row]]] = {
    "customers": _customers,
    "payments": _payments,
    "refunds": _refunds,
    "disputes": _disputes,
    "payouts": _payouts,
}


# ── webhooks ────────────────────────────────────────────────────────────────────────────────────
def hooks(business: Business, state: State, since: int, until: int) -> list[Hook]:
    """What was made or changed after `since`; the signature is over the address, too."""
    square, made = business.of(Square), []
    for what in ("payments", "refunds", "disputes", "payouts"):
        name = what.removesuffix("s")
        for row in _ROWS[what](square, until):
            if since < row.updated <= until:
                body = _message(name, row)
                made += [Hook(url, signed(url, body), body) for url in state.hooks.get("square", [])]
    return made


def _message(name: str, row: Row) -> bytes:
    kind = f"{name}.{'created' if row.created == row.updated else 'updated'}"
    identity = row.value["id"]
    event = {
        "event_id": hashlib.sha256(f"{identity}:{row.updated}".encode()).hexdigest()[:36],
        "merchant_id": "HARBORCOFFEE1",
        "type": kind,
        "created_at": _stamp(row.updated),
        "data": {"type": name, "id": identity, "object": {name: row.value}},
    }
    return json.dumps(event, separators=(",", ":")).encode()


def signed(url: str, body: bytes) -> dict[str, str]:
    digest = hmac.new(SIGNATURE_KEY.encode(), url.encode() + body, hashlib.sha256).digest()
    signature = base64.b64encode(digest).decode()
    return {"Content-Type": "application/json", "X-Square-HmacSha256-Signature": signature}


system = System(
    key="square",
    label="Square (sandbox)",
    base="/square",
    settings={"charges_count_as": "sales"},
    secrets={"access_token": TOKEN, "webhook_secret": SIGNATURE_KEY},
    respond=respond,
    rewind=lambda request: request.without("cursor"),
    hooks=hooks,
    venture=simulate_square,
)
