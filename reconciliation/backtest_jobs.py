"""Back-tests in the background: asked for, done, taken up again; the result is kept with the version."""

from __future__ import annotations

import logging

from django.db import IntegrityError, transaction
from django_q.tasks import async_task

from ledgerhub.access.models import User
from ledgerhub.core.errors import ConfigError
from reconciliation import backtest, jobs, rule_versions
from reconciliation.models import BackTest, RuleVersion

log = logging.getLogger(__name__)

LONGEST = 3600
"""Seconds after which a back-test is ended by the job queue: a year of a large business takes minutes."""


def latest(version: RuleVersion) -> BackTest | None:
    return version.backtests.order_by("-pk").first()


def request(version: RuleVersion, *, user: User) -> BackTest:
    """Queue a back-test of a version that is not in force yet, or return the one that is open.

    Raises ConfigError where the version is over that point.
    """
    rule_versions.refuse_unless_open(version)
    open_ones = BackTest.objects.filter(version=version, state__in=BackTest.OPEN)
    while (job := open_ones.first()) is None:
        try:
            with transaction.atomic():
                job = BackTest.objects.create(version=version, requested_by=user)
                _queue(job)
        except IntegrityError:
            continue  # somebody asked at the same moment: theirs is the open one, unless it is over already
    return job


def _queue(job: BackTest) -> None:
    async_task("reconciliation.tasks.back_test", job.pk, timeout=LONGEST)


def execute(job_id: int) -> None:
    """Try the version on the past and keep what is found. It only reads until then: it may run twice."""
    if not jobs.claim(BackTest, job_id):
        return
    job = BackTest.objects.select_related("requested_by", "version").get(pk=job_id)
    version = rule_versions.get(job.version)
    try:
        found = backtest.run(version, progress=jobs.Progress(job))
        with transaction.atomic():
            rule_versions.keep_backtest(version, found, by=job.requested_by)
            jobs.finish(job, BackTest.State.DONE, "")
    except ConfigError as error:
        jobs.finish(job, BackTest.State.FAILED, str(error))
    except Exception:
        log.exception("back-test=%s stopped", job_id)
        words = "The back-test stopped on a mistake of LedgerHub's. Nothing was changed."
        jobs.finish(job, BackTest.State.FAILED, words)
        raise


def take_up_dropped() -> None:
    words = "The back-test broke off too often. Try again, or tell your admin."
    jobs.take_up_dropped(BackTest, _queue, too_often=words)
