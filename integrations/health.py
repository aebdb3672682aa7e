"""Health: can we reach each system, is it fresh, is the volume odd, do the books balance."""

from __future__ import annotations

import datetime as dt
import statistics

from django.utils import timezone

from integrations import alerts, consent, registry
from integrations.connection import TOKEN, connect
from integrations.models import Integration, RawRecord, Secret, Stream, SyncRun
from ledgerhub.access.models import Organization
from ledgerhub.core.errors import ConfigError, LedgerHubError
from ledgerhub.ledger import queries, totals

STALE_FACTOR = 3
HISTORY = 8  # periods of 24 hours that are looked at, today's included
ENOUGH = 5  # fewer records a day say nothing by their absence
FLOOD_FACTOR = 10
EXAMPLES = 10
FETCHING = ("schedule", "person")  # runs that ask the source; a replay is no sign of life


def check(integration_id: int) -> None:
    """Test the connection and look at what the runs say; incidents open or close accordingly."""
    integration = Integration.objects.select_related("organization").get(pk=integration_id)
    state, message = _connection(integration)
    signs = _signs(integration)
    if state == "ok" and signs:
        state, message = "warning", " ".join(signs)
    Integration.objects.filter(pk=integration.pk).update(
        health=state, health_message=message[:500], health_checked_at=timezone.now()
    )
    _tell_connection(integration, state, message)
    _tell_signs(integration, signs)
    _forget_switched_off(integration)


def _tell_connection(integration: Integration, state: str, message: str) -> None:
    key = f"health:{integration.pk}"
    if state == "failed":
        alerts.raise_incident(integration, key=key, message=f"{integration}: {message}")
    elif state == "ok":
        alerts.recover(integration, key=key)
        alerts.restore(integration)


def _tell_signs(integration: Integration, signs: list[str]) -> None:
    """Silence is an alarm: what is odd is told although the connection works."""
    key = f"signs:{integration.pk}"
    if signs:
        alerts.raise_incident(integration, key=key, message=f"{integration}: {' '.join(signs)}")
    else:
        alerts.recover(integration, key=key)


def _forget_switched_off(integration: Integration) -> None:
    """A stream that a person switched off or paused stands still on purpose."""
    still = Stream.objects.filter(integration=integration).exclude(enabled=True, paused_at__isnull=True)
    for stream in still:
        alerts.recover(integration, key=alerts.stream_key(stream))


def check_books() -> None:
    """Every entry sums to zero and its postings agree with it, or an alert says where not."""
    for organization in Organization.objects.all():
        problems = [_unbalanced(organization), _misfiled(organization), _wrong_totals(organization)]
        message = " ".join(problem for problem in problems if problem)
        if message:
            alerts.open_incident(organization, key="books", message=message)
        else:
            alerts.close_incident(organization, key="books")


def _unbalanced(organization: Organization) -> str:
    wrong = queries.unbalanced(organization)
    ids = ", ".join(str(row.entry_id) for row in wrong[:EXAMPLES])
    return f"{len(wrong)} journal entries do not balance: {ids}." if wrong else ""


def _wrong_totals(organization: Organization) -> str:
    days = totals.wrong(organization)
    return f"{len(days)} daily totals are not the sum of their postings." if days else ""


def _misfiled(organization: Organization) -> str:
    rows = queries.misfiled(organization)
    count = rows.count()
    ids = ", ".join(str(entry) for entry in rows.values_list("entry_id", flat=True)[:EXAMPLES])
    words = "postings differ from their entry in currency, day or organization; entries"
    return f"{count} {words}: {ids}." if count else ""


def _connection(integration: Integration) -> tuple[str, str]:
    """('ok' or 'failed' or 'warning', words) of one test call."""
    spec = registry.connector(integration)
    if spec.test is None:
        return "ok", ""
    client, calls = connect(integration, purpose="health check")
    try:
        with client:
            return "ok", consent.noted(integration, client.test())
    except ConfigError as error:
        alerts.needs_attention(integration, str(error))
        return "failed", str(error)
    except LedgerHubError as error:
        # A hiccup is not an incident; the syncs' own retries tell when it lasts.
        return "warning", str(error)
    finally:
        calls.save()


def _signs(integration: Integration) -> list[str]:
    """What is odd though the connection works: expiring consent, stale streams, unusual volume."""
    found = [_expiring(integration), consent.ends_soon(integration)]
    streams = Stream.objects.filter(integration=integration, enabled=True, paused_at__isnull=True)
    for stream in streams.select_related("integration"):
        found += [_stale(stream) or _odd_volume(stream)]
    return [words for words in found if words]


def _expiring(integration: Integration) -> str:
    now = timezone.now()
    secrets = Secret.objects.filter(integration=integration, expires_at__lt=now + consent.WARNING)
    secret = secrets.exclude(name=TOKEN).order_by("expires_at").first()
    if secret is None or secret.expires_at is None:
        return ""
    day = f"{secret.expires_at.astimezone(integration.organization.zone):%Y-%m-%d}"
    if secret.expires_at <= now:
        return f"The access ({secret.name}) ended on {day}: connect again."
    return f"The access ({secret.name}) ends on {day}: connect again before then."


def _stale(stream: Stream) -> str:
    """No successful sync for several times its schedule, and none that is getting on."""
    if not stream.schedule_minutes:
        return ""
    now = timezone.now()
    runs = SyncRun.objects.filter(stream=stream, trigger__in=FETCHING).order_by("-created_at")
    if runs.filter(state=SyncRun.State.RUNNING, leased_until__gt=now).exists():
        return ""
    last = runs.filter(state=SyncRun.State.SUCCEEDED).first()
    since = last.finished_at if last else runs.values_list("created_at", flat=True).last()
    if since is None or now - since < dt.timedelta(minutes=stream.schedule_minutes * STALE_FACTOR):
        return ""
    label = registry.stream_spec(stream).label
    at = f"{since.astimezone(stream.integration.organization.zone):%Y-%m-%d %H:%M}"
    if last is None:
        return f"{label}: never synced yet, though it was asked for on {at}."
    return f"{label}: last synced {at}, which is overdue."


def _odd_volume(stream: Stream) -> str:
    """Nothing new where there used to be much, or far more than ever, against the stream's own days."""
    days = _daily_new(stream)
    if len(days) < HISTORY:
        return ""
    *history, today = days
    usual = statistics.median(history)
    if usual < ENOUGH:
        return ""
    label = registry.stream_spec(stream).label
    # The oldest day is the same day of the week: a shop that rests on Sundays is no alarm.
    if today == 0 and history[0] and not _told_otherwise(stream):
        return f"{label}: nothing new in a day; usually about {usual:.0f} a day."
    if today > max(history) * FLOOD_FACTOR:
        return f"{label}: {today} new in a day; usually about {usual:.0f} a day."
    return ""


def _told_otherwise(stream: Stream) -> bool:
    """Whether new records came by another door (webhooks), which the runs do not count."""
    newest = RawRecord.objects.filter(stream=stream, version=1).order_by("-pk").only("fetched_at").first()
    return newest is not None and timezone.now() - newest.fetched_at < dt.timedelta(days=1)


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
        if 0 <= age < HISTORY:
            counts[HISTORY - 1 - age] += new
    return counts
