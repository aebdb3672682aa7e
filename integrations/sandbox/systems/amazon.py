"""The simulated Amazon: consent and tokens, quotas by operation, orders, finances, settlement reports."""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlencode

from integrations.sandbox.amazon_sales import AmazonOrder, Part, Posted, Settlement, Sold
from integrations.sandbox.events import CURRENCY, DAY, Business, instant
from integrations.sandbox.web import Request, Response, State, System, json_response

APPLICATION, CLIENT_ID = "amzn1.sp.solution.sandbox", "amzn1.application-oa2-client.sandbox"
CLIENT_SECRET, REFRESH = "amzn1.oa2-cs.v1.sandbox-secret-of-harbor", "Atzr|sandbox-refresh-of-harbor"
TOKEN_SECONDS = 3600
MARKETPLACE = {"marketplaceId": "ATVPDKIKX0DER", "marketplaceName": "Amazon.com"}
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
REPORT = "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2"
COLUMNS = (
    "settlement-id settlement-start-date settlement-end-date deposit-date total-amount currency "
    "transaction-type order-id merchant-order-id adjustment-id shipment-id marketplace-name amount-type "
    "amount-description amount fulfillment-id posted-date posted-date-time order-item-code "
    "merchant-order-item-id merchant-adjustment-item-id sku quantity-purchased promotion-id"
).split()
Record = dict[str, Any]
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
    back = {"state": request.get("state") or "", "selling_partner_id": "A3HARBOR", "spapi_oauth_code": code}
    return Response(302, b"", headers=(("Location", f"{request.get('redirect_uri')}?{urlencode(back)}"),))


def _token(state: State, request: Request) -> Response:
    form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
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


def _stamp(at: int) -> str:
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def _text(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02}"


def _money(cents: int) -> Record:
    return {"amount": _text(cents), "currencyCode": CURRENCY}


# ── orders ──────────────────────────────────────────────────────────────────────────────────────
def _orders(business: Business, state: State, request: Request) -> Record:
    begin, end = _window(state, request, "lastUpdatedAfter", "lastUpdatedBefore")
    clock = state.clock
    found = [
        order
        for order in business.amazon.orders
        if order.placed <= clock and begin <= order.updated(clock) <= end
    ]
    shown, following = _page(found, request, "paginationToken", SIZES["orders"])
    more = {"pagination": {"nextToken": following}} if following else {}
    return {
        "orders": [order_record(order, clock) for order in shown],
        **more,
        "lastUpdatedBefore": _stamp(end),
    }


def order_record(order: AmazonOrder, clock: int) -> Record:
    """The order as it stands at `clock`; before it is sent nothing is said of money."""
    sent, cancelled = 0 < order.shipped <= clock, 0 < order.cancelled <= clock
    status = "SHIPPED" if sent else "CANCELLED" if cancelled else "UNSHIPPED"
    record: Record = {
        "orderId": order.id,
        "createdTime": _stamp(order.placed),
        "lastUpdatedTime": _stamp(order.updated(clock)),
        "programs": ["PRIME"],
        "salesChannel": {"channelName": "AMAZON", **MARKETPLACE},
        "fulfillment": {"fulfillmentStatus": status, "fulfilledBy": "AMAZON"},
        "orderItems": [_order_item(item, n, order, sent=sent) for n, item in enumerate(order.items)],
    }
    return record | {"proceeds": {"grandTotal": _money(order.total)}} if sent else record


def _order_item(item: Sold, number: int, order: AmazonOrder, *, sent: bool) -> Record:
    asin = "B0" + hashlib.sha256(item.sku.encode()).hexdigest()[:8].upper()
    unit = {"unitPrice": _money(item.price)}
    record: Record = {
        "orderItemId": f"{order.id[-7:]}{number:04}",
        "quantityOrdered": item.quantity,
        "product": {"asin": asin, "title": item.title, "sellerSku": item.sku, "price": unit},
    }
    if not sent:
        return record
    parts = {
        "ITEM": item.principal,
        "SHIPPING": item.shipping,
        "GIFT_WRAP": item.gift_wrap,
        "DISCOUNT": -item.discount,
        "TAX": item.tax,
    }
    shown = [{"type": name, "subtotal": _money(cents)} for name, cents in parts.items() if cents]
    theirs = [{"model": "MARKETPLACE_FACILITATOR", "responsibleParty": "Amazon Services, Inc."}]
    tax = {"tax": {"taxCollections": theirs}} if order.theirs else {}
    return {
        **record,
        "proceeds": {"proceedsTotal": _money(item.taxed + item.tax), "breakdowns": shown},
        "fulfillment": {"quantityFulfilled": item.quantity, "quantityUnfulfilled": 0},
        **tax,
    }


