"""Pages of syncs: the list, one run with its calls and failures, cancel, resume, undo; one API call."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from integrations import quarantine, run_words, sync, undo
from integrations.models import ApiCall, Integration, Quarantine, RawRecord, Stream, SyncRun
from integrations.views import links
from ledgerhub.access.audit import record
from ledgerhub.access.models import Organization, Role
from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.errors import ConfigError
from ledgerhub.core.tables import Column, Filter, Table, table

CALLS_SHOWN = 25
_RESUMABLE = (SyncRun.State.FAILED, SyncRun.State.CANCELED)

_COLUMNS = (
    Column("started", "Started", order_by="id", value=lambda run: run.started_at or run.created_at),
    Column("stream", "Stream", value=lambda run: f"{run.stream.integration} {run.stream.key}"),
    Column("state", "State", value=SyncRun.get_state_display),
    Column("duration", "Duration", numeric=True, value=run_words.duration),
    Column("read", "Read", order_by="read", numeric=True),
    Column("new", "New", order_by="new", numeric=True),
    Column("changed", "Changed", order_by="changed", numeric=True),
    Column("posted", "Posted", order_by="posted", numeric=True),
    Column("quarantined", "Need you", order_by="quarantined", numeric=True),
)
_CALL_COLUMNS = (
    Column("at", "When", order_by="id"),
    Column("request", "Call", value=lambda call: f"{call.method} {call.url}"),
    Column("status", "Answer", order_by="status"),
    Column("duration_ms", "Time", order_by="duration_ms", numeric=True),
    Column("attempt", "Attempt", order_by="attempt", numeric=True),
)


@require_safe
@member("viewer")
def runs(request: OrgRequest) -> HttpResponseBase:
    """All syncs, newest first; the table refreshes itself while one of those shown is under way."""
    listing = table(
        request,
        _runs(request.organization),
        name="syncs",
        columns=_COLUMNS,
        filters=_filters(request.organization),
    )
    if listing.export:
        return listing.export
    rows = [(run, run_words.stream_label(run.stream), run_words.duration(run)) for run in listing.rows]
    context = {
        "table": listing,
        "rows": rows,
        "under_way": sum(run.state in SyncRun.OPEN for run in listing.rows),
        "newest": listing.rows[0] if listing.rows and not listing.narrowed else None,
    }
    return render(request, _template(request, "runs", "table"), context)


@require_safe
@member("viewer")
def run(request: OrgRequest, pk: int) -> HttpResponseBase:
    """One sync; its head refreshes itself until it is over."""
    found = _run(request, pk)
    context = _head(request, found)
    if request.headers.get("HX-Request"):
        return render(request, "integrations/run.html#progress", context)
    calls = _calls(request, found)
    if calls.export:
        return calls.export
    context |= {
        "table": calls,
        "causes": _causes(request, found),
        "facts": _facts(found),
        "calls": [(one, _path(one)) for one in calls.rows],
        "records": RawRecord.objects.filter(run=found).exists(),
    }
    return render(request, "integrations/run.html", context)


@require_POST
@member("bookkeeper")
def cancellation(request: OrgRequest, pk: int) -> HttpResponse:
    found = _run(request, pk)
    if sync.cancel(found):
        record(request, "sync.canceled", found, before={"state": found.state}, after={"state": "canceled"})
        messages.success(request, "The sync is canceled. What it had written stays in the books.")
    else:
        messages.info(request, "The sync was over already. Nothing was changed.")
    return _to_run(request, found)


@require_POST
@member("bookkeeper")
def continuation(request: OrgRequest, pk: int) -> HttpResponse:
    """Begin a new run where a failed or canceled one stopped."""
    found = _run(request, pk)
    under_way = SyncRun.objects.filter(stream=found.stream_id, state__in=SyncRun.OPEN).first()
    if under_way is not None:
        messages.info(request, "A sync of this stream is under way already: this is it.")
        return _to_run(request, under_way)
    if found.state not in _RESUMABLE:
        messages.error(request, "Only a sync that failed or was canceled can be resumed.")
        return _to_run(request, found)
    fresh = sync.resume(found, user=request.user)
    record(request, "sync.resumed", found, after={"run": fresh.pk})
    messages.success(request, "The sync goes on where it stopped.")
    return _to_run(request, fresh)


@member("approver")
def reversal(request: OrgRequest, pk: int) -> HttpResponse:
    """What undoing a sync would do, and doing it."""
    found = _run(request, pk)
    if request.method == "POST":
        return _undo(request, found)
    context = {
        "run": found,
        "label": run_words.stream_label(found.stream),
        "plan": undo.plan(found),
        "most": undo.MOST_AT_ONCE,
        "open": found.state in SyncRun.OPEN,
    }
    return render(request, "integrations/run_undo.html", context)


def _undo(request: OrgRequest, found: SyncRun) -> HttpResponse:
    try:
        count = undo.undo(found, request=request, user=request.user)
    except ConfigError as error:
        messages.error(request, str(error))
        return redirect("integrations:run_reversal", request.organization.slug, found.pk)
    words = run_words.plural(count, "entry", "entries")
    rest = undo.plan(found).entries if count == undo.MOST_AT_ONCE else 0
    if rest:
        messages.warning(request, f"{words} reversed, {rest:,} are left: go on below.")
        return redirect("integrations:run_reversal", request.organization.slug, found.pk)
    messages.success(request, f"{words} reversed. The records stay and can be looked at.")
    return _to_run(request, found)


@require_safe
@member("viewer")
def call(request: OrgRequest, pk: int) -> HttpResponse:
    """One request to an outside system as it went, secrets hidden."""
    found = get_object_or_404(
        ApiCall.objects.select_related("integration", "run__stream__integration"),
        integration__organization=request.organization,
        pk=pk,
    )
    context = {
        "call": found,
        "works": found.error == "" and found.status is not None and found.status < 400,
        "label": run_words.stream_label(found.run.stream) if found.run else "",
        "request_json": _json(found.detail.get("request", "")),
        "response_json": _json(found.detail.get("response", "")),
        "records": RawRecord.objects.filter(api_call=found).defer("payload")[:20] if found.run else [],
    }
    return render(request, "integrations/call.html", context)


# ── what the pages show ─────────────────────────────────────────────────────────────────────────────


def _runs(organization: Organization) -> QuerySet[SyncRun]:
    return SyncRun.objects.filter(stream__integration__organization=organization).select_related(
        "stream__integration"
    )


def _run(request: OrgRequest, pk: int) -> SyncRun:
    rows = _runs(request.organization).select_related("requested_by")
    return get_object_or_404(rows, pk=pk)


def _to_run(request: OrgRequest, found: SyncRun) -> HttpResponse:
    return redirect("integrations:run", request.organization.slug, found.pk)


def _template(request: OrgRequest, name: str, fragment: str) -> str:
    """The whole page, or its fragment where htmx asks for it."""
    page = f"integrations/{name}.html"
    return f"{page}#{fragment}" if request.headers.get("HX-Request") else page


def _filters(organization: Organization) -> list[Filter]:
    integrations = Integration.objects.filter(organization=organization).order_by("name")
    streams = (
        Stream.objects.filter(integration__organization=organization)
        .select_related("integration")
        .order_by("integration__name", "key")
    )
    names = [(str(one.pk), f"{one.integration} · {run_words.stream_label(one)}") for one in streams]
    return [
        Filter(
            "integration",
            "Integration",
            "stream__integration",
            choices=[(str(one.pk), one.name) for one in integrations],
        ),
        Filter("stream", "Stream", choices=names),
        Filter("state", "State", choices=SyncRun.State.choices),
        Filter(
            "since", "From", kind="date", apply=lambda rows, day: rows.filter(created_at__gte=_start(day))
        ),
        Filter("until", "To", kind="date", apply=lambda rows, day: rows.filter(created_at__lt=_after(day))),
    ]


def _start(day: date) -> datetime:
    """The start of a day in the organization's time zone, which `member` has activated."""
    return timezone.make_aware(datetime.combine(day, time.min))


