"""Signs of life written through the job queue, and how old they are."""

from __future__ import annotations

import datetime as dt
import math

from django.conf import settings
from django.utils import timezone

from ledgerhub.core.models import Heartbeat

JOBS = "jobs"
# Longer than the longest job may run (a system check sees to it): every job beats when it begins.
LATE_AFTER = dt.timedelta(minutes=3)
# Beats closer together than this are one: they cost a write.
PRECISION = dt.timedelta(seconds=15)


def beat(name: str = JOBS) -> None:
    """Say that work is being done; every job begins with it."""
    now = timezone.now()
    if not Heartbeat.objects.filter(name=name, at__range=(now - PRECISION, now)).exists():
        Heartbeat.objects.update_or_create(name=name, defaults={"at": now})


def age(name: str = JOBS) -> dt.timedelta | None:
    """Time since the last beat; None when there never was one."""
    row = Heartbeat.objects.filter(name=name).first()
    return timezone.now() - row.at if row else None


def is_late(name: str = JOBS, *, after: dt.timedelta = LATE_AFTER) -> bool:
    last = age(name)
    return last is None or last > after


def longest_hold() -> dt.timedelta:
    """From the pulling of a job to its end, at worst: those pulled with it may be worked on first."""
    queue = settings.Q_CLUSTER
    turns = math.ceil((queue["queue_limit"] + queue["bulk"]) / queue["workers"]) + 1
    return dt.timedelta(seconds=queue["timeout"] * turns)
