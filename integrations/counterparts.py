"""What stands over there, kept as last listed; what is not ours among it goes on to become documents here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.db.models import Min
from django.utils import timezone

from integrations import registry
from integrations.facing import minor
from integrations.models import Counterpart, CounterpartLine, Delivery, Integration, Stream
from integrations.moments import parse_moment
from integrations.raw import Row
from integrations.records import MISBUILT
from integrations.spec import Stream as StreamSpec
from integrations.standing import UNKNOWN, At, Books, Standing
from ledgerhub.core.errors import RecordError
from ledgerhub.core.money import CURRENCIES
from ledgerhub.ledger.models import Document

_SAID = (
    "kind", "version", "state", "number", "reference", "ours", "day", "currency", "amount", "contact", "note",
    "fingerprint", "changed_at", "changed_by", "listed_at",
)  # fmt: skip


def books_of(integration: Integration) -> Books | None:
    """How what stands at the destination is seen; None where it cannot be."""
    destination = registry.connector(integration).destination
    return destination.books if destination else None


def sift(stream: Stream, spec: StreamSpec, rows: Sequence[Row]) -> Sequence[Row]:
    """The rows that documents are made of: all, but of what stands at a destination only what other people
    posted there, from the day on which our documents go there, and only where that is wanted (the stream is
    live) and a comparison has looked at it. Everything listed is kept as it stands."""
    books = books_of(stream.integration)
    if books is None or spec.key != books.stream.key:
        return rows
    picked = [(row, _picked(books, row)) for row in rows]
    seen = [(row, one) for row, one in picked if one is not None]
    known = _delivered(stream.integration, [one for _, one in seen])
    matters = known | _listed(stream.integration, [one for _, one in seen])
    since = start(stream.integration)
    kept = [(row, one) for row, one in seen if one.id in matters or _is_since(one, since)]
    keep(stream.integration, [one for _, one in kept], known)
    if stream.mode != Stream.Mode.LIVE:
        return []
    odd = [row for row, one in picked if one is None]
    theirs = [(row, one.id) for row, one in kept if one.id not in known and not one.reference]
    held = _held_back(stream, [one for _, one in theirs])
    return [*odd, *(row for row, one in theirs if one not in held)]


def _held_back(stream: Stream, ids: Sequence[str]) -> set[str]:
    """Ids of those that no comparison has looked at yet, or that may be one of ours keyed anew; what is in
    our books already goes on."""
    waiting = Counterpart.objects.filter(integration=stream.integration_id, external_id__in=ids)
    here = Document.objects.filter(source=stream.source_id, external_id__in=ids)
    found = set(waiting.exclude(held=False).values_list("external_id", flat=True))
    return found - set(here.values_list("external_id", flat=True))


def start(integration: Integration) -> dt.date | None:
    """The first day from which both sides are to agree: that of the first route."""
    found: dt.date | None = integration.routes.filter(enabled=True).aggregate(first=Min("start_date"))[
        "first"
    ]
    return found


def _picked(books: Books, row: Row) -> Standing | None:
    """None for a record that is not built as we know: its mapping says so."""
    try:
        standing = books.pick(row.shaped)
    except MISBUILT:
        return None
    return standing if standing.id else None


def _is_since(standing: Standing, since: dt.date | None) -> bool:
    return since is None or (standing.day is not None and standing.day >= since)


def _listed(integration: Integration, standings: Sequence[Standing]) -> set[str]:
    """Ids of those that were listed before: what is gone does not say its day."""
    rows = Counterpart.objects.filter(integration=integration, external_id__in=[one.id for one in standings])
    return set(rows.values_list("external_id", flat=True))


def _delivered(integration: Integration, standings: Sequence[Standing]) -> set[str]:
    """Ids of those that we delivered: known by their id, or by our reference while their id is not known."""
    rows = Delivery.objects.filter(integration=integration)
    known = set(
        rows.filter(external_id__in=[one.id for one in standings]).values_list("external_id", flat=True)
    )
    references = {one.reference: one.id for one in standings if one.reference and one.id not in known}
    under_way = rows.filter(reference__in=references, external_id="").values_list("reference", flat=True)
    return known | {references[reference] for reference in under_way}


def keep(integration: Integration, standings: Sequence[Standing], ours: set[str]) -> None:
    """Write what stands there, with where it is booked; call it inside the page's transaction."""
    latest = {one.id: one for one in standings}
    now = timezone.now()
    lines = {one.id: _lines(one, integration) for one in latest.values()}
    rows = [_row(integration, one, lines[one.id], ours=one.id in ours, now=now) for one in latest.values()]
    Counterpart.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["integration", "external_id"],
        update_fields=_SAID,
        batch_size=500,
    )
    kept = Counterpart.objects.filter(integration=integration, external_id__in=list(latest))
    ids = dict(kept.values_list("external_id", "pk"))
    CounterpartLine.objects.filter(counterpart__in=ids.values()).delete()
    CounterpartLine.objects.bulk_create(
        CounterpartLine(counterpart_id=ids[one], at=at[:240], amount=amount)
        for one, places in lines.items()
        for at, amount in places
    )


def _lines(standing: Standing, integration: Integration) -> list[tuple[str, int]]:
    """(place, minor units); one line that says so where the amounts are none of the currency."""
    currency = _currency(standing, integration)
    try:
        return [(line.at, minor(line, currency)) for line in standing.lines]
    except RecordError as error:
        return [(f"{UNKNOWN}{error}", 0)]


def _row(
    integration: Integration, one: Standing, lines: Sequence[tuple[str, int]], *, ours: bool, now: dt.datetime
) -> Counterpart:
    currency = _currency(one, integration)
    try:
        amount: int | None = minor(At("", one.amount), currency)
    except RecordError:
        amount = None
    return Counterpart(
        integration=integration,
        external_id=one.id[:120],
        kind=one.kind[:40],
        version=one.version[:60],
        state=one.state,
        number=one.number[:120],
        reference=one.reference[:40],
        ours=ours,
        day=one.day,
        currency=currency if currency in CURRENCIES else "",
        amount=amount,
        contact=one.contact_name[:240],
        note=one.note[:300],
        fingerprint=one.fingerprint,
        changed_at=parse_moment(one.changed_at or None),
        changed_by=one.changed_by[:120],
        listed_at=now,
    )


def _currency(standing: Standing, integration: Integration) -> str:
    return standing.currency or integration.organization.base_currency
