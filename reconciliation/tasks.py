"""What the job queue may call for matching; each is short, may run twice, and begins with a sign of life."""

from __future__ import annotations

from ledgerhub.core import heartbeat
from reconciliation import applying, approving, backtest_jobs, bulk, mentions, runs, weights
from reconciliation import sweep as sweeping


def match_account(run_id: int) -> None:
    heartbeat.beat()
    runs.execute(run_id)


def apply_rules(account_id: int) -> None:
    heartbeat.beat()
    applying.apply_again(account_id)


def approve(account_id: int) -> None:
    heartbeat.beat()
    approving.approve_some(account_id)


def sweep() -> None:
    heartbeat.beat()
    sweeping.sweep()


def approve_bulk(bulk_id: int) -> None:
    heartbeat.beat()
    bulk.execute(bulk_id)


def back_test(job_id: int) -> None:
    heartbeat.beat()
    backtest_jobs.execute(job_id)


def tell_mention(pk: int) -> None:
    heartbeat.beat()
    mentions.tell(pk)


def learn_weights(job_id: int) -> None:
    heartbeat.beat()
    weights.execute(job_id)
