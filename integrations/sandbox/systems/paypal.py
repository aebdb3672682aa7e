"""The simulated PayPal: tokens, transaction search, balances, and webhooks signed by certificate."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import zlib
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from integrations.sandbox.events import CURRENCY, DAY, Business
from integrations.sandbox.paypal_sales import LAG, Buyer, Move, PayPal, simulate_paypal
from integrations.sandbox.web import Hook, Request, Response, State, System, json_response

CLIENT_ID, CLIENT_SECRET = "AZsandboxHarborCoffee", "EKsandboxSecretOfHarborCoffee"
TOKEN = "A21AAsandbox" + hashlib.sha256(CLIENT_SECRET.encode()).hexdigest()
WEBHOOK_ID = "1JE4291016SANDBOX"
CERTIFICATES = "/v1/notifications/certs/"
LONGEST = 31 * DAY
MOST = 10_000
MOST_A_PAGE = 500
Record = dict[str, Any]
_TOLD = {
    "T0006": "PAYMENT.CAPTURE.COMPLETED",
    "T1107": "PAYMENT.CAPTURE.REFUNDED",
    "T1106": "PAYMENT.CAPTURE.REVERSED",
    "T1110": "CUSTOMER.DISPUTE.CREATED",
    "T1111": "CUSTOMER.DISPUTE.RESOLVED",
}


class ApiError(Exception):
    """An answer in PayPal's error shape."""

    def __init__(self, status: int, name: str, message: str, *issues: tuple[str, str]) -> None:
        super().__init__(message)
        body: Record = {"name": name, "message": message, "debug_id": "sandbox"}
        if issues:
            body["details"] = [{"field": field, "issue": issue} for field, issue in issues]
        self.response = json_response(body, status)


def respond(business: Business, state: State, request: Request) -> Response:
    if request.path == "/v1/oauth2/token" and request.method == "POST":
        return _token(request)
    if request.path.startswith(CERTIFICATES):
        return _certificate(request)
    try:
        if request.headers.get("authorization", "") != f"Bearer {TOKEN}":
            raise ApiError(401, "AUTHENTICATION_FAILURE", "Authentication failed due to invalid credentials.")
        return json_response(_route(business, state, request), Paypal_Debug_Id="sandbox")
    except ApiError as error:
        return error.response


def _token(request: Request) -> Response:
    if request.basic != f"{CLIENT_ID}:{CLIENT_SECRET}":
        words = {"error": "invalid_client", "error_description": "Client Authentication failed"}
        return json_response(words, 401)
    form = request.form
    if form.get("grant_type") != "client_credentials":
        words = {"error": "unsupported_grant_type", "error_description": "Grant Type is wrong"}
        return json_response(words, 400)
    body = {
        "scope": form.get("scope", ""),
        "access_token": TOKEN,
        "token_type": "Bearer",
        "expires_in": 32_400,
    }
    return json_response({**body, "app_id": "APP-80W284485P519543T", "nonce": "sandbox"})


def _route(business: Business, state: State, request: Request) -> Record:
    known = {"/v1/reporting/transactions": _transactions, "/v1/reporting/balances": _balances}
    if request.method != "GET" or request.path not in known:
        raise ApiError(404, "RESOURCE_NOT_FOUND", "The specified resource does not exist.")
    return known[request.path](business, state, request)


