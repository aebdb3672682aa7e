"""The second door: a signed push is verified and stored, then the record it speaks of is read again."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from django.core.cache import cache
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from django_q.tasks import async_task

from integrations import alerts, normalize, raw, registry, vanished
from integrations.connection import connect, secrets_of
from integrations.messages import Event, Message, Trust, Webhook, WebhookRefused
from integrations.models import Integration, Stream, WebhookEvent
from integrations.raw import Row
from integrations.records import unreadable
from integrations.spec import Read
from ledgerhub.core.errors import ConfigError, LedgerHubError, TransientError

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 6
TOUCH = "touch"
ID_LENGTH = 160
LEASE = dt.timedelta(minutes=3)
PROOF_PATIENCE = 3.0  # seconds: the other side waits for our answer


def receive(integration: Integration, message: Message) -> list[WebhookEvent]:
    """Verify one message and store what it says; the same event twice is one row. Raises WebhookRefused."""
    spec = registry.connector(integration)
    if spec.webhook is None:
        raise ConfigError(f"{spec.label} sends no webhooks.")
    secrets = _secrets(integration, spec.webhook)
    settings = spec.with_defaults(integration.settings)
    trust = Trust(secrets, settings, timezone.now(), partial(_fetch_kept, integration))
    events = spec.webhook.verify(message, trust)
    ours = str(settings.get(spec.webhook.account) or "") if spec.webhook.account else ""
    return [_heard(integration, event) for event in events if not ours or event.scope in ("", ours)]


def challenged(integration: Integration, asked: Mapping[str, str], url: str) -> Mapping[str, str] | None:
    """The answer to a system that asks whether the address is ours; None where it asks no such thing."""
    webhook = registry.connector(integration).webhook
    if webhook is None or webhook.challenge is None:
        return None
    return webhook.challenge(asked, url, _secrets(integration, webhook))


def _secrets(integration: Integration, webhook: Webhook) -> tuple[str, ...]:
    secrets = tuple(secrets_of(integration).get(webhook.secret, "").split())
    if webhook.secret and not secrets:
        raise WebhookRefused("No signing secret is stored yet: enter it on the integration's page.")
    return secrets


def _heard(integration: Integration, event: Event) -> WebhookEvent:
    if event.problem:
        alerts.needs_attention(integration, event.problem)
        alerts.raise_incident(integration, key=alerts.consent_key(integration), message=event.problem)
    return _store(integration, event.id, event.type, event.stream, event.record_id)


def _fetch_kept(integration: Integration, read: Read, values: Mapping[str, str]) -> Any:
    """What the system says for a proof (a key, a certificate), asked for once a day."""
    asked = hashlib.sha256(repr((read.path, sorted(values.items()))).encode()).hexdigest()
    key = f"proof:{integration.pk}:{asked}"
    found = cache.get(key)
    if found is None:
        client, calls = connect(integration, purpose="proof", patience=PROOF_PATIENCE)
        try:
            with client:
                found = client.ask(read, values, purpose="proof")
        finally:
            calls.save()
        cache.set(key, found, timeout=24 * 3600)
    return found


def touch(stream: Stream, rows: Sequence[Row]) -> None:
    """Some records say that others have changed (a settled balance transaction: its payout): read those
    again. Call it inside the page's transaction."""
    spec = registry.stream_spec(stream)
    readable = [row for row in rows if not unreadable(row.shaped)]
    touched = {key: record for record, shaped in readable for key in spec.touches(shaped)}
    for (key, record_id), record in touched.items():
        _store(stream.integration, f"{TOUCH}:{key}:{record_id}:{record.pk}", TOUCH, key, record_id)


def process(event_id: int) -> None:
    """Read the record an event speaks of and write it, in one transaction; safe to run twice."""
    event = _claim(event_id)
    if event is None:
        return
    try:
        state = _refetch(event)
    except TransientError as error:
        _put_aside(event, error)
    except LedgerHubError as error:
        _give_up(event, str(error))
    else:
        WebhookEvent.objects.filter(pk=event.pk).update(state=state, processed_at=timezone.now(), error="")
        if state == WebhookEvent.State.DONE:
            alerts.recover(event.integration, key=_incident_key(event))


