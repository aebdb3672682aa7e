"""Planning what goes out: a delivery for each revision of what is on a route; sends nothing."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from integrations import links, registry, revisions, summing
from integrations.destination import Destination
from integrations.models import Delivery, Integration, Route
from ledgerhub.core.errors import ConfigError
from ledgerhub.ledger import invoice_payments
from ledgerhub.ledger.force import in_force, stands
from ledgerhub.ledger.models import ContactIdentity, Document, Entry

MOST_AT_ONCE = 500


def destination(integration: Integration) -> Destination:
    """What the integration's system takes; raises ConfigError where it takes nothing."""
    spec = registry.connector(integration)
    if spec.destination is None:
        raise ConfigError(f"{spec.label} takes no documents.")
    return spec.destination


class Planned(NamedTuple):
    """What one look at a route gave: deliveries of documents, and entries that go out summed up."""

    deliveries: int
    entries: int


def plan(integration: Integration) -> int:
    """Deliveries for what changed since the last look, route by route, then for what is summed up; how much
    there was to do. Runs twice without harm."""
    takes = destination(integration)
    routes = Route.objects.filter(destination=integration, enabled=True)
    found = [plan_route(route) for route in routes.select_related("source").prefetch_related("switches")]
    # What is summed up goes out once all of it is there.
    whole = all(one.entries < summing.MOST_AT_ONCE for one in found)
    return sum(map(sum, found)) + (summing.plan(integration, takes) if whole else 0)


def plan_route(route: Route) -> Planned:
    """One route, so much at a time: look again until it gives less."""
    if registry.came_from(route.destination, route.source):
        return Planned(0, 0)  # what people posted there never goes back there
    began = timezone.now()
    takes = destination(route.destination)
    with transaction.atomic():
        # One planner a route: the others find nothing left to plan.
        Route.objects.select_for_update().get(pk=route.pk)
        documents = list(_changed(route, takes)[:MOST_AT_ONCE])
        fresh = [row for document in documents for row in _deliveries(route, takes, document)]
        links.attach(takes, Delivery.objects.bulk_create(fresh))
        entries = summing.collect(route)
        if len(documents) < MOST_AT_ONCE and entries < summing.MOST_AT_ONCE:
            Route.objects.filter(pk=route.pk).update(looked_until=began - revisions.OVERLAP)
    return Planned(len(fresh), entries)


def _changed(route: Route, takes: Destination) -> QuerySet[Document]:
    """Documents of the route of which what stands is not what was last planned."""
    planned = Delivery.objects.filter(integration=route.destination, document=OuterRef("pk"))
    last = planned.filter(part=0).order_by("-revision")
    good = last.filter(~Delivery.UNNAMED, state__in=[*Delivery.OPEN, Delivery.State.DELIVERED])
    rows = Document.objects.filter(
        organization_id=route.destination.organization_id,
        source=route.source,
        kind__in=[one.kind for one in takes.takes],
    )
    known_now = _left_out(route, takes)
    # What has gone out by itself stays on that way, whatever date or mode it gets.
    fresh_ones = Q(date__gte=route.start_date) & ~Exists(summing.summed(route)) & summing.by_itself(route)
    rows = rows.filter(Exists(planned) | fresh_ones)
    if route.looked_until is not None:
        rows = rows.filter(_recent(route, takes) | Q(pk__in=known_now))
    rows = invoice_payments.annotated(rows) if takes.follows else rows.annotate(payment_mark=Value(""))
    rows = rows.annotate(
        standing=stands(),
        told=Subquery(last.values("content_hash")[:1]),
        told_mark=Subquery(last.values("payment_mark")[:1]),
        told_action=Subquery(last.values("action")[:1]),
        unnamed=Exists(planned.filter(Delivery.UNNAMED)),
        revision=Subquery(planned.order_by("-revision").values("revision")[:1]),
        in_parts=Exists(planned.filter(part__gt=0)),
        there=Coalesce(Subquery(good.values("action")[:1]), Value(Delivery.Action.VOID)),
    )
    paid = Q(kind__in=takes.follows) & ~Q(told_mark=F("payment_mark"))
    fresh = Q(standing=True) & (
        Q(told__isnull=True)
        | ~Q(told=F("content_hash"))
        | Q(told_action=Delivery.Action.VOID)
        | paid
        | Q(pk__in=known_now)
    )
    gone = Q(standing=False) & (~Q(there=Delivery.Action.VOID) | Q(unnamed=True))
    return rows.filter(fresh | gone).order_by("updated_at", "pk")


