"""Approving everything from a probability up: what it would take, the job that does it, and its undoing."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import Count, F, Max, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone
from django_q.tasks import async_task

from ledgerhub.access.audit import record
from ledgerhub.access.models import User
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger.models import Account
from reconciliation import decisions
from reconciliation.models import BulkApproval, BulkRow, Match, MatchLine
from reconciliation.queue import Scope, approvable

LEAST, MOST, USUAL = 0.5, 0.999, 0.95
THRESHOLDS = (0.999, 0.99, 0.98, 0.95, 0.9, 0.8, 0.7, 0.5)
UNDO_FOR = dt.timedelta(days=7)
STALE_AFTER = dt.timedelta(minutes=3)
MAX_ATTEMPTS = 5
AT_ONCE = 25
_SECONDS, _BATCH = 15, 500
State = BulkApproval.State
OPEN = (State.QUEUED, State.RUNNING, State.UNDOING)


class Offer(NamedTuple):
    """What approving from a probability up would take; `wrong` is how many of them are expected to be so.

    That holds because probabilities are calibrated: of proposals at 95%, one in twenty turns out wrong.
    """

    least: float
    proposals: int
    wrong: float

    @property
    def percent(self) -> float:
        return round(self.least * 100, 1)


def taken(account: Account, least: float, *, newest: int | None = None) -> QuerySet[Match]:
    """The proposals: no tie, no difference, at least this likely; none newer than the page that was seen."""
    rows = approvable(Scope(account.organization, account)).filter(probability__gte=least)
    return rows if newest is None else rows.filter(pk__lte=newest)


def offers(account: Account, thresholds: Sequence[float]) -> list[Offer]:
    """One query however many thresholds."""
    figures: dict[str, Any] = {}
    for position, least in enumerate(thresholds):
        sure = Q(probability__gte=least)
        figures[f"count{position}"] = Count("pk", filter=sure)
        figures[f"wrong{position}"] = Coalesce(Sum(1.0 - F("probability"), filter=sure), 0.0)
    found = taken(account, min(thresholds)).aggregate(**figures)
    return [
        Offer(least, found[f"count{position}"], found[f"wrong{position}"])
        for position, least in enumerate(thresholds)
    ]


def money(account: Account, least: float) -> tuple[int, int]:
    """What the bank lines of the proposals come to: money in, money out (minor units)."""
    rows = MatchLine.objects.filter(statement_line__isnull=False, match__in=taken(account, least))
    both = rows.aggregate(
        into=Coalesce(Sum("amount", filter=Q(amount__gt=0)), 0),
        out=Coalesce(Sum("amount", filter=Q(amount__lt=0)), 0),
    )
    return both["into"], both["out"]


def newest(account: Account) -> int:
    """Marks what a page has shown: proposals made later are not approved by it."""
    return Match.objects.filter(account=account).aggregate(last=Max("pk"))["last"] or 0


# ── asking for it ─────────────────────────────────────────────────────────────────────────────────────


def ask(
    account: Account, least: float, *, newest: int, user: User, request: HttpRequest | None = None
) -> BulkApproval:
    """Write down what is to be approved and begin; few are approved at once, many in the background.

    Raises RecordError in words where there is nothing to approve or another bulk is on its way.
    """
    with transaction.atomic():
        decisions.lock(account)
        bulk = _open(account, least, user)
        rows = list(_rows(bulk, newest))
        if not rows:
            raise RecordError("None of these proposals is open any more. Nothing was changed.")
        BulkRow.objects.bulk_create(rows, batch_size=_BATCH)
        bulk.expected_wrong = sum(1 - row.probability for row in rows)
        bulk.save(update_fields=["expected_wrong"])
        about = {"least": least, "proposals": len(rows), "expected wrong": round(bulk.expected_wrong, 2)}
        record(request, "bulk_approval.requested", bulk, after=about, organization=account.organization,
               actor=user)  # fmt: skip
        if len(rows) > AT_ONCE:
            async_task("reconciliation.tasks.approve_bulk", bulk.pk)
    if len(rows) <= AT_ONCE:
        execute(bulk.pk)
    bulk.refresh_from_db()
    return bulk


def _open(account: Account, least: float, user: User) -> BulkApproval:
    try:
        with transaction.atomic():
            return BulkApproval.objects.create(
                account=account, least=least, expected_wrong=0, requested_by=user
            )
    except IntegrityError:
        raise RecordError(
            "Another bulk approval of this account is on its way. Wait until it is done."
        ) from None


def _rows(bulk: BulkApproval, newest: int) -> list[BulkRow]:
    sums = MatchLine.objects.filter(match=OuterRef("pk"), statement_line__isnull=False).order_by()
    total = sums.values("match").annotate(total=Sum("amount")).values("total")
    found = (
        taken(bulk.account, bulk.least, newest=newest)
        .filter(line__isnull=False)
        .order_by("-probability", "pk")
    )
    return [
        BulkRow(bulk=bulk, match_id=pk, line_id=line, amount=amount, probability=probability)
        for pk, line, amount, probability in found.values_list("pk", "line", Subquery(total), "probability")
    ]


def ask_undo(bulk: BulkApproval, *, user: User, request: HttpRequest | None = None) -> None:
    """Take the whole act back; raises RecordError in words where it is too late or not over yet."""
    if not may_undo(bulk):
        raise RecordError(
            f"A bulk approval can be undone as a whole for {UNDO_FOR.days} days after it is done. "
            "Undo single matches on the page of what was decided."
        )
    with transaction.atomic():
        decisions.lock(bulk.account)
        asked = {"undo_requested_by": user, "undo_requested_at": timezone.now(), "touched_at": timezone.now()}
        waiting = BulkApproval.objects.filter(pk=bulk.pk, state__in=[State.DONE, State.FAILED])
        if not waiting.update(state=State.UNDOING, attempts=0, **asked):
            raise RecordError("It is being undone already.")
        record(request, "bulk_approval.undo_requested", bulk, organization=bulk.account.organization,
               actor=user)  # fmt: skip
        async_task("reconciliation.tasks.approve_bulk", bulk.pk)


def may_undo(bulk: BulkApproval) -> bool:
    return (
        bulk.state in (State.DONE, State.FAILED)
        and bulk.finished_at is not None
        and timezone.now() - bulk.finished_at < UNDO_FOR
    )


# ── doing it ──────────────────────────────────────────────────────────────────────────────────────────


def execute(bulk_id: int) -> None:
    """Work on it for some seconds; the rest is a job of its own. May run twice: each row is done once."""
    bulk = BulkApproval.objects.select_related(
        "account__organization", "requested_by", "undo_requested_by"
    ).get(pk=bulk_id)
    if bulk.state not in OPEN:
        return
    undoing = bulk.state == State.UNDOING
    if not undoing:
        BulkApproval.objects.filter(pk=bulk_id, state=State.QUEUED).update(state=State.RUNNING)
    todo = bulk.rows.filter(state=BulkRow.State.DONE if undoing else BulkRow.State.WAITING, reason="")
    until = time.monotonic() + _SECONDS
    for pk in todo.order_by("pk").values_list("pk", flat=True)[:_BATCH]:
        _one(bulk, pk, undoing=undoing)
        if time.monotonic() > until:
            break
    _go_on(bulk, over=not todo.exists(), undoing=undoing)


def _go_on(bulk: BulkApproval, *, over: bool, undoing: bool) -> None:
    with transaction.atomic():
        rows = BulkApproval.objects.filter(pk=bulk.pk, state__in=OPEN)
        if over:
            finished = {} if undoing else {"finished_at": timezone.now()}
            rows.update(state=State.UNDONE if undoing else State.DONE, touched_at=timezone.now(), **finished)
        elif rows.update(touched_at=timezone.now(), attempts=0):
            async_task("reconciliation.tasks.approve_bulk", bulk.pk)


@transaction.atomic
def _one(bulk: BulkApproval, pk: int, *, undoing: bool) -> None:
    """One row: the decision and what the row says of it stand or fall together."""
    decisions.lock(bulk.account)
    row = BulkRow.objects.select_related("match__account__organization").get(pk=pk)
    if row.state != (BulkRow.State.DONE if undoing else BulkRow.State.WAITING) or row.reason:
        return
    try:
        with transaction.atomic():
            _decide(bulk, row, undoing=undoing)
        row.state = BulkRow.State.UNDONE if undoing else BulkRow.State.DONE
    except RecordError as error:
        row.reason = str(error)[:300]
        row.state = row.state if undoing else BulkRow.State.FAILED
    row.save(update_fields=["state", "reason"])


def _decide(bulk: BulkApproval, row: BulkRow, *, undoing: bool) -> None:
    if row.match is None:
        raise RecordError("The proposal was replaced meanwhile: look at the line.")
    user = bulk.undo_requested_by if undoing else bulk.requested_by
    if user is None:
        raise RecordError("Whoever asked for it is no user any more.")
    if undoing and row.match.state != Match.State.CONFIRMED:
        raise RecordError("It was undone by itself before.")
    act = decisions.undo if undoing else decisions.confirm
    act(row.match, user=user, note=f"{bulk}, from {bulk.least:.1%} up")


def take_up_dropped() -> None:
    """Go on with what whoever worked on it has left; give up what breaks off again and again."""
    before = timezone.now() - STALE_AFTER
    for bulk in BulkApproval.objects.filter(state__in=OPEN, touched_at__lt=before):
        with transaction.atomic():
            held = BulkApproval.objects.filter(pk=bulk.pk, state__in=OPEN, touched_at__lt=before)
            if bulk.attempts >= MAX_ATTEMPTS:
                held.update(state=State.FAILED, finished_at=timezone.now())
            elif held.update(touched_at=timezone.now(), attempts=F("attempts") + 1):
                async_task("reconciliation.tasks.approve_bulk", bulk.pk)


class Progress(NamedTuple):
    """How far a bulk is; amounts in minor units."""

    total: int
    waiting: int
    done: int
    failed: int
    undone: int
    amount: int

    @property
    def percent(self) -> int:
        return (self.total - self.waiting) * 100 // self.total if self.total else 100


def progress(bulk: BulkApproval) -> Progress:
    undoing = bulk.state == State.UNDOING
    states = BulkRow.State
    waiting = Q(state=states.DONE, reason="") if undoing else Q(state=states.WAITING)
    found = bulk.rows.aggregate(
        total=Count("pk"),
        waiting=Count("pk", filter=waiting),
        done=Count("pk", filter=Q(state=states.DONE)),
        failed=Count("pk", filter=Q(state=states.FAILED)),
        undone=Count("pk", filter=Q(state=states.UNDONE)),
        amount=Coalesce(Sum("amount", filter=Q(state=states.DONE)), 0),
    )
    return Progress(**found)
