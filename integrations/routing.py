"""Routing: how the documents of a source go to a destination, and from which day on."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from integrations.models import Integration, ModeSwitch, Route
from ledgerhub.access.models import User
from ledgerhub.ledger.models import Source

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
