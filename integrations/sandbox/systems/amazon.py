"""The simulated Amazon: consent and tokens, quotas by operation, orders, finances, settlement reports."""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar
from urllib.parse import parse_qs, urlencode

from integrations.sandbox.amazon_sales import Amazon, Settlement, simulate_amazon
from integrations.sandbox.amazon_shapes import (
    MARKETPLACE,
    REPORT,
    Record,
    closing,
    order_record,
    report,
    stamp,
    table,
    transactions,
)
from integrations.sandbox.events import CURRENCY, DAY, Business
from integrations.sandbox.web import Request, Response, State, System, json_response

APPLICATION, CLIENT_ID = "amzn1.sp.solution.sandbox", "amzn1.application-oa2-client.sandbox"
CLIENT_SECRET, REFRESH = "amzn1.oa2-cs.v1.sandbox-secret-of-harbor", "Atzr|sandbox-refresh-of-harbor"
TOKEN_SECONDS = 3600
LONGEST = 180 * DAY
KEPT = 90 * DAY
TOO_NEW = 120  # seconds: windows must end before this
SIZES = {"orders": 50, "transactions": 40}
# Calls a second and burst of each operation; state.settings["amazon_pace"] times the published rate, as for a
# seller with a large allowance, so that nobody waits minutes for the demo.
LIMITS = {
    "orders": (0.0056, 20),
    "finances": (0.5, 10),
    "reports": (0.0222, 10),
    "documents": (0.0167, 15),
    "sellers": (0.016, 15),
}
PACE = 100
T = TypeVar("T")


class ApiError(Exception):
    """An answer in Amazon's error shape."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.response = json_response({"errors": [{"code": code, "message": message, "details": ""}]}, status)


def respond(business: Business, state: State, request: Request) -> Response:
    if request.path == "/apps/authorize/consent":
        return _agreed(state, request)
    if request.path == "/auth/o2/token":
        return _token(state, request)
    if request.path.startswith("/download/"):
        return _download(business, state, request)
    try:
        if request.headers.get("x-amz-access-token", "") not in _access(state):
            raise ApiError(403, "Unauthorized", "Access to requested resource is denied.")
        operation, answer = _route(request)
        rate = _spend(state, operation)
        found = json_response(answer(business, state, request))
        return replace(
            found, headers=(("x-amzn-RateLimit-Limit", f"{rate:g}"), ("x-amzn-RequestId", "sandbox"))
        )
    except ApiError as error:
        return error.response


# ── who may come in ─────────────────────────────────────────────────────────────────────────────
def _kept(state: State) -> Record:
    """Tokens given out, and codes that wait to be changed for one."""
    found: Record = state.kept.setdefault("amazon", {"access": {}, "codes": set()})
    return found


def _access(state: State) -> set[str]:
    now = state.monotonic()
    return {name for name, until in _kept(state)["access"].items() if until > now}


def _agreed(state: State, request: Request) -> Response:
    """The seller says yes at once and is sent back with a code."""
    if request.get("application_id") != APPLICATION or not request.get("redirect_uri"):
        return json_response(
            {"error": "MD1000: the application or the address to return to is not known"}, 400
        )
    code = hashlib.sha256(f"code {len(_kept(state)['codes'])} {request.get('state')}".encode()).hexdigest()[
        :20
    ]
    _kept(state)["codes"].add(code)
    return request.sent_back(selling_partner_id="A3HARBOR", spapi_oauth_code=code)


def _token(state: State, request: Request) -> Response:
    form = request.form
    if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
        words = {"error": "invalid_client", "error_description": "Client authentication failed"}
        return json_response(words, 401)
    by_code = form.get("grant_type") == "authorization_code" and form.get("code") in _kept(state)["codes"]
    by_refresh = form.get("grant_type") == "refresh_token" and form.get("refresh_token") == REFRESH
    if not by_code and not by_refresh:
        words = {"error": "invalid_grant", "error_description": "The request has an invalid grant parameter"}
        return json_response(words, 400)
    _kept(state)["codes"].discard(form.get("code"))
    number = len(_kept(state)["access"])
    access = "Atza|sandbox-" + hashlib.sha256(f"access {number}".encode()).hexdigest()
    _kept(state)["access"][access] = state.monotonic() + TOKEN_SECONDS
    body = {
        "access_token": access,
        "refresh_token": REFRESH,
        "token_type": "bearer",
        "expires_in": TOKEN_SECONDS,
    }
    return json_response(body)


def _spend(state: State, operation: str) -> float:
    """Take a call of the operation's quota; gives its rate."""
    published, burst = LIMITS[operation]
    rate = published * float(state.settings.get("amazon_pace", PACE))
    now, name = state.monotonic(), f"amazon {operation}"
    tokens, at = state.budgets.get(name, (float(burst), now))
    tokens = min(float(burst), tokens + (now - at) * rate)
    if tokens < 1:
        raise ApiError(429, "QuotaExceeded", "You exceeded your quota for the requested resource.")
    state.budgets[name] = (tokens - 1, now)
    return rate


