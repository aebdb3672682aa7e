"""Leases on deliveries: what is due, taken with a lease, let go with what became of it."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from integrations import links
from integrations.destination import Destination
from integrations.models import Delivery, Integration, NameMap

LEASE = dt.timedelta(minutes=4)
WAITING = (Delivery.State.PLANNED, Delivery.State.UNCERTAIN)


def due(integration: Integration, takes: Destination) -> QuerySet[Delivery]:
    now = timezone.now()
    unsettled = Q(state__in=Delivery.OPEN) | Q(state=Delivery.State.FAILED, action=Delivery.Action.VOID)
    earlier = Delivery.objects.filter(
        Q(document=OuterRef("document")) | Q(summary=OuterRef("summary")),
        integration=OuterRef("integration"),
        revision__lt=OuterRef("revision"),
    )
    # The other parts build on the first.
    without_first = earlier.filter(part=0, state=Delivery.State.FAILED)
    # What may have arrived is asked for at once, whatever it settles.
    ready = ~Q(state=Delivery.State.PLANNED) | ~links.held_up(takes)
    return (
        Delivery.objects.filter(integration=integration, state__in=Delivery.OPEN)
        .filter(Q(not_before__isnull=True) | Q(not_before__lte=now))
        .filter(Q(leased_until__isnull=True) | Q(leased_until__lt=now))
        .filter(~Exists(earlier.filter(unsettled)), lacks="")
        .filter(Q(part=0) | ~Exists(without_first))
        .filter(ready if takes.settles else Q())
        .order_by("pk")
    )


def unnamed(integration: Integration) -> QuerySet[Delivery]:
    """What waits until somebody chooses a name over there, oldest first."""
    rows = Delivery.objects.filter(integration=integration, state__in=Delivery.OPEN)
    return rows.exclude(lacks="").order_by("pk")


def free_named(integration: Integration) -> int:
    """What waited for a name that is chosen now is due again; how many."""
    waiting = unnamed(integration)
    lacking = set(waiting.order_by().values_list("lacks", flat=True).distinct())
    if not lacking:
        return 0
    rows = NameMap.objects.filter(integration=integration).exclude(what="contact")
    named = {f"{what}:{ours}" for what, ours in rows.values_list("what", "ours")}
    return waiting.filter(lacks__in=lacking & named).update(lacks="", error="")


def postpone(integration: Integration, takes: Destination, seconds: float) -> None:
    """What is due has to wait, and none of it counts as tried."""
    until = timezone.now() + dt.timedelta(seconds=seconds)
    ids = list(due(integration, takes).values_list("pk", flat=True))
    for start in range(0, len(ids), 500):
        Delivery.objects.filter(pk__in=ids[start : start + 500]).update(not_before=until)


def claim(integration: Integration, takes: Destination, count: int) -> list[Delivery]:
    """Take up to `count` deliveries: the attempt and the lease are committed before anything is sent."""
    now, lease = timezone.now(), uuid.uuid4().hex
    with transaction.atomic():
        Integration.objects.select_for_update().get(pk=integration.pk)
        held = Delivery.objects.filter(integration=integration, leased_until__gt=now)
        if held.values("lease").distinct().count() >= takes.at_once:
            return []
        ids = list(due(integration, takes).values_list("pk", flat=True)[:count])
        # Whoever was sending it is gone.
        Delivery.objects.filter(pk__in=ids, state=Delivery.State.SENDING).update(
            state=Delivery.State.UNCERTAIN
        )
        Delivery.objects.filter(pk__in=ids).update(
            lease=lease, leased_until=now + LEASE, attempts=F("attempts") + 1
        )
    rows = Delivery.objects.filter(lease=lease, pk__in=ids).order_by("pk")
    return list(rows.select_related("document__contact", "summary__source", "summary__payout", "integration"))


def settle(
    delivery: Delivery, state: str, *, error: str = "", wait: float | None = None, **changes: Any
) -> None:
    """Write what became of it and let go, if it is still ours."""
    now = timezone.now()
    Delivery.objects.filter(pk=delivery.pk, lease=delivery.lease).update(
        state=state,
        error=error[:1000],
        lease="",
        leased_until=None,
        not_before=now + dt.timedelta(seconds=wait) if wait is not None else None,
        finished_at=now if state not in Delivery.OPEN else None,
        **changes,
    )


def let_go(claimed: Sequence[Delivery]) -> None:
    """What was taken and not sent, because we had to stop, is free again as if it had not been taken."""
    for lease in {delivery.lease for delivery in claimed}:
        Delivery.objects.filter(lease=lease, state__in=WAITING).update(
            lease="", leased_until=None, attempts=F("attempts") - 1
        )
