"""Syncing: one run of a stream as a chain of short slices, a page a transaction, resumable at every page."""

from __future__ import annotations

import datetime as dt
import gc
import logging
import random
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Q
from django.utils import timezone
from django_q.tasks import async_task

from integrations import alerts, asking, file_pages, normalize, raw, registry, vanished, webhooks
from integrations.client import Client
from integrations.connection import Calls, connect
from integrations.models import Integration, RawRecord, Stream, SyncRun
from integrations.normalize import Normalizer
from integrations.reading import Page, first_state
from integrations.spec import Stream as StreamSpec
from ledgerhub.access.models import User
from ledgerhub.core import schedules
from ledgerhub.core.errors import ConfigError, LedgerHubError, TransientError

log = logging.getLogger(__name__)

SLICE_SECONDS = 40.0  # well under half of a task's time-out
LEASE = dt.timedelta(minutes=4)
MAX_ATTEMPTS = 8
REPLAY_PAGE = 250


class LeaseLost(Exception):
    """Another worker took the run over (we were too slow, or it was canceled): write nothing more."""


class MappingChanged(Exception):
    """Another mapping was published meanwhile: what this slice would write is out of date."""


@dataclass(frozen=True)
class Slice:
    """A worker's hold on a run."""

    run: SyncRun
    stream: Stream
    normalizer: Normalizer
    deadline: float


# ── asking for a run ────────────────────────────────────────────────────────────────────────────────


def request_run(
    stream: Stream, *, trigger: str, user: User | None = None, checkpoint: dict[str, Any] | None = None
) -> SyncRun:
    """Queue a run, or return the one that is open, untouched: a stream has one at a time. `trigger` is
    schedule, person, replay (map what we hold again) or file; `checkpoint` is where it begins."""
    open_runs = SyncRun.objects.filter(stream=stream, state__in=SyncRun.OPEN)
    while (run := open_runs.first()) is None:
        try:
            with transaction.atomic():
                run = SyncRun.objects.create(
                    stream=stream, trigger=trigger, requested_by=user, checkpoint=checkpoint or {}
                )
                enqueue(run)
        except IntegrityError:
            continue  # somebody asked at the same moment: theirs is the open one, unless it is over by now
        return run
    return run


def enqueue(run: SyncRun) -> None:
    """The queue is a table of the same database: the job exists exactly if the transaction commits."""
    async_task("integrations.tasks.sync_slice", run.pk, group=f"run {run.pk}")


def cancel(run: SyncRun) -> bool:
    """Stop a run; what it has written stays, the cursor does not move."""
    now = timezone.now()
    return bool(
        SyncRun.objects.filter(pk=run.pk, state__in=SyncRun.OPEN).update(
            state=SyncRun.State.CANCELED, finished_at=now, lease="", leased_until=None
        )
    )


# ── doing it ────────────────────────────────────────────────────────────────────────────────────────


def run_slice(run_id: int) -> None:
    """Work on a run until it ends or the slice's time is up; safe to call twice, or twice at once."""
    run = claim(run_id)
    if run is None:
        return
    try:
        _work(run)
    except LeaseLost:
        log.info("run=%s was taken over", run_id)
    except MappingChanged:
        _hand_over(run)
    except TransientError as error:
        _wait(run, error)
    except OperationalError as error:
        # A deadlock, a lock that took too long, a database that restarts: the page was rolled back.
        log.warning("run=%s has to wait for the database: %s", run_id, error)
        _wait(run, TransientError("The database was busy."))
    except LedgerHubError as error:
        _fail(run, "config", str(error))
    except Exception as error:
        # A bug: the run stops where it is, says so, and can be resumed from its checkpoint.
        log.exception("run=%s stopped", run_id)
        name = type(error).__name__
        _fail(run, "bug", f"LedgerHub made a mistake here ({name}). Nothing was half-written.")
        raise


def claim(run_id: int) -> SyncRun | None:
    """Commit the attempt and the lease before any work; None when somebody else holds it or it is over."""
    now, lease = timezone.now(), uuid.uuid4().hex
    free = Q(leased_until__isnull=True) | Q(leased_until__lt=now)
    due = Q(not_before__isnull=True) | Q(not_before__lte=now)
    with transaction.atomic():
        run = (
            SyncRun.objects.select_for_update(of=("self",))
            .select_related("stream__integration__organization", "stream__integration__bank_account")
            .select_related("stream__mapping", "stream__source")
            .filter(free, due, pk=run_id, state__in=SyncRun.OPEN)
            .first()
        )
        if run is None:
            return None
        run.lease, run.leased_until = lease, now + LEASE
        run.state = SyncRun.State.RUNNING
        run.started_at = run.started_at or now
        run.attempts += 1
        run.not_before = None
        run.save(update_fields=["lease", "leased_until", "state", "started_at", "attempts", "not_before"])
    return run


