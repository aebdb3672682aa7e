"""Plaid (source): the lines of one bank account as its bank shows them, pending ones too, and its balance.

Money out is positive at Plaid: the sign is changed. A booked line comes under a new id and names the pending
one it books. One integration is one account; a person links the bank on Plaid's own page (Hosted Link).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from decimal import Decimal
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from integrations.calls import owner_at
from integrations.messages import Event, Message, Trust, Webhook, WebhookRefused, parsed
from integrations.paging import MarkedPages
from integrations.records import Record, dig
from integrations.rules import Condition, Output, rule
from integrations.signing import is_by
from integrations.spec import (
    Accounts,
    Bookmark,
    Choice,
    Connector,
    Headers,
    HostedLink,
    Limits,
    Linked,
    Read,
    Said,
    Setting,
    Settings,
    Stream,
    Test,
)
from ledgerhub.core.errors import ConfigError

VERSION = "2020-09-14"
TOLERANCE = 300
MOST_AHEAD = 60  # seconds their clock may be ahead of ours
HISTORY_DAYS = 730
ACCESS = {"access_token": "{access_token}"}


# ── lines and balances ──────────────────────────────────────────────────────────────────────────
def transaction(record: Record) -> Record:
    """With its id, its one currency and the bank's own words where Plaid keeps them."""
    return {
        **record,
        "id": record.get("transaction_id"),
        "currency": _currency(record),
        "text": record.get("original_description") or record.get("name"),
        "party": record.get("merchant_name") or _first_party(record) or _named(record),
        "reference": record.get("check_number") or dig(record, "payment_meta.reference_number"),
    }


def balance(record: Record) -> Record:
    """One a day and account, as of when the bank says or we asked. What an account of the kind owes is
    negative in the books; where the kind is not known the sign is not either, and there is no balance."""
    as_of = dig(record, "balances.last_updated_datetime") or record.get("asked_at")
    amount, kind = dig(record, "balances.current"), record.get("type")
    sign = {"depository": 1, "credit": -1, "loan": -1}.get(str(kind))
    known = isinstance(amount, int | Decimal) and sign is not None
    return {
        **record,
        "id": f"{record['account_id']}:{str(as_of)[:10]}" if record.get("account_id") else None,
        "as_of": as_of,
        "currency": _currency(record.get("balances") or {}),
        "balance": amount * sign if known else None,
    }


def _currency(record: Record) -> Any:
    return record.get("iso_currency_code") or record.get("unofficial_currency_code")


def _first_party(record: Record) -> Any:
    parties = record.get("counterparties")
    return dig(parties[0], "name") if isinstance(parties, list) and parties else None


def _named(record: Record) -> Any:
    return dig(record, "payment_meta.payee") or dig(record, "payment_meta.payer")


TRANSACTIONS = Stream(
    key="transactions",
    label="Bank lines",
    help="Every line of the account, pending ones first, and what the bank takes back.",
    read=Read(
        "/transactions/sync",
        {
            **ACCESS,
            "options": {
                "account_id": "{account}",
                "include_original_description": True,
                "days_requested": HISTORY_DAYS,
            },
        },
        records=("added", "modified", "removed"),
        paginator=MarkedPages("cursor", "next_cursor", "has_more", "count", 500),
        method="POST",
        body="json",
        bucket="transactions",
    ),
    incremental=Bookmark("next_cursor", vanished=lambda record: {**record, "_list": "removed"}),
    shape=transaction,
    outputs=(
        Output(
            key="line",
            kind="bank_transaction",
            when=(Condition("_list", "not_equals", ("removed",)),),
            rules=(
                rule("bank_transaction.external_id", "id"),
                rule("bank_transaction.date", "date", "iso_date"),
                rule("bank_transaction.currency", "currency", "upper"),
                rule("bank_transaction.total", "amount", "decimal", "negate"),
                rule("bank_transaction.description", "text"),
                rule("bank_transaction.counterparty", "party"),
                rule("bank_transaction.reference", "reference"),
                rule("bank_transaction.pending", "pending"),
                rule("bank_transaction.pending_id", "pending_transaction_id"),
                rule("bank_transaction.memo", "payment_channel"),
            ),
        ),
        Output(
            key="removal",
            kind="bank_removal",
            when=(Condition("_list", "equals", ("removed",)),),
            rules=(rule("bank_removal.external_id", "id"),),
        ),
    ),
)

