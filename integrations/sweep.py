"""The minute sweep: queue what is due, take up what was dropped."""

from __future__ import annotations

import datetime as dt

from django.db.models import Q
from django.utils import timezone
from django_q.models import Schedule
from django_q.tasks import async_task

from integrations import comparing, delivery, sync
from integrations.models import ApiCall, Incident, Integration, RawRecord, Stream, SyncRun, WebhookEvent

HEALTH_EVERY = dt.timedelta(minutes=15)
CALLS_KEPT = dt.timedelta(days=90)
CALLS_FORGOTTEN_A_NIGHT = 50_000
# A queued run whose task was lost (its worker was killed, the queue was emptied) is queued again.
FORGOTTEN_AFTER = dt.timedelta(minutes=2)

SCHEDULES = {
    "integrations.tasks.minute": {"schedule_type": Schedule.MINUTES, "minutes": 1},
    "integrations.tasks.nightly": {"schedule_type": Schedule.CRON, "cron": "10 3 * * *"},
}
TELLS = ["integrations.tasks.tell_once"]


def sweep() -> None:
    now = timezone.now()
    _start_due_streams(now)
    _requeue_runs(now)
    _requeue_events(now)
    _requeue_alerts(now)
    _start_health_checks(now)
    _start_deliveries()
    comparing.start_due(now)


def _start_due_streams(now: dt.datetime) -> None:
    due = Stream.objects.filter(
        enabled=True,
        paused_at__isnull=True,
        next_run_at__lte=now,
        integration__state__in=[Integration.State.ACTIVE, Integration.State.ATTENTION],
    ).exclude(runs__state__in=SyncRun.OPEN)
    for stream in due[:200]:
        sync.request_run(stream, trigger="schedule")


def _requeue_runs(now: dt.datetime) -> None:
    """Waiting runs whose time has come, and running or queued ones that nobody holds."""
    waiting = Q(state=SyncRun.State.WAITING, not_before__lte=now)
    dropped = Q(state=SyncRun.State.RUNNING, leased_until__lt=now)
    free = Q(state=SyncRun.State.RUNNING, leased_until__isnull=True, created_at__lt=now - FORGOTTEN_AFTER)
    forgotten = Q(state=SyncRun.State.QUEUED, created_at__lt=now - FORGOTTEN_AFTER)
    for run in SyncRun.objects.filter(waiting | dropped | free | forgotten)[:200]:
        sync.enqueue(run)


def _requeue_events(now: dt.datetime) -> None:
    due = Q(not_before__lte=now) | Q(not_before__isnull=True, received_at__lt=now - FORGOTTEN_AFTER)
    events = WebhookEvent.objects.filter(due, state=WebhookEvent.State.RECEIVED)
    for event_id in events.values_list("pk", flat=True)[:500]:
        async_task("integrations.tasks.process_event", event_id)


def _requeue_alerts(now: dt.datetime) -> None:
    """Alerts whose task was lost, or that no channel took."""
    before = now - FORGOTTEN_AFTER
    untold = Q(closed_at__isnull=True, told_at__isnull=True, opened_at__lt=before)
    unsaid = Q(closed_at__lt=before, told_at__isnull=False, recovery_told_at__isnull=True)
    for incident_id in Incident.objects.filter(untold | unsaid).values_list("pk", flat=True)[:100]:
        async_task("integrations.tasks.tell_incident", incident_id)


def _start_health_checks(now: dt.datetime) -> None:
    due = Q(health_checked_at__isnull=True) | Q(health_checked_at__lt=now - HEALTH_EVERY)
    live = Integration.objects.filter(due).filter(
        state__in=[Integration.State.ACTIVE, Integration.State.ATTENTION]
    )
    for integration_id in live.values_list("pk", flat=True)[:200]:
        async_task("integrations.tasks.check_health", integration_id)


def _start_deliveries() -> None:
    """Look for what has to go out, and go on with what waits."""
    live = Integration.objects.filter(
        state__in=[Integration.State.ACTIVE, Integration.State.ATTENTION], routes__enabled=True
    )
    for integration in live.distinct()[:200]:
        delivery.enqueue(integration)


def tidy() -> None:
    """Forget old calls that brought no record; what led to the books stays."""
    kept = RawRecord.objects.filter(api_call__isnull=False).values("api_call")
    old = ApiCall.objects.filter(at__lt=timezone.now() - CALLS_KEPT).exclude(pk__in=kept)
    forgotten = list(old.order_by("pk").values_list("pk", flat=True)[:CALLS_FORGOTTEN_A_NIGHT])
    for start in range(0, len(forgotten), 5_000):
        ApiCall.objects.filter(pk__in=forgotten[start : start + 5_000]).delete()
