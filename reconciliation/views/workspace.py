"""The queue, of one bank account or of all: open lines beside what fits them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Exists, OuterRef
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.tables import Table, table
from ledgerhub.ledger.models import Account, StatementLine
from reconciliation import cancelling, duplicates, proof, runs, suggesting
from reconciliation.cards import cards
from reconciliation.models import MatchRun
from reconciliation.queue import COLUMNS, SHOW, SHOWN, SORTS, Counts, Scope, count, filters, items
from reconciliation.views.support import get_account


@require_safe
@member("viewer")
def workspace(request: OrgRequest, pk: int) -> HttpResponseBase:
    account = get_account(request, pk)
    scope = Scope(request.organization, account)
    if request.headers.get("HX-Target") == "show-tabs":
        return tabs_alone(request, scope)
    listing = listed(request, scope, name=f"open-lines-{account.code}", default_sort="date")
    if listing.export:
        return listing.export
    context = {
        "account": account,
        "tabs": account_tabs(request, account, "workspace"),
        **shown(request, scope, listing),
        **header(account),
    }
    return render(request, "reconciliation/workspace.html", context)


@require_safe
@member("viewer")
def queue(request: OrgRequest) -> HttpResponseBase:
    """Everything that needs a person, over all bank accounts; the tabs show the rest as well."""
    if "show" not in request.GET:
        return redirect(f"{request.path}?show=person")
    scope = Scope(request.organization)
    if request.headers.get("HX-Target") == "show-tabs":
        return tabs_alone(request, scope)
    has_lines = Exists(StatementLine.objects.filter(account=OuterRef("pk")))
    accounts = list(Account.objects.filter(has_lines, organization=request.organization).order_by("code"))
    listing = listed(request, scope, name="open-lines", default_sort="-worth", accounts=accounts)
    if listing.export:
        return listing.export
    context = {"accounts": accounts, "on_queue": True, **shown(request, scope, listing)}
    return render(request, "reconciliation/queue.html", context)


def tabs_alone(request: OrgRequest, scope: Scope) -> HttpResponse:
    """What changes above the list with every decision."""
    context = {"show_tabs": _tabs(request, count(scope)), "here": request.get_full_path()}
    return render(request, "reconciliation/show_tabs.html", context)


def listed(
    request: OrgRequest, scope: Scope, *, name: str, default_sort: str, accounts: Sequence[Account] = ()
) -> Table[StatementLine]:
    """One page of the queue, as the URL asks."""
    return table(
        request,
        items(scope).select_related("account"),
        name=name,
        columns=COLUMNS,
        filters=filters(scope, accounts),
        default_sort=default_sort,
    )


def shown(request: OrgRequest, scope: Scope, listing: Table[StatementLine]) -> dict[str, Any]:
    """What the pages of a queue show of it."""
    narrowed = listing.narrowed
    # The tabs above the list say this already.
    listing.chips = [chip for chip in listing.chips if chip.label != SHOW]
    for row in listing.rows:
        row.account.organization = request.organization
    return {
        "table": listing,
        "narrowed": narrowed,
        "cards": cards(listing.rows, request.membership),
        "sorts": [(value, label, value == listing.order) for value, label in SORTS],
        "show_tabs": _tabs(request, None if listing.chips else count(scope)),
        "here": request.get_full_path(),
        "may_confirm": request.membership.may("approver"),
        "may_prepare": request.membership.may("bookkeeper"),
        "learns": suggesting.has_history(request.organization),
    }


@require_safe
@member("viewer")
def header_fragment(request: OrgRequest, pk: int) -> HttpResponse:
    """The progress header alone; polls itself while a pass is on its way."""
    account = get_account(request, pk)
    context = {"account": account, "seen": request.GET.get("seen", ""), **header(account)}
    return render(request, "reconciliation/workspace.html#header", context)


@require_POST
@member("bookkeeper")
def passes(request: OrgRequest, pk: int) -> HttpResponse:
    """Match now."""
    account = get_account(request, pk)
    run = runs.request_run(account, user=request.user)
    if request.headers.get("HX-Request"):
        context = {"account": account, "seen": str(run.pk), **header(account)}
        return render(request, "reconciliation/workspace.html#header", context)
    return redirect("reconciliation:workspace", request.organization.slug, account.pk)


def header(account: Account) -> dict[str, Any]:
    """Proof and the last pass, for the header of every page of an account."""
    run = MatchRun.objects.filter(account=account).order_by("-pk").first()
    proved = proof.prove(account)
    return {
        "proof": proved,
        "effect": duplicates.effect(account, proved),
        "run": run,
        "run_open": run is not None and run.is_open,
    }


def _tabs(request: OrgRequest, counts: Counts | None) -> list[dict[str, Any]]:
    """Which items: all of them, or those of one state; the other filters stay."""
    chosen = request.GET.get("show", "")
    numbers = counts or ("",) * len(SHOWN)
    found = []
    for (value, label), number in zip(SHOWN, numbers, strict=True):
        query = request.GET.copy()
        for name in ("show", "page", "after"):
            query.pop(name, None)
        query["show"] = value
        found.append(
            {"label": label, "url": f"?{query.urlencode()}", "active": value == chosen, "count": number}
        )
    return found


def account_tabs(request: OrgRequest, account: Account, current: str) -> list[dict[str, Any]]:
    """Open lines, what was decided, what may be there twice, statements and sign-off."""
    names = (
        ("workspace", "To match"),
        ("decided", "Decided"),
        ("duplicates", "Duplicates"),
        ("cancelling", "Entries that cancel"),
        ("statements", "Statements and sign-off"),
    )
    counts = {
        "duplicates": duplicates.suspicions(account).count(),
        "cancelling": cancelling.open_pairs(account).count(),
    }
    return [
        {
            "label": label,
            "url": reverse(f"reconciliation:{name}", args=[request.organization.slug, account.pk]),
            "active": name == current,
            "count": counts.get(name, 0),
        }
        for name, label in names
        if name != "cancelling" or counts[name] or name == current
    ]
