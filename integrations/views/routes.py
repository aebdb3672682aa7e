"""Pages of where documents go: which sources' ones, from which day on, each by itself or summed up."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from integrations import delivery, outbox, registry, routing, sum_previews, summing
from integrations.destination import Destination
from integrations.models import Integration, Route
from integrations.views.destination import find_destination, read_lists, tabs
from ledgerhub.access.audit import record
from ledgerhub.access.models import Role
from ledgerhub.access.views_support import OrgRequest, denied, member
from ledgerhub.core.days import parse_day
from ledgerhub.ledger.models import Document, Source


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
        problems = _save_routes(request, integration, takes)
        if not problems:
            if takes.wants_names and not integration.listed.exists():
                read_lists(request, integration)  # before deliveries use up the calls that are allowed
            delivery.enqueue(integration)
            messages.success(request, "Saved. What has to go out goes out now.")
            following = "names" if takes.wants_names else "deliveries"
            return redirect(f"integrations:{following}", request.organization.slug, pk)
    context = {
        "integration": integration,
        "spec": registry.connector(integration),
        "takes": takes,
        "rows": _route_rows(request, integration, problems),
        "modes": _modes(takes) if takes.may_sum_up else [],
        "patience": (summing.PATIENCE.days, summing.SHORT_PATIENCE.days),
        "closes": summing.CLOSES,
        "may_change": may_change,
        "tabs": tabs(request, integration, takes, "routes"),
    }
    return render(request, "integrations/routes.html", context, status=422 if problems else 200)


def _modes(takes: Destination) -> list[tuple[str, str]]:
    return [(mode, Route.Mode(mode).label) for mode in takes.usable_modes]


def _sources(request: OrgRequest, integration: Integration) -> QuerySet[Source]:
    """Sources of documents, but for those of the destination itself: what came from there stays there. For
    what keeps no books only those that bring what it takes."""
    own, takes = registry.scope(integration), outbox.destination(integration)
    rows = Source.objects.filter(organization=request.organization).exclude(key__startswith=f"{own}/")
    if not takes.keeps_books:
        kinds = [one.kind for one in takes.takes]
        taken = Exists(Document.objects.filter(source=OuterRef("pk"), kind__in=kinds))
        rows = rows.filter(taken | Q(pk__in=integration.routes.values("source")))
    return rows.order_by("label")


def _route_rows(
    request: OrgRequest, integration: Integration, problems: dict[int, str]
) -> list[dict[str, Any]]:
    known = {route.source_id: route for route in integration.routes.prefetch_related("switches")}
    today = timezone.localdate(timezone=request.organization.zone)
    rows = []
    for source in _sources(request, integration):
        route = known.get(source.pk)
        usual = route.start_date if route else today.replace(day=1)
        rows.append(
            {
                "source": source,
                "route": route,
                "enabled": route.enabled if route else False,
                "mode": routing.mode_of(route) if route else Route.Mode.EACH,
                "words": routing.in_words(route) if route and len(route.spans()) > 1 else "",
                "start": _shown(request, f"start-{source.pk}", usual),
                "since": _shown(request, f"since-{source.pk}", today),
                "problem": problems.get(source.pk, ""),
            }
        )
    return rows


def _shown(request: OrgRequest, name: str, usual: dt.date) -> str:
    return request.POST.get(name) or usual.isoformat()


@transaction.atomic
def _save_routes(request: OrgRequest, integration: Integration, takes: Destination) -> dict[int, str]:
    """Source id -> what is wrong with its row; nothing is saved where anything is."""
    sources = [source for source in _sources(request, integration) if f"on-{source.pk}" in request.POST]
    starts = {one.pk: parse_day(request.POST.get(f"start-{one.pk}", "")) for one in sources}
    if missing := [pk for pk, start in starts.items() if start is None]:
        return dict.fromkeys(missing, "Choose the day from which documents go out.")
    today = timezone.localdate(timezone=request.organization.zone)
    before = _ways(integration)
    for source in sources:
        mode = request.POST.get(f"mode-{source.pk}", "")
        mode = mode if mode in takes.usable_modes else Route.Mode.EACH
        since = parse_day(request.POST.get(f"since-{source.pk}", "")) or today
        choice = routing.Choice(mode, starts[source.pk] or today, since)
        routing.switch_on(integration, source, choice, user=request.user)
    integration.routes.exclude(source__in=sources).update(enabled=False)
    record(request, "destination.routes_changed", integration, before=before, after=_ways(integration))
    return {}


def _ways(integration: Integration) -> dict[str, str]:
    rows = integration.routes.filter(enabled=True).select_related("source").prefetch_related("switches")
    return {str(route.source): routing.in_words(route) for route in rows}


@require_safe
@member("viewer")
def preview(request: OrgRequest, pk: int, source_pk: int) -> HttpResponse:
    """What the last days of a source would have been as deliveries, in each way."""
    integration, takes = find_destination(request, pk)
    if not takes.may_sum_up:
        raise Http404("This system takes documents one by one.")
    source = get_object_or_404(_sources(request, integration), pk=source_pk)
    today = timezone.localdate(timezone=request.organization.zone)
    context = {
        "integration": integration,
        "source": source,
        "shown": sum_previews.preview(integration, takes, source, today=today),
        "labels": dict(Route.Mode.choices),
        "most": sum_previews.MOST,
        "tabs": tabs(request, integration, takes, "routes"),
    }
    return render(request, "integrations/route_preview.html", context)
