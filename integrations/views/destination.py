"""Pages of what goes out: what things are called there, each delivery and its fate."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import Count, Q
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from integrations import (
    delivery,
    incoming,
    leases,
    links,
    naming,
    outbox,
    redelivery,
    register,
    registry,
    routing,
)
from integrations.destination import Destination
from integrations.models import Delivery, Integration
from integrations.views.lookup import find_integration
from ledgerhub.access.audit import record
from ledgerhub.access.models import Role
from ledgerhub.access.views_support import OrgRequest, denied, member
from ledgerhub.core.errors import ConfigError, LedgerHubError
from ledgerhub.core.tables import Column, Filter, table

MOST_AT_ONCE = 500
MAKE = "+"  # chosen instead of a name: make it over there
STATES = [(state.value, state.label) for state in Delivery.State]
_COLUMNS = (
    Column("document", "Document", value=lambda row: str(row.subject)),
    Column("action", "What", order_by="action"),
    Column("external_number", "Number there", order_by="external_number"),
    Column("attempts", "Tries", order_by="attempts", numeric=True),
    Column("created_at", "Since", order_by="id"),
    Column("error", "What is wrong"),
)


def find_destination(request: OrgRequest, pk: int) -> tuple[Integration, Destination]:
    integration = find_integration(request, pk)
    try:
        return integration, outbox.destination(integration)
    except ConfigError as error:
        raise Http404(str(error)) from None


def find_named(request: OrgRequest, pk: int) -> tuple[Integration, Destination]:
    """A destination that has names of its own for what is ours."""
    integration, takes = find_destination(request, pk)
    if not takes.wants_names:
        raise Http404("This system needs no names of its own.")
    return integration, takes


def counts(integration: Integration) -> dict[str, int]:
    """Deliveries by what is to be done: delivered, on their way, waiting for a person."""
    states = Delivery.State
    found: dict[str, int] = Delivery.objects.filter(integration=integration).aggregate(
        delivered=Count("pk", filter=Q(state=states.DELIVERED)),
        under_way=Count("pk", filter=Q(state__in=Delivery.OPEN)),
        unnamed=Count("pk", filter=Q(state__in=Delivery.OPEN) & ~Q(lacks="")),
        failed=Count("pk", filter=Q(state=states.FAILED)),
    )
    return found


# ── names over there ────────────────────────────────────────────────────────────────────────────────


@require_http_methods(["GET", "HEAD", "POST"])
@member("viewer")
def names(request: OrgRequest, pk: int) -> HttpResponse:
    """What each of our accounts is called over there; what is missing comes first."""
    integration, takes = find_named(request, pk)
    may_change = request.membership.may(Role.APPROVER)
    wanted = naming.wanted(integration)
    if request.method == "POST":
        if not may_change:
            return denied(request, Role.APPROVER)
        _save_names(request, integration, wanted)
        return redirect("integrations:names", request.organization.slug, pk)
    listed = integration.listed.filter(active=True).order_by("what", "group", "code", "name")
    options: dict[str, list[Any]] = {}
    for row in listed:
        options.setdefault(row.what, []).append(row)
    context = {
        "integration": integration,
        "spec": registry.connector(integration),
        "rows": [(one, options.get(one.what, [])) for one in _missing_first(wanted)],
        "missing": sum(not one.theirs for one in wanted),
        "suggested": sum(not one.theirs and bool(one.suggested) for one in wanted),
        "to_make": sum(one.may_be_made and not (one.theirs or one.suggested) for one in wanted),
        "make": MAKE,
        "listed_at": max((row.listed_at for row in listed), default=None),
        "incoming": incoming.wanted(integration),
        "ours": incoming.accounts(integration).order_by("code"),
        "may_change": may_change,
        "tabs": tabs(request, integration, takes, "names"),
    }
    return render(request, "integrations/names.html", context)


def _save_names(request: OrgRequest, integration: Integration, wanted: list[naming.Wanted]) -> None:
    """Keep what was chosen, make over there what is to be made, and send what waited for it."""
    known = {(row.what, row.external_id) for row in integration.listed.filter(active=True)}
    posted = {one: request.POST[one.field] for one in wanted if one.field in request.POST}
    chosen = {
        (one.what, one.key): theirs
        for one, theirs in posted.items()
        if not theirs or (one.what, theirs) in known
    }
    theirs_chosen = {
        one.listed.external_id: request.POST[one.field]
        for one in incoming.wanted(integration)
        if one.field in request.POST
    }
    with transaction.atomic():
        changed = naming.choose(integration, chosen, user=request.user)
        changed |= incoming.choose(integration, theirs_chosen)
    empty = "" if "make" in request.POST else MAKE
    asked = [one for one, theirs in posted.items() if one.may_be_made and theirs in (MAKE, empty)]
    problems: list[str] = []
    if asked:
        made, problems = naming.make(integration, asked, user=request.user, patience=register.PAGE_PATIENCE)
        changed |= made
    if changed:
        record(request, "destination.names_changed", integration, after=changed)
    if changed or not problems:
        messages.success(request, _saved_words(len(changed), _go_on(integration) if changed else 0))
    for problem in problems:
        messages.error(request, problem)


def _go_on(integration: Integration) -> int:
    """Names are there: what waited for them goes, and what had failed is tried again."""
    failed = list(_failed(integration).values_list("pk", flat=True)[:MOST_AT_ONCE])
    freed = leases.free_named(integration)
    if freed:
        delivery.enqueue(integration)
    return freed + redelivery.retry(failed, integration)


def _missing_first(wanted: list[naming.Wanted]) -> list[naming.Wanted]:
    """Group by group, what a person has to think about first, then what only has to be agreed to."""
    groups = list(naming.GROUPS)
    return sorted(wanted, key=lambda one: (groups.index(one.what), bool(one.theirs), bool(one.suggested)))


def _saved_words(changed: int, again: int) -> str:
    if not changed:
        return "Nothing was changed."
    words = "1 name saved." if changed == 1 else f"{changed} names saved."
    return f"{words} {_again_words(again)}" if again else words


def _again_words(count: int) -> str:
    return "1 delivery is tried again." if count == 1 else f"{count} deliveries are tried again."


@require_POST
@member("bookkeeper")
def name_lists(request: OrgRequest, pk: int) -> HttpResponse:
    """Read their lists again."""
    integration, _ = find_named(request, pk)
    read_lists(request, integration)
    return redirect("integrations:names", request.organization.slug, pk)


def read_lists(request: OrgRequest, integration: Integration) -> None:
    """What ours can be mapped to, read now; the person is told what came of it."""
    try:
        count = naming.refresh(integration, patience=register.PAGE_PATIENCE)
        messages.success(request, f"Their lists were read: {count} names.")
    except LedgerHubError as error:
        messages.error(request, str(error))


# ── deliveries ──────────────────────────────────────────────────────────────────────────────────────


@require_safe
@member("viewer")
def deliveries(request: OrgRequest, pk: int) -> HttpResponseBase:
    integration, takes = find_destination(request, pk)
    listing = table(
        request,
        Delivery.objects.filter(integration=integration).select_related(
            "document", "summary__source", "summary__payout", "call", "decided_by"
        ),
        name="deliveries",
        columns=_COLUMNS,
        filters=[Filter("state", "State", choices=STATES), Filter("kind", "Kind", kind="hidden")],
        search=[
            "document__number",
            "document__external_id",
            "summary__source__label",
            "summary__payout__external_id",
            "external_number",
            "external_id",
            "error",
        ],
        default_sort="-created_at",
    )
    if listing.export:
        return listing.export
    held = links.waiting(takes, listing.rows)
    for row in listing.rows:
        row.error = row.error or held.get(row.pk, "")
    context = {
        "integration": integration,
        "spec": registry.connector(integration),
        "table": listing,
        "counts": counts(integration),
        "left_here": routing.left_here(integration),
        "missing": sum(not one.theirs for one in naming.wanted(integration)),
        "may_act": request.membership.may(Role.BOOKKEEPER),
        "may_leave_out": request.membership.may(Role.APPROVER),
        "here": request.get_full_path(),
        "tabs": tabs(request, integration, takes, "deliveries"),
    }
    return render(request, "integrations/deliveries.html", context)


def _failed(integration: Integration) -> Any:
    return Delivery.objects.filter(integration=integration, state=Delivery.State.FAILED)


@require_POST
@member("bookkeeper")
def delivery_tries(request: OrgRequest, pk: int) -> HttpResponse:
    """Try failed deliveries again: one (`delivery`), or all."""
    integration, _ = find_destination(request, pk)
    rows = _failed(integration)
    if "delivery" in request.POST:
        rows = rows.filter(pk=get_object_or_404(rows, pk=_number(request.POST["delivery"])).pk)
    with transaction.atomic():
        count = redelivery.retry(list(rows.values_list("pk", flat=True)[:MOST_AT_ONCE]), integration)
        if count:
            record(request, "delivery.retried", integration, after={"deliveries": count})
    messages.success(request, _again_words(count) if count else "No delivery has failed.")
    return redirect("integrations:deliveries", request.organization.slug, pk)


@require_POST
@member("approver")
def delivery_dismissal(request: OrgRequest, pk: int, delivery_pk: int) -> HttpResponse:
    """Leave a failed delivery out: the document stays here only."""
    integration, _ = find_destination(request, pk)
    row = get_object_or_404(_failed(integration), pk=delivery_pk)
    with transaction.atomic():
        changed = _failed(integration).filter(pk=row.pk)
        if changed.update(
            state=Delivery.State.DISMISSED, decided_by=request.user, finished_at=timezone.now()
        ):
            record(request, "delivery.left_out", row, before={"error": row.error})
    messages.success(request, "Left out. A later change of the document is delivered again.")
    return redirect("integrations:deliveries", request.organization.slug, pk)


def stated_reason(request: OrgRequest, ask: str = "Say why, in a few words.") -> str:
    """Why a person decides so; empty, and they are told, where they do not say."""
    reason = request.POST.get("reason", "").strip()[:300]
    if not reason:
        messages.error(request, f"{ask} Nothing was changed.")
    return reason


@require_POST
@member("approver")
def delivery_replacement(request: OrgRequest, pk: int, delivery_pk: int) -> HttpResponse:
    """Send ours over what people changed there: a delivery that was held for it goes on, with a reason."""
    integration, _ = find_destination(request, pk)
    row = get_object_or_404(_failed(integration).exclude(held_version=""), pk=delivery_pk)
    reason = stated_reason(request, "Say why ours is to stand.")
    if not reason:
        return redirect("integrations:deliveries", request.organization.slug, pk)
    with transaction.atomic():
        if redelivery.replace_theirs(row):
            before = {"version": row.held_version, "error": row.error}
            record(request, "delivery.replaced_theirs", row, before=before, after={"reason": reason})
    messages.success(request, "Ours is sent. Should they change it once more before, it is held again.")
    return redirect("integrations:deliveries", request.organization.slug, pk)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 19 else 0


# ── shared ──────────────────────────────────────────────────────────────────────────────────────────

_TABS = (
    ("deliveries", "Deliveries"),
    ("summaries", "Summaries"),
    ("routes", "What goes there"),
    ("names", "Names"),
    ("comparison", "Comparison"),
    ("totals", "Totals"),
)


def tabs(
    request: OrgRequest, integration: Integration, takes: Destination, current: str
) -> list[dict[str, Any]]:
    slug = request.organization.slug
    return [
        {"label": label, "url": reverse(f"integrations:{name}", args=[slug, integration.pk]),
         "active": name == current}
        for name, label in _TABS
        if (takes.wants_names or name != "names")
        and (takes.may_sum_up or name != "summaries")
        and (takes.books or name not in ("comparison", "totals"))
    ]  # fmt: skip
