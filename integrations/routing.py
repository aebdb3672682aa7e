"""Routing: how the documents of a source go to a destination, and from which day on."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from django.db.models import Exists, OuterRef

from integrations import outbox, registry
from integrations.models import Integration, ModeSwitch, Route
from ledgerhub.access.models import User
from ledgerhub.ledger import revaluation
from ledgerhub.ledger.models import Document, Source

WORDS = {
    Route.Mode.EACH: "each by itself",
    Route.Mode.DAILY: "one summary a day",
    Route.Mode.PAYOUT: "one summary a payout",
}


class Choice(NamedTuple):
    """What a person chose for a source: the mode, the first documents that go out at all, and the day from
    which documents go out this way where they went another way before."""

    mode: str
    start: dt.date
    since: dt.date


def sources(integration: Integration) -> list[Source]:
    """Those whose documents may go there, by label: streams that bring a kind it takes, and whoever has such
    documents. What came from the destination itself stays there; customers and bank lines are none, and a
    revaluation stays here."""
    kinds = {one.kind for one in outbox.destination(integration).takes}
    has = Document.objects.filter(source=OuterRef("pk"), kind__in=kinds)
    rows = Source.objects.filter(organization=integration.organization_id).order_by("label", "pk")
    rows = rows.exclude(key=revaluation.SOURCE)  # whoever keeps books revalues them
    brings, routed = _bringing(integration, kinds), set(integration.routes.values_list("source", flat=True))
    return [
        row
        for row in rows.annotate(has=Exists(has))
        if not registry.came_from(integration, row) and (row.has or row.key in brings or row.pk in routed)
    ]


def left_here(integration: Integration) -> list[Source]:
    """Those whose documents could go there and do not: nobody ticked them, maybe because they came later."""
    routed = set(integration.routes.filter(enabled=True).values_list("source", flat=True))
    return [source for source in sources(integration) if source.pk not in routed] if routed else []


def _bringing(integration: Integration, kinds: set[str]) -> set[str]:
    """Keys of sources that are streams whose records become documents of these kinds, if not yet."""
    kinds = kinds - {"bank_transaction"}  # from a stream these are a bank's lines, which are no documents
    return {
        registry.source_key(other, spec)
        for other in Integration.objects.filter(organization=integration.organization_id)
        for spec in registry.connector(other).streams
        if any(output.kind in kinds for output in spec.outputs)
    }


def switch_on(integration: Integration, source: Source, choice: Choice, *, user: User) -> None:
    route, fresh = Route.objects.get_or_create(
        destination=integration,
        source=source,
        defaults={"mode": choice.mode, "start_date": choice.start, "created_by": user},
    )
    if fresh:
        return
    switched = _switch(route, choice, user)
    if switched or (route.start_date, route.enabled) != (choice.start, True):
        # Everything is looked at again: what went out already does not go out twice.
        Route.objects.filter(pk=route.pk).update(start_date=choice.start, enabled=True, looked_until=None)


def _switch(route: Route, choice: Choice, user: User) -> bool:
    """Whether it goes out another way from that day on; what was to come after that day is called off."""
    if mode_of(route) == choice.mode:
        return False
    route.switches.filter(from_date__gte=choice.since).delete()
    if choice.since <= choice.start:
        route.switches.all().delete()
        Route.objects.filter(pk=route.pk).update(mode=choice.mode)
    elif Route.objects.get(pk=route.pk).mode_on(choice.since) != choice.mode:
        ModeSwitch.objects.create(route=route, mode=choice.mode, from_date=choice.since, chosen_by=user)
    return True


def mode_of(route: Route) -> str:
    """How documents go out in the end."""
    return route.spans()[-1].mode


def in_words(route: Route) -> str:
    """`each by itself; from 2026-03-05 one summary a day`."""
    first, *later = route.spans()
    return "; ".join([WORDS[Route.Mode(first.mode)], *(f"from {span.since} {WORDS[Route.Mode(span.mode)]}"
                                                       for span in later)])  # fmt: skip