# ── what is asked ───────────────────────────────────────────────────────────────────────────────
Answer = Callable[[Business, State, Request], Record]


def _route(request: Request) -> tuple[str, Answer]:
    known: dict[str, tuple[str, Answer]] = {
        "/sellers/v1/marketplaceParticipations": ("sellers", _participations),
        "/orders/2026-01-01/orders": ("orders", _orders),
        "/finances/2024-06-19/transactions": ("finances", _transactions),
        "/reports/2021-06-30/reports": ("reports", _reports),
    }
    documents = "/reports/2021-06-30/documents/"
    if request.method == "GET" and request.path.startswith(documents):
        return "documents", _document
    if request.method != "GET" or request.path not in known:
        raise ApiError(404, "NotFound", "The resource is not known.")
    return known[request.path]


def _participations(business: Business, state: State, request: Request) -> Record:
    market = {
        "id": MARKETPLACE["marketplaceId"],
        "name": MARKETPLACE["marketplaceName"],
        "countryCode": "US",
        "defaultCurrencyCode": CURRENCY,
        "defaultLanguageCode": "en_US",
        "domainName": "www.amazon.com",
    }
    taking_part = {"isParticipating": True, "hasSuspendedListings": False}
    return {"payload": [{"marketplace": market, "storeName": business.name, "participation": taking_part}]}


def _instant(request: Request, name: str, otherwise: int) -> int:
    text = request.get(name)
    if text is None:
        return otherwise
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ApiError(400, "InvalidInput", f"{name} is not a date") from None
    return int(moment.replace(tzinfo=moment.tzinfo or dt.UTC).timestamp())


def _window(state: State, request: Request, after: str, before: str) -> tuple[int, int]:
    """The window asked for; by our own clock no window may reach into the last two minutes."""
    if request.get(after) is None:
        raise ApiError(400, "InvalidInput", f"{after} is missing")
    end = _instant(request, before, state.clock)
    if end > int(state.now()) - TOO_NEW and request.get(before):
        raise ApiError(400, "InvalidInput", f"{before} must be more than two minutes before now")
    return _instant(request, after, 0), end


def _page(rows: Sequence[T], request: Request, param: str, size: int) -> tuple[list[T], str | None]:
    """A page of the rows and the token of the next; the token only counts, and only with the same filters."""
    filters = sorted(pair for pair in request.query if pair[0] != param)
    mark = hashlib.sha256(repr(filters).encode()).hexdigest()[:8]
    given = request.get(param)
    start = 0
    if given:
        plain = base64.urlsafe_b64decode(given.encode()).decode().split(":")
        if plain[0] != mark:
            raise ApiError(400, "InvalidInput", f"{param} belongs to another request")
        start = int(plain[1])
    following = base64.urlsafe_b64encode(f"{mark}:{start + size}".encode()).decode()
    return list(rows[start : start + size]), following if start + size < len(rows) else None


# ── orders ──────────────────────────────────────────────────────────────────────────────────────
def _orders(business: Business, state: State, request: Request) -> Record:
    begin, end = _window(state, request, "lastUpdatedAfter", "lastUpdatedBefore")
    clock = state.clock
    found = [
        order
        for order in business.of(Amazon).orders
        if order.placed <= clock and begin <= order.updated(clock) <= end
    ]
    shown, following = _page(found, request, "paginationToken", SIZES["orders"])
    more = {"pagination": {"nextToken": following}} if following else {}
    return {
        "orders": [order_record(order, clock) for order in shown],
        **more,
        "lastUpdatedBefore": stamp(end),
    }


