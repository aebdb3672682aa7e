"""Shopify's webhooks: proof of the sender and of the shop, and which record to read again."""

from __future__ import annotations

from typing import Any

from integrations.connectors.shopify.shapes import exact_id, tail
from integrations.messages import Event, Message, Trust, WebhookRefused, is_signed, parsed_object

# What a topic's payload is a part of; privacy requests and the rest are noted and left to people.
_BY_ORDER_ID = frozenset({"refunds", "order_transactions"})


def verify(message: Message, trust: Trust) -> tuple[Event, ...]:
    """`X-Shopify-Hmac-SHA256`: base64 HMAC of the raw body by the app's secret (the old one goes on signing
    for an hour after a change). No time is signed: the delivery id is what tells a repeat."""
    headers, body = message.headers, message.body
    if not is_signed(body, trust.secrets, [headers.get("x-shopify-hmac-sha256", "")]):
        raise WebhookRefused("The signature is not Shopify's, or the app's secret has been changed.")
    shop = headers.get("x-shopify-shop-domain", "").lower()
    if shop != str(trust.settings.get("shop", "")).lower():
        raise WebhookRefused(f"The message speaks of another shop ({shop[:80] or 'not named'}).")
    delivery = headers.get("x-shopify-webhook-id", "")
    if not delivery:
        raise WebhookRefused("The message has no delivery id.")
    topic = headers.get("x-shopify-topic", "")
    stream, record_id = _changed(topic, parsed_object(body))
    return (Event(delivery, topic, stream, record_id, shop),)


def _changed(topic: str, payload: dict[str, Any]) -> tuple[str, str]:
    """(stream, id) to read again; empty where nothing of ours changed."""
    what, _, happened = topic.partition("/")
    if what == "orders":
        record_id = exact_id(payload)
    elif what in _BY_ORDER_ID:
        record_id, what = tail(payload.get("order_id")), "orders"
    elif what == "customers" and happened in ("create", "update", "enable", "disable"):
        record_id = exact_id(payload)
    else:
        return "", ""
    return (what, record_id) if record_id else ("", "")
