"""Pages of the third door: upload a statement, check its columns, see what came of it."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from integrations import column_forms, file_pages, files
from integrations.borders import minor
from integrations.column_forms import ColumnsForm
from integrations.forms import BANK, UploadForm
from integrations.models import Quarantine, SyncRun, Upload
from integrations.statements import CsvLayout, ParsedLine, ParsedStatement, StatementError, guess_layout
from integrations.views.lookup import find_integration, find_upload
from ledgerhub.access.audit import record
from ledgerhub.access.models import Role
from ledgerhub.access.views_support import OrgRequest, denied, member
from ledgerhub.core.errors import LedgerHubError
from ledgerhub.core.tables import Column, Filter, table
from ledgerhub.ledger.bank_accounts import bank_accounts, currency_of

PREVIEW_LINES = 12


@member("viewer")
def uploads(request: OrgRequest, pk: int) -> HttpResponseBase:
    """The files of an integration, and the form for the next one."""
    integration = find_integration(request, pk)
    stream = files.file_stream(integration)
    if stream is None:
        raise Http404("This integration takes no files.")
    may_edit = request.membership.may(Role.BOOKKEEPER)
    if request.method == "POST" and not may_edit:
        return denied(request, Role.BOOKKEEPER)
    form = UploadForm(
        request.POST if request.method == "POST" else None,
        request.FILES if request.method == "POST" else None,
        organization=request.organization,
        preselected=integration.bank_account,
    )
    if request.method == "POST" and form.is_valid():
        upload = _receive(request, form, stream)
        if upload is not None:
            return _go_on(request, upload)
    listing = table(
        request,
        Upload.objects.filter(stream=stream).select_related("account", "run", "created_by"),
        name="bank-files",
        columns=_COLUMNS,
        filters=[_account_filter(request), Filter("state", "State", choices=Upload.State.choices)],
        search=["name"],
        default_sort="-created_at",
    )
    if listing.export:
        return listing.export
    context = {"integration": integration, "form": form, "table": listing, "may_edit": may_edit}
    return render(request, "integrations/uploads.html", context, status=422 if form.errors else 200)


_COLUMNS = (
    Column("name", "File", order_by="name"),
    Column("account", "Bank account", order_by="account__code"),
    Column("created_at", "Uploaded", order_by="created_at"),
    Column("state", "State", order_by="state", value=lambda upload: upload.get_state_display()),
    Column("run__posted", "New lines", order_by="run__posted", numeric=True),
)


def _account_filter(request: OrgRequest) -> Filter:
    accounts = [(str(account.pk), str(account)) for account in bank_accounts(request.organization)]
    return Filter("account", "Bank account", "account_id", choices=accounts)


def _receive(request: OrgRequest, form: UploadForm, stream: Any) -> Upload | None:
    """Keep the file; what is no statement is refused beside the field, and nothing is kept."""
    file = form.cleaned_data["file"]
    try:
        with transaction.atomic():  # a file that is refused makes no account
            account = form.bank_account_for_use()
            if account is None:
                form.add_error(BANK, "Choose the bank account this statement is of.")
                return None
            upload, is_new = files.receive(stream, account, file, user=request.user)
    except StatementError as error:
        form.add_error("file", str(error))
        return None
    if is_new:
        record(request, "file.uploaded", upload, after={"account": str(account), "size": upload.size})
    elif upload.state == Upload.State.IMPORTED:
        messages.info(request, "This very file was imported before. Nothing was imported twice.")
    return upload


def _go_on(request: OrgRequest, upload: Upload) -> HttpResponse:
    """To the next question about the file; with none left it is imported at once."""
    slug = request.organization.slug
    if upload.state == Upload.State.IMPORTED:
        return redirect("integrations:upload", slug, upload.pk)
    try:
        asked = files.question(upload)
        if asked is None:
            _import(request, upload)
    except LedgerHubError as error:
        files.fail(upload, str(error))
        asked = None
    columns = asked is not None and asked.kind == "columns"
    return redirect("integrations:upload_columns" if columns else "integrations:upload", slug, upload.pk)


def _import(request: OrgRequest, upload: Upload) -> None:
    run = files.start(upload, user=request.user)
    after = {"account": str(upload.account), "lines": upload.report.get("lines"), "new": run.posted}
    record(request, "file.imported", upload, after=after)


# ── columns ─────────────────────────────────────────────────────────────────────────────────────────


class Preview(NamedTuple):
    """The first lines as they would be imported; or why they cannot be."""

    statement: ParsedStatement | None
    lines: list[tuple[ParsedLine, int | None, int | None]]
    problem: str


@member("bookkeeper")
def upload_columns(request: OrgRequest, pk: int) -> HttpResponse:
    """Which column is what: filled in by the guess, shown on the file's own lines, kept for the next file."""
    upload = find_upload(request, pk)
    if upload.format != "csv" or upload.state == Upload.State.IMPORTED:
        return redirect("integrations:upload", request.organization.slug, pk)
    with upload.file.open("rb") as file:
        data = file.read()
    guessed, doubt = _guess(data)
    base = CsvLayout.from_dict(upload.layout) if upload.layout else guessed
    form = ColumnsForm(request.POST if request.method == "POST" else None, file=data, layout=base)
    valid = form.is_valid() if form.is_bound else not doubt
    layout = form.layout() if form.is_bound and valid else base
    if request.POST.get("step") == "import" and valid:
        files.agree_layout(upload, layout)
        return _go_on(request, upload)
    context = {
        "upload": upload,
        "form": form,
        "rare": [form[name] for name in column_forms.RARE],
        "preview": _preview(upload, layout) if valid else Preview(None, [], ""),
        "doubts": [doubt] if doubt else list(guessed.notes) if layout.to_dict() == guessed.to_dict() else [],
        "currency": currency_of(upload.account),
        "known": files.remembered(upload.account) is not None,
    }
    template = "integrations/upload_columns.html"
    if request.headers.get("HX-Request"):
        return render(request, f"{template}#columns", context)
    return render(request, template, context, status=422 if form.errors else 200)