def _work(run: SyncRun) -> None:
    stream = run.stream
    if run.attempts > MAX_ATTEMPTS:
        # Each try committed its attempt and then died without a word: the page itself may be deadly.
        raise ConfigError("The sync broke off too often at the same page. Look at its last API call.")
    if stream.integration.state == Integration.State.DISCONNECTED:
        raise ConfigError("The integration is disconnected. Connect it again to go on.")
    piece = Slice(run, stream, normalize.load(stream), time.monotonic() + SLICE_SECONDS)
    if run.trigger == "replay":
        _replay(piece)
    elif run.trigger == "file":
        _import(piece)
    elif run.trigger == "asking":
        _fetch(piece, lambda client, state: asking.page(client, run.stream, state), run.checkpoint)
    else:
        spec = registry.stream_spec(stream)
        first = run.checkpoint or first_state(spec, stream.cursor, _start(stream))
        _fetch(piece, lambda client, state: _page(run, spec, client, state), first)


def _page(run: SyncRun, spec: StreamSpec, client: Client, state: dict[str, Any]) -> Page:
    return vanished.with_gone(run, spec, client, state, client.fetch_page(spec, state))


def _fetch(piece: Slice, fetch: Callable[[Client, dict[str, Any]], Page], state: dict[str, Any]) -> None:
    """Pages from the outside system: the network first, then one transaction."""
    run, stream = piece.run, piece.stream
    client, calls = connect(stream.integration, purpose=f"sync {stream.key}", run=run)
    try:
        while True:
            with _uncollected():
                page = fetch(client, state)
                _write_page(piece, page, calls)
            if page.next is None:
                return
            state = page.next
            if time.monotonic() > piece.deadline:
                _hand_over(run)
                return
    finally:
        client.close()
        calls.save()


@contextmanager
def _uncollected() -> Iterator[None]:
    """A page makes a million objects and hardly a cycle: looking for cycles all the while took a sixth of
    the time, once a page takes none."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.collect(1)


def _start(stream: Stream) -> dt.datetime | None:
    """The first instant of the start date in the organization's zone."""
    if stream.start_date is None:
        return None
    return dt.datetime.combine(stream.start_date, dt.time(), stream.integration.organization.zone)


def _import(piece: Slice) -> None:
    """Pages of an uploaded file: read as a whole first, then one transaction a page."""
    run = piece.run
    pages = file_pages.open_pages(run.checkpoint.get("upload", 0))
    calls = Calls(piece.stream.integration, purpose="file", run=run)
    while True:
        page = pages.page(run.checkpoint)
        with _uncollected(), transaction.atomic():
            _write_page(piece, page, calls, origin=pages.origin)
            pages.written(page, run)
        if page.next is None:
            return
        if time.monotonic() > piece.deadline:
            _hand_over(run)
            return


def _write_page(piece: Slice, page: Page, calls: Calls, *, origin: str = "") -> None:
    """Raw records, documents, entries, counts, checkpoint and, at the end, the cursor: all or nothing."""
    run, stream = piece.run, piece.stream
    with transaction.atomic():
        _hold(run)
        _check_mapping(stream)
        call = calls.save()
        records = [*page.records, *vanished.taken_back(run, piece.normalizer.spec, page)]
        arrived = raw.store(stream, piece.normalizer.spec, records, run=run, call=call, origin=origin)
        outcome = normalize.normalize(piece.normalizer, arrived.rows, run=run)
        webhooks.touch(stream, arrived.rows)
        run.pages += 1
        run.read += len(page.records)
        run.new += arrived.new
        run.changed += arrived.changed
        run.unchanged += arrived.unchanged
        _count(run, outcome)
        run.checkpoint = page.next or {}
        if page.next is None:
            _finish(run, cursor=page.cursor)
        run.save()


def _replay(piece: Slice) -> None:
    """Map records we hold again, under the published mapping; nothing is fetched."""
    run, stream = piece.run, piece.stream
    while True:
        after = run.checkpoint.get("after", 0)
        rows = list(
            RawRecord.objects.filter(stream=stream, latest=True, pk__gt=after, **_chosen(run)).order_by("pk")[
                :REPLAY_PAGE
            ]
        )
        with _uncollected(), transaction.atomic():
            _hold(run)
            _check_mapping(stream)
            outcome = normalize.normalize(piece.normalizer, raw.reread(piece.normalizer.spec, rows), run=run)
            run.pages += 1
            run.read += len(rows)
            run.changed += outcome.documents
            _count(run, outcome)
            if len(rows) < REPLAY_PAGE:
                _finish(run, cursor=None)
            else:
                run.checkpoint = {**run.checkpoint, "after": rows[-1].pk}
            run.save()
        if run.state == SyncRun.State.SUCCEEDED:
            return
        if time.monotonic() > piece.deadline:
            _hand_over(run)
            return


