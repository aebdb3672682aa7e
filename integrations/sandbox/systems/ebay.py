"""The simulated eBay: orders, transactions, payouts, transfers, signed calls, signed notifications."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from integrations.sandbox.ebay_sales import Ebay, EbayOrder, Move, Paid, simulate_ebay
from integrations.sandbox.events import CURRENCY, DAY, Business
from integrations.sandbox.exchange import PER
from integrations.sandbox.web import Hook, Request, Response, State, System, json_response

BASE = "/ebay"
CLIENT_ID, CLIENT_SECRET, RUNAME = (
    "HarborCo-Books-SBX-1",
    "SBX-sandbox-cert",
    "Harbor_Coffee-HarborCo-Books-abc",
)
REFRESH, VERIFICATION_TOKEN = "v^1.1#sandbox-refresh", "sandbox-verification-token-of-32-chars"
SIGNER = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"seller").digest())
JWE = "sandbox.jwe.of.the.signing.key"
NOTIFIER = derive_private_key(int.from_bytes(hashlib.sha256(b"notifier").digest()) >> 1, SECP256R1())
KEY_ID, USER = "9936261a-sandbox", "ma8vp1jySJC"
TOKEN_SECONDS, UNASKED = 7200, 90 * DAY
MOST = {"order": 200, "transaction": 1000, "payout": 200}
LISTS = {"order": "orders", "transaction": "transactions", "payout": "payouts"}
TIMES = {"order": "lastmodifieddate", "transaction": "transactionDate", "payout": "payoutDate"}
Record = dict[str, Any]


@dataclass
class Office:
    """What the system remembers: who may come in until when, and codes of consent."""

    access: dict[str, float] = field(default_factory=dict)
    codes: set[str] = field(default_factory=set)


class ApiError(Exception):
    """An answer in eBay's error shape."""

    def __init__(self, status: int, number: int, message: str) -> None:
        super().__init__(message)
        error = {"errorId": number, "domain": "API", "category": "REQUEST", "message": message}
        self.response = json_response({"errors": [error]}, status)


def office(state: State) -> Office:
    found: Office = state.kept.setdefault("ebay", Office())
    return found


def respond(business: Business, state: State, request: Request) -> Response:
    if request.path == "/oauth2/authorize":
        return _agreed(state, request)
    if request.path == "/identity/v1/oauth2/token":
        return _token(state, request)
    try:
        _come_in(state, request)
        found = _route(business.of(Ebay), state, request)
    except ApiError as error:
        return error.response
    return json_response(found) if found else Response(204, b"")


def _route(ebay: Ebay, state: State, request: Request) -> Record:
    match [request.method, *request.path.strip("/").split("/")]:
        case ["GET", "sell", "fulfillment", "v1", "order"]:
            return _list(ebay, state, request, "order")
        case ["GET", "sell", "fulfillment", "v1", "order", identity]:
            return _one(_rows(ebay, state, "order"), "orderId", identity)
        case ["GET", "sell", "finances", "v1", ("transaction" | "payout") as what]:
            return _list(ebay, state, request, what)
        case ["GET", "sell", "finances", "v1", "payout", identity]:
            return _one(_rows(ebay, state, "payout"), "payoutId", identity)
        case ["GET", "sell", "finances", "v1", "transfer", identity]:
            transfers = [
                row for row in _rows(ebay, state, "transaction") if row["transactionType"] == "TRANSFER"
            ]
            return _transfer(_one(transfers, "transactionId", identity))
        case ["GET", "commerce", "identity", "v1", "user"]:
            return {"userId": USER, "username": "harbor_coffee", "registrationMarketplaceId": "EBAY_US"}
        case ["GET", "commerce", "notification", "v1", "public_key", identity] if identity == KEY_ID:
            return {"key": _public(), "algorithm": "ECDSA", "digest": "SHA1"}
    raise ApiError(404, 1003, "The requested resource was not found.")


