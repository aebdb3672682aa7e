"""Health: can we reach each system, is it fresh, is the volume odd, do the books balance."""

from __future__ import annotations

import datetime as dt
import statistics

from django.utils import timezone

from integrations import alerts, registry
from integrations.connection import TOKEN, connect
from integrations.models import Integration, Secret, Stream, SyncRun
from ledgerhub.access.models import Organization
from ledgerhub.core.errors import ConfigError, LedgerHubError
from ledgerhub.ledger import queries

EXPIRY_WARNING = dt.timedelta(days=14)
STALE_FACTOR = 3
HISTORY = 8


def check(integration_id: int) -> None:
    """Test the connection and look at what the runs say; one incident opens or closes."""
    integration = Integration.objects.select_related("organization").get(pk=integration_id)
    state, message = _connection(integration)
    if state == "ok":
        state, message = _signs(integration)
    Integration.objects.filter(pk=integration.pk).update(
        health=state, health_message=message[:500], health_checked_at=timezone.now()
    )
    key = f"health:{integration.pk}"
    if state == "failed":
        alerts.raise_incident(integration, key=key, message=f"{integration}: {message}")
    elif state == "ok":
        alerts.recover(integration, key=key)
        alerts.restore(integration)


def check_books() -> None:
    """Every entry sums to zero in both currencies, or an alert says which do not."""
    for organization in Organization.objects.all():
        wrong = queries.unbalanced(organization)
        if wrong:
            ids = ", ".join(str(row.entry_id) for row in wrong[:10])
            alerts.open_incident(
                organization, key="books", message=f"{len(wrong)} journal entries do not balance: {ids}."
            )
        else:
            alerts.close_incident(organization, key="books")


def _connection(integration: Integration) -> tuple[str, str]:
    """('ok' or 'failed' or 'warning', words) of one test call."""
    spec = registry.connector(integration)
    if spec.test is None:
        return "ok", ""
    client, calls = connect(integration, purpose="health check")
    try:
        with client:
            return "ok", client.test()
    except ConfigError as error:
        alerts.needs_attention(integration, str(error))
        return "failed", str(error)
    except LedgerHubError as error:
        # A hiccup is not an incident; the syncs' own retries tell when it lasts.
        return "warning", str(error)
    finally:
        calls.save()


def _signs(integration: Integration) -> tuple[str, str]:
    """What is odd though the connection works: expiring consent, stale streams, unusual volume."""
    warnings = [_expiring(integration)]
    for stream in Stream.objects.filter(integration=integration, enabled=True, paused_at__isnull=True):
        warnings += [_stale(stream), _odd_volume(stream)]
    found = [warning for warning in warnings if warning]
    return ("warning", " ".join(found)) if found else ("ok", "")


def _expiring(integration: Integration) -> str:
    soon = timezone.now() + EXPIRY_WARNING
    secret = (
        Secret.objects.filter(integration=integration, expires_at__lt=soon).exclude(name=TOKEN).first()
    )
    if secret is None or secret.expires_at is None:
        return ""
    return f"The access ({secret.name}) ends on {secret.expires_at:%Y-%m-%d}: connect again before then."


def _stale(stream: Stream) -> str:
    """No successful sync for several times its schedule."""
    if not stream.schedule_minutes:
        return ""
    last = SyncRun.objects.filter(stream=stream, state=SyncRun.State.SUCCEEDED).order_by("-created_at").first()
    limit = dt.timedelta(minutes=stream.schedule_minutes * STALE_FACTOR)
    if last is None or last.finished_at is None or timezone.now() - last.finished_at < limit:
        return ""
    label = registry.stream_spec(stream).label
    return f"{label}: last synced {last.finished_at:%Y-%m-%d %H:%M} UTC, which is overdue."


def _odd_volume(stream: Stream) -> str:
    """Zero new records where there used to be many, measured against the stream's own recent days."""
    days = _daily_new(stream)
    if len(days) < HISTORY:
        return ""
    *history, today = days
    usual = statistics.median(history)
    if usual >= 5 and today == 0:
        label = registry.stream_spec(stream).label
        return f"{label}: nothing new in a day; usually about {usual:.0f} a day."
    return ""


def _daily_new(stream: Stream) -> list[int]:
    """New records in each of the last eight periods of 24 hours, oldest first; empty when too young."""
    now = timezone.now()
    runs = SyncRun.objects.filter(stream=stream, created_at__gte=now - dt.timedelta(days=HISTORY + 1))
    rows = list(runs.values_list("created_at", "new"))
    if not rows or min(at for at, _ in rows) > now - dt.timedelta(days=HISTORY):
        return []
    counts = [0] * HISTORY
    for at, new in rows:
        age = (now - at).days
        if age < HISTORY:
            counts[HISTORY - 1 - age] += new
    return counts
