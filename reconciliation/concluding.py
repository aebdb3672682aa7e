"""How a pass ends: what follows the engine's proposals, and the row says that it is done."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from django.db import transaction

from ledgerhub.ledger.models import Account
from reconciliation import applying, jobs, suggesting
from reconciliation.arrivals import Marks
from reconciliation.categories import Habits
from reconciliation.decisions import lock
from reconciliation.models import MatchRun


class Outcome(NamedTuple):
    """What a pass saw and found: lines matched, the newest rows it saw, what is worth telling in words.

    `seen`: which of the last rows it saw, where it did not see all there were.
    """

    lines: int
    marks: Marks
    message: str
    seen: Sequence[str] = ()


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
            before = MatchRun.objects.filter(account=account, state=MatchRun.State.DONE).order_by("-pk")
            MatchRun.objects.filter(pk__in=before.values("pk")[:1]).update(seen=[])
            marks = {"last_posting_id": outcome.marks.posting, "last_line_id": outcome.marks.line}
            seen = list(outcome.seen)
            jobs.finish(run, MatchRun.State.DONE, outcome.message, **figures, **marks, seen=seen)
    return proposals