# ── coming in ───────────────────────────────────────────────────────────────────────────────────────
def _agreed(state: State, request: Request) -> Response:
    """A person who agrees at once; eBay knows the address behind a RuName, here it is a setting."""
    back = state.settings.get("ebay_accepted")
    if (request.get("client_id"), request.get("redirect_uri")) != (CLIENT_ID, RUNAME) or not back:
        return json_response({"error_id": "unauthorized_client"}, 400)
    code = secrets.token_urlsafe(16)
    office(state).codes.add(code)
    query = tuple(pair for pair in request.query if pair[0] != "redirect_uri")
    return replace(request, query=(*query, ("redirect_uri", back))).sent_back(code=code, expires_in="299")


def _token(state: State, request: Request) -> Response:
    """A code is good once; the refresh token stays the same."""
    here, form = office(state), request.form
    if request.basic != f"{CLIENT_ID}:{CLIENT_SECRET}":
        return json_response(
            {"error": "invalid_client", "error_description": "client authentication failed"}, 401
        )
    by_code = (form.get("grant_type"), form.get("redirect_uri")) == ("authorization_code", RUNAME)
    if by_code and form.get("code") in here.codes:
        here.codes.discard(form["code"])
    elif form.get("grant_type") != "refresh_token" or form.get("refresh_token") != REFRESH:
        words = "the provided authorization refresh token is invalid or was issued to another client"
        return json_response({"error": "invalid_grant", "error_description": words}, 400)
    told = {"access_token": issue(state), "expires_in": TOKEN_SECONDS, "token_type": "User Access Token"}
    kept = {"refresh_token": REFRESH, "refresh_token_expires_in": 47_304_000} if by_code else {}
    return json_response({**told, **kept})


def issue(state: State) -> str:
    """An access token; those before it stay good until they end."""
    access = f"v^1.1#{secrets.token_urlsafe(32)}"
    office(state).access[access] = state.monotonic() + TOKEN_SECONDS
    return access


def _come_in(state: State, request: Request) -> None:
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if office(state).access.get(given, 0.0) <= state.monotonic():
        raise ApiError(401, 1001, "Invalid access token")
    if not re.fullmatch(r"EBAY_[A-Z_]+", request.headers.get("x-ebay-c-marketplace-id", "EBAY_US")):
        raise ApiError(400, 1004, "Invalid marketplace")
    must_sign = state.settings.get("ebay_signed", False) or "signature" in request.headers
    if request.path.startswith("/sell/finances/") and must_sign and not _is_signed(request):
        raise ApiError(401, 215_122, "Signature validation failed")


def _is_signed(request: Request) -> bool:
    """The signature over the key's name, the method, the path and the host; no query."""
    said = request.headers.get("signature-input", "").removeprefix("sig1=")
    values = {
        "x-ebay-signature-key": JWE,
        "@method": request.method,
        "@path": BASE + request.path,
        "@authority": request.headers.get("host", ""),
    }
    if request.headers.get("x-ebay-signature-key") != JWE or not all(f'"{name}"' in said for name in values):
        return False
    lines = [f'"{name}": {value}' for name, value in (*values.items(), ("@signature-params", said))]
    given = request.headers.get("signature", "").removeprefix("sig1=:").removesuffix(":")
    try:
        SIGNER.public_key().verify(base64.b64decode(given), "\n".join(lines).encode())
    except (InvalidSignature, ValueError):
        return False
    return True


# ── lists ───────────────────────────────────────────────────────────────────────────────────────────
def _rows(ebay: Ebay, state: State, what: str) -> list[Record]:
    """The orders in the order of their last change, the others the newest first."""
    found: list[Record] = state.cached(("ebay", what), lambda: _ROWS[what](ebay, state.clock))
    return found


def _one(rows: list[Record], name: str, identity: str) -> Record:
    found = next((row for row in rows if row[name] == identity), None)
    if found is None:
        raise ApiError(404, 32_100, "Invalid ID.")
    return found