def _transactions(business: Business, state: State, request: Request) -> Record:
    begin, end = _instant(request, "start_date"), _instant(request, "end_date")
    page, size = _number(request, "page", 1), _number(request, "page_size", 100)
    fresh = state.clock - LAG
    if end - begin > LONGEST:
        raise _invalid("end_date", "Date range is greater than 31 days")
    if begin > fresh:
        raise _invalid("start_date", "Data for the given start date is not available.")
    if size > MOST_A_PAGE:
        raise _invalid("page_size", "The page size is greater than 500")
    paypal = business.of(PayPal)
    found = [move for move in paypal.moves if begin <= move.at <= min(end, fresh)]
    if len(found) > state.settings.get("paypal_most", MOST):
        raise ApiError(
            400,
            "RESULTSET_TOO_LARGE",
            "Result set size is greater than the maximum limit. Change the filter.",
        )
    shown = found[(page - 1) * size : page * size]
    return {
        "transaction_details": [transaction(move, fresh) for move in shown],
        "account_number": paypal.account,
        "start_date": _stamp(begin),
        "end_date": _stamp(min(end, fresh)),
        "last_refreshed_datetime": _stamp(fresh),
        "page": page,
        "total_items": len(found),
        "total_pages": -(-len(found) // size),
    }


def _invalid(field: str, issue: str) -> ApiError:
    words = "Request is not well-formed, syntactically incorrect, or violates schema."
    return ApiError(400, "INVALID_REQUEST", words, (field, issue))


def _instant(request: Request, name: str) -> int:
    try:
        moment = dt.datetime.fromisoformat(request.get(name) or "")
    except ValueError:
        raise _invalid(name, "Date time is invalid") from None
    if moment.tzinfo is None:
        raise _invalid(name, "Date time has no zone")
    return int(moment.timestamp())


def _number(request: Request, name: str, otherwise: int) -> int:
    text = request.get(name) or str(otherwise)
    if not text.isdigit() or int(text) < 1:
        raise _invalid(name, "Must be a whole number from 1")
    return int(text)


def _stamp(at: int) -> str:
    """The reports' own form: no colon in the offset."""
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%dT%H:%M:%S}+0000"


def _money(minor: int, currency: str = CURRENCY) -> Record:
    sign, whole = "-" if minor < 0 else "", abs(minor)
    return {"currency_code": currency, "value": f"{sign}{whole // 100}.{whole % 100:02}"}


def transaction(move: Move, clock: int) -> Record:
    """One row as it stands at `clock`."""
    changed = max(at for at in (move.at, move.clears, move.denied) if at <= clock or at == move.at)
    info: Record = {"transaction_id": move.id}
    if move.reference:
        info |= {"paypal_reference_id": move.reference, "paypal_reference_id_type": "TXN"}
    info |= {
        "transaction_event_code": move.code,
        "transaction_initiation_date": _stamp(move.at),
        "transaction_updated_date": _stamp(changed),
        "transaction_amount": _money(move.amount, move.currency),
    }
    if move.fee:
        info["fee_amount"] = _money(move.fee, move.currency)
    info |= {"transaction_status": move.status(clock), "transaction_subject": move.subject}
    if move.invoice:
        info["invoice_id"] = move.invoice
    row: Record = {"transaction_info": info}
    return row | {"payer_info": _payer(move.buyer)} if move.buyer else row


def _payer(buyer: Buyer) -> Record:
    return {
        "account_id": buyer.id,
        "email_address": buyer.email,
        "address_status": "Y",
        "payer_status": "Y",
        "payer_name": {
            "given_name": buyer.first,
            "surname": buyer.last,
            "alternate_full_name": f"{buyer.first} {buyer.last}",
        },
        "country_code": buyer.country,
    }


def _balances(business: Business, state: State, request: Request) -> Record:
    paypal, clock = business.of(PayPal), state.clock
    stamp, withheld = _stamp(clock - LAG), paypal.on_hold(clock)
    held = {name.partition(":")[2] or CURRENCY: amount for name, amount in paypal.held(clock).items()}
    asked = request.get("currency_code") or "ALL"
    rows = [
        _balance(code, available, withheld if code == CURRENCY else 0)
        for code, available in held.items()
        if asked in ("ALL", code)
    ]
    return {"balances": rows, "account_id": paypal.account, "as_of_time": stamp, "last_refresh_time": stamp}


