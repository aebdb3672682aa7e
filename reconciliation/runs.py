"""Passes of the engine in the background: load what is open, match, store proposals. People's word stands."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence

from django.db import IntegrityError, transaction
from django.db.models import F, Max
from django.db.models.functions import Coalesce
from django.utils import timezone
from django_q.tasks import async_task

from ledgerhub.access.models import User
from ledgerhub.ledger.models import Account, Posting, StatementLine
from reconciliation import duplicates, open_rows, suggesting, weights
from reconciliation.decisions import fingerprint, lock, match_row
from reconciliation.matching.engine import match
from reconciliation.matching.proposals import Evidence, Proposal
from reconciliation.models import Match, MatchLine, MatchRun

log = logging.getLogger(__name__)

STALE_AFTER = dt.timedelta(minutes=10)
MAX_ATTEMPTS = 3
OPEN = (MatchRun.State.QUEUED, MatchRun.State.RUNNING)
_BATCH = 500


def request_run(account: Account, *, user: User | None = None) -> MatchRun:
    """Queue a pass over an account, or return the one that is open."""
    open_runs = MatchRun.objects.filter(account=account, state__in=OPEN)
    while (run := open_runs.first()) is None:
        try:
            with transaction.atomic():
                run = MatchRun.objects.create(account=account, requested_by=user)
                async_task("reconciliation.tasks.match_account", run.pk)
        except IntegrityError:
            continue  # somebody asked at the same moment: theirs is the open one, unless it is over already
        return run
    return run


def execute(run_id: int) -> None:
    """Do a pass: load, match, store. Safe to call twice: the second call finds it done or held."""
    claimed = MatchRun.objects.filter(pk=run_id, state=MatchRun.State.QUEUED).update(
        state=MatchRun.State.RUNNING, started_at=timezone.now(), attempts=F("attempts") + 1
    )
    if not claimed:
        return
    run = MatchRun.objects.select_related("account__organization").get(pk=run_id)
    try:
        duplicates.look(run.account)
        propose(run.account, run=run)
    except Exception:
        log.exception("match run=%s stopped", run_id)
        _finish(
            run,
            MatchRun.State.FAILED,
            "The matching stopped on a mistake of LedgerHub's. Nothing was changed.",
        )
        raise


def take_up_dropped() -> None:
    """Queue passes again whose worker died; give up those that died too often."""
    now = timezone.now()
    touched = Coalesce("started_at", "created_at")
    for run in MatchRun.objects.filter(state__in=OPEN).alias(at=touched).filter(at__lt=now - STALE_AFTER):
        if run.attempts >= MAX_ATTEMPTS:
            _finish(
                run, MatchRun.State.FAILED, "The matching broke off too often. Try again, or tell your admin."
            )
            continue
        with transaction.atomic():
            # `started_at` says when it was last taken up: it is left alone for another ten minutes.
            MatchRun.objects.filter(pk=run.pk).update(state=MatchRun.State.QUEUED, started_at=now)
            async_task("reconciliation.tasks.match_account", run.pk)


def propose(account: Account, *, run: MatchRun | None = None) -> int:
    """Match what is open and bring the account's open proposals up to date; gives how many there are.

    What people decided or prepared is not touched. The engine works outside the transaction; a proposal
    of which a row was matched, settled or reversed meanwhile is dropped. Proposals that stay keep their id,
    so that nobody loses the page before them.
    """
    newest = Posting.objects.aggregate(last=Max("id"))["last"] or 0
    newest_line = StatementLine.objects.aggregate(last=Max("id"))["last"] or 0
    lines, candidates = open_rows.tables(account)
    judging = weights.in_use(account.organization)
    result = match(lines, candidates, weights=judging.weights, calibration=judging.calibration)
    ids, values = [*lines.ids, *candidates.ids], [*lines.amount.tolist(), *candidates.amount.tolist()]
    amounts: dict[str, int] = dict(zip(ids, values, strict=True))
    habits = suggesting.habits_for(account)
    with transaction.atomic():
        lock(account)
        kept = _standing(account, result.proposals, amounts)
        _store(account, kept, amounts, run)
        proposed = len(kept) + suggesting.suggest(account, habits, run=run)
        if run is not None:
            counts = {"lines": len(lines), "proposals": proposed}
            marks = {"last_posting_id": newest, "last_line_id": newest_line}
            _finish(run, MatchRun.State.DONE, "; ".join(result.limits_reached), **counts, **marks)
    return proposed


def _finish(run: MatchRun, state: str, message: str, **figures: int) -> None:
    MatchRun.objects.filter(pk=run.pk).update(
        state=state, finished_at=timezone.now(), message=message[:500], **figures
    )


def _standing(account: Account, proposals: Sequence[Proposal], amounts: dict[str, int]) -> list[Proposal]:
    """Proposals nobody refused, whose rows are still open at the amounts that were matched."""
    decided = Match.objects.filter(account=account)
    refused = set(decided.filter(state=Match.State.REJECTED).values_list("fingerprint", flat=True))
    now_open = open_rows.amounts(account)
    for row_id in _prepared_rows(account):
        now_open.pop(row_id, None)
    return [
        proposal
        for proposal in proposals
        if all(now_open.get(row_id) == amounts[row_id] for row_id in _row_ids(proposal))
        and fingerprint(_row_ids(proposal)) not in refused
    ]


def _row_ids(proposal: Proposal) -> list[str]:
    return [*proposal.line_ids, *proposal.entry_ids]


def _prepared_rows(account: Account) -> list[str]:
    """Rows that a person proposed: the engine leaves them alone."""
    rows = MatchLine.objects.filter(
        match__account=account, match__state=Match.State.PROPOSED, match__method="person"
    )
    columns = rows.values_list("statement_line_id", "posting_id", "document_id")
    return [f"{kind}{pk}" for row in columns for kind, pk in zip("LPD", row, strict=True) if pk]


def _store(
    account: Account, proposals: Sequence[Proposal], amounts: dict[str, int], run: MatchRun | None
) -> None:
    standing = Match.objects.filter(account=account, state=Match.State.PROPOSED, method="engine")
    known = {made.fingerprint: made for made in standing}
    fresh: list[tuple[Match, Proposal]] = []
    renewed: list[Match] = []
    for proposal in proposals:
        mark = fingerprint(_row_ids(proposal))
        made = known.pop(mark, None)
        if made is not None:
            renewed.append(_filled(made, proposal, run))
        else:
            made = Match(organization_id=account.organization_id, account=account, fingerprint=mark)
            fresh.append((_filled(made, proposal, run), proposal))
    Match.objects.filter(pk__in=[made.pk for made in known.values()]).delete()
    Match.objects.bulk_update(renewed, _FILLED, batch_size=_BATCH)
    Match.objects.bulk_create([made for made, _ in fresh], batch_size=_BATCH)
    rows = [
        match_row(made, row_id, amounts[row_id]) for made, proposal in fresh for row_id in _row_ids(proposal)
    ]
    MatchLine.objects.bulk_create(rows, batch_size=_BATCH)


_FILLED = [
    "probability", "raw_probability", "levels", "weights_version", "tie", "difference", "difference_kind",
    "evidence", "alternatives", "run",
]  # fmt: skip


def _filled(made: Match, proposal: Proposal, run: MatchRun | None) -> Match:
    made.probability, made.raw_probability = proposal.probability, proposal.raw_probability
    made.levels, made.weights_version = dict(proposal.levels), proposal.weights_version
    made.tie = proposal.tie
    made.difference, made.difference_kind = proposal.difference, proposal.difference_kind
    made.evidence = _told(proposal.evidence)
    made.alternatives = [
        {
            "lines": list(other.line_ids),
            "entries": list(other.entry_ids),
            "probability": other.probability,
            "evidence": _told(other.evidence),
        }
        for other in proposal.alternatives
    ]
    made.run = run
    return made


def _told(evidence: Sequence[Evidence]) -> list[list[object]]:
    return [[each.label, each.weight] for each in evidence if each.label]
