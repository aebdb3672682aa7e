"""The page of one statement line: find and match, create, split; all is seen before it is confirmed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_POST

from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.errors import RecordError
from ledgerhub.core.money import from_minor
from ledgerhub.ledger.models import Account, StatementLine
from reconciliation import cards, decisions, open_rows, pairs
from reconciliation import notes as line_notes
from reconciliation.cards import Part
from reconciliation.differences import Offer
from reconciliation.forms import LineInput, coding_formset, difference_accounts, fill_codings, read_line
from reconciliation.models import Match
from reconciliation.selection import EntryPreview, check, preview
from reconciliation.views.support import decided_answer, get_account, get_line, refused, undo_tag, way_back

MODES = ("find", "create", "split")
# How many rows are shown: those nearest in amount before, and what fits after a search.
_OFFERED, _FOUND = 12, 50


@dataclass
class Candidate:
    """A row that can be ticked; documents carry the amount that is paid of them, as text."""

    part: Part
    chosen: bool
    amount_text: str = ""
    open_amount: int | None = None


@require_http_methods(["GET", "HEAD", "POST"])
@member("viewer")
def line(request: OrgRequest, account_pk: int, pk: int) -> HttpResponse:
    """GET shows the line; POST looks at what is ticked so far, and changes nothing."""
    account = get_account(request, account_pk)
    found = get_line(account, pk)
    given = read_line(account, found, request.POST if request.method == "POST" else _start(request, found))
    return _page(request, account, found, given)


@require_POST
@member("approver")
def confirmation(request: OrgRequest, account_pk: int, pk: int) -> HttpResponse:
    """Match the line with what is ticked, typed and split; posts what is missing."""
    return _decide(request, account_pk, pk, confirm=True)


@require_POST
@member("bookkeeper")
def preparation(request: OrgRequest, account_pk: int, pk: int) -> HttpResponse:
    """Propose what is ticked to somebody who may confirm it."""
    return _decide(request, account_pk, pk, confirm=False)


def _decide(request: OrgRequest, account_pk: int, pk: int, *, confirm: bool) -> HttpResponse:
    account = get_account(request, account_pk)
    found = get_line(account, pk)
    given = read_line(account, found, request.POST)
    if not given.problems:
        try:
            return _done(request, account, given, confirm=confirm)
        except RecordError as error:
            given.problems += [each.message for each in error.field_errors]
    if request.headers.get("HX-Request") and "inline" not in request.POST:
        return refused(request, " ".join(given.problems), account)
    return _page(request, account, found, given, status=422)


def _done(request: OrgRequest, account: Account, given: LineInput, *, confirm: bool) -> HttpResponse:
    selection, text = given.selection, request.POST.get("note", "")
    if confirm:
        coded = bool(selection.codings) and not selection.chosen_total
        made = decisions.match_by_hand(
            selection, user=request.user, note=text, method="coded" if coded else "person", request=request
        )
        words = "Booked and matched." if made.document else "Matched."
        messages.success(request, words, extra_tags=undo_tag(request, made))
    else:
        decisions.prepare(selection, user=request.user, note=text, request=request)
        messages.success(request, "Proposed. Somebody who may approve matches finds it beside the line.")
    if request.headers.get("HX-Request"):
        return decided_answer(request, [line.pk for line in selection.lines])
    return HttpResponseRedirect(way_back(request, account))


def _start(request: OrgRequest, found: StatementLine) -> QueryDict:
    """What the page opens with: rows from the URL, else the proposal beside the line when asked for; a
    suggested account stands in its field wherever the line is to be booked."""
    if "row" in request.GET or "choice" in request.GET:
        return request.GET
    data = request.GET.copy()
    proposal = cards.card(found).proposal
    suggested = proposal is not None and proposal.match.method == Match.Method.CATEGORY
    books = suggested and request.GET.get("mode", "create") == "create"
    if proposal is not None and ("proposal" in request.GET or books):
        data["choice"] = proposal.choice
        fill_codings(data, found.currency, proposal.match)
        if suggested:
            data["coding-0-amount"] = ""  # the rest, whatever is ticked beside it
        if proposal.difference is not None:
            _settle(data, proposal.difference)
    return data


def _settle(data: QueryDict, offer: Offer) -> None:
    """What is usual for the difference, as if it had been chosen."""
    if offer.chosen is None or offer.selection is None:
        return
    if offer.chosen.account is not None:
        data["difference_to"] = offer.chosen.value
        return
    for payment in offer.selection.payments:
        data[f"amount-D{payment.open.document.pk}"] = str(from_minor(abs(payment.amount), offer.currency))


def _page(
    request: OrgRequest, account: Account, found: StatementLine, given: LineInput, *, status: int = 200
) -> HttpResponse:
    context: dict[str, Any] = {
        "account": account,
        "line": found,
        "given": given,
        "selection": given.selection,
        "currency": open_rows.currency_of(account),
        "may_confirm": request.membership.may("approver"),
        "may_prepare": request.membership.may("bookkeeper"),
        "next": way_back(request, account),
        **_panel(given),
    }
    target = request.headers.get("HX-Target", "")
    context["inline"] = "inline" in request.GET or "inline" in request.POST
    if target == "panel":
        return render(request, "reconciliation/line.html#panel", context)
    mode = request.GET.get("mode", "create" if given.selection.codings else "find")
    context |= {"mode": mode if mode in MODES else "find", **_candidates(request, account, found, given)}
    if target == "candidates" and status == 200:
        return render(request, "reconciliation/line.html#candidates", context)
    if not given.codings.is_bound:
        context["codings"] = coding_formset(account, rows=2 if mode == "split" else 1)
    else:
        context["codings"] = given.codings
    context["difference_accounts"] = difference_accounts(request.organization)
    if context["inline"] and request.headers.get("HX-Request"):
        return render(request, "reconciliation/line.html#work", context)
    context |= {"events": pairs.life(found), "was_pending": pairs.was_pending(found)}
    context["notes"] = line_notes.of([found]).get(found.pk, [])
    return render(request, "reconciliation/line.html", context, status=status)


def _panel(given: LineInput) -> dict[str, Any]:
    """The running sum, and the entry as it would be posted once nothing is left."""
    entries: list[EntryPreview] = []
    problems = list(given.problems)
    selection = given.selection
    started = bool(selection.codings or selection.postings or selection.payments or len(selection.lines) > 1)
    if started and not problems:
        try:
            entries = preview(selection) if not selection.difference else []
            if selection.difference:
                _check_rows(given)
        except RecordError as error:
            problems += [each.message for each in error.field_errors]
    ready = started and not problems and not selection.difference
    return {"entries": entries, "problems": problems, "started": started, "ready": ready}


def _check_rows(given: LineInput) -> None:
    """Problems of the rows alone, while something is still left over."""
    try:
        check(given.selection)
    except RecordError as error:
        if any(each.target != "difference" for each in error.field_errors):
            raise


def _candidates(
    request: OrgRequest, account: Account, found: StatementLine, given: LineInput
) -> dict[str, Any]:
    """What is ticked first, then what the search found."""
    text = (request.POST.get("q") or request.GET.get("q") or "")[:200]
    selection = given.selection
    ticked = [Candidate(cards.posting_part(row), True) for row in selection.postings]
    ticked += [
        _document(payment.open, given, chosen=True, amount=payment.amount) for payment in selection.payments
    ]
    ticked += [Candidate(cards.line_part(other), True) for other in selection.lines if other.pk != found.pk]
    known = given.chosen | {f"L{found.pk}"}
    near = selection.difference or found.amount
    results = open_rows.search(account, text, near=near, limit=_FOUND if text else _OFFERED)
    others = [Candidate(cards.posting_part(row), False) for row in results.postings]
    others += [_document(row, given, chosen=False, amount=row.amount) for row in results.documents]
    others += [Candidate(cards.line_part(row), False) for row in results.lines]
    others.sort(key=lambda each: abs(each.part.amount - near))
    rest = [each for each in others if each.part.row_id not in known][: _FOUND if text else _OFFERED]
    return {"q": text, "candidates": [*ticked, *rest], "found_count": len(rest)}


def _document(row: open_rows.OpenDocument, given: LineInput, *, chosen: bool, amount: int) -> Candidate:
    part = cards.document_part(row.document, row.amount)
    typed = given.amount_texts.get(part.row_id)
    text = typed if typed is not None else f"{from_minor(abs(amount), row.document.currency)}"
    return Candidate(part, chosen, text, row.amount)
