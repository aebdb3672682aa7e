"""Passes of the engine in the background: load what is open, match, store proposals. People's word stands."""

from __future__ import annotations

import logging

from django.db import IntegrityError, transaction
from django_q.tasks import async_task

from ledgerhub.access.models import User
from ledgerhub.ledger.models import Account
from reconciliation import (
    arrivals,
    cancelling,
    duplicates,
    incremental,
    indexes,
    jobs,
    open_rows,
    storing,
    suggesting,
    weights,
)
from reconciliation.concluding import Outcome, conclude
from reconciliation.jobs import Progress
from reconciliation.matching.engine import match
from reconciliation.models import MatchRun

log = logging.getLogger(__name__)

LONGEST = 3600
"""Seconds after which a pass is ended by the job queue: a million rows take some minutes."""


def request_run(account: Account, *, user: User | None = None, incremental: bool = False) -> MatchRun:
    """Queue a pass over an account, or return the one that is open; `incremental`: over what is new, if
    that will do."""
    open_runs = MatchRun.objects.filter(account=account, state__in=MatchRun.OPEN)
    while (run := open_runs.first()) is None:
        try:
            with transaction.atomic():
                run = MatchRun.objects.create(account=account, requested_by=user, incremental=incremental)
                _queue(run)
        except IntegrityError:
            continue  # somebody asked at the same moment: theirs is the open one, unless it is over already
        return run
    if not incremental:
        MatchRun.objects.filter(pk=run.pk, state=MatchRun.State.QUEUED).update(incremental=False)
    return run


def _queue(run: MatchRun) -> None:
    async_task("reconciliation.tasks.match_account", run.pk, timeout=LONGEST)


def execute(run_id: int) -> None:
    """Do a pass: load, match, store. Safe to call twice: the second call finds it done or held."""
    if not jobs.claim(MatchRun, run_id):
        return
    run = MatchRun.objects.select_related("account__organization").get(pk=run_id)
    try:
        duplicates.look(run.account)
        _pass(run)
    except Exception:
        log.exception("match run=%s stopped", run_id)
        jobs.finish(
            run,
            MatchRun.State.FAILED,
            "The matching stopped on a mistake of LedgerHub's. What people decided stands.",
        )
        raise


def _pass(run: MatchRun) -> None:
    if run.incremental:
        done = incremental.propose(run.account, run, progress=Progress(run))
        if done is not None:
            return
        MatchRun.objects.filter(pk=run.pk).update(incremental=False)
    propose(run.account, run=run)


def take_up_dropped() -> None:
    """Queue passes again that give no sign of life; give up those whose worker died too often."""
    words = "The matching broke off too often. Try again, or tell your admin."
    jobs.take_up_dropped(MatchRun, _queue, too_often=words)


def propose(account: Account, *, run: MatchRun | None = None) -> int:
    """Match all that is open and bring the account's open proposals up to date; gives how many there are.

    What people decided or prepared is not touched. The engine works outside any transaction, and what it
    found is stored in many short ones: a pass that is killed is done again and comes to the same.
    """
    progress = Progress(run)
    marks = arrivals.newest()
    progress("Reading what is open", 0.0)
    lines, entries = open_rows.tables(account)
    progress("Sorting what is open", 0.15)
    index = indexes.write(account, lines, entries) if run else None
    judging = weights.in_use(account.organization)
    result = match(
        lines,
        entries,
        weights=judging.weights,
        calibration=judging.calibration,
        progress=progress.part(0.25, 0.75),
    )
    if run and index:
        version = judging.weights.version
        indexes.publish(index, run=run, marks=marks, result=result, weights_version=version)
    amounts = dict(
        zip([*lines.ids, *entries.ids], [*lines.amount.tolist(), *entries.amount.tolist()], strict=True)
    )
    told = progress.part(0.75, 1.0)
    kept = storing.store(
        account,
        cancelling.all_proposals(result),
        amounts,
        run=run,
        progress=lambda share: told("Storing proposals", share),
    )
    storing.drop_all_but(account, kept)
    outcome = Outcome(len(lines), marks, "; ".join(result.limits_reached))
    return conclude(account, run, len(kept), outcome, habits=suggesting.habits_for(account))
