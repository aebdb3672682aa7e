"""Pages of what goes out: where documents go, what things are called there, each delivery and its fate."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from integrations import delivery, links, naming, outbox, redelivery, register, registry
from integrations.destination import Destination
from integrations.models import Delivery, Integration, Route
from integrations.views.lookup import find_integration
from ledgerhub.access.audit import record
from ledgerhub.access.models import Role
from ledgerhub.access.views_support import OrgRequest, denied, member
from ledgerhub.core.errors import ConfigError, LedgerHubError
from ledgerhub.core.tables import Column, Filter, table
from ledgerhub.ledger.models import Document, Source

MOST_AT_ONCE = 500
STATES = [(state.value, state.label) for state in Delivery.State]
_COLUMNS = (
    Column("document", "Document", value=lambda row: str(row.document or row.summary)),
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
        failed=Count("pk", filter=Q(state=states.FAILED)),
    )
    return found


# ── where documents go ──────────────────────────────────────────────────────────────────────────────


@require_http_methods(["GET", "HEAD", "POST"])
@member("viewer")
def routes(request: OrgRequest, pk: int) -> HttpResponse:
    """Which sources' documents are delivered, from which day on, each by itself or summed up."""
    integration, takes = find_destination(request, pk)
    may_change = request.membership.may(Role.APPROVER)
    problems: dict[int, str] = {}
    if request.method == "POST":
        if not may_change:
            return denied(request, Role.APPROVER)
        problems = _save_routes(request, integration)
        if not problems:
            delivery.enqueue(integration)
            messages.success(request, "Saved. What has to go out goes out now.")
            following = "names" if takes.wants_names else "deliveries"
            return redirect(f"integrations:{following}", request.organization.slug, pk)
    context = {
        "integration": integration,
        "spec": registry.connector(integration),
        "takes": takes,
        "rows": _route_rows(request, integration, problems),
        "modes": _modes(takes) if takes.keeps_books else [],
        "may_change": may_change,
        "tabs": tabs(request, integration, takes, "routes"),
    }
    return render(request, "integrations/routes.html", context, status=422 if problems else 200)


def _modes(takes: Destination) -> list[tuple[str, str]]:
    return [(mode, Route.Mode(mode).label) for mode in takes.usable_modes]


def _sources(request: OrgRequest, integration: Integration) -> list[Source]:
    """Sources of documents, but for those of the destination itself: what came from there stays there. For
    what keeps no books only those that bring what it takes."""
    own, takes = registry.scope(integration), outbox.destination(integration)
    rows = Source.objects.filter(organization=request.organization).exclude(key__startswith=f"{own}/")
    if not takes.keeps_books:
        kinds = [one.kind for one in takes.takes]
        taken = Exists(Document.objects.filter(source=OuterRef("pk"), kind__in=kinds))
        rows = rows.filter(taken | Q(pk__in=integration.routes.values("source")))
    return list(rows.order_by("label"))


def _route_rows(
    request: OrgRequest, integration: Integration, problems: dict[int, str]
) -> list[dict[str, Any]]:
    known = {route.source_id: route for route in integration.routes.all()}
    today = timezone.localdate(timezone=request.organization.zone)
    rows = []
    for source in _sources(request, integration):
        route = known.get(source.pk)
        usual = route.start_date if route else today.replace(day=1)
        start = request.POST.get(f"start-{source.pk}") or usual
        rows.append(
            {
                "source": source,
                "enabled": route.enabled if route else False,
                "mode": route.mode if route else Route.Mode.EACH,
                "start": start.isoformat() if isinstance(start, dt.date) else start,
                "problem": problems.get(source.pk, ""),
            }
        )
    return rows


@transaction.atomic
def _save_routes(request: OrgRequest, integration: Integration) -> dict[int, str]:
    """Source id -> what is wrong with its row; nothing is saved where anything is."""
    sources = _sources(request, integration)
    on = {source.pk for source in sources if f"on-{source.pk}" in request.POST}
    starts = {pk: day for pk in on if (day := parse_day(request.POST.get(f"start-{pk}", "")))}
    if missing := on - starts.keys():
        return dict.fromkeys(missing, "Choose the day from which documents go out.")
    before = {str(route.source): route.mode for route in integration.routes.filter(enabled=True)}
    for source in sources:
        if source.pk in on:
            _switch_on(request, integration, source, starts[source.pk])
    integration.routes.exclude(source__in=on).update(enabled=False)
    after = {str(route.source): route.mode for route in integration.routes.filter(enabled=True)}
    record(request, "destination.routes_changed", integration, before=before, after=after)
    return {}


