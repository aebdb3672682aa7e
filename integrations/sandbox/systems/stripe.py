"""The simulated Stripe: list and retrieve endpoints, expansion, events and signed webhooks."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from integrations.sandbox import stripe_shapes as shapes
from integrations.sandbox.events import Business
from integrations.sandbox.stripe_events import event, happenings
from integrations.sandbox.stripe_shapes import Record
from integrations.sandbox.web import Hook, Request, Response, State, System, json_response

KEY = "sk_test_sandbox"
WEBHOOK_SECRET = "whsec_sandbox"
_RANGE = re.compile(r"(created|arrival_date|available_on)(?:\[(gte|gt|lte|lt)\])?")
_ALWAYS = {"limit", "starting_after", "ending_before", "expand", "expand[]", "created"}
_FILTERS = {
    "customers": {"email"},
    "charges": {"customer", "payment_intent"},
    "refunds": {"charge", "payment_intent"},
    "disputes": {"charge", "payment_intent"},
    "balance_transactions": {"type", "payout", "source", "currency"},
    "payouts": {"status", "destination", "arrival_date"},
    "events": {"type", "types[]"},
}
_KINDS = {
    "customers": "customer", "charges": "charge", "refunds": "refund", "disputes": "dispute",
    "balance_transactions": "balance transaction", "payouts": "payout", "events": "event",
}  # fmt: skip
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "gte": lambda a, b: a >= b,
    "gt": lambda a, b: a > b,
    "lte": lambda a, b: a <= b,
    "lt": lambda a, b: a < b,
    "": lambda a, b: a == b,
}


class ApiError(Exception):
    """An answer in Stripe's error shape."""

    def __init__(self, status: int, message: str, *, code: str = "", param: str = "") -> None:
        super().__init__(message)
        error = {"message": message, "type": "invalid_request_error"}
        if code:
            error |= {
                "code": code,
                "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}",
            }
        if param:
            error["param"] = param
        self.response = json_response({"error": error}, status)


def respond(business: Business, state: State, request: Request) -> Response:
    """Answer one request; `path` starts with /v1/."""
    try:
        _authorize(request)
        _check_version(request)
        value = _route(business, state, request)
    except ApiError as error:
        return error.response
    return json_response(value, Stripe_Version=shapes.VERSION, Request_Id="req_sandbox")