def _store(integration: Integration, event_id: str, topic: str, stream: str, record_id: str) -> WebhookEvent:
    with transaction.atomic():
        event, created = WebhookEvent.objects.get_or_create(
            integration=integration,
            event_id=_fitting(event_id),
            defaults={"topic": topic[:120], "payload": {"stream": stream, "record": record_id}},
        )
        if created:
            async_task("integrations.tasks.process_event", event.pk)
    return event


def _fitting(event_id: str) -> str:
    """An id that fits the column; a longer one keeps its hash, so that two never become one."""
    if len(event_id) <= ID_LENGTH:
        return event_id
    digest = hashlib.blake2b(event_id.encode(), digest_size=20).hexdigest()
    return f"{event_id[: ID_LENGTH - len(digest) - 1]}:{digest}"


def _claim(event_id: int) -> WebhookEvent | None:
    """Commit the attempt first; `not_before` is the lease while we work."""
    now = timezone.now()
    due = Q(not_before__isnull=True) | Q(not_before__lte=now)
    taken = WebhookEvent.objects.filter(due, pk=event_id, state=WebhookEvent.State.RECEIVED).update(
        attempts=F("attempts") + 1, not_before=now + LEASE
    )
    if not taken:
        return None
    event = WebhookEvent.objects.select_related("integration__organization").get(pk=event_id)
    if event.attempts > MAX_ATTEMPTS:
        _give_up(event, event.error or "It broke off too often.")
        return None
    return event


def _refetch(event: WebhookEvent) -> str:
    """What is switched off or paused is left alone: the sync after it reads the record anyway."""
    key, record_id = event.payload.get("stream"), event.payload.get("record")
    stream = (
        Stream.objects.select_related(
            "integration__organization", "integration__bank_account", "mapping", "source"
        )
        .filter(integration=event.integration, key=key, enabled=True, paused_at__isnull=True)
        .exclude(integration__state=Integration.State.DISCONNECTED)
        .first()
    )
    if stream is None:
        return WebhookEvent.State.IGNORED
    if not record_id:
        # The whole stream is due; the minute sweep starts it.
        Stream.objects.filter(pk=stream.pk).update(next_run_at=timezone.now())
        return WebhookEvent.State.DONE
    spec = registry.stream_spec(stream)
    client, calls = connect(event.integration, purpose=f"webhook {event.topic}"[:40])
    origin = f"{event.topic} {event.event_id}"
    try:
        with client:
            record = client.fetch_one(spec, record_id)
        with transaction.atomic():
            call = calls.save()
            records = [record] if record else vanished.gone(stream, spec, record_id)
            arrived = raw.store(stream, spec, records, call=call, origin=origin)
            normalize.normalize(normalize.load(stream), arrived.rows)
            if event.topic != TOUCH:
                touch(stream, arrived.rows)
    finally:
        calls.save()  # a call that failed is kept, too
    return WebhookEvent.State.DONE


def _put_aside(event: WebhookEvent, error: TransientError) -> None:
    if event.attempts >= MAX_ATTEMPTS:
        _give_up(event, str(error))
        return
    wait = max(error.retry_after or 0.0, 30.0 * 2 ** (event.attempts - 1))
    until = timezone.now() + dt.timedelta(seconds=wait)
    WebhookEvent.objects.filter(pk=event.pk).update(not_before=until, error=str(error)[:500])


def _incident_key(event: WebhookEvent) -> str:
    return f"webhook:{event.integration_id}"


def _give_up(event: WebhookEvent, message: str) -> None:
    """Nothing is lost: the next sync of the stream reads the record anyway."""
    with transaction.atomic():
        WebhookEvent.objects.filter(pk=event.pk).update(
            state=WebhookEvent.State.FAILED, error=message[:500], processed_at=timezone.now()
        )
        alerts.raise_incident(
            event.integration,
            key=_incident_key(event),
            message=f"{event.integration}: a message ({event.topic}) could not be followed up. {message}",
        )
