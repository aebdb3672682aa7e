"""Pages that look across the parts: dashboard, search, one document, one entry, exchange rates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import Count, Max
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from integrations import whereabouts
from integrations.models import Quarantine
from ledgerhub import dashboard as overview
from ledgerhub import lineage
from ledgerhub.access.audit import record
from ledgerhub.access.models import Role
from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger import named, posting, queries
from ledgerhub.ledger.forms import ReversalForm
from ledgerhub.ledger.models import Allocation, Document, Entry, Posting
from ledgerhub.ledger.paper import Paper, paper
from ledgerhub.ledger.views.rates import Missing, rates_page
from ledgerhub.search import clean
from ledgerhub.search import search as find

_MATCHED = "A posting of this entry is matched with the bank. Undo the match first, then reverse the entry."


@require_safe
@member("viewer")
def dashboard(request: OrgRequest) -> HttpResponse:
    shown = overview.build(request.organization)
    context = {
        "shown": shown,
        "waiting": sum(task.number or 1 for task in shown.tasks),
        "seconds": {"record": overview.SECONDS_A_RECORD, "match": overview.SECONDS_A_MATCH},
        "days": overview.DAYS,
        "hours": shown.saved.minutes // 60,
        "cash_total": sum(row.base for row in shown.cash),
        "clearing_total": sum(row.base for row in shown.clearing),
        "may_connect": request.membership.may(Role.ADMIN),
    }
    return render(request, "dashboard.html", context)


@require_safe
@member("viewer")
def search(request: OrgRequest) -> HttpResponse:
    text = clean(request.GET.get("q", ""))
    groups = find(request.organization, text)
    context = {"text": text, "groups": groups, "count": sum(len(group.hits) for group in groups)}
    return render(request, "search.html", context)


@require_safe
@member("viewer")
def document(request: OrgRequest, pk: int) -> HttpResponse:
    """A document: what it says, what it is made of, what it did to the books, what is open."""
    rows = Document.objects.select_related("contact", "source", "organization")
    found = get_object_or_404(rows, organization=request.organization, pk=pk)
    trace = lineage.trace(found)
    shown: Paper = paper(found)
    postings = (
        Posting.objects.filter(entry__document=found).select_related("account", "contact").order_by("pk")
    )
    by_entry: dict[int, list[Posting]] = {}
    for row in postings:
        by_entry.setdefault(row.entry_id, []).append(row)
    settled_by = [
        *Allocation.objects.filter(document=found).select_related("by").order_by("pk"),
        *_by_name([found] if found.kind == "bill" else []),
    ]
    bills = Document.objects.filter(pk__in=named.targets([found]).values(), kind="bill")
    settles = [
        *Allocation.objects.filter(by=found).select_related("document").order_by("pk"),
        *(one for one in _by_name(bills) if one.by == found),
    ]
    context = {
        "document": found,
        "paper": shown,
        "steps": trace.steps(found),
        "trips": whereabouts.of(found),
        "entries": [(entry, by_entry.get(entry.pk, [])) for entry in reversed(trace.entries)],
        "open": _open_amount(found, list(postings), sum(one.amount for one in settled_by)),
        "settled_by": settled_by,
        "settles": settles,
        "record": trace.origin.record,
    }
    return render(request, "ledger/document.html", context)


def _by_name(bills: Iterable[Document]) -> list[Allocation]:
    """What payments settle of bills because they name them, as if it were allocated."""
    known = {bill.pk: bill for bill in bills}
    paid = named.payments_of(list(known.values()))
    return [
        Allocation(document=known[pk], by=one, amount=one.total) for pk, rows in paid.items() for one in rows
    ]


def _open_amount(found: Document, postings: list[Posting], settled: int) -> int | None:
    """Minor units still to be paid of an invoice or a bill, positive; None for other kinds."""
    role = {"invoice": "receivable", "bill": "payable"}.get(found.kind)
    if role is None:
        return None
    own = sum(row.amount for row in postings if row.account.role == role)
    return max((own if role == "receivable" else -own) - settled, 0)


@require_safe
@member("viewer")
def entry(request: OrgRequest, pk: int) -> HttpResponse:
    return _entry_page(request, pk, ReversalForm())


def _entry_page(request: OrgRequest, pk: int, form: ReversalForm, *, status: int = 200) -> HttpResponse:
    found = get_object_or_404(
        Entry.objects.select_related("reverses", "created_by"), organization=request.organization, pk=pk
    )
    whole = queries.lineage(found)
    trace = lineage.trace(whole.document, entry=found)
    context: dict[str, Any] = {
        "entry": found,
        "lineage": whole,
        "steps": trace.steps(found),
        "origin": trace.origin,
        "matches": trace.matches,
        "debits": sum(row.amount for row in whole.postings if row.amount > 0),
        "base_debits": sum(row.base_amount for row in whole.postings if row.base_amount > 0),
        "is_foreign": found.currency != request.organization.base_currency,
        "rate": f"{found.rate.normalize():f}",
        "form": form,
        "may_reverse": request.membership.may(Role.APPROVER)
        and found.reverses_id is None
        and whole.reversed_by is None,
    }
    return render(request, "ledger/entry.html", context, status=status)


@require_POST
@member("approver")
def entry_reversal(request: OrgRequest, pk: int) -> HttpResponse:
    """Take an entry out of the books by its mirror image, with a reason."""
    found = get_object_or_404(
        Entry.objects.select_related("organization"), organization=request.organization, pk=pk
    )
    form = ReversalForm(request.POST)
    if form.is_valid() and lineage.is_matched(found):
        form.add_error(None, _MATCHED)
    if not form.is_valid():
        return _entry_page(request, pk, form, status=422)
    reason = form.cleaned_data["reason"]
    try:
        with transaction.atomic():
            mirror = posting.reverse(found, actor=request.user, reason=reason, date=form.cleaned_data["date"])
            record(request, "entry.reversed", found, after={"reason": reason, "reversal": mirror.pk})
    except RecordError as error:
        messages.error(request, f"{error}.")
        return redirect("ledger:entry", request.organization.slug, pk)
    messages.success(request, f"Entry {pk} is reversed by entry {mirror.pk}.")
    return redirect("ledger:entry", request.organization.slug, mirror.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@member("viewer")
def rates(request: OrgRequest) -> HttpResponseBase:
    return rates_page(request, _missing_rates(request))


def _missing_rates(request: OrgRequest) -> list[Missing]:
    """Records held back for want of a rate, by what their message says."""
    rows = (
        Quarantine.objects.filter(
            stream__integration__organization=request.organization,
            state=Quarantine.State.OPEN,
            cause_label__contains="exchange rate",
        )
        .order_by()
        .values("errors")
        .annotate(count=Count("id"), newest=Max("id"))
        .order_by("-count")[:20]
    )
    url = lineage.page_url(request.organization, "integrations:errors")
    return [Missing(" ".join(error[-1] for error in row["errors"]), row["count"], url) for row in rows]