def _recent(route: Route, takes: Destination) -> Q:
    """Documents that changed since the last look, or were posted; and invoices named by such ones."""
    posted = Entry.objects.filter(created_at__gte=route.looked_until).values("document")
    recent = Q(updated_at__gte=route.looked_until) | Q(pk__in=posted)
    if not takes.follows:
        return recent
    naming = Document.objects.filter(recent, source=route.source, kind__in=invoice_payments.NAMING)
    names = naming.exclude(reference="").values("reference")
    return recent | Q(external_id__in=names) | Q(number__in=names)


def _left_out(route: Route, takes: Destination) -> QuerySet[Delivery, int]:
    """Ids of documents that were left out because their contact was not over there, and now is (or may be
    made)."""
    if not takes.makes_contacts:
        return Delivery.objects.none().values_list("document", flat=True)
    integration = route.destination
    later = Delivery.objects.filter(
        integration=integration, document=OuterRef("document"), revision__gt=OuterRef("revision")
    )
    rows = Delivery.objects.filter(
        ~Exists(later), integration=integration, state=Delivery.State.DISMISSED, decided_by__isnull=True
    )
    if not takes.may_make_contacts(integration.settings):
        known = ContactIdentity.objects.filter(scope=registry.scope(integration))
        rows = rows.filter(Exists(known.filter(contact=OuterRef("document__contact"))))
    return rows.values_list("document", flat=True)


def _deliveries(route: Route, takes: Destination, document: Any) -> list[Delivery]:
    return revisions.deliveries(
        route.destination,
        document,
        takes.of(document.kind),
        content_hash=document.content_hash,
        mark=document.payment_mark,
        stands=document.standing,
        there=document.there != Delivery.Action.VOID,
        last=document.revision or 0,
        in_parts=document.in_parts,
    )


def freed(delivery: Delivery) -> str:
    """Whether the delivery's document can be taken back over there: empty, or what must go before it, in
    words. What settles it is taken back and made again: settling what comes in its stead, or nothing."""
    holding = links.holders(destination(delivery.integration), delivery)
    if not holding:
        return ""
    with transaction.atomic():
        revisions.hold_planning(delivery.integration)
        for document in holding:
            _plan_again(delivery.integration, document)
    return f"Waits until {', '.join(str(one) for one in holding)} is taken off it."


def _plan_again(integration: Integration, document: Document) -> None:
    """A void and, where it still stands in our books, a creation; once."""
    rows = Delivery.objects.filter(integration=integration, document=document)
    undone = rows.filter(state__in=[*Delivery.OPEN, Delivery.State.FAILED])
    if undone.filter(action=Delivery.Action.VOID).exists():
        return
    undone.filter(state__in=[Delivery.State.PLANNED, Delivery.State.FAILED]).update(
        state=Delivery.State.DISMISSED,
        error="Replaced: what it settles is made anew.",
        finished_at=timezone.now(),
    )
    last = rows.order_by("-revision").values_list("revision", flat=True)[0]
    steps = [*revisions.taken_off(integration, document), (Delivery.Action.VOID, 0)]
    if Entry.objects.filter(in_force(), document=document).exists():
        steps.append((Delivery.Action.CREATE, 0))
    fresh = revisions.numbered(integration, document, steps, last, document.content_hash)
    links.attach(destination(integration), Delivery.objects.bulk_create(fresh))
