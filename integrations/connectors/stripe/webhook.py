"""Stripe's webhooks: proof of the sender, and which record to read again."""

from __future__ import annotations

import hashlib
import hmac

from integrations.connectors.stripe.shapes import id_of
from integrations.records import dig
from integrations.spec import Event, Message, Trust, WebhookRefused, parsed

TOLERANCE = 300  # seconds

STREAM_OF = {
    "customer": "customers",
    "charge": "charges",
    "refund": "refunds",
    "dispute": "disputes",
    "payout": "payouts",
}


def verify(message: Message, trust: Trust) -> tuple[Event, ...]:
    """`Stripe-Signature: t=..,v1=..[,v1=..]`: HMAC-SHA256 over "t.body"; any v1 by any secret will do."""
    pairs = [part.strip().partition("=") for part in message.headers.get("stripe-signature", "").split(",")]
    stamp = next((value for name, _, value in pairs if name == "t"), "")
    given = [value for name, _, value in pairs if name == "v1"]
    wanted = [_signature(secret, stamp, message.body) for secret in trust.secrets if secret]
    matches = [hmac.compare_digest(one, other.encode()) for one in wanted for other in given]
    if not any(matches):
        raise WebhookRefused("The signature is not Stripe's, or the signing secret has been changed.")
    if not stamp.isdigit() or len(stamp) > 12 or abs(trust.now.timestamp() - int(stamp)) > TOLERANCE:
        raise WebhookRefused("The message is older than five minutes, or one of the clocks is wrong.")
    return (_event(message.body),)


def _signature(secret: str, stamp: str, body: bytes) -> bytes:
    return hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest().encode()


def _event(body: bytes) -> Event:
    """What to read again; events without an object of ours (thin ones too) are noted and left alone."""
    event = parsed(body)
    if not isinstance(event, dict) or not isinstance(event.get("id"), str):
        raise WebhookRefused("The message has no event id.")
    changed = dig(event, "data.object") or {}
    stream = STREAM_OF.get(str(dig(changed, "object")), "")
    record_id = id_of(changed) if stream else ""
    kind, scope = str(event.get("type") or ""), str(event.get("account") or "")
    return Event(event["id"], kind, stream if record_id else "", record_id, scope)
