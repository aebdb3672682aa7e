"""HubSpot's webhooks: the signature on real examples, forgeries, repeats, what each event leads to."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from integrations.connectors.hubspot.webhook import event, verify
from integrations.messages import Event, Message, Trust, WebhookRefused
from tests.integrations.proving import never

URL = "https://www.example.com/webhook_uri"
SECRET = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
STAMP = 1564113600123
NOW = dt.datetime.fromtimestamp(STAMP / 1000, dt.UTC)
BODY = json.dumps([{"subscriptionId": 12345, "portalId": 62515, "occurredAt": 1564113600000,
                    "subscriptionType": "contact.creation", "objectId": 123}]).encode()  # fmt: skip


def trust(*secrets: str, now: dt.datetime = NOW) -> Trust:
    return Trust(secrets or (SECRET,), {}, now, never)


def message(body: bytes = BODY, *, url: str = URL, signed_url: str = "", secret: str = SECRET) -> Message:
    text = b"POST" + (signed_url or url).encode() + body + str(STAMP).encode()
    proof = base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode()
    headers = {"x-hubspot-request-timestamp": str(STAMP), "x-hubspot-signature-v3": proof}
    return Message(headers, body, url)


def test_the_vectors(reference: Path) -> None:
    path = reference / "vendor/hubspot/webhook-signature-vectors.json"
    if not path.exists():
        pytest.skip(f"no vectors at {path}")
    vector = json.loads(path.read_text())["v3"]
    headers = {name.lower(): value for name, value in vector.items() if name.startswith("X-")}
    given = Message(headers, vector["body"].encode(), vector["uri"])
    [found] = verify(given, trust(vector["secret"]))
    assert found == Event("12345:123:1564113600000:", "contact.creation", "contacts", "123", scope="62515")
    with pytest.raises(WebhookRefused, match="signature"):
        verify(given._replace(url=vector["uri"] + "?x=1"), trust(vector["secret"]))


def test_while_the_secret_is_replaced_both_are_good() -> None:
    assert verify(message(), trust("new", SECRET)) == verify(message(), trust(SECRET, "new"))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (message(secret="another"), "signature"),
        (message()._replace(body=BODY.replace(b"123", b"124")), "signature"),
        (message()._replace(headers={}), "five minutes"),
        (message()._replace(headers={"x-hubspot-request-timestamp": "٣"}), "five minutes"),
        (message()._replace(headers={**message().headers, "x-hubspot-signature-v3": "ü"}), "signature"),
        (message(b"{}"), "not a list of events"),
        (message(b"[1]"), "not a list of events"),
        (message(b"[{"), "not proper JSON"),
    ],
)
def test_what_is_not_believed(given: Message, words: str) -> None:
    with pytest.raises(WebhookRefused, match=words):
        verify(given, trust())


@pytest.mark.parametrize("seconds", [-301, 301])
def test_what_is_too_old_or_from_the_future_is_not_believed(seconds: int) -> None:
    with pytest.raises(WebhookRefused, match="five minutes"):
        verify(message(), trust(now=NOW + dt.timedelta(seconds=seconds)))


def test_the_address_is_decoded_as_hubspot_does() -> None:
    """Some escapes are decoded before the address is signed, the others stay."""
    url = "https://www.example.com/hook?to=a%3Ab%2fc%40d&name=%C3%BC%20x"
    signed = "https://www.example.com/hook?to=a:b/c@d&name=%C3%BC%20x"
    assert len(verify(message(url=url, signed_url=signed), trust())) == 1
    with pytest.raises(WebhookRefused):
        verify(message(url=url), trust())


@pytest.mark.parametrize(
    ("row", "stream", "record"),
    [
        ({"subscriptionType": "deal.propertyChange", "objectId": 5}, "deals", "5"),
        ({"subscriptionType": "company.creation", "objectId": 5}, "companies", "5"),
        (
            {"subscriptionType": "object.propertyChange", "objectTypeId": "0-1", "objectId": 5},
            "contacts",
            "5",
        ),
        ({"subscriptionType": "contact.merge", "objectId": 5, "primaryObjectId": 6}, "contacts", "6"),
        ({"subscriptionType": "contact.merge", "primaryObjectId": 6, "newObjectId": 7}, "contacts", "7"),
        ({"subscriptionType": "ticket.creation", "objectId": 5}, "", "5"),
        ({"subscriptionType": "contact.creation"}, "", ""),
    ],
)
def test_what_an_event_leads_to(row: dict[str, Any], stream: str, record: str) -> None:
    found = event(row)
    assert (found.stream, found.record_id) == (stream, record)


def test_a_repeat_is_the_same_event_and_another_property_is_not() -> None:
    row = {"eventId": 1, "subscriptionId": 2, "objectId": 3, "occurredAt": 4, "propertyName": "email"}
    assert event(row).id == event({**row, "eventId": 9, "attemptNumber": 3}).id
    others = [{**row, name: "x"} for name in ("subscriptionId", "objectId", "occurredAt", "propertyName")]
    assert len({event(one).id for one in [row, *others]}) == 5
