"""Differences: how one is settled and what that posts, the list of those booked, the limits of roles."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from ledgerhub.access.models import Organization, Role
from ledgerhub.access.tabs import settings_tabs
from ledgerhub.access.views_support import OrgRequest, denied, member
from ledgerhub.core.errors import RecordError
from ledgerhub.core.tables import Column, Filter, money_column, table
from ledgerhub.ledger.models import Account
from reconciliation import decisions, differences
from reconciliation.cards import with_rows
from reconciliation.forms import LimitsForm
from reconciliation.models import Confirmation, Match, MatchCoding, MatchLine
from reconciliation.views.support import decided_answer, get_account, get_match, refused, undo_tag, way_back

_GONE = (
    "This proposal has no difference any more: it was decided, or a new pass replaced it. Reload the page."
)


@require_safe
@member("viewer")
def difference(request: OrgRequest, pk: int) -> HttpResponse:
    """The entry that settling the difference this way (`to`) would post; alone for htmx, else a page."""
    made = get_match(request, pk)
    offer = _offer(request, made, request.GET.get("to", ""))
    if offer is None:
        return refused(request, _GONE, made.account)
    return _page(request, offer)


@require_POST
@member("approver")
def difference_confirmation(request: OrgRequest, pk: int) -> HttpResponse:
    """Approve and settle as `to` says. What was not on the screen (`seen`) is shown first, not posted."""
    made = get_match(request, pk)
    to = request.POST.get("to", "")
    offer = _offer(request, made, to)
    if offer is None:
        return refused(request, _GONE, made.account)
    if offer.chosen is None or offer.chosen.value != to or request.POST.get("seen") != to:
        return _page(request, offer, status=422)
    lines = [row.statement_line_id for row in made.rows.all() if row.statement_line_id]
    try:
        done = decisions.confirm(made, user=request.user, settle=offer.chosen, request=request)
    except RecordError as error:
        return refused(request, str(error), made.account)
    messages.success(request, _done_words(offer), extra_tags=undo_tag(request, done))
    if request.headers.get("HX-Request"):
        return decided_answer(request, lines)
    return HttpResponseRedirect(way_back(request, made.account))


def _offer(request: OrgRequest, made: Match, to: str) -> differences.Offer | None:
    [read] = with_rows([made.pk])
    if read.state != Match.State.PROPOSED:
        return None
    return differences.offers(made.account, [read], membership=request.membership, to=to).get(made.pk)


def _page(request: OrgRequest, offer: differences.Offer, *, status: int = 200) -> HttpResponse:
    made = offer.match
    context: dict[str, Any] = {
        "offer": offer,
        "account": get_account(request, made.account_id),
        "may_confirm": request.membership.may(Role.APPROVER),
        "here": way_back(request, get_account(request, made.account_id)),
    }
    context["alone"] = "alone" in request.GET or "alone" in request.POST
    if request.headers.get("HX-Request"):
        answer = render(request, "reconciliation/difference.html", context)
        answer["HX-Retarget"], answer["HX-Reswap"] = f"#difference-{made.pk}", "outerHTML"
        return answer
    return render(request, "reconciliation/difference_page.html", context, status=status)


def _done_words(offer: differences.Offer) -> str:
    if offer.chosen is None or offer.chosen.account is None:
        return "Approved as a part payment; the rest stays open."
    return f"Approved, the difference is booked to {offer.chosen.account}."


# ── the list ────────────────────────────────────────────────────────────────────────────────────────

_COLUMNS = (
    Column("date", "Date", order_by="date"),
    Column("line_text", "Bank line"),
    Column("account", "Booked to", order_by="account__code", value=lambda row: str(row.account)),
    Column("description", "Why and who"),
    money_column("amount"),
    Column("who", "Approved by"),
    Column("state", "State", value=lambda row: row.match.get_state_display()),
)


@require_safe
@member("viewer")
def booked(request: OrgRequest) -> HttpResponseBase:
    """Every difference that was booked away, and whether it still stands."""
    rows = _booked(request.organization)
    listing = table(
        request,
        rows,
        name="differences",
        columns=_COLUMNS,
        filters=_filters(request.organization, rows),
        search=["description", "match__rows__statement_line__description"],
        default_sort="-date",
    )
    if listing.export:
        return listing.export
    context = {"table": listing, "may_limit": request.membership.may(Role.ADMIN)}
    return render(request, "reconciliation/differences.html", context)


def _booked(organization: Organization) -> QuerySet[MatchCoding]:
    lines = MatchLine.objects.filter(match=OuterRef("match"), statement_line__isnull=False)
    first = lines.order_by("statement_line__date", "pk")
    decided = Confirmation.objects.filter(match=OuterRef("match"), action=Confirmation.Action.CONFIRM)
    found = MatchCoding.objects.filter(
        match__organization=organization, is_difference=True,
        match__state__in=[Match.State.CONFIRMED, Match.State.UNDONE],
    )  # fmt: skip
    return found.select_related("account", "match__account").annotate(
        date=Subquery(first.values("statement_line__date")[:1]),
        line_text=Subquery(first.values("statement_line__description")[:1]),
        currency=Subquery(first.values("statement_line__currency")[:1]),
        who=Subquery(decided.order_by("-pk").values("by__name")[:1]),
    )


def _filters(organization: Organization, rows: QuerySet[MatchCoding]) -> list[Filter]:
    used = Account.objects.filter(organization=organization)
    booked_to = used.filter(pk__in=rows.order_by().values("account"))
    banks = used.filter(pk__in=rows.order_by().values("match__account"))
    return [
        Filter("bank", "Bank account", "match__account", choices=[(str(a.pk), str(a)) for a in banks]),
        Filter("account", "Booked to", "account", choices=[(str(a.pk), str(a)) for a in booked_to]),
        Filter("state", "State", "match__state", choices=[("confirmed", "Confirmed"), ("undone", "Undone")]),
        Filter("since", "From", "date__gte", kind="date"),
        Filter("until", "To", "date__lte", kind="date"),
    ]


# ── limits ──────────────────────────────────────────────────────────────────────────────────────────


@member("viewer")
def limits(request: OrgRequest) -> HttpResponse:
    """Everybody reads what each role may write off with one match; admins change it."""
    may_edit = request.membership.may(Role.ADMIN)
    if request.method == "POST" and not may_edit:
        return denied(request, Role.ADMIN)
    form = LimitsForm(request.POST or None, organization=request.organization)
    if request.method == "POST" and form.is_valid():
        changed = differences.set_limits(request.organization, form.limits(), request=request)
        messages.success(request, "The limits are saved." if changed else "Nothing was changed.")
        return redirect("reconciliation:difference_limits", request.organization.slug)
    if not may_edit:
        for field in form.fields.values():
            field.disabled = True
    context: dict[str, Any] = {
        "form": form,
        "may_edit": may_edit,
        "tabs": settings_tabs(request, "reconciliation:difference_limits"),
    }
    return render(request, "reconciliation/limits.html", context, status=422 if form.errors else 200)