def _after(day: date) -> datetime:
    return _start(day + timedelta(days=1))


def _head(request: OrgRequest, found: SyncRun) -> dict[str, Any]:
    """What changes while the run goes on."""
    membership = request.membership
    integration_url = links.page(
        request.organization, "integrations:integration", found.stream.integration_id
    )
    to_settings = found.state == SyncRun.State.FAILED and found.error_kind == "config"
    return {
        "run": found,
        "label": run_words.stream_label(found.stream),
        "story": run_words.story(found),
        "progress": run_words.progress(found),
        "is_open": found.state in SyncRun.OPEN,
        "was_open": "open" in request.GET,
        "may_cancel": found.state in SyncRun.OPEN and membership.may(Role.BOOKKEEPER),
        "may_resume": found.state in _RESUMABLE and membership.may(Role.BOOKKEEPER),
        "may_undo": found.state not in SyncRun.OPEN and found.posted and membership.may(Role.APPROVER),
        "integration_url": integration_url,
        "settings_url": integration_url if to_settings else "",
    }


def _facts(found: SyncRun) -> list[tuple[str, Any]]:
    speed = run_words.rate(found)
    return [
        ("Began", run_words.trigger(found)),
        ("Asked for by", found.requested_by or "LedgerHub"),
        ("Took", run_words.duration(found) or None),
        ("Rate", f"{speed:,.1f} records a second" if speed else None),
        ("Pages", f"{found.pages:,}"),
        ("As we had them", f"{found.unchanged:,}"),
    ]


def _calls(request: OrgRequest, found: SyncRun) -> Table[ApiCall]:
    return table(
        request,
        ApiCall.objects.filter(run=found).defer("detail"),
        name=f"sync-{found.pk}-calls",
        columns=_CALL_COLUMNS,
        page_size=CALLS_SHOWN,
    )


def _path(call: ApiCall) -> str:
    """The call's address without the host, which is the same in every row."""
    parts = urlsplit(call.url)
    return f"{call.method} {parts.path}{'?' if parts.query else ''}{parts.query}"


def _json(text: str) -> Any:
    """A kept body where it is whole and JSON, else None: only the beginning of long ones is kept."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _causes(request: OrgRequest, found: SyncRun) -> list[dict[str, Any]]:
    """What the run put in quarantine and is still there, grouped, each with where it is mended."""
    rows = Quarantine.objects.filter(run=found, state=Quarantine.State.OPEN)
    return [
        {"cause": cause, "mend": links.mend(request.organization, cause.stream, cause.remedy,
                                            record_id=cause.first.record_id)}
        for cause in quarantine.causes(rows)
    ]  # fmt: skip