BALANCES = Stream(
    key="balances",
    label="Balances",
    help="What the bank says the account holds: the proof that no line is missing.",
    read=Read(
        "/accounts/get",
        {**ACCESS, "options": {"account_ids": ["{account}"]}},
        records="accounts",
        method="POST",
        body="json",
        stamp="asked_at",
    ),
    shape=balance,
    depends_on=("transactions",),
    outputs=(
        Output(
            key="balance",
            kind="bank_balance",
            when=(Condition("balances.current", "exists"),),
            rules=(
                rule("bank_balance.external_id", "id"),
                rule("bank_balance.date", "as_of", "iso_date"),
                rule("bank_balance.currency", "currency", "upper"),
                rule("bank_balance.total", "balance", "decimal"),
            ),
        ),
    ),
)


# ── linking ─────────────────────────────────────────────────────────────────────────────────────
LINK = {
    "client_name": "LedgerHub",
    "language": "en",
    "country_codes": ["{country}"],
    "user": {"client_user_id": "{visitor}"},
    "webhook": "{webhook_url}",
    "hosted_link": {"completion_redirect_uri": "{return_url}"},
}


def outcome(answer: Any) -> Linked:
    """What the last visit to the page came to."""
    sessions = [session for session in dig(answer, "link_sessions") or () if isinstance(session, dict)]
    for session in reversed(sessions):
        added = dig(session, "results.item_add_results") or ()
        codes = [dig(row, "public_token") for row in added if isinstance(row, dict)]
        codes = [code for code in codes if isinstance(code, str) and code]
        if len(codes) > 1:
            return Linked(problem="Link one bank at a time: each is an integration of its own.")
        if codes:
            return Linked(code=codes[0])
    if not sessions or not sessions[-1].get("finished_at"):
        return Linked(problem="Nothing was agreed to on the bank's page. Begin again when you are ready.")
    error = dig(sessions[-1], "exit.error") or {}
    left = dig(sessions[-1], "exit")
    words = error.get("display_message") or error.get("error_message") or "The page was left before the end."
    return Linked(problem=str(words)[:300] if left else "")


AUTH = HostedLink(
    begin=Read(
        "/link/token/create",
        {**LINK, "products": ["transactions"], "transactions": {"days_requested": HISTORY_DAYS}},
        method="POST",
        body="json",
    ),
    renew=Read("/link/token/create", {**LINK, **ACCESS}, method="POST", body="json"),
    finish=Read("/link/token/get", {"link_token": "{link}"}, method="POST", body="json"),
    exchange=Read("/item/public_token/exchange", {"public_token": "{code}"}, method="POST", body="json"),
    outcome=outcome,
    link="link_token",
    url="hosted_link_url",
    access="access_token",
    scopes=("transactions",),
    captures={"item_id": "item"},
    accounts=Accounts(
        Read("/accounts/get", ACCESS, records="accounts", method="POST", body="json"),
        setting="account",
        label="Account at the bank",
        id="account_id",
        detail="mask",
    ),
)


def connected(answer: Any, settings: Settings) -> str:
    """`Connected to Harbor First Bank.`"""
    return f"Connected to {dig(answer, 'item.institution_name') or 'the bank'}."


