"""Notes on a statement line: one more in the thread."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.errors import RecordError
from reconciliation import notes as line_notes
from reconciliation.views.support import get_account, get_line, refused, way_back


@require_POST
@member("bookkeeper")
def notes(request: OrgRequest, account_pk: int, pk: int) -> HttpResponse:
    account = get_account(request, account_pk)
    line = get_line(account, pk)
    try:
        line_notes.write(
            line, request.POST.get("note", ""), question="question" in request.POST, request=request
        )
    except RecordError as error:
        return refused(request, str(error), account)
    if not request.headers.get("HX-Request"):
        messages.success(request, "The note is on the line now.")
        return HttpResponseRedirect(way_back(request, account))
    context = {"account": account, "line": line, "notes": line_notes.of([line])[line.pk], "may_prepare": True}
    return render(request, "reconciliation/notes.html", context | {"here": way_back(request, account)})