# ── finances ────────────────────────────────────────────────────────────────────────────────────
def _transactions(business: Business, state: State, request: Request) -> Record:
    begin, end = _window(state, request, "postedAfter", "postedBefore")
    if end - begin > LONGEST:
        return {"payload": {"transactions": []}}
    rows = [
        record
        for one in business.amazon.posted
        if one.listed <= state.clock
        for at, record in transactions(one, state.clock)
        if begin <= at < end
    ]
    for settled in business.amazon.settlements:
        if settled.created <= state.clock and begin <= settled.end < end:
            rows += _closing(settled)
    shown, following = _page(rows, request, "nextToken", SIZES["transactions"])
    return {"payload": {"transactions": shown, **({"nextToken": following} if following else {})}}


def _currency(cents: int) -> Record:
    """Finances give JSON numbers; of cents the shortest decimal is the exact one."""
    return {"currencyCode": CURRENCY, "currencyAmount": cents / 100}


def transactions(one: Posted, clock: int) -> Iterator[tuple[int, Record]]:
    """(when posted, record) of a transaction, and of the one that releases it, as they stand at `clock`."""
    released = 0 < one.released <= clock
    status = "RELEASED" if not one.released else "DEFERRED_RELEASED" if released else "DEFERRED"
    more = [("RELEASE_TRANSACTION_ID", one.copy)] if released and one.copy else []
    yield one.at, _transaction(one, one.id, one.at, status, more)
    if more:
        yield (
            one.released,
            _transaction(one, one.copy, one.released, "RELEASED", [("DEFERRED_TRANSACTION_ID", one.id)]),
        )


def _transaction(one: Posted, identity: str, at: int, status: str, more: list[tuple[str, str]]) -> Record:
    named = [("ORDER_ID", one.order)] if one.order else []
    items = sorted({part.item for part in one.parts if part.item >= 0})
    return {
        "sellingPartnerMetadata": {
            "sellingPartnerId": "A3HARBOR",
            "accountType": "Standard Orders",
            "marketplaceId": MARKETPLACE["marketplaceId"],
        },
        "relatedIdentifiers": _identifiers([*named, *more]),
        "transactionType": one.kind,
        "transactionId": identity,
        "transactionStatus": status,
        "description": one.text,
        "postedDate": _stamp(at),
        "totalAmount": _currency(one.total),
        "marketplaceDetails": MARKETPLACE,
        "items": [_item([part for part in one.parts if part.item == number]) for number in items],
        "breakdowns": _tree(one.parts),
        "contexts": [],
    }


def _identifiers(named: list[tuple[str, str]]) -> list[Record]:
    return [{"relatedIdentifierName": name, "relatedIdentifierValue": value} for name, value in named]


def _item(parts: list[Part]) -> Record:
    return {"totalAmount": _currency(sum(part.amount for part in parts)), "breakdowns": _tree(parts)}


def _tree(parts: Sequence[Part]) -> list[Record]:
    """Breakdowns in groups, each with what it is made of; parts without a group stand by themselves."""
    groups: dict[str, list[Part]] = {}
    for part in parts:
        groups.setdefault(part.group or part.name, []).append(part)
    return [
        {
            "breakdownType": group,
            "breakdownAmount": _currency(sum(part.amount for part in inside)),
            "breakdowns": [_leaf(part) for part in inside if part.group],
        }
        for group, inside in groups.items()
    ]


def _leaf(part: Part) -> Record:
    return {"breakdownType": part.name, "breakdownAmount": _currency(part.amount), "breakdowns": []}


def _closing(settled: Settlement) -> Iterator[Record]:
    """What a settlement's end says here as well: money held and released, the transfer to the bank."""
    moves = (("Adjustment", "ReserveDebit", -settled.held), ("Adjustment", "ReserveCredit", settled.released))
    for kind, name, cents in (*moves, ("Transfer", "FundTransfer", -settled.amount)):
        if cents:
            part = Part("", name, ("", ""), cents)
            one = Posted(f"{settled.id}-{name}", kind, settled.end, settled.end, "", name, (part,))
            yield _transaction(one, one.id, one.at, "RELEASED", [("SETTLEMENT_ID", settled.id)])


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
    rows = [one for one in business.amazon.settlements if since <= one.created <= state.clock]
    rows.sort(key=lambda one: -one.created)
    start, size = int(request.get("start") or 0), int(request.get("pageSize") or 10)
    following = {**dict(request.query), "start": str(start + size)}
    token = base64.urlsafe_b64encode(urlencode(following).encode()).decode()
    more = {"nextToken": token} if start + size < len(rows) else {}
    return {"reports": [_report(one) for one in rows[start : start + size]], **more}


