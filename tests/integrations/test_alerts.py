"""Alerts: told once and once when over; channels, signatures, private addresses; the page."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Callable

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ
from pytest_django import Settings
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from integrations import alerts
from integrations.models import AlertChannel, Incident, Integration, Stream
from ledgerhub.access.models import AuditEvent, Organization, User
from tests.integrations.syncing import connect
from tests.jobs import drain

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


@pytest.fixture(autouse=True)
def _loopback(settings: Settings) -> None:
    settings.ALLOW_LOOPBACK_INTEGRATIONS = True
    cache.clear()


@pytest.fixture
def stream(organization: Organization) -> Stream:
    return connect(organization, streams=["charges"]).streams.get()


@pytest.fixture
def integration(stream: Stream) -> Integration:
    return stream.integration


@pytest.fixture
def email(organization: Organization) -> AlertChannel:
    return AlertChannel.objects.create(organization=organization, kind="email", target="books@example.com")


def hook(organization: Organization, server: HTTPServer, *, secret: str = "") -> AlertChannel:
    return AlertChannel.objects.create(
        organization=organization, kind="webhook", target=server.url_for("/alerts"), secret=secret
    )


def page(organization: Organization) -> str:
    return reverse("integrations:alerts", args=[organization.slug])


# ── once, and once when it is over ──────────────────────────────────────────────────────────────────


def test_incident_is_told_once_and_its_end_once(integration: Integration, email: AlertChannel) -> None:
    for _ in range(3):
        alerts.raise_incident(integration, key="stream:1", message=f"{integration} charges: No key.")
        drain()
    assert [message.subject for message in mail.outbox] == [f"[LedgerHub] Needs attention: {integration}"]
    assert mail.outbox[0].to == ["books@example.com"]
    for _ in range(2):
        alerts.recover(integration, key="stream:1")
        drain()
    assert [message.subject for message in mail.outbox[1:]] == [f"[LedgerHub] Working again: {integration}"]
    incident = Incident.objects.get()
    assert None not in (incident.told_at, incident.closed_at, incident.recovery_told_at)


def test_mail_says_what_and_where(integration: Integration, email: AlertChannel, settings: Settings) -> None:
    settings.PUBLIC_URL = "https://books.example"
    Incident.objects.create(
        organization=integration.organization, integration=integration, key="k", message="No key.",
        opened_at=dt.datetime(2026, 3, 2, 4, 14, tzinfo=dt.UTC),
    )  # fmt: skip
    alerts.tell(Incident.objects.get().pk)
    path = reverse("integrations:integration", args=[integration.organization.slug, integration.pk])
    assert mail.outbox[0].body == (
        f"No key.\n\nNeeds attention since 2026-03-01 23:14 (EST).\n\nhttps://books.example{path}\n"
    )


def test_over_before_it_was_told_is_not_told(integration: Integration, email: AlertChannel) -> None:
    alerts.raise_incident(integration, key="k", message="No key.")
    alerts.recover(integration, key="k")
    drain()
    assert mail.outbox == []


def test_same_cause_of_several_streams_is_one_alert(integration: Integration, email: AlertChannel) -> None:
    for name in ("charges", "refunds", "payouts"):
        alerts.raise_incident(
            integration, key=f"stream:{name}", message=f"{integration} {name}: Key revoked."
        )
    alerts.raise_incident(integration, key="health", message=f"{integration}: Key revoked.")
    alerts.raise_incident(integration, key="stream:disputes", message=f"{integration} disputes: Other.")
    assert sorted(Incident.objects.values_list("key", flat=True)) == ["stream:charges", "stream:disputes"]


def test_again_after_recovery_is_a_new_incident(integration: Integration) -> None:
    alerts.raise_incident(integration, key="k", message="No key.")
    alerts.recover(integration, key="k")
    alerts.raise_incident(integration, key="k", message="No key.")
    assert Incident.objects.count() == 2


def test_two_workers_send_one_alert(integration: Integration, email: AlertChannel) -> None:
    alerts.raise_incident(integration, key="k", message="No key.")
    incident = Incident.objects.get()
    cache.add(f"incident:{incident.pk}", 1, 60)  # as the other one does while it sends
    alerts.tell(incident.pk)
    assert mail.outbox == []


def test_admins_are_told_where_there_is_no_channel(
    integration: Integration, admin: User, bookkeeper: User
) -> None:
    alerts.raise_incident(integration, key="k", message="No key.")
    drain()
    assert [message.to for message in mail.outbox] == [[admin.email]]
    assert not AlertChannel.objects.exists()


def test_line_breaks_do_not_reach_the_subject(integration: Integration, email: AlertChannel) -> None:
    Integration.objects.update(name="Shop\nBcc: all@example.com")
    alerts.open_incident(
        integration.organization, key="k", message="x", integration=Integration.objects.get()
    )
    drain()
    assert mail.outbox[0].subject == "[LedgerHub] Needs attention: Shop Bcc: all@example.com"


# ── webhooks ────────────────────────────────────────────────────────────────────────────────────────


def test_webhook_is_signed_as_standard_webhooks(
    integration: Integration, organization: Organization, httpserver: HTTPServer
) -> None:
    seen: list[Request] = []

    def take(request: Request) -> Response:
        seen.append(request)
        return Response(status=204)

    httpserver.expect_request("/alerts", method="POST").respond_with_handler(take)
    secret = alerts.new_secret()
    hook(organization, httpserver, secret=secret)
    alerts.raise_incident(integration, key="k", message="No key.")
    drain()
    [request] = seen
    body = json.loads(request.data)
    assert (body["type"], body["data"]["message"]) == ("incident.opened", "No key.")
    signed = (
        f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.data
    )
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-signature"] == f"v1,{expected}"
    assert len(key) == 32


def test_signature_of_the_specification() -> None:
    """The worked example of the Standard Webhooks text."""
    signature = alerts.sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "1614265330",
        '{"test": 2432232314}',
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_broken_channel_does_not_silence_the_others(
    integration: Integration, organization: Organization, email: AlertChannel, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/alerts").respond_with_data("", status=500)
    broken = hook(organization, httpserver)
    alerts.raise_incident(integration, key="k", message="No key.")
    drain()
    broken.refresh_from_db()
    email.refresh_from_db()
    assert (len(mail.outbox), broken.problem) == (1, "The address answered 500.")
    assert email.worked_at is not None
    assert Incident.objects.get().told_at is not None


def test_alert_nobody_took_is_tried_again_later(
    integration: Integration, organization: Organization, httpserver: HTTPServer
) -> None:
    httpserver.expect_ordered_request("/alerts").respond_with_data("", status=500)
    httpserver.expect_ordered_request("/alerts").respond_with_data("", status=200)
    channel = hook(organization, httpserver)
    alerts.raise_incident(integration, key="k", message="No key.")
    drain()
    incident = Incident.objects.get()
    assert incident.told_at is None
    alerts.tell(incident.pk)
    assert len(httpserver.log) == 1, "not at once"
    cache.clear()
    alerts.tell(incident.pk)
    incident.refresh_from_db()
    channel.refresh_from_db()
    assert (incident.told_at is not None, channel.problem) == (True, "")


def test_alert_is_given_up_after_a_day(
    integration: Integration, organization: Organization, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/alerts").respond_with_data("", status=500)
    hook(organization, httpserver)
    alerts.raise_incident(integration, key="k", message="No key.")
    Incident.objects.update(opened_at=timezone.now() - dt.timedelta(hours=25))
    drain()
    assert Incident.objects.get().told_at is not None


@pytest.mark.parametrize(
    "target",
    ["https://10.0.0.1/x", "https://192.168.1.1/", "https://169.254.169.254/latest", "https://[::1]/"],
)
def test_private_addresses_are_not_called(
    organization: Organization, settings: Settings, target: str
) -> None:
    settings.ALLOW_LOOPBACK_INTEGRATIONS = False
    channel = AlertChannel.objects.create(organization=organization, kind="webhook", target=target)
    assert alerts.test(channel) == "The address leads into a private network, where we do not go."


def test_redirects_are_not_followed(organization: Organization, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/alerts").respond_with_data(
        "", status=302, headers={"Location": httpserver.url_for("/other")}
    )
    assert alerts.test(hook(organization, httpserver)) == "The address answered 302."
    assert len(httpserver.log) == 1


# ── who has to act ──────────────────────────────────────────────────────────────────────────────────


def test_attention_ends_only_when_no_stream_stands_still(integration: Integration, stream: Stream) -> None:
    alerts.needs_attention(integration, "No key.")
    alerts.raise_incident(integration, key=alerts.stream_key(stream), message="x")
    alerts.restore(integration)
    integration.refresh_from_db()
    assert (integration.state, integration.health_message) == ("attention", "No key.")
    alerts.recover(integration, key=alerts.stream_key(stream))
    alerts.restore(integration)
    integration.refresh_from_db()
    assert (integration.state, integration.health_message) == ("active", "")


def test_paused_integration_is_left_paused(integration: Integration) -> None:
    Integration.objects.update(state="paused")
    alerts.needs_attention(integration, "No key.")
    alerts.restore(integration)
    assert Integration.objects.get().state == "paused"


# ── the page ────────────────────────────────────────────────────────────────────────────────────────


def test_page_shows_what_is_wrong_and_what_was(
    organization: Organization, integration: Integration, viewer: User, signed_in: SignIn
) -> None:
    alerts.raise_incident(integration, key="now", message="Open now.")
    alerts.raise_incident(integration, key="past", message="Long over.")
    alerts.recover(integration, key="past")
    answer = signed_in(viewer).get(page(organization))
    assert [one["incident"].message for one in answer.context["open"]] == ["Open now."]
    assert [one.message for one in answer.context["table"].rows] == ["Long over."]
    assert "Add a channel" not in answer.content.decode()


def test_admin_adds_tests_and_removes_a_webhook(
    organization: Organization, admin: User, signed_in: SignIn, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/alerts").respond_with_data("", status=200)
    client = signed_in(admin)
    client.post(page(organization), {"kind": "webhook", "target": httpserver.url_for("/alerts")})
    channel = AlertChannel.objects.get()
    shown = client.get(page(organization)).content.decode()
    assert channel.secret in shown
    assert channel.secret not in client.get(page(organization)).content.decode(), "shown once"
    answer = client.post(
        reverse("integrations:alert_channel_test", args=[organization.slug, channel.pk]), follow=True
    )
    assert f"A test was sent to {channel.target}." in answer.content.decode()
    assert json.loads(httpserver.log[0][0].data)["type"] == "incident.test"
    client.post(reverse("integrations:alert_channel_removal", args=[organization.slug, channel.pk]))
    assert not AlertChannel.objects.exists()
    said = list(
        AuditEvent.objects.filter(action__startswith="alert_channel").values_list("action", flat=True)
    )
    assert sorted(said) == ["alert_channel.added", "alert_channel.removed"]
    assert channel.secret not in json.dumps(list(AuditEvent.objects.values_list("after", "before")))


@pytest.mark.parametrize(
    ("kind", "target", "words"),
    [
        ("email", "nonsense", "This is not an e-mail address"),
        ("webhook", "nonsense", "This is not an address"),
        ("webhook", "http://example.com/x", "The address must begin with https://"),
        ("webhook", "ftp://example.com/x", "The address must begin with https://"),
        ("webhook", "https://user:pw@example.com/", "This is not an address"),
        ("webhook", "https://[broken", "This is not an address"),
        ("pigeon", "a@b.example", "Select a valid choice"),
        ("email", "", "This field is required"),
    ],
)
def test_bad_channels_are_refused_in_words(
    organization: Organization, admin: User, signed_in: SignIn, kind: str, target: str, words: str
) -> None:
    answer = signed_in(admin).post(page(organization), {"kind": kind, "target": target})
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not AlertChannel.objects.exists()


def test_channel_is_added_once(
    organization: Organization, email: AlertChannel, admin: User, signed_in: SignIn
) -> None:
    answer = signed_in(admin).post(page(organization), {"kind": "email", "target": email.target})
    assert "This channel is there already." in answer.content.decode()


def test_only_admins_change_channels(
    organization: Organization, email: AlertChannel, approver: User, outsider: User, signed_in: SignIn
) -> None:
    removal = reverse("integrations:alert_channel_removal", args=[organization.slug, email.pk])
    sending = reverse("integrations:alert_channel_test", args=[organization.slug, email.pk])
    for url in (page(organization), removal, sending):
        assert signed_in(approver).post(url, {}).status_code == 403
        assert signed_in(outsider).post(url, {}).status_code == 404
    assert signed_in(outsider).get(page(organization)).status_code == 404
    assert (AlertChannel.objects.count(), OrmQ.objects.count(), mail.outbox) == (1, 0, [])
