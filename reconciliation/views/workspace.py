"""The workspace of one bank account: its open lines beside what fits them."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db.models import Count, F, Max, OuterRef, Q, QuerySet, Subquery, Sum
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from ledgerhub.access.views_support import OrgRequest, member
from ledgerhub.core.tables import Column, Filter, table
from ledgerhub.ledger.models import Account, StatementLine
from reconciliation import open_rows, proof, runs
from reconciliation.amounts import NoAmount, parse_amount
from reconciliation.cards import SURE, cards
from reconciliation.models import Match, MatchLine, MatchRun
from reconciliation.views.support import get_account

THRESHOLDS = (0.99, 0.95, 0.9)
_SHOW = "Show"
_SHOWN = (
    ("", "All open"),
    ("ready", "With a proposal"),
    ("person", "Needs a person"),
    ("none", "No proposal"),
)


@require_safe
@member("viewer")
def workspace(request: OrgRequest, pk: int) -> HttpResponseBase:
    account = get_account(request, pk)
    listing = table(
        request,
        _with_proposals(account),
        name=f"open-lines-{account.code}",
        columns=_COLUMNS,
        filters=_filters(open_rows.currency_of(account)),
        search=["description", "counterparty", "reference", "note"],
        default_sort="date",
    )
    if listing.export:
        return listing.export
    narrowed = listing.narrowed
    # The tabs above the list say this already.
    listing.chips = [chip for chip in listing.chips if chip.label != _SHOW]
    context = {
        "account": account,
        "table": listing,
        "narrowed": narrowed,
        "cards": cards(listing.rows),
        "tabs": _tabs(request),
        "here": request.get_full_path(),
        "may_confirm": request.membership.may("approver"),
        "may_prepare": request.membership.may("bookkeeper"),
        "offers": offers(account),
        **header(account),
    }
    return render(request, "reconciliation/workspace.html", context)


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
    return {"proof": proof.prove(account), "run": run, "run_open": run is not None and run.state in runs.OPEN}


class Offer(NamedTuple):
    """All proposals from a probability up: `value` names them as they were when the page was made."""

    value: str
    percent: int
    proposals: int
    total: int


def offers(account: Account) -> list[Offer]:
    """What "approve all from p" would take; ties and differences are never in it."""
    found = []
    counted: dict[str, Any] = {"newest": Max("match_id")}
    for position, least in enumerate(THRESHOLDS):
        sure = Q(match__probability__gte=least)
        counted[f"count{position}"] = Count("match", distinct=True, filter=sure)
        counted[f"total{position}"] = Sum("amount", filter=sure)
    rows = MatchLine.objects.filter(match__in=approvable(account), statement_line__isnull=False)
    sums = rows.aggregate(**counted)
    seen = 0
    for position, least in enumerate(THRESHOLDS):
        count = sums[f"count{position}"]
        if count > seen:
            value = f"{least}:{sums['newest']}"
            found.append(Offer(value, int(least * 100), count, sums[f"total{position}"] or 0))
        seen = count
    return found


def approvable(account: Account) -> QuerySet[Match]:
    """Proposals that may be approved without looking at each: nothing left over, no tie."""
    return Match.objects.filter(account=account, state=Match.State.PROPOSED, difference=0, tie=False)


# ── the list ──────────────────────────────────────────────────────────────────────────────────────────

_COLUMNS = (
    Column("date", "Date", order_by="date"),
    Column("description", "Text", order_by="description"),
    Column("counterparty", "Payer or payee", order_by="counterparty"),
    Column("reference", "Reference"),
    Column("amount", "Amount (minor units)", order_by="amount"),
    Column("currency", "Currency"),
    Column("probability", "Probability", order_by="probability"),
)


def _with_proposals(account: Account) -> QuerySet[StatementLine]:
    """Open lines with the probability of their best proposal, and whether it may be approved at a glance."""
    proposed = MatchLine.objects.filter(statement_line=OuterRef("pk"), match__state=Match.State.PROPOSED)
    best = proposed.order_by(F("match__probability").desc(nulls_last=True), "pk")
    return open_rows.lines(account).annotate(
        proposal=Subquery(best.values("match")[:1]),
        probability=Subquery(best.values("match__probability")[:1]),
        tie=Subquery(best.values("match__tie")[:1]),
        left=Subquery(best.values("match__difference")[:1]),
    )


def _filters(currency: str) -> list[Filter]:
    def by_amount(rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        return _by_amount(rows, text, currency)

    return [
        Filter("show", _SHOW, kind="hidden", apply=_by_state),
        Filter("amount", "Amount", kind="text", apply=by_amount),
        Filter("since", "From", "date__gte", kind="date"),
        Filter("until", "To", "date__lte", kind="date"),
    ]


def _by_state(rows: QuerySet[Any], show: str) -> QuerySet[Any]:
    sure = Q(proposal__isnull=False, tie=False, left=0) & (
        Q(probability__gte=SURE) | Q(probability__isnull=True)
    )
    if show == "none":
        return rows.filter(proposal__isnull=True)
    if show == "ready":
        return rows.filter(proposal__isnull=False)
    return rows.exclude(pk__in=rows.filter(sure).values("pk")) if show == "person" else rows


def _by_amount(rows: QuerySet[Any], text: str, currency: str) -> QuerySet[Any]:
    """`120.50` with either sign, or `100..200`; raises ValueError, which the list puts in words."""
    first, dots, last = text.partition("..")
    try:
        least = abs(parse_amount(first, currency))
        most = abs(parse_amount(last, currency)) if dots else least
    except NoAmount as error:
        raise ValueError(str(error)) from None
    return rows.filter(Q(amount__range=(least, most)) | Q(amount__range=(-most, -least)))


def _tabs(request: OrgRequest) -> list[dict[str, Any]]:
    chosen = request.GET.get("show", "")
    found = []
    for value, label in _SHOWN:
        query = request.GET.copy()
        for name in ("show", "page", "after"):
            query.pop(name, None)
        if value:
            query["show"] = value
        found.append({"label": label, "url": f"?{query.urlencode()}", "active": value == chosen})
    return found


def account_tabs(request: OrgRequest, account: Account, current: str) -> list[dict[str, Any]]:
    """Open lines, and what was decided."""
    names = (("workspace", "To match"), ("decided", "Decided"))
    return [
        {
            "label": label,
            "url": reverse(f"reconciliation:{name}", args=[request.organization.slug, account.pk]),
            "active": name == current,
        }
        for name, label in names
    ]