def _report(one: Settlement) -> Record:
    return {
        "marketplaceIds": [MARKETPLACE["marketplaceId"]],
        "reportId": f"R{one.id}",
        "reportType": REPORT,
        "dataStartTime": _stamp(one.start),
        "dataEndTime": _stamp(one.end),
        "createdTime": _stamp(one.created),
        "processingStatus": "DONE",
        "processingStartTime": _stamp(one.created),
        "processingEndTime": _stamp(one.created),
        "reportDocumentId": f"amzn1.spdoc.{one.id}",
    }


def _document(business: Business, state: State, request: Request) -> Record:
    identity = request.path.rpartition("/")[2]
    _settlement(business, state, identity)
    signature = hashlib.sha256(f"{identity} {state.monotonic()}".encode()).hexdigest()
    url = f"{state.address}{system.base}/download/{identity}?X-Amz-Signature={signature}"
    return {"reportDocumentId": identity, "url": url, "compressionAlgorithm": "GZIP"}


def _settlement(business: Business, state: State, document: str) -> Settlement:
    for one in business.amazon.settlements:
        if document == f"amzn1.spdoc.{one.id}" and one.created <= state.clock:
            return one
    raise ApiError(404, "NotFound", "The document is not known.")


def _download(business: Business, state: State, request: Request) -> Response:
    """The table, to whoever has the signed address; never with our token."""
    if not request.get("X-Amz-Signature") or "x-amz-access-token" in request.headers:
        return Response(403, b"<Error><Code>AccessDenied</Code></Error>", content_type="application/xml")
    try:
        one = _settlement(business, state, request.path.rpartition("/")[2])
    except ApiError as error:
        return error.response
    return Response(200, gzip.compress(table(one).encode("cp1252"), mtime=0), "application/octet-stream")


def table(one: Settlement) -> str:
    """The flat file of a settlement: totals in the first row, then each part of each transaction."""
    lines = ["\t".join(COLUMNS), _row(one, {"total-amount": _text(one.amount), "currency": CURRENCY})]
    for posted in one.posted:
        lines += [_row(one, _cells(posted, part)) for part in posted.parts]
    reserves = (("Previous Reserve Amount Balance", one.released), ("Current Reserve Amount", -one.held))
    for name, cents in reserves:
        if cents:
            cells = {"transaction-type": "other-transaction", "amount-type": "other-transaction"}
            cells |= {"amount-description": name, "amount": _text(cents), **_dated(one.end - 1)}
            lines.append(_row(one, cells))
    return "\r\n".join(lines) + "\r\n"


def _cells(posted: Posted, part: Part) -> dict[str, str]:
    kinds = {"Shipment": "Order", "Refund": "Refund", "Chargeback": "Chargeback Refund"}
    kind = kinds.get(posted.kind, "ServiceFee" if posted.kind == "ProductAdsPayment" else "other-transaction")
    return {
        "transaction-type": kind,
        "order-id": posted.order,
        "marketplace-name": MARKETPLACE["marketplaceName"],
        "amount-type": part.report[0],
        "amount-description": part.report[1],
        "amount": _text(part.amount),
        **_dated(posted.counts),
    }


def _dated(at: int) -> dict[str, str]:
    moment = dt.datetime.fromtimestamp(at, dt.UTC)
    return {"posted-date": f"{moment:%Y-%m-%d}", "posted-date-time": f"{moment:%Y-%m-%d %H:%M:%S} UTC"}


def _row(one: Settlement, cells: dict[str, str]) -> str:
    head = {"settlement-id": one.id}
    if "total-amount" in cells:
        for name, at in (("start", one.start), ("end", one.end), ("deposit", instant(one.deposit, 3))):
            key = f"settlement-{name}-date" if name != "deposit" else "deposit-date"
            head[key] = _dated(at)["posted-date-time"]
    return "\t".join({**head, **cells}.get(column, "") for column in COLUMNS)


def rewind(request: Request) -> Request:
    """The first page again, whatever page was asked for."""
    return replace(
        request,
        query=tuple(pair for pair in request.query if not re.fullmatch("paginationToken|nextToken", pair[0])),
    )


system = System(
    key="amazon",
    label="Amazon (sandbox)",
    base="/amazon",
    settings={"application_id": APPLICATION, "client_id": CLIENT_ID},
    secrets={"client_secret": CLIENT_SECRET, "refresh_token": REFRESH},
    respond=respond,
    rewind=rewind,
)
