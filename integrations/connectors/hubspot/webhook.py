"""HubSpot's webhooks: an array of events, signed as a whole (v3); each says what to read again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from integrations.messages import Event, Message, Trust, WebhookRefused, is_signed, parsed

TOLERANCE = 300  # seconds
# What is decoded in the address before it is signed; other escapes stay as they are.
_DECODED = re.compile("%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)
_STREAMS = {"contact": "contacts", "company": "companies", "deal": "deals"}
_TYPES = {"0-1": "contacts", "0-2": "companies", "0-3": "deals"}
# An event is told from its repeats by these; its own id may be another's, too.
_IDENTITY = ("subscriptionId", "objectId", "occurredAt", "propertyName")


def verify(message: Message, trust: Trust) -> tuple[Event, ...]:
    """HMAC-SHA256 over method, address, body and the time in milliseconds, with the app's client secret."""
    stamp = message.headers.get("x-hubspot-request-timestamp", "")
    sent = int(stamp) / 1000 if stamp.isdecimal() and len(stamp) < 16 else 0.0
    if abs(trust.now.timestamp() - sent) > TOLERANCE:
        raise WebhookRefused("The message is older than five minutes, or one of the clocks is wrong.")
    given = message.headers.get("x-hubspot-signature-v3", "")
    address = _DECODED.sub(lambda match: unquote(match[0]), message.url)
    signed = b"POST" + address.encode() + message.body + stamp.encode()
    if not is_signed(signed, trust.secrets, [given]):
        raise WebhookRefused("The signature is not that of the app whose client secret is stored.")
    rows = parsed(message.body)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise WebhookRefused("The message is not a list of events.")
    return tuple(event(row) for row in rows)


def event(row: Mapping[str, Any]) -> Event:
    """Of a merge the one that stays is read again: it names those it took over."""
    kind = str(row.get("subscriptionType") or "")
    stream = _STREAMS.get(kind.partition(".")[0]) or _TYPES.get(str(row.get("objectTypeId")), "")
    record = str(row.get("newObjectId") or row.get("primaryObjectId") or row.get("objectId") or "")
    identity = ":".join(str(row.get(name) or "") for name in _IDENTITY)
    return Event(identity, kind, stream if record else "", record, scope=str(row.get("portalId") or ""))