def _list(ebay: Ebay, state: State, request: Request, what: str) -> Record:
    rows = [row for row in _rows(ebay, state, what) if _is_asked(row, request, state, what)]
    limit, offset = _number(request, "limit", 20), _number(request, "offset", 0)
    if not 0 < limit <= MOST[what]:
        raise ApiError(400, 30_810, f"Invalid limit: at most {MOST[what]}")
    shown, address = rows[offset : offset + limit], f"https://api.ebay.com{request.path}"
    if not rows and what != "order":
        return {}
    more = {"next": f"{address}?limit={limit}&offset={offset + limit}"} if offset + limit < len(rows) else {}
    page = {"href": address, "limit": limit, "offset": offset, "total": len(rows)}
    return {**page, **more, LISTS[what]: shown}


def _is_asked(row: Record, request: Request, state: State, what: str) -> bool:
    """What is asked for by time, or by its payout; without either what is of the last 90 days."""
    asked = request.get("filter")
    if asked and what == "transaction" and (found := re.fullmatch(r"payoutId:\{(\d+)\}", asked)):
        return bool(row.get("payoutId") == found[1])
    begin, end = state.clock - UNASKED, state.clock
    if asked:
        stamp = r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)"
        found = re.fullmatch(rf"{TIMES[what]}:\[{stamp}\.\.{stamp}?\]", asked)
        if not found:
            raise ApiError(400, 30_700, "Invalid filter field")
        begin, end = _moment(found[1]), _moment(found[2]) if found[2] else state.clock
    return begin <= _moment(row[_STAMPS[what]]) <= end


_STAMPS = {"order": "lastModifiedDate", "transaction": "transactionDate", "payout": "payoutDate"}


def _moment(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp())


def _number(request: Request, name: str, otherwise: int) -> int:
    text = request.get(name) or str(otherwise)
    if not text.isdigit():
        raise ApiError(400, 30_820, f"Invalid {name}")
    return int(text)


# ── records ─────────────────────────────────────────────────────────────────────────────────────────
def _value(minor: int) -> str:
    return f"{'-' if minor < 0 else ''}{abs(minor) // 100}.{abs(minor) % 100:02}"


def _money(minor: int, currency: str = CURRENCY) -> Record:
    return {"value": _value(minor), "currency": currency}


def _stamp(at: int) -> str:
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%dT%H:%M:%S}.000Z"


def _orders(ebay: Ebay, clock: int) -> list[Record]:
    found = [_order(ebay, order, clock) for order in ebay.orders if order.placed <= clock]
    return sorted(found, key=lambda row: (row["lastModifiedDate"], row["orderId"]))


def _order(ebay: Ebay, order: EbayOrder, clock: int) -> Record:
    backs = [
        move for move in ebay.moves if (move.kind, move.order) == ("REFUND", order.id) and move.at <= clock
    ]
    steps = (order.placed, order.paid, order.cancelled, *(back.at for back in backs))
    told = _told(ebay, order)
    return {
        "orderId": order.id,
        "legacyOrderId": order.id,
        "creationDate": _stamp(order.placed),
        "lastModifiedDate": _stamp(max(at for at in steps if at <= clock)),
        "sellerId": "harbor_coffee",
        "buyer": {"username": f"buyer_{order.id[-3:]}"},
        **_standing(order, sum(move.amount for move in backs), clock),
        "pricingSummary": {
            "priceSubtotal": told(order.price * order.quantity),
            "deliveryCost": told(order.shipping),
            "total": told(order.total),
            **({"priceDiscount": told(-order.discount)} if order.discount else {}),
            **({"tax": told(order.tax)} if order.tax else {}),
        },
        "paymentSummary": {
            "totalDueSeller": told(order.total),
            "refunds": [
                {"refundId": move.id, "refundStatus": "REFUNDED", "amount": told(-move.amount)}
                for move in backs
            ],
            "payments": [_payment(order, told(order.total), clock)],
        },
        "lineItems": [_item(order, told)],
        **({"ebayCollectAndRemitTax": True} if order.tax else {}),
    }


