"""Mappings of the streams: the list, one mapping with its history, publishing, rolling back, replaying."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from integrations import journal_diff, mapping_samples, registry, versions
from integrations.journal_diff import Preview
from integrations.mapping import InvalidMapping
from integrations.models import MappingVersion, Quarantine, Stream, SyncRun
from integrations.rule_words import condition_words, diff, output_label, step_words, target_label
from integrations.rules import Output, outputs_from_dict
from integrations.views.lookup import find_stream
from ledgerhub.access.models import Role
from ledgerhub.access.views_support import OrgRequest, denied, member
from ledgerhub.core.errors import ConfigError
from ledgerhub.core.tables import Column, Filter, table

HISTORY = 50
_VERSION = MappingVersion.State


class PublishForm(forms.Form):
    """Why a mapping is published, and whether past records are mapped again."""

    note = forms.CharField(
        label="Note",
        max_length=versions.LONGEST_NOTE,
        help_text="What changes and why; kept with the version, for whoever asks in a year",
        error_messages={"required": "Write a note: what changes, and why."},
    )
    replay = forms.BooleanField(label="Map the records we already hold again", required=False)
    seen = forms.CharField(required=False, widget=forms.HiddenInput, max_length=60)


@require_safe
@member("viewer")
def mappings(request: OrgRequest) -> HttpResponse:
    listing = table(
        request,
        _streams(request),
        name="mappings",
        columns=_COLUMNS,
        filters=[
            Filter("draft", "Draft", choices=[("open", "open")], apply=_with_draft),
            Filter("errors", "Quarantine", choices=[("some", "has records")], apply=_with_errors),
        ],
        search=["integration__name", "key"],
        default_sort="integration",
    )
    if listing.export:
        return listing.export  # type: ignore[return-value]
    rows = [(stream, registry.stream_spec(stream)) for stream in listing.rows]
    drafts = sum(bool(stream.draft_number) for stream in listing.rows)
    waiting = sum(stream.waiting for stream in listing.rows)
    context = {"table": listing, "rows": rows, "drafts": drafts, "waiting": waiting}
    return render(request, "integrations/mappings.html", context)


def _streams(request: OrgRequest) -> QuerySet[Any]:
    drafts = MappingVersion.objects.filter(stream=OuterRef("pk"), state=_VERSION.DRAFT)
    return (
        Stream.objects.filter(integration__organization=request.organization)
        .select_related("integration", "mapping__published_by")
        .annotate(
            draft_number=Subquery(drafts.values("number")[:1]),
            draft_by=Subquery(drafts.values("created_by__name")[:1]),
            waiting=Count("quarantine", filter=Q(quarantine__state=Quarantine.State.OPEN)),
        )
    )


def _with_draft(rows: QuerySet[Any], value: str) -> QuerySet[Any]:
    return rows.filter(draft_number__isnull=False)


def _with_errors(rows: QuerySet[Any], value: str) -> QuerySet[Any]:
    return rows.filter(waiting__gt=0)


_COLUMNS = (
    Column("integration", "Integration", order_by="integration__name"),
    Column("key", "Stream", order_by="key"),
    Column("mapping", "Published", value=lambda row: f"v{row.mapping.number}" if row.mapping else ""),
    Column("published_at", "Published on", order_by="mapping__published_at", value=lambda row: _when(row)),
    Column("draft_number", "Draft", order_by="draft_number"),
    Column("waiting", "In quarantine", order_by="waiting", numeric=True),
)


def _when(stream: Stream) -> str:
    at = stream.mapping.published_at if stream.mapping else None
    return at.isoformat() if at else ""


@require_safe
@member("viewer")
def mapping(request: OrgRequest, pk: int) -> HttpResponse:
    """The rules in force, what they make of a record, and every version there was."""
    stream = find_stream(request, pk)
    outputs = versions.outputs_of(stream, stream.mapping)
    samples = mapping_samples.load(
        stream, wanted=request.GET.get("record", ""), find=request.GET.get("find", "")
    )
    result, problem = None, ""
    try:
        result = mapping_samples.result(samples, outputs)
    except InvalidMapping as error:
        problem = str(error)
    context = {
        "stream": stream,
        "spec": registry.stream_spec(stream),
        "documents": in_words(outputs),
        "samples": samples,
        "result": result,
        "result_problem": problem,
        "draft": versions.draft_of(stream),
        "history": _history(stream),
        "waiting": stream.quarantine.filter(state=Quarantine.State.OPEN).count(),
        "replaying": stream.runs.filter(trigger="replay", state__in=SyncRun.OPEN).first(),
    }
    return render(request, "integrations/mapping.html", context)


def in_words(outputs: tuple[Output, ...]) -> list[dict[str, Any]]:
    """The rules of each document as a reader sees them."""
    return [
        {
            "label": output_label(output, outputs),
            "each": output.each,
            "when": [condition_words(condition) for condition in output.when],
            "rules": [
                (
                    target_label(output.kind, rule.target),
                    rule.source,
                    [step_words(step) for step in rule.via if step.name != "as_is"],
                )
                for rule in output.rules
            ],
        }
        for output in outputs
    ]


def _history(stream: Stream) -> list[MappingVersion]:
    rows = stream.mappings.exclude(state=_VERSION.DRAFT).select_related("published_by", "created_by")
    return list(rows.order_by("-number")[:HISTORY])


@require_POST
@member("bookkeeper")
def drafts(request: OrgRequest, pk: int) -> HttpResponse:
    """Begin editing: the open draft, or a new one from the published version (or from version `from`)."""
    stream = find_stream(request, pk)
    start = None
    if request.POST.get("from", "").isdigit():
        start = get_object_or_404(stream.mappings, number=int(request.POST["from"][:9]))
    if not versions.outputs_of(stream, start or stream.mapping):
        messages.info(request, "Its records are kept and make no document: there are no rules to edit.")
        return redirect("integrations:mapping", request.organization.slug, stream.pk)
    try:
        versions.open_draft(stream, request=request, start=start)
    except versions.Outdated as outdated:
        messages.warning(request, str(outdated))
    kept = {name: text for name in ("record", "output") if (text := request.POST.get(name, ""))}
    url = reverse("integrations:mapping_draft", args=[request.organization.slug, stream.pk])
    return HttpResponseRedirect(f"{url}?{urlencode(kept)}" if kept else url)


@require_POST
@member("bookkeeper")
def removal(request: OrgRequest, pk: int) -> HttpResponse:
    """Discard the draft."""
    stream = find_stream(request, pk)
    draft = versions.draft_of(stream)
    if draft is None:
        messages.info(request, "There is no draft any more.")
    else:
        versions.discard(draft, request=request)
        messages.success(request, f"The draft is discarded. Version {draft.number} keeps its rules to read.")
    return redirect("integrations:mapping", request.organization.slug, stream.pk)


@member("bookkeeper")
def publication(request: OrgRequest, pk: int) -> HttpResponse:
    """What publishing the draft would change, and publishing it."""
    stream = find_stream(request, pk)
    draft = versions.draft_of(stream)
    if draft is None:
        messages.info(request, "There is no draft to publish.")
        return redirect("integrations:mapping", request.organization.slug, stream.pk)
    if request.method == "POST" and not request.membership.may(Role.APPROVER):
        return denied(request, Role.APPROVER)
    start = {"note": draft.note, "seen": versions.token(draft)}
    form = PublishForm(request.POST or None, initial=start)
    status = 200
    if request.method == "POST":
        if form.is_valid() and _publish(request, draft, form):
            return redirect("integrations:mapping", request.organization.slug, stream.pk)
        status = 422 if form.errors else 409
        draft = versions.draft_of(stream)
        if draft is None:
            return redirect("integrations:mapping", request.organization.slug, stream.pk)
    context = _publication_context(request, stream, draft, form)
    return render(request, "integrations/mapping_publication.html", context, status=status)


def _publish(request: OrgRequest, draft: MappingVersion, form: PublishForm) -> bool:
    asked = form.cleaned_data
    try:
        run = versions.publish(
            draft, note=asked["note"], seen=asked["seen"], replay=asked["replay"], request=request
        )
    except ConfigError as error:
        messages.error(request, f"Not published: {error} Look at it again below.")
        return False
    _say_published(request, draft, replay=asked["replay"], run=run)
    return True


def _say_published(
    request: HttpRequest, version: MappingVersion, *, replay: bool, run: SyncRun | None
) -> None:
    messages.success(request, f"Version {version.number} is published; every new record is mapped by it.")
    if replay and run is None:
        messages.warning(
            request,
            "A sync is under way, so the records we hold were not mapped again yet. "
            "Press 'Map held records again' when it is done.",
        )


def _publication_context(
    request: OrgRequest, stream: Stream, draft: MappingVersion, form: PublishForm
) -> dict[str, Any]:
    problems = versions.problems(stream, outputs_from_dict(draft.rules))
    who, when = versions.last_saved(draft)
    return {
        "stream": stream,
        "draft": draft,
        "form": form,
        "changes": versions.changes(stream, draft),
        "problems": problems,
        "preview": None if problems else _preview(stream, draft),
        "refusal": versions.may_not_publish(draft, request.user),
        "may_publish": request.membership.may(Role.APPROVER),
        "saved_by": who,
        "saved_at": when,
        "seen": versions.token(draft),
    }


def _preview(stream: Stream, version: MappingVersion) -> Preview | None:
    """None where one of the two can no longer be compiled."""
    try:
        return journal_diff.preview(stream, version)
    except InvalidMapping:
        return None


@require_safe
@member("viewer")
def version(request: OrgRequest, pk: int, number: int) -> HttpResponse:
    """An old version: its rules, what it changed, and what going back to it would do."""
    return _version(request, find_stream(request, pk), number, PublishForm())


def _version(
    request: OrgRequest, stream: Stream, number: int, form: PublishForm, *, status: int = 200
) -> HttpResponse:
    rows = stream.mappings.select_related("published_by", "created_by")
    found = get_object_or_404(rows, number=number)
    outputs = outputs_from_dict(found.rules)
    earlier = rows.filter(number__lt=number, published_at__isnull=False).order_by("-number").first()
    old = found.state == _VERSION.SUPERSEDED
    context = {
        "stream": stream,
        "version": found,
        "documents": in_words(outputs),
        "earlier": earlier,
        "changes": diff(outputs_from_dict(earlier.rules), outputs) if earlier else [],
        "form": form,
        "preview": _preview(stream, found) if old else None,
        "may_restore": old and request.membership.may(Role.APPROVER),
        "two_person": request.organization.two_person_rule,
    }
    return render(request, "integrations/mapping_version.html", context, status=status)


@require_POST
@member("approver")
def restoration(request: OrgRequest, pk: int, number: int) -> HttpResponse:
    """Go back: a new version with the rules of an old one."""
    stream = find_stream(request, pk)
    found = get_object_or_404(stream.mappings, number=number)
    form = PublishForm(request.POST)
    if not form.is_valid():
        return _version(request, stream, number, form, status=422)
    asked = form.cleaned_data
    try:
        fresh, run = versions.roll_back(found, note=asked["note"], replay=asked["replay"], request=request)
    except ConfigError as error:
        messages.error(request, str(error))
        return redirect("integrations:mapping_version", request.organization.slug, stream.pk, number)
    _say_published(request, fresh, replay=asked["replay"], run=run)
    return redirect("integrations:mapping", request.organization.slug, stream.pk)


@require_POST
@member("approver")
def replays(request: OrgRequest, pk: int) -> HttpResponse:
    """Map the records we hold again under the published version."""
    stream = find_stream(request, pk)
    if versions.replay_past(stream, request=request) is None:
        messages.warning(request, "A sync of this stream is under way. Try again when it is done.")
    else:
        messages.success(request, "The records we hold are being mapped again.")
    return redirect("integrations:mapping", request.organization.slug, stream.pk)