def parse_day(text: str) -> dt.date | None:
    try:
        return parse_date(text)
    except ValueError:
        return None


def _switch_on(request: OrgRequest, integration: Integration, source: Source, start: dt.date) -> None:
    mode = request.POST.get(f"mode-{source.pk}", "")
    mode = mode if mode in outbox.destination(integration).usable_modes else Route.Mode.EACH
    route, fresh = Route.objects.get_or_create(
        destination=integration,
        source=source,
        defaults={"mode": mode, "start_date": start, "created_by": request.user},
    )
    changed = (route.mode, route.start_date, route.enabled) != (mode, start, True)
    if not fresh and changed:
        # Everything is looked at again: what went out already does not go out twice.
        Route.objects.filter(pk=route.pk).update(mode=mode, start_date=start, enabled=True, looked_until=None)


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
        known = {(row.what, row.external_id) for row in integration.listed.filter(active=True)}
        chosen = {
            (one.what, one.key): theirs
            for one in wanted
            if (theirs := request.POST.get(one.field)) is not None
            and (not theirs or (one.what, theirs) in known)
        }
        with transaction.atomic():
            changed = naming.choose(integration, chosen, user=request.user)
            if changed:
                record(request, "destination.names_changed", integration, after=changed)
        failed = list(_failed(integration).values_list("pk", flat=True)[:MOST_AT_ONCE]) if changed else []
        again = redelivery.retry(failed, integration)
        messages.success(request, _saved_words(len(changed), again))
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
        "listed_at": max((row.listed_at for row in listed), default=None),
        "may_change": may_change,
        "tabs": tabs(request, integration, takes, "names"),
    }
    return render(request, "integrations/names.html", context)


def _missing_first(wanted: list[naming.Wanted]) -> list[naming.Wanted]:
    return sorted(wanted, key=lambda one: bool(one.theirs))


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
    try:
        count = naming.refresh(integration, patience=register.PAGE_PATIENCE)
        messages.success(request, f"Their lists were read: {count} names.")
    except LedgerHubError as error:
        messages.error(request, str(error))
    return redirect("integrations:names", request.organization.slug, pk)


# ── deliveries ──────────────────────────────────────────────────────────────────────────────────────


@require_safe
@member("viewer")
def deliveries(request: OrgRequest, pk: int) -> HttpResponseBase:
    integration, takes = find_destination(request, pk)
    listing = table(
        request,
        Delivery.objects.filter(integration=integration).select_related("document", "call", "decided_by"),
        name="deliveries",
        columns=_COLUMNS,
        filters=[Filter("state", "State", choices=STATES), Filter("kind", "Kind", kind="hidden")],
        search=["document__number", "document__external_id", "external_number", "external_id", "error"],
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


@require_POST
@member("approver")
def delivery_replacement(request: OrgRequest, pk: int, delivery_pk: int) -> HttpResponse:
    """Send ours over what people changed there: a delivery that was held for it goes on, with a reason."""
    integration, _ = find_destination(request, pk)
    row = get_object_or_404(_failed(integration).exclude(held_version=""), pk=delivery_pk)
    reason = request.POST.get("reason", "").strip()[:300]
    if not reason:
        messages.error(request, "Say why ours is to stand. Nothing was changed.")
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

_TABS = (("deliveries", "Deliveries"), ("routes", "What goes there"), ("names", "Names"))


def tabs(
    request: OrgRequest, integration: Integration, takes: Destination, current: str
) -> list[dict[str, Any]]:
    slug = request.organization.slug
    return [
        {"label": label, "url": reverse(f"integrations:{name}", args=[slug, integration.pk]),
         "active": name == current}
        for name, label in _TABS
        if takes.wants_names or name != "names"
    ]  # fmt: skip
