"""Square's messages and what its connector says of itself."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from integrations.connectors.square import connector, verify
from integrations.messages import WebhookRefused
from tests.integrations.proving import proven

PIER = {"name": "Pier", "currency": "CAD"}
KEY, URL = "signature-key", "https://books.example/hooks/7/"


def signed(body: bytes, url: str = URL, key: str = KEY) -> dict[str, str]:
    digest = hmac.new(key.encode(), url.encode() + body, hashlib.sha256).digest()
    return {"x-square-hmacsha256-signature": base64.b64encode(digest).decode()}


@pytest.mark.parametrize(
    ("sample", "stream"),
    [
        ("payment.updated", "payments"),
        ("refund.created", "refunds"),
        ("dispute.state.updated", "disputes"),
        ("dispute.evidence.created", "disputes"),
        ("payout.failed", "payouts"),
        ("customer.updated", "customers"),
        ("customer.deleted", "customers"),
        ("order.updated", ""),
        ("oauth.authorization.revoked", ""),
    ],
)
def test_a_message_says_what_to_read_again(sample: str, stream: str, reference: Path) -> None:
    path = reference / f"vendor/square/webhook-samples/{sample}.json"
    if not path.exists():
        pytest.skip(f"no sample at {path}")
    body = path.read_bytes()
    event = proven(verify, signed(body), body, (KEY,), url=URL)
    told = json.loads(body)
    assert (event.id, event.type, event.stream) == (told["event_id"], sample, stream)
    if stream:
        (record,) = told["data"]["object"].values()
        assert event.record_id == record["id"]


@pytest.mark.parametrize(
    ("headers", "url", "words"),
    [
        (signed(b"{}"), "https://books.example/hooks/8/", "not Square's for this address"),
        (signed(b"{}", key="another"), URL, "not Square's for this address"),
        ({}, URL, "not Square's for this address"),
        (signed(b"{}"), URL, "no event id"),
    ],
)
def test_what_is_not_proven_is_refused(headers: dict[str, str], url: str, words: str) -> None:
    with pytest.raises(WebhookRefused, match=words):
        proven(verify, headers, b"{}", (KEY,), url=url)


def test_while_a_key_is_replaced_both_are_good() -> None:
    body = b'{"event_id": "e1", "type": "x"}'
    assert proven(verify, signed(body), body, ("new", KEY), url=URL).id == "e1"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            {"locations": [{"business_name": "Jet Fuel", "name": "Park", "currency": "USD"}, PIER]},
            "Connected to Jet Fuel: Park (USD), Pier (CAD).",
        ),
        ({}, "Connected to an account: no locations."),
    ],
)
def test_what_connecting_says(answer: Any, words: str) -> None:
    assert connector.test is not None
    assert connector.test.says(answer, {}) == words
