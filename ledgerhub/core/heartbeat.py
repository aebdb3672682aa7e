"""Signs of life written through the job queue, and how old they are."""

from __future__ import annotations

import datetime as dt

from django.utils import timezone

from ledgerhub.core.models import Heartbeat

JOBS = "jobs"
LATE_AFTER = dt.timedelta(minutes=3)


def beat(name: str = JOBS) -> None:
    Heartbeat.objects.update_or_create(name=name, defaults={"at": timezone.now()})


def age(name: str = JOBS) -> dt.timedelta | None:
    """Time since the last beat; None when there never was one."""
    row = Heartbeat.objects.filter(name=name).first()
    return timezone.now() - row.at if row else None


def is_late(name: str = JOBS) -> bool:
    last = age(name)
    return last is None or last > LATE_AFTER