def _told(ebay: Ebay, order: EbayOrder) -> Callable[[int], Record]:
    """An amount of an order in what we are paid in, with what it was in before where that is another."""
    if order.currency == CURRENCY:
        return _money
    rate = next(move.rate for move in ebay.moves if move.order == order.id)

    def converted(minor: int) -> Record:
        before = {"convertedFromValue": _value(minor), "convertedFromCurrency": order.currency}
        return {**_money(minor * rate // PER), **before}

    return converted


def _standing(order: EbayOrder, back: int, clock: int) -> Record:
    paid, cancelled = 0 < order.paid <= clock, 0 < order.cancelled <= clock
    status = "FULLY_REFUNDED" if -back >= order.sold else "PARTIALLY_REFUNDED" if back else "PAID"
    return {
        "orderFulfillmentStatus": "FULFILLED" if paid else "NOT_STARTED",
        "orderPaymentStatus": status if paid else "FAILED" if cancelled else "PENDING",
        "cancelStatus": {"cancelState": "CANCELED" if cancelled else "NONE_REQUESTED", "cancelRequests": []},
    }


def _payment(order: EbayOrder, amount: Record, clock: int) -> Record:
    paid = 0 < order.paid <= clock
    made = {"paymentMethod": "EBAY", "paymentStatus": "PAID" if paid else "PENDING", "amount": amount}
    return made | ({"paymentDate": _stamp(order.paid)} if paid else {})


def _item(order: EbayOrder, told: Callable[[int], Record]) -> Record:
    site = "EBAY_GB" if order.currency == "GBP" else "EBAY_US"
    tax = {"taxType": "STATE_SALES_TAX", "amount": told(order.tax)}
    made = {
        "lineItemId": f"100{order.id.replace('-', '')}",
        "legacyItemId": "110000000001",
        "sku": order.sku,
        "title": order.title,
        "quantity": order.quantity,
        "lineItemCost": _money(order.price * order.quantity, order.currency),
        "total": told(order.total),
        "listingMarketplaceId": site,
        "purchaseMarketplaceId": site,
        "taxes": [tax] if order.tax else [],
        "refunds": [],
    }
    theirs = {"ebayCollectAndRemitTaxes": [{**tax, "collectionMethod": "NET"}]}
    return made | (theirs if order.tax else {})


def _transactions(ebay: Ebay, clock: int) -> list[Record]:
    return [_transaction(ebay, move, clock) for move in reversed(ebay.moves) if move.at <= clock]


def _transaction(ebay: Ebay, move: Move, clock: int) -> Record:
    sign = 1 if move.own >= 0 else -1
    payout = ebay.payout_of(move, clock)
    amount = _money(sign * move.net)
    if move.currency != CURRENCY:
        before = {"convertedFromValue": _value(sign * move.own), "convertedFromCurrency": move.currency}
        amount |= {**before, "exchangeRate": f"{move.rate / PER:.4f}"}
    made: Record = {
        "transactionId": move.id,
        "transactionType": move.kind,
        "transactionStatus": _status(move, payout is not None, clock),
        "transactionDate": _stamp(move.at),
        "bookingEntry": "CREDIT" if sign > 0 else "DEBIT",
        "amount": amount,
        "paymentsEntity": "eBay Commerce Inc.",
    }
    made |= {"payoutId": payout.id} if payout else {}
    made |= {"transactionMemo": move.memo} if move.memo else {}
    if move.kind in ("SALE", "REFUND"):
        made |= _charged(move, sign)
    if move.order and move.kind != "SHIPPING_LABEL":
        made["orderId"] = move.order
    elif move.order:
        made["references"] = [{"referenceId": move.order, "referenceType": "ORDER_ID"}]
    return made | ({"feeType": move.purpose} if move.purpose else {})


def _charged(move: Move, sign: int) -> Record:
    """What was withheld of a sale, or given back with a refund."""
    fees = [{"feeType": name, "amount": _money(sign * fee, move.currency)} for name, fee in move.fees]
    basis = _money(sign * move.amount + move.tax, move.currency)
    told = {"ebayCollectedTaxAmount": _money(move.tax, move.currency)} if move.tax else {}
    return {
        "salesRecordReference": "0",
        "totalFeeBasisAmount": _money(sign * move.amount, move.currency),
        "totalFeeAmount": _money(sign * move.fee, move.currency),
        "orderLineItems": [{"lineItemId": "10045000001", "feeBasisAmount": basis, "marketplaceFees": fees}],
        **told,
    }


def _status(move: Move, is_paid: bool, clock: int) -> str:
    if move.kind == "TRANSFER":
        return "COMPLETED"
    if is_paid:
        return "PAYOUT"
    if move.until > clock:
        return "FUNDS_ON_HOLD"
    return "FUNDS_PROCESSING" if move.ready > clock else "FUNDS_AVAILABLE_FOR_PAYOUT"


def _payouts(ebay: Ebay, clock: int) -> list[Record]:
    return [_payout(one, clock) for one in reversed(ebay.paid) if one.payout.created <= clock]


def _payout(paid: Paid, clock: int) -> Record:
    payout = paid.payout
    failed = 0 < payout.failed <= clock
    status = "SUCCEEDED" if payout.created + 3600 <= clock else "INITIATED"
    made = {
        "payoutId": payout.id,
        "payoutStatus": "TERMINAL_FAILED" if failed else status,
        "amount": _money(payout.amount),
        "payoutDate": _stamp(payout.created),
        "payoutInstrument": {
            "instrumentType": "BANK",
            "nickname": "Harbor First",
            "accountLastFourDigits": "4417",
        },
        "transactionCount": len(paid.moves),
    }
    return made | ({"lastAttemptedPayoutDate": _stamp(payout.failed)} if failed else {})


def _transfer(row: Record) -> Record:
    return {
        "transferId": row["transactionId"],
        "transactionDate": row["transactionDate"],
        "transferAmount": row["amount"],
        "fundingSource": {"type": "AVAILABLE_FUNDS"},
    }


_ROWS: dict[str, Callable[[Ebay, int], list[Record]]] = {
    "order": _orders,
    "transaction": _transactions,
    "payout": _payouts,
}


# ── notifications ───────────────────────────────────────────────────────────────────────────────────
def hooks(business: Business, state: State, since: int, until: int) -> list[Hook]:
    """Orders that were paid in between."""
    paid = [order for order in business.of(Ebay).orders if since < order.paid <= until]
    bodies = [message("ORDER_CONFIRMATION", order.id, order.paid) for order in paid]
    return [Hook(url, signed(body), body) for body in bodies for url in state.hooks.get("ebay", [])]


def message(topic: str, identity: str, at: int) -> bytes:
    notification = {
        "notificationId": hashlib.sha256(f"{topic}:{identity}".encode()).hexdigest()[:32],
        "eventDate": _stamp(at),
        "publishDate": _stamp(at),
        "publishAttemptCount": 1,
        "data": {"orderId": identity},
    }
    metadata = {"topic": topic, "schemaVersion": "1.0", "deprecated": False}
    event = {"metadata": metadata, "notification": notification}
    return json.dumps(event, separators=(",", ":")).encode()


def signed(body: bytes) -> dict[str, str]:
    signature = base64.b64encode(NOTIFIER.sign(body, ECDSA(SHA1()))).decode()
    proof = {"alg": "ecdsa", "kid": KEY_ID, "signature": signature, "digest": "SHA1"}
    header = base64.b64encode(json.dumps(proof, separators=(",", ":")).encode()).decode()
    return {"Content-Type": "application/json", "X-EBAY-SIGNATURE": header}


def _public() -> str:
    """As eBay writes it: a PEM without its lines."""
    pem = NOTIFIER.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode().replace("\n", "")


def private() -> str:
    return base64.b64encode(SIGNER.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()


system = System(
    key="ebay",
    label="eBay (sandbox)",
    base=BASE,
    settings={"client_id": CLIENT_ID, "runame": RUNAME},
    secrets={
        "client_secret": CLIENT_SECRET,
        "refresh_token": REFRESH,
        "signing_key": private(),
        "signing_jwe": JWE,
        "verification_token": VERIFICATION_TOKEN,
    },
    respond=respond,
    rewind=lambda request: request.without("offset"),
    hooks=hooks,
    venture=simulate_ebay,
)
