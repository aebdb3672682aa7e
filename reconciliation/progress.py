"""What a pass tells while it works, and how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone

from ledgerhub.core import heartbeat
from ledgerhub.ledger.models import Account
from reconciliation import applying, suggesting
from reconciliation.arrivals import Marks
from reconciliation.categories import Habits
from reconciliation.decisions import lock
from reconciliation.models import MatchRun

EVERY = 1.0
"""Seconds between two writes."""


class Progress:
    """Writes the stage and the share done of a pass (or, without one, nowhere), as a sign of life too.

    Never to be told inside a transaction: nobody would see it before the end.
    """

    def __init__(self, run: MatchRun | None) -> None:
        self._run, self._told = run, 0.0

    def __call__(self, stage: str, share: float) -> None:
        """`share`: 0 to 1 of the whole pass."""
        now = time.monotonic()
        if self._run is None or now - self._told < EVERY:
            return
        self._told = now
        heartbeat.beat()
        percent = min(max(int(share * 100), 0), 100)
        MatchRun.objects.filter(pk=self._run.pk, state=MatchRun.State.RUNNING).update(
            stage=stage[:80], percent=percent, heard_at=timezone.now()
        )

    def part(self, start: float, end: float) -> Callable[[str, float], None]:
        """The progress of a step that is the part from `start` to `end` of the whole."""
        return lambda stage, share: self(stage, start + (end - start) * share)


class Outcome(NamedTuple):
    """What a pass saw and found: lines matched, the newest rows it saw, what is worth telling in words."""

    lines: int
    marks: Marks
    message: str


def conclude(
    account: Account,
    run: MatchRun | None,
    stored: int,
    outcome: Outcome,
    *,
    habits: Habits | None,
    only: Collection[int] | None = None,
) -> int:
    """What follows the engine's `stored` proposals, and the pass is done; gives how many there are.

    `only`: numbers of the lines to which what follows is confined.
    """
    with transaction.atomic():
        lock(account)
        proposals = stored + applying.apply_bank_rules(account, run=run, only=only)
        proposals += suggesting.suggest(account, habits, run=run, only=only)
        applying.approve_soon(account)
        if run is not None:
            figures = {"lines": outcome.lines, "proposals": proposals}
            seen = {"last_posting_id": outcome.marks.posting, "last_line_id": outcome.marks.line}
            finish(run, MatchRun.State.DONE, outcome.message, **figures, **seen)
    return proposals


def finish(run: MatchRun, state: str, message: str, **figures: int) -> None:
    MatchRun.objects.filter(pk=run.pk).update(
        state=state, finished_at=timezone.now(), message=message[:500], stage="", percent=100, **figures
    )