def _chosen(run: SyncRun) -> dict[str, Any]:
    """A replay may be limited to some records (retry of one, or of all of one cause)."""
    only = run.checkpoint.get("only")
    return {"external_id__in": only} if only else {}


def _hold(run: SyncRun) -> None:
    """Lock the row and see that it is still ours; each page prolongs the lease and clears the attempts."""
    row = SyncRun.objects.select_for_update().filter(pk=run.pk, lease=run.lease, state="running").first()
    if row is None:
        raise LeaseLost
    run.leased_until = timezone.now() + LEASE
    run.attempts = 1


def _check_mapping(stream: Stream) -> None:
    if not Stream.objects.filter(pk=stream.pk, mapping=stream.mapping_id).exists():
        raise MappingChanged


def _count(run: SyncRun, outcome: normalize.Outcome) -> None:
    run.posted += outcome.posted + outcome.lines
    run.quarantined += outcome.quarantined


def _finish(run: SyncRun, *, cursor: dict[str, Any] | None) -> None:
    now = timezone.now()
    stream, run.state, run.finished_at = run.stream, SyncRun.State.SUCCEEDED, now
    run.lease, run.leased_until, run.error, run.error_kind, run.checkpoint = "", None, "", "", {}
    if cursor is not None:
        stream.cursor = cursor
    if run.trigger == "replay":
        return  # says nothing about the connection, nor about what is new there
    if run.new or run.changed:
        stream.last_record_at = now
        schedules.follow()
    stream.next_run_at = _next_run(stream, now)
    stream.save(update_fields=["cursor", "next_run_at", "last_record_at"])
    alerts.recover(stream.integration, key=alerts.stream_key(stream))
    alerts.restore(stream.integration)


def _next_run(stream: Stream, now: dt.datetime) -> dt.datetime | None:
    return now + dt.timedelta(minutes=stream.schedule_minutes) if stream.schedule_minutes else None


def _hand_over(run: SyncRun) -> None:
    """End the slice: free the lease and queue the next slice, in one act."""
    with transaction.atomic():
        _hold(run)
        SyncRun.objects.filter(pk=run.pk).update(lease="", leased_until=None, attempts=0)
        enqueue(run)


# ── when it does not go well ────────────────────────────────────────────────────────────────────────


def backoff(attempts: int, *, retry_after: float | None = None) -> float:
    """Seconds until the next try: exponential with full jitter, at least what the other side asked for."""
    ceiling = min(15.0 * 2 ** (attempts - 1), 3600.0)
    return max(retry_after or 0.0, random.uniform(ceiling / 2, ceiling))


def _wait(run: SyncRun, error: TransientError) -> None:
    """Put the run aside until it may be tried again, or give it up after the last try."""
    if run.attempts >= MAX_ATTEMPTS:
        _fail(run, "transient", f"{error} We tried {run.attempts} times.")
        return
    until = timezone.now() + dt.timedelta(seconds=backoff(run.attempts, retry_after=error.retry_after))
    SyncRun.objects.filter(pk=run.pk, lease=run.lease).update(
        state=SyncRun.State.WAITING, not_before=until, lease="", leased_until=None,
        error_kind="transient", error=str(error)[:1000],
    )  # fmt: skip


def _fail(run: SyncRun, kind: str, message: str) -> None:
    """End the run for good: said on the run, one alert; the checkpoint stays, so that it can be resumed."""
    now = timezone.now()
    with transaction.atomic():
        ours = SyncRun.objects.filter(pk=run.pk, lease=run.lease).update(
            state=SyncRun.State.FAILED, finished_at=now, lease="", leased_until=None,
            error_kind=kind, error=message[:1000],
        )  # fmt: skip
        if not ours:
            return
        stream = run.stream
        Stream.objects.filter(pk=stream.pk).update(next_run_at=_next_run(stream, now))
        if kind == "config":
            alerts.needs_attention(stream.integration, message)
        alerts.raise_incident(
            stream.integration, key=alerts.stream_key(stream), message=f"{stream}: {message}"
        )


def resume(run: SyncRun, *, user: User | None = None) -> SyncRun:
    """A new run that begins where a failed or canceled one stopped; the open one where there is one."""
    return request_run(run.stream, trigger=run.trigger, user=user, checkpoint=run.checkpoint)


def replay(stream: Stream, *, only: list[str] | None = None, user: User | None = None) -> SyncRun:
    """Map held records again: all of the stream, or those with the given external ids. Look at what comes
    back: where another run is open it is that one, and the replay has to be asked for again."""
    return request_run(stream, trigger="replay", user=user, checkpoint={"only": only} if only else None)