# ── what Plaid says of itself ───────────────────────────────────────────────────────────────────
AGAIN = "The bank asks you to sign in again: use Connect again."
_SIGN_IN = {
    "ITEM_LOGIN_REQUIRED": AGAIN,
    "USER_PERMISSION_REVOKED": "The permission was taken back at the bank: use Connect again.",
    "USER_ACCOUNT_REVOKED": "The permission was taken back at the bank: use Connect again.",
    "ACCESS_NOT_GRANTED": "The permission for the account's lines was not given: use Connect again.",
    "ITEM_NOT_FOUND": "Plaid no longer knows this link: connect again.",
    "INVALID_ACCESS_TOKEN": "Plaid no longer knows this link: connect again.",
    "INVALID_API_KEYS": "Client id and secret do not belong together, or are of another environment.",
}
_LATER = {"PRODUCT_NOT_READY", "INTERNAL_SERVER_ERROR", "PLANNED_MAINTENANCE"}
_LATER_TYPES = {"RATE_LIMIT_EXCEEDED", "INSTITUTION_ERROR", "API_ERROR"}


def understand(status: int, headers: Headers, body: Any) -> Said | None:
    """Plaid's error codes, also the one that stands in the item of a good answer."""
    error = dig(body, "item.error") if status == 200 else body
    code = dig(error, "error_code")
    if not isinstance(code, str):
        return None
    words = dig(error, "display_message") or dig(error, "error_message") or "It gives no reason."
    if code == "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION":
        return Said("moved", "The lines changed while they were read.")
    if code in _SIGN_IN:
        return Said("denied", _SIGN_IN[code])
    if code in _LATER or dig(error, "error_type") in _LATER_TYPES:
        return Said("busy", f"{words} ({code})"[:300])
    return Said("invalid", f"{words} ({code})"[:300])


# ── being told ──────────────────────────────────────────────────────────────────────────────────
KEY = Read("/webhook_verification_key/get", {"key_id": "{kid}"}, method="POST", body="json")
_DUE = {"SYNC_UPDATES_AVAILABLE", "INITIAL_UPDATE", "HISTORICAL_UPDATE", "DEFAULT_UPDATE"}
_PROBLEMS = {
    "PENDING_EXPIRATION": "The consent given at the bank ends soon: use Connect again before then.",
    "PENDING_DISCONNECT": "The bank will end the connection soon: use Connect again before then.",
    "USER_PERMISSION_REVOKED": _SIGN_IN["USER_PERMISSION_REVOKED"],
    "USER_ACCOUNT_REVOKED": _SIGN_IN["USER_ACCOUNT_REVOKED"],
}


def verify(message: Message, trust: Trust) -> tuple[Event, ...]:
    """`Plaid-Verification`: a token signed with ES256 by the key it names, at most five minutes old, that
    holds the SHA-256 of the raw body."""
    token = message.headers.get("plaid-verification", "")
    head, claims, signed, signature = _opened(token)
    kid = head.get("kid")
    if head.get("alg") != "ES256" or not isinstance(kid, str) or not 0 < len(kid) <= 100:
        raise WebhookRefused("The message is not signed the way Plaid signs.")
    _check_signature(_key(kid, trust), signed, signature)
    issued = claims.get("iat")
    if isinstance(issued, bool) or not isinstance(issued, int):
        raise WebhookRefused("The signature does not say when it was made.")
    if not -MOST_AHEAD <= trust.now.timestamp() - issued <= TOLERANCE:
        raise WebhookRefused("The message is too old, or one of the clocks is wrong.")
    digest = hashlib.sha256(message.body).hexdigest()
    if not hmac.compare_digest(digest.encode(), str(claims.get("request_body_sha256")).encode()):
        raise WebhookRefused("The body is not the one that was signed.")
    return (_event(_object(message.body), f"{issued}:{digest}"),)


def _opened(token: str) -> tuple[Record, Record, bytes, bytes]:
    """Head, claims, the signed text and the signature of a compact token."""
    parts = token.split(".")
    if len(parts) != 3 or len(token) > 4000 or not token.isascii():
        raise WebhookRefused("The message carries no signature of Plaid's.")
    head, claims, signature = (_unpacked(part) for part in parts)
    return _object(head), _object(claims), ".".join(parts[:2]).encode(), signature


