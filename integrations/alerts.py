"""Alerts: an incident is told once when it begins and once when it is over, by e-mail and webhook."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import json
import logging
import secrets as tokens

from django.conf import settings
from django.core.cache import cache
from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone
from django_q.tasks import async_task

from integrations.client import post_json
from integrations.models import AlertChannel, Incident, Integration, Stream
from ledgerhub.access.models import Organization, Role, User
from ledgerhub.core.errors import LedgerHubError

log = logging.getLogger(__name__)

# While one process sends an alert no other does; a killed one's hold ends by itself.
SENDING_SECONDS = 120
RETRY_SECONDS = 15 * 60
# An alert that no channel takes is tried again by the sweep, but not for ever.
GIVE_UP_AFTER = dt.timedelta(hours=24)
SECRET_PREFIX = "whsec_"


def stream_key(stream: Stream) -> str:
    return f"stream:{stream.pk}"


# ── opening and closing ─────────────────────────────────────────────────────────────────────────────


def consent_key(integration: Integration) -> str:
    """The incident of a consent that ends or was taken back; closed when a person connects again."""
    return f"consent:{integration.pk}"


def raise_incident(integration: Integration, *, key: str, message: str) -> None:
    """Open an incident unless the same one is open, and have it told; safe inside a transaction.

    The same cause under another key (one revoked key stops every stream) is not told again.
    """
    cause = message.removeprefix(str(integration)).partition(": ")[2]
    others = Incident.objects.filter(integration=integration, closed_at__isnull=True).exclude(key=key)
    if cause and any(told.endswith(f": {cause}") for told in others.values_list("message", flat=True)):
        return
    open_incident(integration.organization, key=key, message=message, integration=integration)


def open_incident(
    organization: Organization,
    *,
    key: str,
    message: str,
    integration: Integration | None = None,
    once: bool = False,
    page: str = "",
) -> None:
    try:
        with transaction.atomic():
            incident = Incident.objects.create(
                organization=organization, integration=integration, key=key, message=message[:1000],
                once=once, page=page,
            )  # fmt: skip
            _enqueue(incident)
    except IntegrityError:
        Incident.objects.filter(organization=organization, key=key, closed_at__isnull=True).update(
            message=message[:1000]
        )


def happened(organization_id: int, message: str, *, page: str) -> None:
    """Have something told that is over as soon as it is known; the same twice is told once while it waits."""
    key = f"once:{hashlib.sha256(f'{page} {message}'.encode()).hexdigest()}"
    organization = Organization.objects.get(pk=organization_id)
    open_incident(organization, key=key, message=message, once=True, page=page)


def recover(integration: Integration, *, key: str) -> None:
    close_incident(integration.organization, key=key)


def close_incident(organization: Organization, *, key: str) -> None:
    with transaction.atomic():
        found = Incident.objects.select_for_update().filter(
            organization=organization, key=key, closed_at__isnull=True
        )
        for incident in found:
            incident.closed_at = timezone.now()
            incident.save(update_fields=["closed_at"])
            _enqueue(incident)


def _enqueue(incident: Incident) -> None:
    async_task("integrations.tasks.tell_incident", incident.pk)


def needs_attention(integration: Integration, message: str) -> None:
    """A person must act before this integration works again."""
    Integration.objects.filter(pk=integration.pk, state=Integration.State.ACTIVE).update(
        state=Integration.State.ATTENTION, health="failed", health_message=message[:500]
    )


def restore(integration: Integration) -> None:
    """It works: nobody needs to act any more, unless another of its streams still stands still."""
    streams = Stream.objects.filter(integration=integration, enabled=True, paused_at__isnull=True)
    keys = [stream_key(stream) for stream in streams]
    if Incident.objects.filter(integration=integration, key__in=keys, closed_at__isnull=True).exists():
        return
    Integration.objects.filter(pk=integration.pk, state=Integration.State.ATTENTION).update(
        state=Integration.State.ACTIVE, health="ok", health_message=""
    )


# ── telling ─────────────────────────────────────────────────────────────────────────────────────────


def tell(incident_id: int) -> None:
    """Send what has not been sent yet: the beginning, the recovery, or (both at once) nothing."""
    hold = f"incident:{incident_id}"
    if not cache.add(hold, 1, SENDING_SECONDS):
        return  # somebody is sending it, or it failed a moment ago; the sweep asks again
    incident = Incident.objects.select_related("organization", "integration").get(pk=incident_id)
    if _tell(incident):
        cache.delete(hold)
    else:
        cache.set(hold, 1, RETRY_SECONDS)


def _tell(incident: Incident) -> bool:
    """False where nobody could be told and it is to be tried again."""
    now = timezone.now()
    if incident.closed_at is None and incident.told_at is None:
        recovered, since, column = False, incident.opened_at, "told_at"
    elif incident.closed_at and incident.told_at and incident.recovery_told_at is None:
        recovered, since, column = True, incident.closed_at, "recovery_told_at"
    else:
        return True
    done = _send(incident, recovered=recovered) or now - since > GIVE_UP_AFTER
    if done:
        over = {"closed_at": now, "recovery_told_at": now} if incident.once else {}
        Incident.objects.filter(pk=incident.pk).update(**{column: now}, **over)
    return done


def channels_of(organization: Organization) -> list[AlertChannel]:
    """Where an organization is told: its channels, or by e-mail its admins where it has none."""
    chosen = list(AlertChannel.objects.filter(organization=organization).order_by("pk"))
    if chosen:
        return chosen
    admins = User.objects.filter(
        memberships__organization=organization, memberships__role=Role.ADMIN, is_active=True
    )
    return [
        AlertChannel(organization=organization, kind=AlertChannel.Kind.EMAIL, target=admin.email)
        for admin in admins.order_by("email")
    ]


def _send(incident: Incident, *, recovered: bool) -> bool:
    """Whether anybody was told: one channel that does not work must not silence the others."""
    channels = channels_of(incident.organization)
    sent = [_sent(channel, incident, recovered=recovered) for channel in channels]
    return any(sent) or not channels


def _sent(channel: AlertChannel, incident: Incident, *, recovered: bool) -> bool:
    try:
        deliver(channel, incident, recovered=recovered)
    except (LedgerHubError, OSError) as error:
        log.warning("alert channel=%s incident=%s failed: %s", channel.pk, incident.pk, error)
        _note(channel, problem=str(error) or type(error).__name__)
        return False
    _note(channel, problem="")
    return True


def _note(channel: AlertChannel, *, problem: str) -> None:
    """What the alerts page says of a channel: when it last worked, or why it did not."""
    if channel._state.adding:
        return  # an admin's address, not a channel
    fields: dict[str, object] = {"problem": problem[:300]}
    if not problem:
        fields["worked_at"] = timezone.now()
    AlertChannel.objects.filter(pk=channel.pk).update(**fields)


def deliver(channel: AlertChannel, incident: Incident, *, recovered: bool) -> None:
    """Send one message now. Raises LedgerHubError or OSError where it does not get through."""
    if channel.kind == AlertChannel.Kind.EMAIL:
        _mail(channel, incident, recovered=recovered)
    else:
        _post(channel, incident, recovered=recovered)


def test(channel: AlertChannel) -> str:
    """Send a message that says it is a test; gives what went wrong, empty when it got through."""
    now = timezone.now()
    words = "This is a test. Nothing is wrong."
    example = Incident(organization=channel.organization, key="test", message=words, opened_at=now)
    try:
        deliver(channel, example, recovered=False)
    except (LedgerHubError, OSError) as error:
        problem = str(error) or type(error).__name__
        _note(channel, problem=problem)
        return problem
    _note(channel, problem="")
    return ""


def _mail(channel: AlertChannel, incident: Incident, *, recovered: bool) -> None:
    what = "Working again" if recovered else "Needs attention"
    about = " ".join(str(incident.integration or incident.organization).split())
    since = (incident.closed_at if recovered else None) or incident.opened_at
    local = since.astimezone(incident.organization.zone)
    when = f"{local:%Y-%m-%d %H:%M} ({local.tzname()})"
    since_when = f"It happened at {when}." if incident.once else f"{what} since {when}."
    body = f"{incident.message}\n\n{since_when}\n\n{_link(incident)}\n"
    send_mail(f"[LedgerHub] {what}: {about}", body, None, [channel.target])


def _post(channel: AlertChannel, incident: Incident, *, recovered: bool) -> None:
    """A signed message after the Standard Webhooks form: id, timestamp, signature."""
    now = timezone.now()
    kind = "incident.recovered" if recovered else "incident.opened"
    message_id = f"msg_{incident.pk}_{'recovered' if recovered else 'opened'}"
    if incident._state.adding:
        kind, message_id = "incident.test", f"msg_{tokens.token_hex(8)}"
    body = json.dumps({"type": kind, "timestamp": now.isoformat(), "data": _data(incident)})
    headers = {"webhook-id": message_id, "webhook-timestamp": str(int(now.timestamp()))}
    if channel.secret:
        headers["webhook-signature"] = sign(channel.secret, message_id, headers["webhook-timestamp"], body)
    post_json(channel.target, body, headers, allow_loopback=settings.ALLOW_LOOPBACK_INTEGRATIONS)


def _data(incident: Incident) -> dict[str, object]:
    return {
        "organization": incident.organization.slug,
        "integration": incident.integration.name if incident.integration else None,
        "message": incident.message,
        "opened_at": incident.opened_at.isoformat(),
        "closed_at": incident.closed_at.isoformat() if incident.closed_at else None,
        "url": _link(incident),
    }


def new_secret() -> str:
    """A signing secret as Standard Webhooks writes it: `whsec_` and 32 random bytes in base64."""
    return SECRET_PREFIX + base64.b64encode(tokens.token_bytes(32)).decode()


def sign(secret: str, message_id: str, timestamp: str, body: str) -> str:
    """Standard Webhooks, version 1: base64 HMAC-SHA256 over id, timestamp and body."""
    content = f"{message_id}.{timestamp}.{body}".encode()
    return "v1," + base64.b64encode(hmac.new(_key(secret), content, hashlib.sha256).digest()).decode()


def _key(secret: str) -> bytes:
    """The bytes behind a secret: base64 behind the prefix, else the text itself."""
    if not secret.startswith(SECRET_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        return secret.encode()


def _link(incident: Incident) -> str:
    """Where to look: its page, the integration, or the list of alerts."""
    slug = incident.organization.slug
    if incident.page:
        return f"{settings.PUBLIC_URL}{incident.page}"
    if incident.integration is None:
        return f"{settings.PUBLIC_URL}{reverse('integrations:alerts', args=[slug])}"
    path = reverse("integrations:integration", args=[slug, incident.integration.pk])
    return f"{settings.PUBLIC_URL}{path}"
