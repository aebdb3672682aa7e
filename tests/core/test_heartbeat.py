"""Signs of life: every job gives one, close ones count once, and lateness is told from silence."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
import time_machine
from django_q.models import Schedule
from pytest_django import DjangoAssertNumQueries, Settings

from integrations import tasks as integration_tasks
from ledgerhub.core import heartbeat, schedules
from ledgerhub.core.models import Heartbeat
from reconciliation import tasks as reconciliation_tasks

pytestmark = pytest.mark.django_db
NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)


def at(seconds: float) -> time_machine.travel:
    return time_machine.travel(NOON + dt.timedelta(seconds=seconds), tick=False)


def test_never_beaten_is_late() -> None:
    assert (heartbeat.age(), heartbeat.is_late()) == (None, True)


def test_late_after_three_minutes() -> None:
    with at(0):
        heartbeat.beat()
    with at(180):
        assert (heartbeat.age(), heartbeat.is_late()) == (dt.timedelta(minutes=3), False)
    with at(181):
        assert heartbeat.is_late()
        assert not heartbeat.is_late(after=dt.timedelta(minutes=4))


def test_close_beats_are_one(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with at(0):
        heartbeat.beat()
    with at(14), django_assert_num_queries(1):
        heartbeat.beat()
    assert Heartbeat.objects.get().at == NOON
    with at(16):
        heartbeat.beat()
    assert Heartbeat.objects.get().at == NOON + dt.timedelta(seconds=16)


def test_a_beat_from_the_future_is_set_right() -> None:
    with at(3600):
        heartbeat.beat()
    with at(0):
        heartbeat.beat()
    assert Heartbeat.objects.get().at == NOON


def test_longest_hold(settings: Settings) -> None:
    settings.Q_CLUSTER = {"workers": 2, "queue_limit": 2, "bulk": 1, "timeout": 120}
    assert heartbeat.longest_hold() == dt.timedelta(seconds=360)


@pytest.mark.parametrize(
    "job",
    [
        integration_tasks.minute,
        integration_tasks.nightly,
        lambda: integration_tasks.sync_slice(0),
        lambda: integration_tasks.process_event(0),
        lambda: reconciliation_tasks.match_account(0),
        reconciliation_tasks.sweep,
    ],
)
def test_every_job_is_a_sign_of_life(job: Callable[[], None]) -> None:
    job()
    assert not heartbeat.is_late()


def test_schedules_of_every_app_are_made_and_kept_right() -> None:
    schedules.ensure()
    made = list(Schedule.objects.order_by("func").values_list("func", "schedule_type", "minutes", "cron"))
    assert made == [
        ("integrations.tasks.minute", "I", 1, None),
        ("integrations.tasks.nightly", "C", None, "10 3 * * *"),
        ("reconciliation.tasks.sweep", "I", 1, None),
    ]
    Schedule.objects.filter(func="integrations.tasks.minute").update(minutes=60, repeats=0)
    Schedule.objects.create(func="integrations.tasks.nightly", name="a double")
    schedules.ensure()
    kept = Schedule.objects.order_by("func").values_list("func", "schedule_type", "minutes", "cron")
    assert list(kept) == made
    assert set(Schedule.objects.values_list("repeats", flat=True)) == {-1}
