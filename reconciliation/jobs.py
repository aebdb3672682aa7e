"""Jobs whose row is the job: claimed by one, telling how far they are, taken up again when they broke off."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from ledgerhub.core import heartbeat
from reconciliation.job_models import Job

EVERY = 1.0
"""Seconds between two writes."""
STALE_AFTER = dt.timedelta(minutes=10)
"""Without a sign of life for so long, a job is taken up anew."""
MAX_ATTEMPTS = 3


def claim(kind: type[Job], pk: int) -> bool:
    """Whether this caller is the one to do it."""
    now = timezone.now()
    return bool(
        _rows(kind)
        .filter(pk=pk, state=Job.State.QUEUED)
        .update(
            state=Job.State.RUNNING,
            started_at=now,
            heard_at=now,
            attempts=F("attempts") + 1,
            stage="",
            percent=0,
        )
    )


def take_up_dropped(kind: type[Job], queue: Callable[[Any], None], *, too_often: str) -> None:
    """Queue jobs again that give no sign of life; give up (`too_often`: in words) those whose worker died
    again and again."""
    now = timezone.now()
    touched = Coalesce("heard_at", "started_at", "created_at")
    for job in _rows(kind).filter(state__in=Job.OPEN).alias(at=touched).filter(at__lt=now - STALE_AFTER):
        if job.attempts >= MAX_ATTEMPTS:
            finish(job, Job.State.FAILED, too_often)
            continue
        with transaction.atomic():
            # It is left alone for another ten minutes.
            _rows(kind).filter(pk=job.pk).update(state=Job.State.QUEUED, heard_at=now)
            queue(job)


def finish(job: Job, state: str, message: str, **figures: object) -> None:
    _rows(type(job)).filter(pk=job.pk).update(
        state=state, finished_at=timezone.now(), message=message[:500], stage="", percent=100, **figures
    )


def _rows(kind: type[Job]) -> QuerySet[Any]:
    return kind._default_manager.all()


class Progress:
    """Writes the stage and the share done of a job (or, without one, nowhere), as a sign of life too.

    Never to be told inside a transaction: nobody would see it before the end.
    """

    def __init__(self, job: Job | None) -> None:
        self._job, self._told = job, 0.0

    def __call__(self, stage: str, share: float) -> None:
        """`share`: 0 to 1 of the whole job."""
        now = time.monotonic()
        if self._job is None or now - self._told < EVERY:
            return
        self._told = now
        heartbeat.beat()
        percent = min(max(int(share * 100), 0), 100)
        running = _rows(type(self._job)).filter(pk=self._job.pk, state=Job.State.RUNNING)
        running.update(stage=stage[:80], percent=percent, heard_at=timezone.now())

    def part(self, start: float, end: float) -> Callable[[str, float], None]:
        """The progress of a step that is the part from `start` to `end` of the whole."""
        return lambda stage, share: self(stage, start + (end - start) * share)
