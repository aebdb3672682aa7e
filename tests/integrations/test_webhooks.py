"""Webhooks: what is proven is stored once and answered, then followed up; what is not is refused in words."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ
from pytest_django import Settings

from integrations import connection, register, registry, webhooks
from integrations.models import ApiCall, Incident, Integration, RawRecord, Stream, WebhookEvent
from integrations.reading import first_state
from integrations.sandbox.faults import Fault
from integrations.sandbox.server import SandboxServer
from integrations.views.hooks import MOST_BYTES
from ledgerhub.access.models import Organization
from ledgerhub.ledger.models import Document
from tests.integrations.syncing import connect, sandbox
from tests.jobs import drain

pytestmark = pytest.mark.django_db
SECRET = "whsec_sandbox"


@pytest.fixture(autouse=True)
def _loopback(settings: Settings) -> None:
    settings.ALLOW_LOOPBACK_INTEGRATIONS = True


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with sandbox() as running:
        yield running


@pytest.fixture
def integration(organization: Organization, server: SandboxServer) -> Integration:
    return connect(organization, server.address, streams=["charges"])


def charge_id(integration: Integration) -> str:
    """The id of a charge that the sandbox has."""
    spec = registry.stream_spec(integration.streams.get())
    client, _ = connection.connect(integration)
    with client:
        return str(client.fetch_page(spec, first_state(spec, None, None)).records[0]["id"])


def message(record_id: str, *, event_id: str = "evt_1", kind: str = "charge.updated") -> bytes:
    changed = {"object": "charge", "id": record_id}
    return json.dumps({"id": event_id, "type": kind, "data": {"object": changed}}).encode()


def post(
    token: str, body: bytes, *, secret: str = SECRET, stamp: int | None = None, **extra: Any
) -> HttpResponse:
    at = int(time.time()) if stamp is None else stamp
    signature = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"Stripe-Signature": f"t={at},v1={signature}"}
    return Client(enforce_csrf_checks=True).post(  # type: ignore[return-value]
        f"/hooks/{token}/", body, content_type="application/json", headers=headers, **extra
    )


# ── the endpoint ────────────────────────────────────────────────────────────────────────────────────


def test_proven_message_is_stored_answered_and_followed_up(integration: Integration) -> None:
    record_id = charge_id(integration)
    answer = post(integration.webhook_token or "", message(record_id))
    assert (answer.status_code, answer.content) == (200, b"Received.\n")
    event = WebhookEvent.objects.get()
    assert (event.state, event.topic, event.payload) == (
        "received", "charge.updated", {"stream": "charges", "record": record_id},
    )  # fmt: skip
    assert not RawRecord.objects.exists(), "the work is done later"
    drain()
    event.refresh_from_db()
    [record] = RawRecord.objects.filter(stream__key="charges")
    assert (event.state, event.attempts, record.external_id) == ("done", 1, record_id)
    assert record.origin == "charge.updated evt_1"
    assert record.api_call is not None
    assert Document.objects.filter(raw_record_id=record.pk).count() == 1


def test_same_event_twice_is_one(integration: Integration) -> None:
    record_id = charge_id(integration)
    for _ in range(3):
        assert post(integration.webhook_token or "", message(record_id)).status_code == 200
        drain()
    assert WebhookEvent.objects.filter(event_id="evt_1").count() == 1
    assert RawRecord.objects.filter(stream__key="charges").count() == 1


def test_unchanged_record_makes_no_version(integration: Integration) -> None:
    record_id = charge_id(integration)
    for number in range(2):
        post(integration.webhook_token or "", message(record_id, event_id=f"evt_{number}"))
    drain()
    assert list(RawRecord.objects.filter(stream__key="charges").values_list("version", flat=True)) == [1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"secret": "whsec_other"}, "The signature is not Stripe's"),
        ({"stamp": 1_600_000_000}, "The message is older than five minutes"),
    ],
)
def test_unproven_message_is_refused_in_words(
    integration: Integration, change: dict[str, Any], words: str
) -> None:
    answer = post(integration.webhook_token or "", message("ch_1"), **change)
    assert answer.status_code == 400
    assert words in answer.content.decode()
    assert (WebhookEvent.objects.count(), OrmQ.objects.count()) == (0, 0)


def test_unknown_address_looks_like_a_bad_signature(integration: Integration) -> None:
    unknown = post("no-such-token", message("ch_1"))
    refused = post(integration.webhook_token or "", message("ch_1"), secret="whsec_other")
    assert (unknown.status_code, refused.status_code) == (400, 400)
    assert "This address is not known" in unknown.content.decode()


def test_without_a_stored_secret_nothing_is_proven(integration: Integration) -> None:
    integration.secrets.filter(name="webhook_secret").delete()
    answer = post(integration.webhook_token or "", message("ch_1"), secret="")
    assert answer.status_code == 400
    assert "No signing secret is stored yet" in answer.content.decode()


def test_disconnected_integration_takes_nothing(integration: Integration) -> None:
    Integration.objects.update(state="disconnected")
    assert post(integration.webhook_token or "", message("ch_1")).status_code == 400
    assert not WebhookEvent.objects.exists()


def test_system_without_webhooks_says_so(organization: Organization) -> None:
    files = register.create(organization, "bank_file", name="Files", settings={})
    answer = post(files.webhook_token or "", b"{}")
    assert (answer.status_code, b"sends no webhooks" in answer.content) == (400, True)


def test_large_message_is_not_read(integration: Integration) -> None:
    answer = post(integration.webhook_token or "", b"x" * (MOST_BYTES + 1))
    assert (answer.status_code, answer.content) == (413, b"The message is larger than 2 MB.\n")


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b'{"id": 5}', b"\xff\xfe"])
def test_proven_nonsense_is_refused(integration: Integration, body: bytes) -> None:
    assert post(integration.webhook_token or "", body).status_code == 400
    assert not WebhookEvent.objects.exists()


def test_only_post(integration: Integration) -> None:
    for method in ("get", "put", "delete"):
        assert getattr(Client(), method)(f"/hooks/{integration.webhook_token}/").status_code == 405


# ── following up ────────────────────────────────────────────────────────────────────────────────────


def event_for(integration: Integration, **fields: Any) -> WebhookEvent:
    given: dict[str, Any] = {
        "event_id": "evt_1",
        "topic": "charge.updated",
        "payload": {"stream": "charges", "record": "ch_none"},
    }
    return WebhookEvent.objects.create(integration=integration, **{**given, **fields})


@pytest.mark.parametrize(
    "payload", [{"stream": "", "record": ""}, {"stream": "payouts", "record": "po_1"}, {}], ids=str
)
def test_what_is_not_ours_is_ignored(integration: Integration, payload: dict[str, str]) -> None:
    event = event_for(integration, payload=payload)
    webhooks.process(event.pk)
    event.refresh_from_db()
    assert (event.state, ApiCall.objects.count()) == ("ignored", 0)


def test_paused_stream_is_left_alone(integration: Integration) -> None:
    Stream.objects.update(paused_at=timezone.now())
    event = event_for(integration)
    webhooks.process(event.pk)
    event.refresh_from_db()
    assert (event.state, ApiCall.objects.count()) == ("ignored", 0)


@pytest.mark.usefixtures("no_pauses")
def test_hiccup_is_tried_again_later(integration: Integration, server: SandboxServer) -> None:
    record_id = charge_id(integration)
    server.state.faults.append(Fault("stripe", "status", path="/v1/charges/", status=503, count=20))
    event = event_for(integration, payload={"stream": "charges", "record": record_id})
    webhooks.process(event.pk)
    event.refresh_from_db()
    assert (event.state, event.attempts) == ("received", 1)
    assert event.not_before is not None
    assert event.not_before > timezone.now() + dt.timedelta(seconds=20)
    assert ApiCall.objects.filter(status=503).exists(), "the failed call is kept"
    webhooks.process(event.pk)
    event.refresh_from_db()
    assert event.attempts == 1, "not before its time"
    server.state.faults.clear()
    WebhookEvent.objects.update(not_before=None)
    webhooks.process(event.pk)
    event.refresh_from_db()
    assert (event.state, event.attempts, event.error) == ("done", 2, "")


@pytest.mark.usefixtures("no_pauses")
def test_last_try_raises_one_incident_that_the_next_success_ends(
    integration: Integration, server: SandboxServer
) -> None:
    record_id = charge_id(integration)
    server.state.faults.append(Fault("stripe", "status", path="/v1/charges/", status=503, count=20))
    event = event_for(
        integration, payload={"stream": "charges", "record": record_id}, attempts=webhooks.MAX_ATTEMPTS - 1
    )
    webhooks.process(event.pk)
    event.refresh_from_db()
    assert event.state == "failed"
    assert Incident.objects.get().key == f"webhook:{integration.pk}"
    server.state.faults.clear()
    again = event_for(integration, event_id="evt_2", payload={"stream": "charges", "record": record_id})
    webhooks.process(again.pk)
    assert Incident.objects.get().closed_at is not None


def test_event_that_kills_its_worker_is_given_up(integration: Integration) -> None:
    event = event_for(integration, attempts=webhooks.MAX_ATTEMPTS, error="")
    webhooks.process(event.pk)
    event.refresh_from_db()
    assert (event.state, event.error) == ("failed", "It broke off too often.")


def test_event_held_by_a_worker_is_not_taken(integration: Integration) -> None:
    event = event_for(integration, attempts=1, not_before=timezone.now() + dt.timedelta(minutes=2))
    webhooks.process(event.pk)
    event.refresh_from_db()
    assert (event.attempts, event.state) == (1, "received")


def test_long_ids_stay_apart(integration: Integration) -> None:
    """Two ids that begin with the same 160 characters are two events."""
    for end in "ab":
        webhooks._store(integration, "x" * 200 + end, "t", "charges", "ch_1")
        webhooks._store(integration, "x" * 200 + end, "t", "charges", "ch_1")
    ids = list(WebhookEvent.objects.values_list("event_id", flat=True))
    assert [len(one) for one in ids] == [160, 160]
    assert len(set(ids)) == 2
