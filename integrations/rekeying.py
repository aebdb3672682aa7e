"""Keyed anew: what people posted over there that says what one of ours said which is missing there.

What they post is brought in once a comparison has looked at it; what may be one of ours waits for a person.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from django.db.models import Exists, OuterRef, QuerySet

from integrations import facing, sync
from integrations.models import Counterpart, Delivery, Difference, Integration, Stream
from integrations.parcels import NamesThere, journals
from integrations.standing import Side
from ledgerhub.core.errors import RecordError
from ledgerhub.ledger.models import Document

# How far from its day somebody may date what they key in anew.
NEAR = dt.timedelta(days=5)
CHUNK = 500
MOST_ALONE = 2_000  # so many are mapped one by one; where there are more, all that is held is mapped again


class _Missing(NamedTuple):
    """One of ours that is missing there, and what it said."""

    delivery: Delivery
    day: dt.date


_Said = tuple[str, frozenset[tuple[str, int]]]  # currency, and minor units by account of theirs


def alike(
    integration: Integration, missing: Sequence[Delivery], foreign: Sequence[Counterpart]
) -> dict[int, Delivery]:
    """Counterpart -> the one of ours that it says the same as (amounts by account, currency, about the day),
    each of ours once as far as there are enough; none that a person has told apart."""
    there = facing.AccountsThere(integration)
    by_words = _by_words(integration, missing)
    days = {one.day + dt.timedelta(away) for rows in by_words.values() for one in rows
            for away in range(-NEAR.days, NEAR.days + 1)}  # fmt: skip
    near = [row for row in foreign if row.day in days]
    decided = _told_apart(integration)
    found: dict[int, Delivery] = {}
    taken: set[int] = set()
    for start in range(0, len(near), CHUNK):
        rows = near[start : start + CHUNK]
        lines = facing.lines_of(rows)
        for row in rows:
            side = facing.their_side(row, lines.get(row.pk, ()), there)
            fitting = [
                (one.delivery.pk in taken, abs(one.day - row.day), one.delivery.pk, one.delivery)
                for one in by_words.get(_said(side), ())
                if row.day and abs(one.day - row.day) <= NEAR and _pair(row, one.delivery) not in decided
            ]
            if fitting:
                found[row.pk] = min(fitting)[-1]
                taken.add(found[row.pk].pk)
    return found


def _by_words(integration: Integration, missing: Sequence[Delivery]) -> dict[_Said, list[_Missing]]:
    names, found = NamesThere(integration), defaultdict(list)
    for start in range(0, len(missing), CHUNK):
        rows = missing[start : start + CHUNK]
        posted = journals(rows)
        for delivery in rows:
            try:
                side = facing.ours(posted.get(delivery.pk, ()), names)
            except RecordError:
                continue  # a name was taken away: it cannot be told
            if side.sums and side.day:
                found[_said(side)].append(_Missing(delivery, side.day))
    return found


def _said(side: Side) -> _Said:
    return side.currency, frozenset(side.sums.items())


def _told_apart(integration: Integration) -> set[tuple[str, int | None, int | None]]:
    rows = Difference.objects.filter(
        integration=integration, kind=Difference.Kind.REKEYED, accepted_by__isnull=False
    )
    return set(rows.values_list("external_id", "delivery__document", "delivery__summary"))


def _pair(row: Counterpart, delivery: Delivery) -> tuple[str, int | None, int | None]:
    return row.external_id, delivery.document_id, delivery.summary_id


# ── what waits before it is brought in ──────────────────────────────────────────────────────────────


def comes_in(row: Counterpart) -> bool:
    """Whether what other people posted waits for a comparison only."""
    return not row.ours and not row.reference and row.held is not False


def let_in(stream: Stream) -> None:
    """After a comparison: what may be one of ours is held back, all else that people posted goes on to become
    documents, where that is wanted. To be called in the transaction that keeps what was found."""
    open_ones = Difference.objects.filter(
        integration=stream.integration_id, kind=Difference.Kind.REKEYED, closed_at__isnull=True
    )
    foreign = Counterpart.objects.filter(integration=stream.integration_id, ours=False)
    alike = foreign.filter(external_id__in=open_ones.values("external_id"))
    fresh = foreign.exclude(held=False).exclude(pk__in=alike.values("pk"))
    if stream.mode != Stream.Mode.LIVE or _goes_on(stream, fresh):
        fresh.update(held=False)
    alike.update(held=True)


def _goes_on(stream: Stream, fresh: QuerySet[Counterpart]) -> bool:
    """False where the stream is read just now: the next comparison looks again."""
    here = Document.objects.filter(source=stream.source_id, external_id=OuterRef("external_id"))
    coming = fresh.filter(~Exists(here), state=Counterpart.State.STANDING)
    ids = list(coming.order_by("external_id").values_list("external_id", flat=True)[: MOST_ALONE + 1])
    if not ids:
        return True
    only = ids if len(ids) <= MOST_ALONE else None
    run = sync.replay(stream, only=only)
    return run.trigger == "replay" and run.checkpoint == ({"only": only} if only else {})
