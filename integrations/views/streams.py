"""What one does to a stream: sync it now, pause it, change how often it runs, let it post."""

from __future__ import annotations

import datetime as dt

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from integrations import overview, registry, sync
from integrations.forms import SCHEDULES, ScheduleForm
from integrations.models import Integration, Stream, SyncRun
from integrations.views.lookup import find_integration, find_stream
from ledgerhub.access.audit import record
from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.errors import ConfigError

_RUNS = (Integration.State.ACTIVE, Integration.State.ATTENTION, Integration.State.PAUSED)


def _back(request: OrgRequest, stream: Stream) -> HttpResponse:
    return redirect("integrations:integration", request.organization.slug, stream.integration_id)


def _label(stream: Stream) -> str:
    return registry.stream_spec(stream).label


def _may_run(stream: Stream) -> str:
    """Why a stream cannot be synced now, in words; empty when it can."""
    if stream.integration.state not in _RUNS:
        return "This integration is not connected. Finish setting it up first."
    if registry.stream_spec(stream).read is None:
        return "This stream comes from files: upload one."
    return "" if stream.enabled else f"{_label(stream)} is switched off."


@require_POST
@member("bookkeeper")
def stream_runs(request: OrgRequest, pk: int) -> HttpResponse:
    """Sync one stream now."""
    stream = find_stream(request, pk)
    if problem := _may_run(stream):
        messages.error(request, problem)
        return _back(request, stream)
    sync.request_run(stream, trigger="person", user=request.user)
    messages.success(request, f"{_label(stream)}: the sync has begun.")
    return _back(request, stream)


@require_POST
@member("bookkeeper")
def integration_runs(request: OrgRequest, pk: int) -> HttpResponse:
    """Sync every stream of an integration that is on and not paused."""
    integration = find_integration(request, pk)
    rows = overview.cards([integration])[0].enabled
    streams = [row.stream for row in rows if not row.stream.paused_at and not _may_run(row.stream)]
    for stream in streams:
        sync.request_run(stream, trigger="person", user=request.user)
    if streams:
        messages.success(request, f"{integration}: {len(streams)} syncs have begun.")
    else:
        messages.warning(request, "There is no stream that could be synced now.")
    return redirect("integrations:integration", request.organization.slug, pk)


@require_POST
@member("bookkeeper")
def stream_pause(request: OrgRequest, pk: int) -> HttpResponse:
    """The schedule rests; a sync that runs goes on to its end."""
    stream = find_stream(request, pk)
    with transaction.atomic():
        stream.paused_at = stream.paused_at or timezone.now()
        stream.save(update_fields=["paused_at"])
        record(request, "stream.paused", stream)
    messages.success(request, f"{_label(stream)} rests until you resume it.")
    return _back(request, stream)


@require_POST
@member("bookkeeper")
def stream_resumption(request: OrgRequest, pk: int) -> HttpResponse:
    stream = find_stream(request, pk)
    with transaction.atomic():
        stream.paused_at = None
        if stream.schedule_minutes:
            stream.next_run_at = timezone.now()
        stream.save(update_fields=["paused_at", "next_run_at"])
        record(request, "stream.resumed", stream)
    messages.success(request, f"{_label(stream)} goes on; what came in between is read now.")
    return _back(request, stream)


@require_POST
@member("bookkeeper")
def stream_schedule(request: OrgRequest, pk: int) -> HttpResponse:
    """How often it runs; the next run is counted from the last."""
    stream = find_stream(request, pk)
    form = ScheduleForm(request.POST)
    if not form.is_valid() or registry.stream_spec(stream).read is None:
        messages.error(request, "Choose one of the schedules in the list. Nothing was changed.")
        return _back(request, stream)
    every = int(form.cleaned_data["every"])
    before, stream.schedule_minutes = stream.schedule_minutes, every
    stream.next_run_at = timezone.now() + dt.timedelta(minutes=every) if every else None
    with transaction.atomic():
        stream.save(update_fields=["schedule_minutes", "next_run_at"])
        record(request, "stream.rescheduled", stream, before={"minutes": before}, after={"minutes": every})
    messages.success(request, f"{_label(stream)} runs {dict(SCHEDULES)[every]}.")
    return _back(request, stream)


@require_POST
@member("approver")
def stream_mode(request: OrgRequest, pk: int) -> HttpResponse:
    """From shadow to live, which posts what was held back; or back to shadow, which posts nothing more."""
    stream = find_stream(request, pk)
    mode = request.POST.get("mode", "")
    if mode not in Stream.Mode.values:
        messages.error(request, "Choose shadow or live. Nothing was changed.")
    elif mode != stream.mode:
        try:
            _set_mode(request, stream, Stream.Mode(mode))
        except ConfigError as error:
            messages.error(request, str(error))
    return _back(request, stream)


@transaction.atomic
def _set_mode(request: OrgRequest, stream: Stream, mode: Stream.Mode) -> None:
    """Raises ConfigError while a sync runs: it would go on in the old mode, unseen."""
    if stream.runs.filter(state__in=SyncRun.OPEN).exists():
        raise ConfigError(f"{_label(stream)}: a sync is running. Change the mode when it has ended.")
    before, stream.mode = stream.mode, mode
    stream.save(update_fields=["mode"])
    record(request, "stream.mode_changed", stream, before={"mode": before}, after={"mode": mode})
    if mode == Stream.Mode.LIVE:
        sync.replay(stream, user=request.user)
        messages.success(request, f"{_label(stream)} is live. What was held back is being posted.")
    else:
        messages.success(request, f"{_label(stream)} runs in shadow: nothing more is posted.")
