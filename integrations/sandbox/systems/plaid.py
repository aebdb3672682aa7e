"""The simulated Plaid: a hosted page that sends people straight back, a bank, its accounts and their feed."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from integrations.sandbox.events import Account, Business
from integrations.sandbox.plaid_feed import News, Shown, changes, news, token
from integrations.sandbox.truth import closing_balances
from integrations.sandbox.web import Hook, Request, Response, State, System, json_response

CLIENT_ID, SECRET = "plaid_sandbox_client", "plaid_sandbox_secret"
ACCESS = "access-sandbox-8ab976e6-64bc-4b38-98f7-731e7a349970"
ITEM, KID = "DkzW6mE1vLt8bRq3nQyXfAo5pJc9HsGu2KiVd", "6c5516e1-92dc-479e-a8ff-5a51992e0001"
BANK = {"institution_id": "ins_900017", "institution_name": "Harbor First Bank"}
_SIGNER = ec.derive_private_key(int.from_bytes(hashlib.sha256(b"sandbox").digest()), ec.SECP256R1())
_KINDS = {"CHECKING": ("depository", "checking"), "CREDITCARD": ("credit", "credit card")}
_CHANNELS = {"card": "in store"}
_NO_RESULTS = (
    "cra_item_add_results",
    "cra_update_results",
    "bank_income_results",
    "payroll_income_results",
)
Body = dict[str, Any]


class ApiError(Exception):
    """An answer in Plaid's error shape."""

    def __init__(self, kind: str, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        error = {"error_type": kind, "error_code": code, "error_message": message, "display_message": None}
        self.response = json_response({**error, "request_id": "sandboxreq"}, status)


def respond(business: Business, state: State, request: Request) -> Response:
    if request.method == "GET" and request.path.startswith("/hosted/"):
        return _hosted(state, request.path.removeprefix("/hosted/"))
    try:
        _authorize(request)
        value = _answer(business, state, request)
    except ApiError as error:
        return error.response
    return json_response({**value, "request_id": "sandboxreq"})


def _authorize(request: Request) -> None:
    given = (request.headers.get("plaid-client-id", ""), request.headers.get("plaid-secret", ""))
    pairs = zip(given, (CLIENT_ID, SECRET), strict=True)
    if not all(hmac.compare_digest(a.encode(), b.encode()) for a, b in pairs):
        raise ApiError("INVALID_INPUT", "INVALID_API_KEYS", "invalid client_id or secret provided")


def _answer(business: Business, state: State, request: Request) -> Body:
    try:
        body = json.loads(request.body or b"{}")
    except ValueError:
        body = None
    handler = _HANDLERS.get(request.path)
    if request.method != "POST" or handler is None:
        raise ApiError("INVALID_REQUEST", "NOT_FOUND", "unknown path", 404)
    if not isinstance(body, dict):
        raise ApiError("INVALID_REQUEST", "INVALID_BODY", "body could not be parsed as JSON")
    if "access_token" in body:
        _check_access(state, request.path, body["access_token"])
    return handler(business, state, {**body, "_host": request.headers.get("host", "127.0.0.1")})


def _check_access(state: State, path: str, given: Any) -> None:
    if given != ACCESS:
        raise ApiError("INVALID_INPUT", "INVALID_ACCESS_TOKEN", "could not find matching access token")
    if state.settings.get("plaid_login") and path in ("/transactions/sync", "/accounts/get"):
        raise _login_required()


def _login_required() -> ApiError:
    return ApiError("ITEM_ERROR", "ITEM_LOGIN_REQUIRED", "the login details of this item have changed")


# ── linking ─────────────────────────────────────────────────────────────────────────────────────
def _link_create(business: Business, state: State, body: Body) -> Body:
    back = (body.get("hosted_link") or {}).get("completion_redirect_uri")
    missing = [name for name in ("client_name", "language", "country_codes", "user") if not body.get(name)]
    if missing or not isinstance(back, str) or not (body.get("products") or body.get("access_token")):
        raise ApiError("INVALID_REQUEST", "MISSING_FIELDS", f"required: {', '.join(missing) or 'products'}")
    kept = json.dumps({"back": back, "renew": "access_token" in body}).encode()
    link = f"link-sandbox-{base64.urlsafe_b64encode(kept).decode().rstrip('=')}"
    address = f"http://{body['_host']}/plaid/hosted/{link}"
    return {"link_token": link, "expiration": _stamp(state.now() + 1800), "hosted_link_url": address}


def _opened(link: Any) -> Body:
    try:
        text = str(link).removeprefix("link-sandbox-")
        kept = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error):
        kept = None
    if not isinstance(kept, dict):
        raise ApiError("INVALID_INPUT", "INVALID_LINK_TOKEN", "the provided link token is not valid")
    return kept


def _hosted(state: State, link: str) -> Response:
    """Whoever comes agrees at once and is sent back."""
    try:
        kept = _opened(link)
    except ApiError as error:
        return error.response
    state.settings.setdefault("plaid_visited", set()).add(link)
    if kept["renew"]:
        state.settings.pop("plaid_login", None)
    location = "".join(kept["back"].split())
    return Response(302, b"", headers=(("Location", location),))


