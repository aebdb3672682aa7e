"""Stripe's webhooks: proof of the sender, and which record to read again."""

from __future__ import annotations

from integrations.connectors.stripe.shapes import id_of
from integrations.messages import Event, Message, Trust, WebhookRefused, is_signed, parsed_object
from integrations.records import dig

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
    if not is_signed(f"{stamp}.".encode() + message.body, trust.secrets, given, "hex"):
        raise WebhookRefused("The signature is not Stripe's, or the signing secret has been changed.")
    if not stamp.isdigit() or len(stamp) > 12 or abs(trust.now.timestamp() - int(stamp)) > TOLERANCE:
        raise WebhookRefused("The message is older than five minutes, or one of the clocks is wrong.")
    return (_event(message.body),)


def _event(body: bytes) -> Event:
    """What to read again; events without an object of ours (thin ones too) are noted and left alone."""
    event = parsed_object(body)
    if not isinstance(event.get("id"), str):
        raise WebhookRefused("The message has no event id.")
    changed = dig(event, "data.object") or {}
    stream = STREAM_OF.get(str(dig(changed, "object")), "")
    record_id = id_of(changed) if stream else ""
    kind, scope = str(event.get("type") or ""), str(event.get("account") or "")
    return Event(event["id"], kind, stream if record_id else "", record_id, scope)
