"""Approving everything from a chosen probability up: what it would take, how far it is, what failed, undo."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.errors import RecordError
from ledgerhub.core.tables import Column, Filter, table
from ledgerhub.ledger.models import Account
from reconciliation import bulk as acts
from reconciliation import cards, open_rows
from reconciliation.bulk_models import BulkApproval, BulkRow
from reconciliation.models import Match
from reconciliation.views.support import get_account, refused

_PREVIEW = (
    Column("probability", "Probability", numeric=True, order_by="probability"),
    Column("line__date", "Date", order_by="line__date"),
    Column("line__description", "Bank line", order_by="line__description"),
    Column("line__amount", "Amount", numeric=True, order_by="line__amount"),
    Column("books", "In the books", exported=False),
)


@require_http_methods(["GET", "HEAD", "POST"])
@member("approver")
def bulk(request: OrgRequest, pk: int) -> HttpResponseBase:
    """GET shows what would be approved, least likely first; POST approves it."""
    account = get_account(request, pk)
    data = request.POST if request.method == "POST" else request.GET
    least, problem = _least(data.get("least", ""))
    if request.method == "POST":
        return _asked(request, account, least, problem)
    listing = table(
        request,
        acts.taken(account, least).select_related("line"),
        name=f"to-approve-{account.code}",
        columns=_PREVIEW,
        filters=[Filter("text", "Text of the line", "line__description__icontains", kind="text")],
        default_sort="probability",
    )
    if listing.export:
        return listing.export
    context = {"account": account, "table": listing, "problem": problem, **_offer(account, least)}
    context["rows"] = _with_rows(listing.rows)
    if request.headers.get("HX-Target") == "offer":
        return render(request, "reconciliation/bulk_offer.html", context)
    context |= {
        "thresholds": acts.offers(account, acts.THRESHOLDS),
        "past": BulkApproval.objects.filter(account=account)
        .select_related("requested_by")
        .order_by("-pk")[:8],
    }
    return render(request, "reconciliation/bulk.html", context)


def _offer(account: Account, least: float) -> dict[str, Any]:
    [offer] = acts.offers(account, [least])
    money_in, money_out = acts.money(account, least)
    return {
        "offer": offer,
        "money_in": money_in,
        "money_out": money_out,
        "currency": open_rows.currency_of(account),
        "newest": acts.newest(account),
        "at_once": acts.AT_ONCE,
    }


def _least(text: str) -> tuple[float, str]:
    """A percentage as people type it, as (probability, problem in words)."""
    if not text:
        return acts.USUAL, ""
    with suppress(ValueError):
        least = round(float(text.replace("%", "").replace(",", ".").strip()) / 100, 5)
        if acts.LEAST <= least <= acts.MOST:
            return least, ""
    return acts.USUAL, f"'{text[:20]}' cannot be used: choose a probability from 50 to 99.9."


def _with_rows(matches: list[Match]) -> list[tuple[Match, list[Any], Any]]:
    """Each proposal with what the books have for it, and what it would book."""
    found = {made.pk: made for made in cards.with_rows([made.pk for made in matches])}
    return [(made, cards.entries_of(found[made.pk]), found[made.pk].codings.all()) for made in matches]


def _asked(request: OrgRequest, account: Account, least: float, problem: str) -> HttpResponse:
    text = request.POST.get("newest", "")
    newest = int(text) if text.isdecimal() and len(text) < 19 else 0
    if problem:
        return refused(request, problem, account)
    try:
        made = acts.ask(account, least, newest=newest, user=request.user, request=request)
    except RecordError as error:
        return refused(request, str(error), account)
    return redirect("reconciliation:bulk_approval", request.organization.slug, made.pk)


# ── the act ───────────────────────────────────────────────────────────────────────────────────────────

_ROWS = (
    Column("state", "State", order_by="state", value=lambda row: row.get_state_display()),
    Column("line__date", "Date", order_by="line__date"),
    Column("line__description", "Bank line", order_by="line__description"),
    Column("amount", "Amount", numeric=True, order_by="amount"),
    Column("reason", "Why not"),
)


def _get(request: OrgRequest, pk: int) -> BulkApproval:
    rows = BulkApproval.objects.select_related("account", "requested_by", "undo_requested_by")
    made = get_object_or_404(rows, account__organization=request.organization, pk=pk)
    made.account.organization = request.organization
    return made


@require_safe
@member("viewer")
def bulk_approval(request: OrgRequest, pk: int) -> HttpResponseBase:
    made = _get(request, pk)
    context: dict[str, Any] = {
        "bulk": made,
        "account": made.account,
        "currency": open_rows.currency_of(made.account),
        "progress": acts.progress(made),
        "is_open": made.state in acts.OPEN,
        "may_undo": request.membership.may("approver") and acts.may_undo(made),
        "undo_days": acts.UNDO_FOR.days,
    }
    if request.headers.get("HX-Target") == "bulk-progress" and context["is_open"]:
        return render(request, "reconciliation/bulk_approval.html#progress", context)
    listing = table(
        request,
        made.rows.select_related("line"),
        name=f"bulk-approval-{made.pk}",
        columns=_ROWS,
        filters=[Filter("state", "State", choices=BulkRow.State.choices),
                 Filter("text", "Text of the line", "line__description__icontains", kind="text")],
        default_sort="-state",
    )  # fmt: skip
    if listing.export:
        return listing.export
    response = render(request, "reconciliation/bulk_approval.html", context | {"table": listing})
    if request.headers.get("HX-Request"):
        response["HX-Refresh"] = "true"
    return response


@require_POST
@member("approver")
def bulk_reversal(request: OrgRequest, pk: int) -> HttpResponse:
    """Undo the whole of it, as one act."""
    made = _get(request, pk)
    try:
        acts.ask_undo(made, user=request.user, request=request)
    except RecordError as error:
        messages.error(request, str(error))
    return redirect("reconciliation:bulk_approval", request.organization.slug, made.pk)
