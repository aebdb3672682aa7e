"""Previewing: what the last days of a source would have been as deliveries, in each way; sends nothing."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from integrations import summing
from integrations.destination import Destination, JournalLine
from integrations.models import Integration, Route
from integrations.summing import Group, Row
from ledgerhub.ledger.force import in_force
from ledgerhub.ledger.models import Document, Entry, Posting, Source

DAYS = 7
MOST = 5_000  # entries


class First(NamedTuple):
    """The first thing that would go out."""

    title: str
    day: dt.date
    currency: str
    lines: tuple[JournalLine, ...]


class Way(NamedTuple):
    """One mode: how many deliveries would go out, of how many documents; entries that would wait."""

    mode: str
    deliveries: int
    documents: int
    waiting: int
    first: First | None


class Preview(NamedTuple):
    """`whole`: nothing was left away because there was too much of it."""

    since: dt.date
    until: dt.date
    whole: bool
    ways: list[Way]


def preview(
    integration: Integration, takes: Destination, source: Source, *, today: dt.date
) -> Preview | None:
    """The last DAYS days up to the newest entry; None where nothing was booked yet."""
    entries = Entry.objects.filter(
        organization=integration.organization_id, document__source=source, date__lte=today
    )
    last = entries.order_by("-date").values_list("date", flat=True).first()
    if last is None:
        return None
    since = last - dt.timedelta(days=DAYS - 1)
    ids = list(
        entries.filter(date__gte=since).order_by("date", "pk").values_list("pk", flat=True)[: MOST + 1]
    )
    rows = summing.rows_of(ids[:MOST])
    kinds = dict(
        Document.objects.filter(pk__in={row.document for row in rows.values()}).values_list("pk", "kind")
    )
    summed = {entry: row for entry, row in rows.items() if kinds[row.document] != summing.ALONE}
    makers = {
        Route.Mode.EACH: lambda: _each(takes, rows, kinds),
        Route.Mode.DAILY: lambda: _grouped("daily", {one: summing.of_day(source.pk, row)
                                                     for one, row in summed.items()}, summed, source),
        Route.Mode.PAYOUT: lambda: _by_payout(summed, source),
    }  # fmt: skip
    ways = [makers[Route.Mode(mode)]() for mode in takes.usable_modes]
    return Preview(since, last, len(ids) <= MOST, ways)


def _each(takes: Destination, rows: Mapping[int, Row], kinds: Mapping[int, str]) -> Way:
    taken = {one.kind for one in takes.takes}
    documents = {
        row.document: row.date for row in reversed(list(rows.values())) if kinds[row.document] in taken
    }
    if not documents:
        return Way("each", 0, 0, 0, None)
    pk = min(documents, key=lambda one: (documents[one], one))
    document = Document.objects.defer("data").get(pk=pk)
    standing = Posting.objects.filter(in_force("entry__"), entry__document=document)
    first = First(str(document), document.date, document.currency, summing.sums(standing, document.date))
    return Way("each", len(documents), len(documents), 0, first)


def _by_payout(rows: Mapping[int, Row], source: Source) -> Way:
    paid = summing.on_clearing(list(rows))
    settled = summing.settled({entry: row for entry, row in rows.items() if entry in paid})
    rest = {entry: summing.of_day(source.pk, row) for entry, row in rows.items() if entry not in paid}
    way = _grouped("payout", settled | rest, rows, source)
    return way._replace(waiting=len(paid) - len(settled))


def _grouped(mode: str, places: Mapping[int, Group], rows: Mapping[int, Row], source: Source) -> Way:
    groups: dict[Group, list[int]] = defaultdict(list)
    for entry, group in places.items():
        groups[group].append(entry)
    documents = {rows[entry].document for entry in places}
    return Way(mode, len(groups), len(documents), 0, _first(groups, source))


def _first(groups: Mapping[Group, list[int]], source: Source) -> First | None:
    """Of a payout rather than of a day, where there is one."""
    if not groups:
        return None
    group = min(groups, key=lambda one: (one.payout is None, one.period, one.payout or 0, one.currency))
    day, title = group.period, source.label
    if group.payout:
        payout = Document.objects.defer("data").get(pk=group.payout)
        title, day = str(payout), summing.day_of(group.period, group.period, payout.date)
    lines = summing.sums(Posting.objects.filter(entry__in=groups[group]), day)
    return First(title, day, group.currency, lines)
