"""Pages of quarantine: causes, the records of a cause, one record with its errors; retry, dismiss, reopen."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from integrations import quarantine, registry, run_words
from integrations.models import Integration, Quarantine, Stream, SyncRun
from integrations.quarantine import Cause
from integrations.views import links
from integrations.views.marking import marked_json
from ledgerhub.access.models import Role
from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.errors import ConfigError
from ledgerhub.core.tables import Column, table

REASONS = ("A test order", "Booked by hand", "A duplicate", "Not ours", "Before we kept books here")
_STATES = (("open", "Need you"), ("dismissed", "Dismissed"), ("resolved", "Mended"))
_COLUMNS = (
    Column("external_id", "Record", order_by="external_id"),
    Column("errors", "What is wrong", value=lambda row: "; ".join(message for _, _, message in row.errors)),
    Column("created_at", "Since", order_by="id"),
    Column("attempts", "Tries", order_by="attempts", numeric=True),
)


@require_safe
@member("viewer")
def errors(request: OrgRequest) -> HttpResponse:
    """What needs a person: integrations that stand still first, then the causes in quarantine."""
    state = _state(request)
    rows = quarantine.of_organization(request.organization.pk).filter(state=state)
    integrations = Integration.objects.filter(organization=request.organization).order_by("name")
    chosen = _chosen_integration(request, integrations)
    if chosen is not None:
        rows = rows.filter(stream__integration=chosen)
    found = [_shown(request, cause) for cause in quarantine.causes(rows)]
    context = {
        "groups": found,
        "total": sum(group["cause"].count for group in found),
        "state": state,
        "tabs": _tabs(request, state),
        "integrations": integrations,
        "chosen": chosen,
        "attention": [one for one in integrations if one.state == Integration.State.ATTENTION],
        "may_act": request.membership.may(Role.BOOKKEEPER),
        "reasons": REASONS,
    }
    return render(request, "integrations/quarantine.html", context)


@require_safe
@member("viewer")
def cause(request: OrgRequest, stream: int, cause: str) -> HttpResponseBase:
    """The records of one cause; refreshes itself while a retry of them is under way."""
    found, rows, state = _rows(request, stream, cause)
    listing = table(
        request,
        rows.filter(state=state).select_related("closed_by"),
        name="quarantine",
        columns=_COLUMNS,
        search=["external_id"],
    )
    if listing.export:
        return listing.export
    group = next(iter(quarantine.causes(rows.filter(state=state))), None)
    context = {
        "table": listing,
        "stream": found,
        "label": run_words.stream_label(found),
        "key": cause,
        "group": _shown(request, group) if group else None,
        "state": state,
        "tabs": _tabs(request, state),
        "replay": SyncRun.objects.filter(stream=found, state__in=SyncRun.OPEN).first(),
        "may_act": request.membership.may(Role.BOOKKEEPER),
        "reasons": REASONS,
    }
    fragment = "#rows" if request.headers.get("HX-Request") else ""
    return render(request, f"integrations/quarantine_cause.html{fragment}", context)


@require_safe
@member("viewer")
def record(request: OrgRequest, pk: int) -> HttpResponse:
    """One record: its payload beside what is wrong with it, and the way to the next."""
    row = _row(request, pk)
    siblings = Quarantine.objects.filter(stream=row.stream, cause=row.cause, state=row.state)
    remedy = quarantine.remedy(message for _, _, message in row.errors)
    spec = registry.stream_spec(row.stream)
    marked = marked_json(spec.plain(row.record.payload), [source for _, source, _ in row.errors])
    context = {
        "row": row,
        "label": run_words.stream_label(row.stream),
        "errors": [
            {"target": target, "source": source, "message": message, "missing": source in marked.missing}
            for target, source, message in row.errors
        ],
        "payload": marked.body,
        "remedy": remedy,
        "mend": links.mend(request.organization, row.stream, remedy, record_id=row.record_id),
        "before": siblings.filter(pk__gt=row.pk).order_by("pk").first(),
        "after": siblings.filter(pk__lt=row.pk).order_by("-pk").first(),
        "may_act": request.membership.may(Role.BOOKKEEPER),
        "reasons": REASONS,
        "under_way": SyncRun.objects.filter(stream=row.stream, state__in=SyncRun.OPEN).exists(),
    }
    return render(request, "integrations/quarantine_record.html", context)


@require_POST
@member("bookkeeper")
def cause_retry(request: OrgRequest, stream: int, cause: str) -> HttpResponse:
    """Map again the ticked records of a cause, or all of them."""
    found, rows, _ = _rows(request, stream, cause)
    _retry(request, found, _ticked(request, rows).filter(state=Quarantine.State.OPEN))
    return _back(request, reverse("integrations:cause", args=[request.organization.slug, stream, cause]))


@require_POST
@member("bookkeeper")
def cause_dismissal(request: OrgRequest, stream: int, cause: str) -> HttpResponse:
    _, rows, _ = _rows(request, stream, cause)
    _dismiss(request, _ticked(request, rows))
    return _back(request, reverse("integrations:errors", args=[request.organization.slug]))


@require_POST
@member("bookkeeper")
def cause_reopening(request: OrgRequest, stream: int, cause: str) -> HttpResponse:
    _, rows, _ = _rows(request, stream, cause)
    _reopen(request, _ticked(request, rows))
    return _back(request, reverse("integrations:errors", args=[request.organization.slug]))


@require_POST
@member("bookkeeper")
def record_retry(request: OrgRequest, pk: int) -> HttpResponse:
    row = _row(request, pk)
    _retry(request, row.stream, Quarantine.objects.filter(pk=pk, state=Quarantine.State.OPEN))
    return _back(request, _record_url(request, row))


@require_POST
@member("bookkeeper")
def record_dismissal(request: OrgRequest, pk: int) -> HttpResponse:
    row = _row(request, pk)
    _dismiss(request, Quarantine.objects.filter(pk=row.pk))
    return _back(request, _record_url(request, row))


@require_POST
@member("bookkeeper")
def record_reopening(request: OrgRequest, pk: int) -> HttpResponse:
    row = _row(request, pk)
    _reopen(request, Quarantine.objects.filter(pk=row.pk))
    return _back(request, _record_url(request, row))


# ── doing it ────────────────────────────────────────────────────────────────────────────────────────


def _retry(request: OrgRequest, stream: Stream, rows: QuerySet[Quarantine]) -> None:
    try:
        run = quarantine.retry(stream, list(rows.only("external_id")), request=request, user=request.user)
    except ConfigError as error:
        messages.error(request, str(error))
        return
    count = len(run.checkpoint.get("only", [])) or rows.count()
    words = "is" if count == 1 else "are"
    messages.success(request, f"{run_words.plural(count, 'record')} {words} being mapped again.")


def _dismiss(request: OrgRequest, rows: QuerySet[Quarantine]) -> None:
    reason = request.POST.get("reason", "")
    try:
        count = quarantine.dismiss(rows, reason=reason, request=request, user=request.user)
    except ConfigError as error:
        messages.error(request, f"{error} Nothing was changed.")
        return
    if count:
        messages.success(request, f"{run_words.plural(count, 'record')} dismissed. They can be reopened.")
    else:
        messages.info(request, "These records do not wait any more. Nothing was changed.")


def _reopen(request: OrgRequest, rows: QuerySet[Quarantine]) -> None:
    count = quarantine.reopen(rows, request=request)
    if count:
        messages.success(request, f"{run_words.plural(count, 'record')} reopened.")
    else:
        messages.info(request, "None of them was dismissed, or they wait in quarantine anew.")


def _back(request: OrgRequest, default: str) -> HttpResponse:
    """Where the form asks to go (a page of ours), else `default`."""
    wanted = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None, require_https=request.is_secure())
    return redirect(wanted if safe and wanted.startswith("/") else default)


# ── what the pages show ─────────────────────────────────────────────────────────────────────────────


def _state(request: OrgRequest) -> str:
    asked = request.GET.get("state", "")
    return asked if asked in dict(_STATES) else Quarantine.State.OPEN


def _tabs(request: OrgRequest, state: str) -> list[dict[str, Any]]:
    kept = {"integration": request.GET["integration"]} if "integration" in request.GET else {}
    return [
        {"label": label, "url": f"?{urlencode({'state': key, **kept})}", "active": key == state}
        for key, label in _STATES
    ]


def _chosen_integration(request: OrgRequest, rows: QuerySet[Integration]) -> Integration | None:
    asked = request.GET.get("integration", "")
    return next((one for one in rows if str(one.pk) == asked), None)


def _shown(request: OrgRequest, cause: Cause) -> dict[str, Any]:
    """A cause as the pages show it."""
    return {
        "cause": cause,
        "label": run_words.stream_label(cause.stream),
        "mend": links.mend(request.organization, cause.stream, cause.remedy, record_id=cause.first.record_id),
    }


def _rows(request: OrgRequest, stream: int, cause: str) -> tuple[Stream, QuerySet[Quarantine], str]:
    """(stream, all rows of the cause, the state asked for); 404 where there never was such a cause."""
    found = get_object_or_404(
        Stream.objects.select_related("integration"),
        integration__organization=request.organization,
        pk=stream,
    )
    rows = Quarantine.objects.filter(stream=found, cause=cause)
    if not rows.exists():
        raise Http404("There is no such cause in quarantine.")
    return found, rows, _state(request)


def _row(request: OrgRequest, pk: int) -> Quarantine:
    rows = quarantine.of_organization(request.organization.pk)
    return get_object_or_404(rows.select_related("record", "closed_by", "stream__integration"), pk=pk)


def _record_url(request: OrgRequest, row: Quarantine) -> str:
    return reverse("integrations:quarantined", args=[request.organization.slug, row.pk])


def _ticked(request: OrgRequest, rows: QuerySet[Quarantine]) -> QuerySet[Quarantine]:
    """The rows that were ticked; with `all` every row of the cause. None ticked is none."""
    if "all" in request.POST:
        return rows
    chosen = [int(text) for text in request.POST.getlist("selected") if text.isdecimal() and len(text) < 19]
    return rows.filter(pk__in=chosen)