def _link_get(business: Business, state: State, body: Body) -> Body:
    link = body.get("link_token")
    kept = _opened(link)
    visited = link in state.settings.get("plaid_visited", ())
    session: Body = {"link_session_id": token("session", link), "finished_at": _stamp(state.now())}
    if not kept["renew"]:
        session["results"] = {"item_add_results": [_added(link)], **{name: [] for name in _NO_RESULTS}}
    metadata = {"initial_products": ["transactions"], "webhook": None, "country_codes": ["US"],
                "language": "en", "redirect_uri": None, "client_name": "LedgerHub"}  # fmt: skip
    return {
        "link_token": link,
        "created_at": _stamp(state.now()),
        "expiration": _stamp(state.now() + 1800),
        "link_sessions": [session] if visited else [],
        "metadata": metadata,
    }


def _added(link: Any) -> Body:
    institution = {"institution_id": BANK["institution_id"], "name": BANK["institution_name"]}
    public = f"public-sandbox-{token('public', link)}"
    return {"public_token": public, "accounts": [], "institution": institution}


def _exchange(business: Business, state: State, body: Body) -> Body:
    if not str(body.get("public_token")).startswith("public-sandbox-"):
        raise ApiError("INVALID_INPUT", "INVALID_PUBLIC_TOKEN", "could not find matching public token")
    return {"access_token": ACCESS, "item_id": ITEM}


def _reset_login(business: Business, state: State, body: Body) -> Body:
    state.settings["plaid_login"] = True
    return {"reset_login": True}


# ── item, accounts, lines ───────────────────────────────────────────────────────────────────────
def _item(state: State) -> Body:
    error = json.loads(_login_required().response.body) if state.settings.get("plaid_login") else None
    until = dt.datetime.fromtimestamp(state.now(), dt.UTC) + dt.timedelta(days=180)
    return {
        "item_id": ITEM,
        **BANK,
        "webhook": None,
        "error": error,
        "available_products": [],
        "billed_products": ["transactions"],
        "consent_expiration_time": f"{until:%Y-%m-%d}T00:00:00Z",
        "update_type": "background",
    }


def _item_get(business: Business, state: State, body: Body) -> Body:
    return {"item": _item(state), "status": None}


def account_id(business: Business, account: Account) -> str:
    return token(business.seed, "account", account.id)


def _accounts(business: Business, state: State) -> list[Body]:
    closing = closing_balances(business, clock=state.clock)
    return [_account(business, one, closing[one.id], state.clock) for one in business.accounts]


def _account(business: Business, account: Account, cents: int, clock: int) -> Body:
    kind, subtype = _KINDS[account.kind]
    card = kind == "credit"
    return {
        "account_id": account_id(business, account),
        "balances": {
            "available": None if card else cents / 100,
            "current": (-cents if card else cents) / 100,
            "limit": 10_000 if card else None,
            "iso_currency_code": "USD",
            "unofficial_currency_code": None,
            "last_updated_datetime": _stamp(clock),
        },
        "mask": account.number[-4:],
        "name": account.name,
        "official_name": account.name,
        "type": kind,
        "subtype": subtype,
    }


def _accounts_get(business: Business, state: State, body: Body) -> Body:
    wanted = (body.get("options") or {}).get("account_ids")
    found = [row for row in _accounts(business, state) if wanted is None or row["account_id"] in wanted]
    if wanted and len(found) < len(wanted):
        raise ApiError("INVALID_INPUT", "INVALID_ACCOUNT_ID", "one or more of the account ids are invalid")
    return {"accounts": found, "item": _item(state)}


def _sync(business: Business, state: State, body: Body) -> Body:
    """A cursor names the changes told before, those being told and how far; new ones in mid-page are an
    error, as at the real one."""
    wanted = (body.get("options") or {}).get("account_id")
    owner = next((one for one in business.accounts if account_id(business, one) == wanted), None)
    if owner is None:
        raise ApiError("INVALID_INPUT", "INVALID_ACCOUNT_ID", "one or more of the account ids are invalid")
    all_changes = tuple(one for one in changes(business, owner.id) if one.at <= state.clock)
    start, end, offset = _cursor(body.get("cursor") or "")
    if end not in (0, len(all_changes)):
        raise ApiError("TRANSACTIONS_ERROR", "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION",
                       "underlying transaction data changed since last page was fetched")  # fmt: skip
    found = news(all_changes[start:])
    last = offset + int(body.get("count") or 100)
    more = last < len(found)
    following = (start, len(all_changes), last) if more else (len(all_changes), 0, 0)
    return {
        "accounts": [row for row in _accounts(business, state) if row["account_id"] == wanted],
        **_lists(business, owner, found[offset:last]),
        "next_cursor": base64.urlsafe_b64encode(".".join(map(str, following)).encode()).decode(),
        "has_more": more,
        "transactions_update_status": "HISTORICAL_UPDATE_COMPLETE",
    }


