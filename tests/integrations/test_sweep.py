"""The minute sweep: due streams start, dropped runs and forgotten rows are queued again, old calls go."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone
from django_q.models import OrmQ, Schedule
from django_q.signing import SignedPackage

from integrations import sweep
from integrations.models import ApiCall, Incident, Integration, RawRecord, Stream, SyncRun, WebhookEvent
from ledgerhub.access.models import Organization
from ledgerhub.core import schedules
from tests.integrations.syncing import connect

pytestmark = pytest.mark.django_db
AGO = dt.timedelta(minutes=5)


@pytest.fixture
def integration(organization: Organization) -> Integration:
    """Active, checked a moment ago, so that a sweep has nothing to do."""
    made = connect(organization, streams=["charges"])
    Integration.objects.update(health_checked_at=timezone.now())
    Stream.objects.update(next_run_at=timezone.now() + dt.timedelta(hours=1))
    return made


@pytest.fixture
def stream(integration: Integration) -> Stream:
    return integration.streams.get()


def queued() -> list[tuple[str, tuple[object, ...]]]:
    tasks = [SignedPackage.loads(row.payload) for row in OrmQ.objects.order_by("pk")]
    return [(task["func"].rpartition(".")[2], tuple(task["args"])) for task in tasks]


def test_nothing_to_do(stream: Stream) -> None:
    sweep.sweep()
    assert (queued(), SyncRun.objects.count()) == ([], 0)


def test_due_stream_starts_once(stream: Stream) -> None:
    Stream.objects.update(next_run_at=timezone.now() - AGO)
    sweep.sweep()
    run = SyncRun.objects.get()
    assert (run.trigger, run.state, queued()) == ("schedule", "queued", [("sync_slice", (run.pk,))])
    sweep.sweep()
    assert (SyncRun.objects.count(), len(queued())) == (1, 1)


@pytest.mark.parametrize(
    "off",
    [
        {"enabled": False},
        {"paused_at": timezone.now()},
        {"next_run_at": None},
    ],
    ids=["switched off", "paused", "by hand"],
)
def test_stream_that_is_off_does_not_start(stream: Stream, off: dict[str, object]) -> None:
    Stream.objects.update(**{"next_run_at": timezone.now() - AGO, **off})
    sweep.sweep()
    assert SyncRun.objects.count() == 0


@pytest.mark.parametrize(
    ("state", "starts"),
    [("active", 1), ("attention", 1), ("paused", 0), ("draft", 0), ("disconnected", 0)],
)
def test_integration_decides(stream: Stream, state: str, starts: int) -> None:
    Stream.objects.update(next_run_at=timezone.now() - AGO)
    Integration.objects.update(state=state)
    sweep.sweep()
    assert SyncRun.objects.count() == starts


@pytest.mark.parametrize(
    ("fields", "again"),
    [
        ({"state": "waiting", "not_before": -1}, True),
        ({"state": "waiting", "not_before": 1}, False),
        ({"state": "running", "leased_until": -1}, True),
        ({"state": "running", "leased_until": 1}, False),
        ({"state": "running", "created_at": -1}, True),
        ({"state": "running", "created_at": 0}, False),
        ({"state": "queued", "created_at": -1}, True),
        ({"state": "queued", "created_at": 0}, False),
        ({"state": "failed", "created_at": -1}, False),
        ({"state": "canceled", "created_at": -1}, False),
    ],
    ids=str,
)
def test_dropped_runs_are_queued_again(stream: Stream, fields: dict[str, object], again: bool) -> None:
    """-1: five minutes ago, 0: now, 1: in five minutes."""
    now = timezone.now()
    given = {key: now + AGO * value if isinstance(value, int) else value for key, value in fields.items()}
    run = SyncRun.objects.create(stream=stream, **given)
    sweep.sweep()
    assert queued() == ([("sync_slice", (run.pk,))] if again else [])


@pytest.mark.parametrize(
    ("state", "received", "not_before", "again"),
    [
        ("received", -1, None, True),
        ("received", 0, None, False),
        ("received", -1, -1, True),
        ("received", -1, 1, False),
        ("done", -1, None, False),
        ("failed", -1, -1, False),
    ],
)
def test_forgotten_events_are_queued_again(
    integration: Integration, state: str, received: int, not_before: int | None, again: bool
) -> None:
    now = timezone.now()
    event = WebhookEvent.objects.create(
        integration=integration, event_id="e", topic="t", payload={}, state=state,
        received_at=now + AGO * received,
        not_before=None if not_before is None else now + AGO * not_before,
    )  # fmt: skip
    sweep.sweep()
    assert queued() == ([("process_event", (event.pk,))] if again else [])


@pytest.mark.parametrize(
    ("opened", "closed", "told", "recovery_told", "again"),
    [
        (-1, None, False, False, True),
        (0, None, False, False, False),
        (-1, None, True, False, False),
        (-2, -1, True, False, True),
        (-2, 0, True, False, False),
        (-2, -1, True, True, False),
        (-2, -1, False, False, False),
    ],
)
def test_forgotten_alerts_are_queued_again(
    integration: Integration, opened: int, closed: int | None, told: bool, recovery_told: bool, again: bool
) -> None:
    now = timezone.now()
    incident = Incident.objects.create(
        organization=integration.organization, key="k", message="x", opened_at=now + AGO * opened,
        closed_at=None if closed is None else now + AGO * closed,
        told_at=now if told else None, recovery_told_at=now if recovery_told else None,
    )  # fmt: skip
    sweep.sweep()
    assert queued() == ([("tell_incident", (incident.pk,))] if again else [])


@pytest.mark.parametrize(
    ("state", "minutes", "checks"),
    [("active", 20, 1), ("active", 5, 0), ("attention", None, 1), ("paused", 20, 0), ("draft", None, 0)],
)
def test_health_is_checked_every_quarter(
    integration: Integration, state: str, minutes: int | None, checks: int
) -> None:
    at = None if minutes is None else timezone.now() - dt.timedelta(minutes=minutes)
    Integration.objects.update(state=state, health_checked_at=at)
    sweep.sweep()
    assert queued() == [("check_health", (integration.pk,))] * checks


def test_old_calls_go_but_not_those_that_brought_records(stream: Stream) -> None:
    old = timezone.now() - sweep.CALLS_KEPT - AGO

    def call(**fields: object) -> ApiCall:
        return ApiCall.objects.create(integration=stream.integration, method="GET", url="https://x", **fields)

    kept, recent = call(at=old), call()
    RawRecord.objects.create(stream=stream, external_id="1", content_hash="x", payload={}, api_call=kept)
    ApiCall.objects.bulk_create(
        [ApiCall(integration=stream.integration, method="GET", url="https://x", at=old) for _ in range(1200)]
    )
    sweep.tidy()
    assert set(ApiCall.objects.values_list("pk", flat=True)) == {kept.pk, recent.pk}


def test_schedules_are_made_once_and_say_what_the_code_says(db: None) -> None:
    schedules.ensure()
    Schedule.objects.filter(func="integrations.tasks.nightly").update(cron="0 1 * * *")
    schedules.ensure()
    assert sorted(Schedule.objects.values_list("func", "cron")) == [
        ("integrations.tasks.minute", None),
        ("integrations.tasks.nightly", "10 3 * * *"),
        ("reconciliation.tasks.sweep", None),
    ]