def _unpacked(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise WebhookRefused("The signature cannot be read.") from None


def _object(text: bytes) -> Record:
    found = parsed(text)
    if not isinstance(found, dict):
        raise WebhookRefused("The message is not proper JSON.")
    return found


def _key(kid: str, trust: Trust) -> ec.EllipticCurvePublicKey:
    try:
        key = dig(trust.fetch(KEY, {"kid": kid}), "key")
    except ConfigError:
        raise WebhookRefused("Plaid knows no such signing key.") from None
    ended = dig(key, "expired_at")
    if isinstance(ended, int) and ended <= trust.now.timestamp():
        raise WebhookRefused("The key that signed the message is no longer in use.")
    try:
        x, y = (int.from_bytes(_unpacked(str(dig(key, name)))) for name in ("x", "y"))
        return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    except ValueError:
        raise WebhookRefused("The signing key cannot be read.") from None


def _check_signature(key: ec.EllipticCurvePublicKey, signed: bytes, signature: bytes) -> None:
    if len(signature) != 64:
        raise WebhookRefused("The signature is not Plaid's.")
    pair = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    if not is_by(key, pair, signed, ec.ECDSA(hashes.SHA256())):
        raise WebhookRefused("The signature is not Plaid's.")


def _event(said: Record, identity: str) -> Event:
    """What a message means; one that repeats carries the same body and the same time."""
    kind, code, item = (str(said.get(name) or "") for name in ("webhook_type", "webhook_code", "item_id"))
    topic = f"{kind}/{code}"
    if kind == "TRANSACTIONS" and code in _DUE:
        return Event(identity, topic, "transactions", scope=item)
    if kind == "ITEM" and code == "ERROR":
        error = str(dig(said, "error.error_code") or "")
        return Event(identity, topic, scope=item, problem=_SIGN_IN.get(error, ""))
    problem = _PROBLEMS.get(code, "") if kind == "ITEM" else ""
    return Event(identity, topic, scope=item, problem=problem)


connector = Connector(
    key="plaid",
    label="Plaid",
    category="bank",
    summary="The lines and the balance of a bank or card account, several times a day.",
    base_url="https://{environment}.plaid.com",
    auth=AUTH,
    headers={"PLAID-CLIENT-ID": "{client_id}", "PLAID-SECRET": "{secret}", "Plaid-Version": VERSION},
    # 2,500 a minute for the whole client; 50 a minute and item for the lines.
    limits=Limits(per_second=5, burst=15, buckets={"transactions": Limits(per_second=0.8, burst=20)}),
    settings=(
        Setting("client_id", "Client id", required=True, help="Plaid's dashboard > Developers > Keys"),
        Setting("secret", "Secret", "secret", required=True, help="The one of the environment chosen here"),
        Setting(
            "environment",
            "Environment",
            "choice",
            required=True,
            default="production",
            choices=(Choice("production", "Production"), Choice("sandbox", "Sandbox: made-up banks")),
        ),
        Setting(
            "country",
            "Country of the bank",
            required=True,
            default="US",
            pattern="[A-Z]{2}",
            pattern_help="two capital letters, as in US.",
        ),
        Setting(
            "bank_account", "Bank account", "account", required=True, help="The same account in your books"
        ),
        Setting("account", "Account at the bank", told=True),
        Setting("item", "Link at Plaid", told=True),
    ),
    streams=(TRANSACTIONS, BALANCES),
    test=Test(
        Read("/item/get", ACCESS, method="POST", body="json"),
        connected,
        consent_until="item.consent_expiration_time",
        owner=owner_at("item", "institution_id", "institution_name"),
    ),
    webhook=Webhook(
        verify,
        tolerance=TOLERANCE,
        account="item",
        setup="Nothing to do: Plaid is told this address when you connect.",
    ),
    advice={
        401: "Check client id and secret under Developers > Keys in Plaid's dashboard.",
        403: "Ask Plaid to switch on Transactions for your account.",
    },
    understand=understand,
    docs_url="https://plaid.com/docs/transactions/",
)