def _balance(currency: str, available: int, withheld: int) -> Record:
    return {
        "currency": currency,
        "primary": currency == CURRENCY,
        "total_balance": _money(available + withheld, currency),
        "available_balance": _money(available, currency),
        "withheld_balance": _money(withheld, currency),
    }


# ── webhooks ────────────────────────────────────────────────────────────────────────────────────
class _Signer(NamedTuple):
    key: rsa.RSAPrivateKey
    pem: bytes

    @property
    def name(self) -> str:
        return f"CERT-{hashlib.sha256(self.pem).hexdigest()[:24]}"


@cache
def _signer() -> _Signer:
    """A key and a certificate of this process, made out as PayPal's are, and the authority behind it."""
    authority, key = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    host = "messageverificationcerts.sandbox.paypal.com"
    above = _issued("Sandbox authority", authority, "Sandbox authority", authority)
    made = _issued(host, key, "Sandbox authority", authority)
    return _Signer(key, made.public_bytes(Encoding.PEM) + above.public_bytes(Encoding.PEM))


def _issued(
    name: str, key: rsa.RSAPrivateKey, issuer: str, issuer_key: rsa.RSAPrivateKey
) -> x509.Certificate:
    """A certificate of a host, or of an authority where it is issued by itself."""
    is_authority = name == issuer
    usage = dict.fromkeys(_USAGES, False) | {"key_cert_sign" if is_authority else "digital_signature": True}
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(2099, 1, 1, tzinfo=dt.UTC))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
    if not is_authority:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(issuer_key, SHA256())


_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


def _certificate(request: Request) -> Response:
    if request.path != f"{CERTIFICATES}{_signer().name}":
        return json_response({"name": "RESOURCE_NOT_FOUND", "message": "No such certificate."}, 404)
    return Response(200, _signer().pem, content_type="application/x-pem-file")


def hooks(business: Business, state: State, since: int, until: int) -> list[Hook]:
    made = []
    for body in _messages(business, since, until):
        headers = signed(body, int(state.now()), state.address)
        made += [Hook(url, headers, body) for url in state.hooks.get("paypal", [])]
    return made


def _messages(business: Business, since: int, until: int) -> Iterator[bytes]:
    for move in business.of(PayPal).moves:
        if since < move.at <= until and move.code in _TOLD:
            event = {
                "id": f"WH-{hashlib.sha256(move.key.encode()).hexdigest()[:34].upper()}",
                "create_time": _stamp(move.at),
                "event_type": _TOLD[move.code],
                "summary": move.subject,
                "resource": {"id": move.reference or move.id},
                "event_version": "1.0",
            }
            yield json.dumps(event, separators=(",", ":")).encode()


def signed(body: bytes, at: int, address: str) -> dict[str, str]:
    """The headers that prove a message; `address` is the sandbox's own, where the certificate stands."""
    number = hashlib.sha256(body).hexdigest()[:36]
    stamp = f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
    text = f"{number}|{stamp}|{WEBHOOK_ID}|{zlib.crc32(body)}"
    signature = _signer().key.sign(text.encode(), PKCS1v15(), SHA256())
    return {
        "Content-Type": "application/json",
        "PAYPAL-TRANSMISSION-ID": number,
        "PAYPAL-TRANSMISSION-TIME": stamp,
        "PAYPAL-TRANSMISSION-SIG": base64.b64encode(signature).decode(),
        "PAYPAL-CERT-URL": f"{address}{system.base}{CERTIFICATES}{_signer().name}",
        "PAYPAL-AUTH-ALGO": "SHA256withRSA",
    }


system = System(
    key="paypal",
    label="PayPal (sandbox)",
    base="/paypal",
    settings={"client_id": CLIENT_ID, "payments_count_as": "sales"},
    secrets={"client_secret": CLIENT_SECRET, "webhook_id": WEBHOOK_ID},
    respond=respond,
    rewind=lambda request: request.without("page"),
    hooks=hooks,
    venture=simulate_paypal,
)
