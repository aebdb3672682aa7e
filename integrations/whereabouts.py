"""Finding: where each document went at the destinations, and proof that each entry is in one place."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db.models import Case, CharField, Count, Exists, OuterRef, Q, QuerySet, Sum, Value, When

from integrations.models import Delivery, Integration, Summary, Summed
from ledgerhub.ledger.models import Document, Posting

# There in a summary, there by itself, on its way (or failed, or left out), waiting for a payout, not
# planned; and what must not be.
SUMMED, ALONE, COMING, WAITS, TO_COME, TWICE = "summed", "alone", "coming", "waits", "to_come", "twice"
PLACES = (SUMMED, ALONE, COMING, WAITS, TO_COME)


@dataclass
class Trip:
    """What became of a document at one destination: by itself, or in summaries; `waiting` entries wait."""

    integration: Integration
    deliveries: list[Delivery] = field(default_factory=list)
    summaries: dict[Summary, Delivery | None] = field(default_factory=dict)
    waiting: int = 0

    @property
    def newest(self) -> list[Delivery]:
        """The last delivery of each of its parts, without those that are no more."""
        last = {one.part: one for one in self.deliveries}
        return [one for part, one in sorted(last.items()) if not part or one.counts]


def of(document: Document) -> list[Trip]:
    """The document's trips, one a destination; three queries, fewer where it went nowhere."""
    found: dict[int, Trip] = {}
    alone = Delivery.objects.filter(document=document).select_related("integration").order_by("revision")
    for delivery in alone:
        _trip(found, delivery.integration).deliveries.append(delivery)
    parts = list(
        Summed.objects.filter(document=document)
        .select_related("integration", "summary__source", "summary__payout")
        .order_by("entry")
    )
    told = last_deliveries(part.summary_id for part in parts if part.summary_id)
    for part in parts:
        trip = _trip(found, part.integration)
        if part.summary is None:
            trip.waiting += 1
        else:
            trip.summaries[part.summary] = told.get(part.summary.pk)
    return list(found.values())


def _trip(found: dict[int, Trip], integration: Integration) -> Trip:
    return found.setdefault(integration.pk, Trip(integration))


def last_deliveries(summaries: Iterable[int]) -> dict[int, Delivery]:
    """Summary -> the newest delivery of it, or of its first part."""
    ids = set(summaries)
    rows = Delivery.objects.filter(summary__in=ids, part=0).order_by("revision") if ids else ()
    return {row.summary_id or 0: row for row in rows}


def telling(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Of one document's or summary's deliveries the one first that says how it stands: of a part that is not
    done, else the newest of the whole or its first part."""
    done = [Delivery.State.DELIVERED, Delivery.State.DISMISSED]
    return deliveries.filter(Q(part=0) | ~Q(state__in=done)).order_by("-part", "-revision")


# ── proof ───────────────────────────────────────────────────────────────────────────────────────────


class Sums(NamedTuple):
    """An account in one currency: what the books say, and where it is; minor units."""

    code: str
    name: str
    currency: str
    books: int
    places: dict[str, int]

    @property
    def cells(self) -> list[int]:
        return [self.places.get(place, 0) for place in PLACES]


class Proof(NamedTuple):
    """Entries by place, entries in two places (none, unless something is broken), and the sums by account."""

    entries: dict[str, int]
    twice: int
    sums: list[Sums]

    @property
    def number(self) -> int:
        return sum(self.entries.values())

    @property
    def cells(self) -> list[int]:
        return [self.entries.get(place, 0) for place in PLACES]


def proof(integration: Integration, *, since: dt.date, until: dt.date) -> Proof:
    """Everything booked in a span of days for documents on the routes of the destination."""
    rows = _scope(integration, since, until)
    entries: dict[str, int] = defaultdict(int)
    for place, number in rows.values_list("place").annotate(Count("entry", distinct=True)).order_by():
        entries[place] = number
    sums: dict[tuple[str, str, str], dict[str, int]] = defaultdict(dict)
    columns = ("account__code", "account__name", "currency", "place")
    for code, name, currency, place, amount in (
        rows.values_list(*columns).annotate(Sum("amount")).order_by("account__code", "currency")
    ):
        sums[code, name, currency][place] = amount
    twice = entries.pop(TWICE, 0)
    return Proof(dict(entries), twice, [Sums(*key, sum(one.values()), one) for key, one in sums.items()])


def _scope(integration: Integration, since: dt.date, until: dt.date) -> QuerySet[Any]:
    """Postings with the place of their entry."""
    summed = Summed.objects.filter(integration=integration, entry=OuterRef("entry"))
    alone = Delivery.objects.filter(integration=integration, document=OuterRef("entry__document"))
    arrived = Delivery.objects.filter(
        summary=OuterRef("summary"), state=Delivery.State.DELIVERED, revision__gte=OuterRef("revision")
    )
    undone = alone.filter(state__in=[*Delivery.OPEN, Delivery.State.FAILED])
    on = Q(pk__in=[])
    for route in integration.routes.filter(enabled=True):
        on |= Q(entry__document__source=route.source_id, entry__document__date__gte=route.start_date)
    rows = Posting.objects.filter(
        on | Exists(summed), organization=integration.organization_id, entry__date__range=(since, until)
    )
    # Revision 0: it came to nothing before anything was sent.
    told = summed.filter(Q(revision=0) | Exists(arrived))
    return rows.annotate(
        is_summed=Exists(summed),
        is_alone=Exists(alone),
        waits=Exists(summed.filter(summary=None)),
        is_told=Exists(told),
        is_done=Exists(alone.filter(state=Delivery.State.DELIVERED)) & ~Exists(undone),
        place=Case(
            When(is_summed=True, is_alone=True, then=Value(TWICE)),
            When(waits=True, then=Value(WAITS)),
            When(is_told=True, then=Value(SUMMED)),
            When(is_done=True, then=Value(ALONE)),
            When(Q(is_summed=True) | Q(is_alone=True), then=Value(COMING)),
            default=Value(TO_COME),
            output_field=CharField(),
        ),
    )
