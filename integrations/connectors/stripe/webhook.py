"""Stripe's webhooks: proof of the sender, and which record to read again."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json

from integrations.connectors.stripe.shapes import id_of
from integrations.records import dig
from integrations.spec import Event, Headers, Settings, WebhookRefused

TOLERANCE = 300  # seconds

STREAM_OF = {
    "customer": "customers",
    "charge": "charges",
    "refund": "refunds",
    "dispute": "disputes",
    "payout": "payouts",
}


def verify(
    headers: Headers, body: bytes, secrets: tuple[str, ...], settings: Settings, now: dt.datetime
) -> Event:
    """`Stripe-Signature: t=..,v1=..[,v1=..]`: HMAC-SHA256 over "t.body"; any v1 by any secret will do."""
    pairs = [part.strip().partition("=") for part in headers.get("stripe-signature", "").split(",")]
    stamp = next((value for name, _, value in pairs if name == "t"), "")
    given = [value for name, _, value in pairs if name == "v1"]
    wanted = [_signature(secret, stamp, body) for secret in secrets if secret]
    matches = [hmac.compare_digest(one, other.encode()) for one in wanted for other in given]
    if not any(matches):
        raise WebhookRefused("The signature is not Stripe's, or the signing secret has been changed.")
    if not stamp.isdigit() or len(stamp) > 12 or abs(now.timestamp() - int(stamp)) > TOLERANCE:
        raise WebhookRefused("The message is older than five minutes, or one of the clocks is wrong.")
    return _event(body)


def _signature(secret: str, stamp: str, body: bytes) -> bytes:
    return hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest().encode()


def _event(body: bytes) -> Event:
    """What to read again; events without an object of ours (thin ones too) are noted and left alone."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise WebhookRefused("The message is not proper JSON.") from None
    if not isinstance(event, dict) or not isinstance(event.get("id"), str):
        raise WebhookRefused("The message has no event id.")
    changed = dig(event, "data.object") or {}
    stream = STREAM_OF.get(str(dig(changed, "object")), "")
    record_id = id_of(changed) if stream else ""
    kind, scope = str(event.get("type") or ""), str(event.get("account") or "")
    return Event(event["id"], kind, stream if record_id else "", record_id, scope)
