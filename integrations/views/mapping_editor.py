"""The mapping editor: a draft's rules as rows, with what each gives on a real record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from integrations import mapping_forms, mapping_samples, normalize, versions
from integrations.mapping import InvalidMapping
from integrations.mapping_forms import OutputForm
from integrations.mapping_marks import mark
from integrations.mapping_samples import PathOption, Result, Samples
from integrations.models import MappingVersion, Stream
from integrations.rule_words import RuleChange, diff, output_label
from integrations.rules import Output, outputs_from_dict
from integrations.views.lookup import find_stream
from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.ledger.kinds import KINDS

NEW_DRAFT = "new"


@dataclass
class Tab:
    """One document of the mapping."""

    key: str
    label: str
    active: bool
    problems: int


@dataclass
class Editing:
    """Everything one answer of the editor shows."""

    stream: Stream
    draft: MappingVersion | None
    seen: str
    outputs: tuple[Output, ...]
    form: OutputForm
    samples: Samples
    item: int = 0
    unsaved: bool = False
    options: list[PathOption] = field(default_factory=list)
    tabs: list[Tab] = field(default_factory=list)
    result: Result | None = None
    result_problem: str = ""
    lists: list[tuple[str, str]] = field(default_factory=list)
    conflict: str = ""
    theirs: list[RuleChange] = field(default_factory=list)
    changes: int = 0


@member("bookkeeper")
def draft(request: OrgRequest, pk: int) -> HttpResponse:
    """The editor, and its "Save draft"."""
    stream = find_stream(request, pk)
    if request.method == "POST":
        return _save(request, stream)
    version = versions.draft_of(stream)
    outputs = outputs_from_dict(version.rules) if version else ()
    if version is None or not outputs:
        return redirect("integrations:mapping", request.organization.slug, stream.pk)
    chosen = _chosen(outputs, request.GET.get("output", ""))
    form = mapping_forms.from_output(chosen)
    samples = _samples(stream, request, chosen)
    editing = Editing(stream, version, versions.token(version), outputs, form, samples, _item(request))
    return _answer(request, editing, chosen)


@require_POST
@member("bookkeeper")
def form(request: OrgRequest, pk: int) -> HttpResponse:
    """The editor again after a button for rows, or what the rules give now; nothing is saved."""
    stream = find_stream(request, pk)
    version = versions.draft_of(stream)
    outputs = outputs_from_dict(version.rules) if version else versions.outputs_of(stream, stream.mapping)
    entered = mapping_forms.from_post(request.POST, key=request.POST.get("output", ""))
    action = request.POST.get("act", "")
    if action:
        entered = mapping_forms.act(entered, action, request.POST)
    output = mapping_forms.to_output(entered)
    seen = request.POST.get("seen", "")
    samples = _samples(stream, request)
    merged = _merged(outputs, output)
    editing = Editing(stream, version, seen, merged, entered, samples, _item(request), unsaved=True)
    return _answer(request, editing, output, partial="form" if action else "values")


def _save(request: OrgRequest, stream: Stream) -> HttpResponse:
    entered = mapping_forms.from_post(request.POST, key=request.POST.get("output", ""))
    output = mapping_forms.to_output(entered)
    if entered.has_errors or entered.kind not in KINDS:
        return _again(request, stream, entered, output, status=422)
    try:
        version, done = _store(request, stream, output)
    except versions.Outdated as outdated:
        return _again(request, stream, entered, output, status=409, outdated=outdated)
    _say_saved(request, done)
    return _onward(request, stream, version, output)


def _store(request: OrgRequest, stream: Stream, output: Output) -> tuple[MappingVersion, list[RuleChange]]:
    """Save the one output into the draft as it stands; other tabs stay as others saved them."""
    seen = request.POST.get("seen", "")
    version = versions.draft_of(stream)
    if version is None and seen == NEW_DRAFT:
        version = versions.open_draft(stream, request=request)
        seen = versions.token(version)
    if version is None:
        last = stream.mappings.order_by("-updated_at").first()
        words = last.get_state_display().lower() if last else "closed"
        raise versions.Outdated(f"The draft has been {words} in the meantime.", last or MappingVersion())
    outputs = _merged(outputs_from_dict(version.rules), output)
    outputs = _with_document(request, outputs)
    return version, versions.save(version, outputs, seen=seen, request=request)


def _with_document(request: HttpRequest, outputs: tuple[Output, ...]) -> tuple[Output, ...]:
    """A document added or taken away, where that is what the button said."""
    then = request.POST.get("then", "")
    if then == "add" and request.POST.get("new_kind", "") in KINDS:
        taken = {each.key for each in outputs}
        return (*outputs, mapping_forms.fresh_output(request.POST["new_kind"], taken))
    if then == "remove" and len(outputs) > 1:
        return tuple(each for each in outputs if each.key != request.POST.get("output", ""))
    return outputs


def _say_saved(request: HttpRequest, done: list[RuleChange]) -> None:
    if done:
        count = len(done)
        messages.success(request, f"Draft saved: {count} {'change' if count == 1 else 'changes'}.")
    elif request.POST.get("then", "") in ("", "remove"):
        messages.info(request, "Nothing was changed.")


def _onward(
    request: OrgRequest, stream: Stream, version: MappingVersion, output: Output
) -> HttpResponseRedirect:
    """Where the pressed button leads once the draft is saved."""
    then = request.POST.get("then", "")
    if then == "review":
        return redirect("integrations:mapping_publication", request.organization.slug, stream.pk)
    keys = [each["key"] for each in version.rules["outputs"]]
    key = then.removeprefix("open:") if then.startswith("open:") else output.key
    if then == "add":
        key = keys[-1]
    kept = {"output": key if key in keys else keys[0], "item": str(_item(request) + 1)}
    if record := request.POST.get("record", ""):
        kept["record" if kept["output"] == output.key else "near"] = record
    url = reverse("integrations:mapping_draft", args=[request.organization.slug, stream.pk])
    return HttpResponseRedirect(f"{url}?{urlencode(kept)}")


def _again(
    request: OrgRequest,
    stream: Stream,
    entered: OutputForm,
    output: Output,
    *,
    status: int,
    outdated: versions.Outdated | None = None,
) -> HttpResponse:
    """The editor with everything that was typed, and why it was not saved."""
    version = versions.draft_of(stream)
    stored = outputs_from_dict(version.rules) if version else versions.outputs_of(stream, stream.mapping)
    seen = request.POST.get("seen", "")
    if outdated is not None:
        seen = versions.token(version) if version else NEW_DRAFT
    merged = _merged(stored, output)
    samples = _samples(stream, request)
    editing = Editing(stream, version, seen, merged, entered, samples, _item(request), unsaved=True)
    if outdated is not None:
        editing.conflict = str(outdated)
        editing.theirs = diff([each for each in stored if each.key == output.key], [output])
    elif entered.kind not in KINDS:
        entered.errors.append(f"'{entered.kind[:40]}' is not a kind of document.")
    return _answer(request, editing, output, status=status)


def _merged(outputs: tuple[Output, ...], output: Output) -> tuple[Output, ...]:
    if all(each.key != output.key for each in outputs):
        return (*outputs, output)
    return tuple(output if each.key == output.key else each for each in outputs)


def _chosen(outputs: tuple[Output, ...], key: str) -> Output:
    return next((each for each in outputs if each.key == key), outputs[0])


def _samples(stream: Stream, request: HttpRequest, output: Output | None = None) -> Samples:
    given = request.POST if request.method == "POST" else request.GET
    wanted, find, near = (given.get(name, "") for name in ("record", "find", "near"))
    return mapping_samples.load(stream, wanted=wanted, find=find, near=near, output=output)


def _item(request: HttpRequest) -> int:
    """Which item of the lists is shown, from 0; people count from 1."""
    given = request.POST if request.method == "POST" else request.GET
    text = given.get("item", "")
    return max(int(text) - 1, 0) if text.isdigit() and len(text) < 6 else 0


# ── showing ─────────────────────────────────────────────────────────────────────────────────────────


def _answer(
    request: OrgRequest, editing: Editing, output: Output, *, status: int = 200, partial: str = ""
) -> HttpResponse:
    """The page, or with htmx only the part that changed."""
    _fill(editing, output)
    template = "integrations/mapping_draft.html"
    if partial and getattr(request, "htmx", False):
        template = f"{template}#{partial}"
    return render(request, template, _context(editing), status=status)


def _fill(editing: Editing, output: Output) -> None:
    stream, context = editing.stream, normalize.context(editing.stream)
    found = versions.problems(stream, editing.outputs)
    mark(editing.form, output, found, context)
    mapping_samples.annotate(editing.form, output, editing.samples, context, item=editing.item)
    editing.options = mapping_samples.path_options(editing.samples, output.each)
    for row in editing.form.rules:
        if mapping_samples.seen_nowhere(editing.options, row.source) and not row.has_errors:
            row.notice = "None of the newest records has this field."
    editing.lists = mapping_samples.list_words(output, context)
    editing.tabs = [
        Tab(
            each.key,
            output_label(each, editing.outputs),
            each.key == output.key,
            sum(problem.output_key == each.key for problem in found),
        )
        for each in editing.outputs
    ]
    if editing.draft is not None:
        editing.changes = len(diff(versions.outputs_of(stream, stream.mapping), editing.outputs))
    _add_result(editing, output)


def _add_result(editing: Editing, output: Output) -> None:
    try:
        editing.result = mapping_samples.result(editing.samples, editing.outputs, only=output.key)
    except InvalidMapping as error:
        count = len(error.problems)
        editing.result_problem = (
            "One rule has a problem; the document and its journal lines show once it is fixed."
            if count == 1
            else f"{count} rules have problems; the document and its journal lines show once they are fixed."
        )


def _context(editing: Editing) -> dict[str, Any]:
    stream = editing.stream
    slug = stream.integration.organization.slug
    return {
        "editing": editing,
        "form_url": reverse("integrations:mapping_form", args=[slug, stream.pk]),
        "stream": stream,
        "form": editing.form,
        "samples": editing.samples,
        "result": editing.result,
        "operators": mapping_forms.operator_choices(),
        "kinds": [(kind.key, kind.label) for kind in KINDS.values()],
        "settings": sorted({*normalize.context(stream).settings, "currency"}),
        "item": editing.item + 1,
    }
