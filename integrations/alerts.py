"""Alerts: an incident is told once when it begins and once when it is over, by e-mail and webhook."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging

from django.conf import settings
from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone
from django_q.tasks import async_task

from integrations.client import post_json
from integrations.models import AlertChannel, Incident, Integration, Stream
from ledgerhub.access.models import Organization
from ledgerhub.core.errors import LedgerHubError

log = logging.getLogger(__name__)


def stream_key(stream: Stream) -> str:
    return f"stream:{stream.pk}"


def raise_incident(integration: Integration, *, key: str, message: str) -> None:
    """Open an incident unless the same one is open, and have it told; safe inside a transaction."""
    open_incident(integration.organization, key=key, message=message, integration=integration)


def open_incident(
    organization: Organization, *, key: str, message: str, integration: Integration | None = None
) -> None:
    try:
        with transaction.atomic():
            incident = Incident.objects.create(
                organization=organization, integration=integration, key=key, message=message[:1000]
            )
            async_task("integrations.tasks.tell_incident", incident.pk)
    except IntegrityError:
        Incident.objects.filter(organization=organization, key=key, closed_at__isnull=True).update(
            message=message[:1000]
        )


def recover(integration: Integration, *, key: str) -> None:
    close_incident(integration.organization, key=key)


def close_incident(organization: Organization, *, key: str) -> None:
    for incident in Incident.objects.filter(organization=organization, key=key, closed_at__isnull=True):
        incident.closed_at = timezone.now()
        incident.save(update_fields=["closed_at"])
        async_task("integrations.tasks.tell_incident", incident.pk)


def needs_attention(integration: Integration, message: str) -> None:
    """A person must act before this integration works again."""
    Integration.objects.filter(pk=integration.pk, state=Integration.State.ACTIVE).update(
        state=Integration.State.ATTENTION, health="failed", health_message=message[:500]
    )


def restore(integration: Integration) -> None:
    """It works: nobody needs to act any more."""
    Integration.objects.filter(pk=integration.pk, state=Integration.State.ATTENTION).update(
        state=Integration.State.ACTIVE, health="ok", health_message=""
    )


def tell(incident_id: int) -> None:
    """Send what has not been sent yet: the beginning, the recovery, or (both at once) nothing."""
    incident = Incident.objects.select_related("organization", "integration").get(pk=incident_id)
    now = timezone.now()
    if incident.closed_at is None and incident.told_at is None:
        _send(incident, recovered=False)
        Incident.objects.filter(pk=incident.pk).update(told_at=now)
    elif incident.closed_at and incident.told_at and incident.recovery_told_at is None:
        _send(incident, recovered=True)
        Incident.objects.filter(pk=incident.pk).update(recovery_told_at=now)


def _send(incident: Incident, *, recovered: bool) -> None:
    for channel in AlertChannel.objects.filter(organization=incident.organization):
        try:
            if channel.kind == AlertChannel.Kind.EMAIL:
                _mail(channel, incident, recovered=recovered)
            else:
                _post(channel, incident, recovered=recovered)
        except (LedgerHubError, OSError) as error:
            # One channel that does not work must not silence the others.
            log.warning("alert channel=%s incident=%s failed: %s", channel.pk, incident.pk, error)


def _mail(channel: AlertChannel, incident: Incident, *, recovered: bool) -> None:
    what = "Working again" if recovered else "Needs attention"
    subject = f"[LedgerHub] {what}: {incident.integration or incident.organization}"
    body = f"{incident.message}\n\n{what} since {(incident.closed_at or incident.opened_at):%Y-%m-%d %H:%M} UTC.\n\n{_link(incident)}\n"
    send_mail(subject, body, None, [channel.target])


def _post(channel: AlertChannel, incident: Incident, *, recovered: bool) -> None:
    """A signed message after the Standard Webhooks form: id, timestamp, signature."""
    now = timezone.now()
    message_id = f"incident-{incident.pk}-{'recovered' if recovered else 'opened'}"
    body = json.dumps(
        {
            "type": "incident.recovered" if recovered else "incident.opened",
            "timestamp": now.isoformat(),
            "data": {
                "organization": incident.organization.slug,
                "integration": incident.integration.name if incident.integration else None,
                "message": incident.message,
                "opened_at": incident.opened_at.isoformat(),
                "url": _link(incident),
            },
        }
    )
    headers = {"webhook-id": message_id, "webhook-timestamp": str(int(now.timestamp()))}
    if channel.secret:
        headers["webhook-signature"] = _sign(channel.secret, message_id, headers["webhook-timestamp"], body)
    post_json(channel.target, body, headers, allow_loopback=settings.ALLOW_LOOPBACK_INTEGRATIONS)


def _sign(secret: str, message_id: str, timestamp: str, body: str) -> str:
    """Standard Webhooks, version 1: base64 HMAC-SHA256 over id, timestamp and body."""
    content = f"{message_id}.{timestamp}.{body}".encode()
    return "v1," + base64.b64encode(hmac.new(secret.encode(), content, hashlib.sha256).digest()).decode()


def _link(incident: Incident) -> str:
    if incident.integration is None:
        return f"{settings.PUBLIC_URL}/o/{incident.organization.slug}/"
    path = reverse("integrations:integration", args=[incident.organization.slug, incident.integration.pk])
    return f"{settings.PUBLIC_URL}{path}"
