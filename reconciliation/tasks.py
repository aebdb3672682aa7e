"""What the job queue may call for matching; each is short, may run twice, and begins with a sign of life."""

from __future__ import annotations

from ledgerhub.core import heartbeat
from reconciliation import bulk, runs, weights
from reconciliation import sweep as sweeping


def match_account(run_id: int) -> None:
    heartbeat.beat()
    runs.execute(run_id)


def sweep() -> None:
    heartbeat.beat()
    sweeping.sweep()


def approve_bulk(bulk_id: int) -> None:
    heartbeat.beat()
    bulk.execute(bulk_id)


def learn_weights(job_id: int) -> None:
    heartbeat.beat()
    weights.execute(job_id)
