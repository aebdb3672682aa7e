"""What the job queue may call for matching."""

from __future__ import annotations

from reconciliation import runs


def match_account(run_id: int) -> None:
    runs.execute(run_id)
