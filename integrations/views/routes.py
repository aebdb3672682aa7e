"""Pages of where documents go: which sources' ones, from which day on, each by itself or summed up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import NamedTuple

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from integrations import delivery, registry, routing, sum_previews, summing
from integrations.destination import Destination
from integrations.models import Integration, Route
from integrations.views.destination import find_destination, read_lists, tabs
from ledgerhub.access.audit import record
from ledgerhub.access.models import Role
from ledgerhub.access.views_support import OrgRequest, denied, member
from ledgerhub.core.days import parse_day
from ledgerhub.ledger.models import Source


class Row(NamedTuple):
    """A source as the form shows it: as it was posted, else as it stands."""

    source: Source
    name: str
    route: Route | None
    enabled: bool
    mode: str
    words: str
    start: str
    since: str
    problem: str


@require_http_methods(["GET", "HEAD", "POST"])
@member("viewer")
def routes(request: OrgRequest, pk: int) -> HttpResponse:
    """Which sources' documents are delivered, from which day on, each by itself or summed up."""
    integration, takes = find_destination(request, pk)
    may_change = request.membership.may(Role.APPROVER)
    sources = routing.sources(integration)
    problems: dict[int, str] = {}
    if request.method == "POST":
        if not may_change:
            return denied(request, Role.APPROVER)
        problems = _save_routes(request, integration, takes, sources)
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
        "groups": _groups(integration, sources, request.POST or _filled(request.GET, sources), problems),
        "known": integration.routes.exists(),
        "filled": "start" in request.GET,
        "mode": request.GET.get("mode", Route.Mode.EACH),
        "start": request.GET.get("start") or _today(integration).replace(day=1).isoformat(),
        "modes": _modes(takes) if takes.may_sum_up else [],
        "patience": (summing.PATIENCE.days, summing.SHORT_PATIENCE.days),
        "closes": summing.CLOSES,
        "may_change": may_change,
        "tabs": tabs(request, integration, takes, "routes"),
    }
    return render(request, "integrations/routes.html", context, status=422 if problems else 200)


def _modes(takes: Destination) -> list[tuple[str, str]]:
    return [(mode, Route.Mode(mode).label) for mode in takes.usable_modes]


def _today(integration: Integration) -> dt.date:
    return timezone.localdate(timezone=integration.organization.zone)


def _filled(asked: Mapping[str, str], sources: list[Source]) -> dict[str, str]:
    """The form with every source ticked, and what is asked for all of them beside each: nothing is saved."""
    found: dict[str, str] = {}
    for source in sources if "start" in asked else ():
        found[f"on-{source.pk}"] = "on"
        found |= {f"{name}-{source.pk}": asked[name] for name in ("mode", "start") if name in asked}
    return found


def _groups(
    integration: Integration, sources: list[Source], posted: Mapping[str, str], problems: dict[int, str]
) -> dict[str, list[Row]]:
    """The sources' rows under the integration that each is a stream of."""
    known = {route.source_id: route for route in integration.routes.prefetch_related("switches")}
    groups: dict[str, list[Row]] = {}
    for source in sorted(sources, key=lambda one: " · " not in one.label):
        group, _, name = source.label.rpartition(" · ")
        row = _row(source, known.get(source.pk), posted, _today(integration))
        row = row._replace(name=name, problem=problems.get(source.pk, ""))
        groups.setdefault(group or "Without an integration", []).append(row)
    return groups


def _row(source: Source, route: Route | None, posted: Mapping[str, str], today: dt.date) -> Row:
    stands = route.enabled if route else False
    usual = route.start_date if route else today.replace(day=1)
    return Row(
        source=source,
        name="",
        route=route,
        enabled=f"on-{source.pk}" in posted if posted else stands,
        mode=posted.get(f"mode-{source.pk}") or (routing.mode_of(route) if route else Route.Mode.EACH),
        words=routing.in_words(route) if route and len(route.spans()) > 1 else "",
        start=posted.get(f"start-{source.pk}") or usual.isoformat(),
        since=posted.get(f"since-{source.pk}") or today.isoformat(),
        problem="",
    )


@transaction.atomic
def _save_routes(
    request: OrgRequest, integration: Integration, takes: Destination, offered: list[Source]
) -> dict[int, str]:
    """Source id -> what is wrong with its row; nothing is saved where anything is."""
    sources = [source for source in offered if f"on-{source.pk}" in request.POST]
    starts = {one.pk: parse_day(request.POST.get(f"start-{one.pk}", "")) for one in sources}
    if missing := [pk for pk, start in starts.items() if start is None]:
        return dict.fromkeys(missing, "Choose the day from which documents go out.")
    today = _today(integration)
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
    source = next((one for one in routing.sources(integration) if one.pk == source_pk), None)
    if source is None:
        raise Http404("No documents of this source go there.")
    context = {
        "integration": integration,
        "source": source,
        "shown": sum_previews.preview(integration, takes, source, today=_today(integration)),
        "labels": dict(Route.Mode.choices),
        "most": sum_previews.MOST,
        "tabs": tabs(request, integration, takes, "routes"),
    }
    return render(request, "integrations/route_preview.html", context)