def _guess(data: bytes) -> tuple[CsvLayout, str]:
    """The guessed layout; where there is none, encoding and delimiter alone and why."""
    try:
        return guess_layout(data), ""
    except StatementError as error:
        return column_forms.starting_layout(data), str(error)


def _preview(upload: Upload, layout: CsvLayout) -> Preview:
    currency = currency_of(upload.account)
    try:
        statement = file_pages.parts(upload, layout)[0]
        files.check_currency(statement, upload.account)
    except StatementError as error:
        return Preview(None, [], str(error))
    lines = [
        (
            line,
            minor(line.amount, currency),
            None if line.balance is None else minor(line.balance, currency),
        )
        for line in statement.lines[:PREVIEW_LINES]
    ]
    return Preview(statement, lines, "")


# ── what came of it ─────────────────────────────────────────────────────────────────────────────────


@require_safe
@member("viewer")
def upload(request: OrgRequest, pk: int) -> HttpResponse:
    """One file: what is still asked, how far it is, or what came of it."""
    found = find_upload(request, pk)
    context: dict[str, Any] = {
        "upload": found,
        "run": found.run,
        "currency": currency_of(found.account),
        "may_edit": request.membership.may(Role.BOOKKEEPER),
        "running": found.run is not None and found.run.state in SyncRun.OPEN,
    }
    if found.state == Upload.State.IMPORTED and found.run is not None:
        context |= _result(found)
    elif found.state == Upload.State.LAYOUT and not context["running"]:
        context |= _question(found)
    template = "integrations/upload.html"
    return render(request, f"{template}#state" if request.headers.get("HX-Request") else template, context)


def _question(found: Upload) -> dict[str, Any]:
    try:
        return {"asked": files.question(found)}
    except StatementError as error:
        return {"problem": str(error)}


def _result(found: Upload) -> dict[str, Any]:
    """Figures of the import; `known` are lines that earlier files brought."""
    run = found.run
    assert run is not None
    waiting = Quarantine.objects.filter(stream=found.stream, run=run, state=Quarantine.State.OPEN)
    return {
        "known": run.read - run.posted - run.quarantined,
        "check": files.check_balance(found),
        "waiting": list(waiting[:20]),
        "alike": 0 if found.answers.get("alike") else len(found.report.get("alike", ())),
        "alike_shown": [
            (dt.date.fromisoformat(day), text, amount) for day, text, amount in found.report["alike_shown"]
        ],
    }


@require_POST
@member("bookkeeper")
def upload_answer(request: OrgRequest, pk: int) -> HttpResponse:
    """What a person says to a question about the file: which account of it, that the number is right,
    that look-alikes are lines of their own; or simply to try again."""
    found = find_upload(request, pk)
    part = request.POST.get("part", "")
    if part.isdigit():
        files.answer(found, part=int(part))
    if request.POST.get("number"):
        files.answer(found, number=True)
    if request.POST.get("alike"):
        files.answer(found, alike=True)
        record(request, "file.lookalikes_imported", found)
    if request.POST.get("alike") or found.state == Upload.State.FAILED:
        found.state = Upload.State.LAYOUT
    return _go_on(request, found)