# ── finances ────────────────────────────────────────────────────────────────────────────────────
def _transactions(business: Business, state: State, request: Request) -> Record:
    begin, end = _window(state, request, "postedAfter", "postedBefore")
    if end - begin > LONGEST:
        return {"payload": {"transactions": []}}
    rows = [
        record
        for one in business.of(Amazon).posted
        if one.listed <= state.clock
        for at, record in transactions(one, state.clock)
        if begin <= at < end
    ]
    for settled in business.of(Amazon).settlements:
        if settled.created <= state.clock and begin <= settled.end < end:
            rows += closing(settled)
    shown, following = _page(rows, request, "nextToken", SIZES["transactions"])
    return {"payload": {"transactions": shown, **({"nextToken": following} if following else {})}}


# ── reports ─────────────────────────────────────────────────────────────────────────────────────
def _reports(business: Business, state: State, request: Request) -> Record:
    token = request.get("nextToken")
    if token:
        if len(request.query) > 1:
            raise ApiError(400, "InvalidInput", "nextToken must be the only parameter")
        asked = Request("GET", request.path, tuple(_unpacked(token)), request.headers)
        return _reports_page(business, state, asked)
    if request.get("reportTypes") != REPORT:
        raise ApiError(400, "InvalidInput", "reportTypes is missing")
    return _reports_page(business, state, request)


def _unpacked(token: str) -> list[tuple[str, str]]:
    plain = base64.urlsafe_b64decode(token.encode()).decode()
    return [(name, values[0]) for name, values in parse_qs(plain).items()]


def _reports_page(business: Business, state: State, request: Request) -> Record:
    since = max(_instant(request, "createdSince", 0), state.clock - KEPT)
    rows = [one for one in business.of(Amazon).settlements if since <= one.created <= state.clock]
    rows.sort(key=lambda one: -one.created)
    start, size = int(request.get("start") or 0), int(request.get("pageSize") or 10)
    following = {**dict(request.query), "start": str(start + size)}
    token = base64.urlsafe_b64encode(urlencode(following).encode()).decode()
    more = {"nextToken": token} if start + size < len(rows) else {}
    return {"reports": [report(one) for one in rows[start : start + size]], **more}


def _document(business: Business, state: State, request: Request) -> Record:
    identity = request.path.rpartition("/")[2]
    _settlement(business, state, identity)
    signature = hashlib.sha256(f"{identity} {state.monotonic()}".encode()).hexdigest()
    url = f"{state.address}{system.base}/download/{identity}?X-Amz-Signature={signature}"
    return {"reportDocumentId": identity, "url": url, "compressionAlgorithm": "GZIP"}


def _settlement(business: Business, state: State, document: str) -> Settlement:
    for one in business.of(Amazon).settlements:
        if document == f"amzn1.spdoc.{one.id}" and one.created <= state.clock:
            return one
    raise ApiError(404, "NotFound", "The document is not known.")


def _download(business: Business, state: State, request: Request) -> Response:
    """The table, to whoever has the signed address; with headers of Amazon's own it was not signed for."""
    unsigned = any(name.startswith("x-amz-") for name in request.headers)
    if not request.get("X-Amz-Signature") or unsigned:
        return Response(403, b"<Error><Code>AccessDenied</Code></Error>", content_type="application/xml")
    try:
        one = _settlement(business, state, request.path.rpartition("/")[2])
    except ApiError as error:
        return error.response
    return Response(200, gzip.compress(table(one).encode("cp1252"), mtime=0), "application/octet-stream")


system = System(
    key="amazon",
    label="Amazon (sandbox)",
    base="/amazon",
    settings={"application_id": APPLICATION, "client_id": CLIENT_ID},
    secrets={"client_secret": CLIENT_SECRET, "refresh_token": REFRESH},
    respond=respond,
    rewind=lambda request: request.without("paginationToken", "nextToken"),
    venture=simulate_amazon,
)
