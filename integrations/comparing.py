"""Comparing both sides once a day: read what changed there, ask for what we know of, list differences.

The row is the job; reading and asking are runs of the stream that lists what stands there.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django_q.tasks import async_task

from integrations import differing, register, rekeying, sync
from integrations.counterparts import books_of
from integrations.models import Comparison, Integration, SyncRun
from ledgerhub.access.models import User

log = logging.getLogger(__name__)

HOUR = 4  # from which the day's comparison is made, in the organization's time zone
LIVE = (Integration.State.ACTIVE, Integration.State.ATTENTION)


# ── asking for one ──────────────────────────────────────────────────────────────────────────────────


def request(integration: Integration, *, user: User | None = None, day: dt.date | None = None) -> Comparison:
    """Queue a comparison, or give the one that is open."""
    open_ones = Comparison.objects.filter(integration=integration, state__in=Comparison.OPEN)
    while (row := open_ones.first()) is None:
        try:
            with transaction.atomic():
                row = Comparison.objects.create(integration=integration, requested_by=user, day=day)
                enqueue(row.pk)
        except IntegrityError:
            continue  # somebody asked at the same moment
        return row
    return row


def enqueue(comparison_id: int) -> None:
    async_task("integrations.tasks.compare_slice", comparison_id)


def start_due(now: dt.datetime) -> None:
    """The day's comparison of each destination whose books can be seen; and what waits goes on."""
    rows = Integration.objects.filter(state__in=LIVE, routes__enabled=True).select_related("organization")
    for integration in rows.distinct()[:200]:
        local = now.astimezone(integration.organization.zone)
        if local.hour < HOUR or books_of(integration) is None:
            continue
        made = Comparison.objects.filter(integration=integration, day=local.date())
        if not made.exists():
            _request_daily(integration, local.date())
    for pk in Comparison.objects.filter(state__in=Comparison.OPEN).values_list("pk", flat=True)[:200]:
        enqueue(pk)


def _request_daily(integration: Integration, day: dt.date) -> None:
    """Nothing where another one is open just now: the next minute asks again."""
    if not Comparison.objects.filter(integration=integration, state__in=Comparison.OPEN).exists():
        request(integration, day=day)


def go_on(run_id: int) -> None:
    """A run has ended: whatever waited for it goes on at once."""
    waiting = Comparison.objects.filter(run=run_id, state__in=Comparison.OPEN)
    for pk in waiting.exclude(run__state__in=SyncRun.OPEN).values_list("pk", flat=True):
        enqueue(pk)


# ── doing it ────────────────────────────────────────────────────────────────────────────────────────


def run_slice(comparison_id: int) -> None:
    """Take the comparison one step on; safe to call twice, or twice at once."""
    rows = Comparison.objects.filter(pk=comparison_id, state__in=Comparison.OPEN)
    row = rows.select_related("integration__organization", "run").first()
    if row is None:
        return
    if row.state == Comparison.State.QUEUED:
        _begin(row, Comparison.State.READING, trigger="comparison")
    elif row.run is None or row.run.state in (SyncRun.State.FAILED, SyncRun.State.CANCELED):
        said = row.run.error if row.run else ""
        _end(row, Comparison.State.FAILED, error=said or "Reading what stands there was stopped.")
    elif row.run.state in SyncRun.OPEN:
        return
    elif row.state == Comparison.State.READING and _can_ask(row.integration):
        _begin(row, Comparison.State.ASKING, trigger="asking")
    else:
        _compare(row)


def _can_ask(integration: Integration) -> bool:
    books = books_of(integration)
    return books is not None and books.ask is not None


def _begin(row: Comparison, state: Comparison.State, *, trigger: str) -> None:
    """Start the run that the next step waits for; where another kind of run is under way, the next minute
    tries again."""
    with transaction.atomic():
        held = Comparison.objects.select_for_update().filter(pk=row.pk, state=row.state).first()
        if held is None:
            return
        run = sync.request_run(register.list_books(row.integration), trigger=trigger, user=row.requested_by)
        if run.trigger == trigger:
            Comparison.objects.filter(pk=row.pk).update(state=state, run=run)


def _compare(row: Comparison) -> None:
    outcome = differing.find(row.integration)
    with transaction.atomic():
        held = Comparison.objects.select_for_update().filter(pk=row.pk, state=row.state).first()
        if held is None:
            return
        counts = differing.keep(row.integration, outcome.found)
        rekeying.let_in(register.list_books(row.integration))
        _end(row, Comparison.State.DONE, checked=outcome.checked, **counts)


def _end(row: Comparison, state: Comparison.State, **said: Any) -> None:
    rows = Comparison.objects.filter(pk=row.pk, state__in=Comparison.OPEN)
    rows.update(state=state, finished_at=timezone.now(), **said)
