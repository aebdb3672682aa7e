"""What the job queue may call for matching; each is short and may run twice without harm."""

from __future__ import annotations

from reconciliation import runs
from reconciliation import sweep as sweeping


def match_account(run_id: int) -> None:
    runs.execute(run_id)


def sweep() -> None:
    sweeping.sweep()