def _authorize(request: Request) -> None:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    key = credentials.strip()
    if scheme.lower() == "basic":
        try:
            key = base64.b64decode(key, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            key = ""
    if not key:
        raise ApiError(401, "You did not provide an API key. Provide it as a Bearer or Basic credential.")
    if not hmac.compare_digest(key.encode(), KEY.encode()):
        raise ApiError(401, f"Invalid API Key provided: {key[:7]}****{key[-2:]}")


def _check_version(request: Request) -> None:
    version = request.headers.get("stripe-version", shapes.VERSION)
    if version != shapes.VERSION:
        raise ApiError(400, f"Invalid Stripe API version: {version}. This sandbox speaks {shapes.VERSION}.")


def _route(business: Business, state: State, request: Request) -> Record:
    parts = request.path.strip("/").split("/")[1:]
    if request.method != "GET" or not request.path.startswith("/v1/"):
        raise ApiError(404, f"Unrecognized request URL ({request.method}: {request.path}).")
    expand = [path.split(".") for path in request.all("expand[]", "expand")]
    if parts == ["account"]:
        return shapes.account(business)
    if parts == ["balance"]:
        return shapes.balance(business, state.clock)
    if parts[0] in _FILTERS and len(parts) == 1:
        page = _page(business, state, request, parts[0])
        return _expanded(business, state, page, expand)
    if parts[0] in _FILTERS and len(parts) == 2:
        return _expanded(business, state, _one(business, state, parts[0], parts[1]), expand)
    raise ApiError(404, f"Unrecognized request URL (GET: {request.path}).")


def _records(business: Business, state: State, resource: str) -> list[Record]:
    """All visible records of a resource, newest first."""

    def make() -> list[Record]:
        rows = list(_MAKERS[resource](business, state.clock))
        rows.sort(key=lambda row: (row["created"], row["id"]), reverse=True)
        return rows

    found: list[Record] = state.cached(("stripe", resource), make)
    return found


def _index(business: Business, state: State, resource: str) -> dict[str, int]:
    rows = _records(business, state, resource)
    found: dict[str, int] = state.cached(
        ("stripe-index", resource), lambda: {row["id"]: n for n, row in enumerate(rows)}
    )
    return found


def _one(business: Business, state: State, resource: str, identity: str) -> Record:
    position = _index(business, state, resource).get(identity)
    if position is None:
        raise ApiError(404, f"No such {_KINDS[resource]}: '{identity}'", code="resource_missing", param="id")
    return dict(_records(business, state, resource)[position])


def _customers(business: Business, clock: int) -> Iterator[Record]:
    return (shapes.customer(c) for c in business.clients if c.created <= clock)


def _charges(business: Business, clock: int) -> Iterator[Record]:
    clients = {client.id: client for client in business.clients}
    refunds = defaultdict(list)
    for refund in business.refunds:
        refunds[refund.charge.id].append(refund)
    disputed = {dispute.source for dispute in business.disputes if dispute.opened <= clock}
    for item in business.charges:
        if item.created <= clock:
            yield shapes.charge(item, clients[item.customer], refunds[item.id], item.id in disputed, clock)


def _refunds(business: Business, clock: int) -> Iterator[Record]:
    return (shapes.refund(item, clock) for item in business.refunds if item.created <= clock)


def _disputes(business: Business, clock: int) -> Iterator[Record]:
    return (shapes.dispute(item, clock) for item in business.disputes if item.opened <= clock)


def _balance_transactions(business: Business, clock: int) -> Iterator[Record]:
    return (shapes.balance_transaction(line, clock) for line in business.stripe_lines if line.at <= clock)


def _payouts(business: Business, clock: int) -> Iterator[Record]:
    return (shapes.payout(p, business, clock) for p in business.stripe_payouts if p.created <= clock)


def _events(business: Business, clock: int) -> Iterator[Record]:
    return (event(business, happening) for happening in happenings(business, 0, clock))


_MAKERS: dict[str, Callable[[Business, int], Iterator[Record]]] = {
    "customers": _customers,
    "charges": _charges,
    "refunds": _refunds,
    "disputes": _disputes,
    "balance_transactions": _balance_transactions,
    "payouts": _payouts,
    "events": _events,
}


def _page(business: Business, state: State, request: Request, resource: str) -> Record:
    _check_parameters(request, resource)
    limit = _limit(request)
    rows = _filtered(business, state, request, resource)
    after, before = request.get("starting_after"), request.get("ending_before")
    if after and before:
        raise ApiError(400, "Received both starting_after and ending_before parameters.")
    if after:
        start = _position(rows, after, resource, "starting_after") + 1
        page, more = rows[start : start + limit], len(rows) > start + limit
    elif before:
        end = _position(rows, before, resource, "ending_before")
        page, more = rows[max(0, end - limit) : end], end > limit
    else:
        page, more = rows[:limit], len(rows) > limit
    return {"object": "list", "data": [dict(row) for row in page], "has_more": more, "url": f"/v1/{resource}"}


def _check_parameters(request: Request, resource: str) -> None:
    for name, _ in request.query:
        match = _RANGE.fullmatch(name)
        if (match[1] if match else name) not in _ALWAYS | _FILTERS[resource]:
            raise ApiError(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)


def _limit(request: Request) -> int:
    text = request.get("limit") or "10"
    if not text.isdigit():
        raise ApiError(400, f"Invalid integer: {text}", code="parameter_invalid_integer", param="limit")
    if not 1 <= int(text) <= 100:
        raise ApiError(
            400, "Invalid limit: must be between 1 and 100", code="parameter_invalid_integer", param="limit"
        )
    return int(text)


def _position(rows: list[Record], identity: str, resource: str, param: str) -> int:
    for index, row in enumerate(rows):
        if row["id"] == identity:
            return index
    raise ApiError(400, f"No such {_KINDS[resource]}: '{identity}'", code="resource_missing", param=param)


def _filtered(business: Business, state: State, request: Request, resource: str) -> list[Record]:
    rows = _records(business, state, resource)
    for name, value in request.query:
        match = _RANGE.fullmatch(name)
        if match:
            rows = _in_range(rows, match[1], match[2] or "", value)
        elif name == "payout":
            rows = _of_payout(business, state, rows, value)
        elif name in _FILTERS[resource] and name != "types[]":
            rows = [row for row in rows if _matches(row.get(name), value)]
    types = request.all("types[]")
    return [row for row in rows if row["type"] in types] if types else rows


def _matches(have: Any, wanted: str) -> bool:
    return bool(have == wanted or (wanted.endswith(".*") and str(have).startswith(wanted[:-1])))


def _in_range(rows: list[Record], field: str, operator: str, value: str) -> list[Record]:
    if not value.isdigit():
        raise ApiError(400, f"Invalid integer: {value}", code="parameter_invalid_integer", param=field)
    return [row for row in rows if _COMPARE[operator](row[field], int(value))]


def _of_payout(business: Business, state: State, rows: list[Record], identity: str) -> list[Record]:
    """The exact composition of an automatic payout, its own negative line included."""
    found = next((p for p in business.stripe_payouts if p.id == identity and p.created <= state.clock), None)
    if found is None:
        raise ApiError(404, f"No such payout: '{identity}'", code="resource_missing", param="payout")
    if not found.automatic:
        raise ApiError(
            400,
            "Balance transaction history can only be filtered on automatic transfers, not manual.",
            param="payout",
        )
    wanted = {found.line.id, *(line.id for line in found.items)}
    return [row for row in rows if row["id"] in wanted]


_RESOURCE_OF = {
    "ch": "charges", "re": "refunds", "du": "disputes", "txn": "balance_transactions", "po": "payouts",
    "cus": "customers",
}  # fmt: skip


def _expanded(business: Business, state: State, record: Record, paths: list[list[str]]) -> Record:
    for path in paths:
        record = _expand(business, state, record, path)
    return record


def _expand(business: Business, state: State, record: Record, path: list[str]) -> Record:
    name, rest = path[0], path[1:]
    value: Any = record.get(name)
    if name == "refunds" and record.get("object") == "charge":
        value = _refund_list(business, state, record["id"])
    elif name not in record:
        raise ApiError(400, f"This property cannot be expanded ({name}).", param="expand")
    if isinstance(value, str):
        value = _looked_up(business, state, name, value)
    elif value is not None and not isinstance(value, list | dict):
        raise ApiError(400, f"This property cannot be expanded ({name}).", param="expand")
    if rest and isinstance(value, list):
        value = [_expand(business, state, item, rest) for item in value]
    elif rest and isinstance(value, dict):
        value = _expand(business, state, value, rest)
    return {**record, name: value}


def _looked_up(business: Business, state: State, name: str, value: str) -> Record:
    resource = _RESOURCE_OF.get(value.partition("_")[0])
    if resource is None:
        raise ApiError(400, f"This property cannot be expanded ({name}).", param="expand")
    return _one(business, state, resource, value)


def _refund_list(business: Business, state: State, charge: str) -> Record:
    rows = [row for row in _records(business, state, "refunds") if row["charge"] == charge]
    return {"object": "list", "data": rows, "has_more": False, "url": f"/v1/charges/{charge}/refunds"}


def hooks(business: Business, state: State, since: int, until: int) -> list[Hook]:
    """Signed deliveries to every registered address for what happened after `since` up to `until`."""
    made = []
    for happening in happenings(business, since, until):
        body = json.dumps(event(business, happening), separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json", "Stripe-Signature": signature(body, int(state.now()))}
        made += [Hook(url, headers, body) for url in state.hooks.get("stripe", [])]
    return made


def signature(body: bytes, at: int) -> str:
    digest = hmac.new(WEBHOOK_SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


system = System(
    key="stripe",
    label="Stripe (sandbox)",
    base="/stripe",
    settings={"charges_count_as": "sales"},
    secrets={"api_key": KEY, "webhook_secret": WEBHOOK_SECRET},
    respond=respond,
    rewind=lambda request: request.without("starting_after"),
    hooks=hooks,
)