def _cursor(text: str) -> tuple[int, int, int]:
    if not text:
        return 0, 0, 0
    try:
        start, end, offset = map(int, base64.urlsafe_b64decode(text).decode().split("."))
    except ValueError:
        raise ApiError(
            "INVALID_REQUEST", "INVALID_FIELD", "cursor not associated with access_token"
        ) from None
    return start, end, offset


def _lists(business: Business, owner: Account, told: list[News]) -> Body:
    owned = account_id(business, owner)
    return {
        "added": [_transaction(owned, one.shown) for one in told if one.what == "added"],
        "modified": [_transaction(owned, one.shown) for one in told if one.what == "modified"],
        "removed": [
            {"transaction_id": one.shown.id, "account_id": owned} for one in told if one.what == "removed"
        ],
    }


def _transaction(account: str, shown: Shown) -> Body:
    line = shown.line
    payer, payee = (line.counterparty, None) if line.amount > 0 else (None, line.counterparty)
    nothing = ("by_order_of", "payment_method", "payment_processor", "ppd_id", "reason")
    places = ("address", "city", "region", "postal_code", "country", "lat", "lon", "store_number")
    return {
        "account_id": account,
        "account_owner": None,
        "amount": -line.amount / 100,
        "iso_currency_code": "USD",
        "unofficial_currency_code": None,
        "check_number": None,
        "date": line.date.isoformat(),
        "datetime": None,
        "authorized_date": None,
        "authorized_datetime": None,
        "location": dict.fromkeys(places),
        "name": line.counterparty or line.description,
        "merchant_name": line.counterparty if shown.enriched else None,
        "original_description": line.description,
        "payment_channel": _CHANNELS.get(line.kind, "other"),
        "payment_meta": dict.fromkeys(nothing)
        | {"payer": payer, "payee": payee, "reference_number": line.reference or None},
        "pending": shown.pending,
        "pending_transaction_id": shown.pending_id or None,
        "transaction_code": None,
        "transaction_id": shown.id,
    }


# ── webhooks ────────────────────────────────────────────────────────────────────────────────────
def _key_get(business: Business, state: State, body: Body) -> Body:
    if body.get("key_id") != KID:
        raise ApiError("INVALID_INPUT", "INVALID_WEBHOOK_VERIFICATION_KEY_ID", "no such key")
    public = _SIGNER.public_key().public_numbers()
    point = {"x": _packed(public.x.to_bytes(32)), "y": _packed(public.y.to_bytes(32))}
    return {"key": {"alg": "ES256", "crv": "P-256", "kid": KID, "kty": "EC", "use": "sig",
                    "created_at": 1_772_000_000, "expired_at": None, **point}}  # fmt: skip


def signature(body: bytes, at: int, **head: str) -> str:
    """The token that stands in `Plaid-Verification`; `head` changes its first part."""
    claims = {"iat": at, "request_body_sha256": hashlib.sha256(body).hexdigest()}
    parts = [{"alg": "ES256", "kid": KID, "typ": "JWT", **head}, claims]
    text = ".".join(_packed(json.dumps(part).encode()) for part in parts)
    r, s = decode_dss_signature(_SIGNER.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{text}.{_packed(r.to_bytes(32) + s.to_bytes(32))}"


def hooks(business: Business, state: State, since: int, until: int) -> list[Hook]:
    told = [one for account in business.accounts for one in changes(business, account.id)]
    if not any(since < one.at <= until for one in told):
        return []
    said = {
        "webhook_type": "TRANSACTIONS",
        "webhook_code": "SYNC_UPDATES_AVAILABLE",
        "item_id": ITEM,
        "initial_update_complete": True,
        "historical_update_complete": True,
        "environment": "sandbox",
    }
    body = json.dumps(said, indent=2).encode()
    make: Callable[[str], Hook] = partial(Hook, headers=_hook_headers(body, int(state.now())), body=body)
    return [make(url) for url in state.hooks.get("plaid", [])]


def _hook_headers(body: bytes, at: int) -> dict[str, str]:
    return {"Content-Type": "application/json", "Plaid-Verification": signature(body, at)}


def _packed(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _stamp(at: float) -> str:
    return f"{dt.datetime.fromtimestamp(int(at), dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def rewind(request: Request) -> Request:
    """The request without its cursor: the list begins anew."""
    body = json.loads(request.body or b"{}")
    body.pop("cursor", None)
    return replace(request, body=json.dumps(body).encode())


_HANDLERS: dict[str, Callable[[Business, State, Body], Body]] = {
    "/link/token/create": _link_create,
    "/link/token/get": _link_get,
    "/item/public_token/exchange": _exchange,
    "/item/get": _item_get,
    "/accounts/get": _accounts_get,
    "/transactions/sync": _sync,
    "/webhook_verification_key/get": _key_get,
    "/sandbox/item/reset_login": _reset_login,
}

system = System(
    key="plaid",
    label="Plaid (sandbox)",
    base="/plaid",
    settings={"client_id": CLIENT_ID, "environment": "sandbox", "country": "US"},
    secrets={"secret": SECRET},
    respond=respond,
    rewind=rewind,
    hooks=hooks,
    by_hand=True,
)
