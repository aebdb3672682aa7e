"""Runs what the code queued, in this process: the queue's own rows, the queue's own decoding."""

from __future__ import annotations

from django.utils.module_loading import import_string
from django_q.models import OrmQ
from django_q.signing import SignedPackage


def drain(*, limit: int = 10_000) -> int:
    """Execute queued jobs, oldest first, until none is left; gives how many ran."""
    done = 0
    while (job := OrmQ.objects.order_by("pk").first()) is not None:
        task = SignedPackage.loads(job.payload)
        job.delete()
        import_string(task["func"])(*task["args"], **task["kwargs"])
        done += 1
        if done >= limit:
            raise AssertionError(f"the queue does not run dry: {done} jobs")
    return done
