"""Overview: what the pages say of integrations and their streams, in a fixed number of queries."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.db.models import Count, OuterRef, Subquery, Sum
from django.utils import timezone

from integrations import connectors, registry
from integrations.models import Integration, Quarantine, Stream, SyncRun
from integrations.spec import Connector
from integrations.spec import Stream as StreamSpec
from ledgerhub.core.errors import ConfigError
from ledgerhub.ledger.kinds import KINDS

RECENT = dt.timedelta(days=30)


class Pill(NamedTuple):
    """A state for {% pill %}: how it looks, and the word."""

    state: str
    word: str


@dataclass
class StreamRow:
    """One stream as the integration's page shows it; counts are of the last 30 days."""

    stream: Stream
    spec: StreamSpec
    last: SyncRun | None = None
    open: SyncRun | None = None
    new: int = 0
    quarantined: int = 0

    @property
    def pill(self) -> Pill:
        if not self.stream.enabled:
            return Pill("off", "Switched off")
        if self.stream.paused_at:
            return Pill("paused", "Paused")
        if self.open is not None:
            return Pill(self.open.state, self.open.get_state_display())
        if self.last is not None:
            return Pill(self.last.state, self.last.get_state_display())
        return Pill("unknown", "Not run yet")

    @property
    def last_ended(self) -> dt.datetime | None:
        return self.last.finished_at if self.last else None


@dataclass
class Card:
    """One integration with its streams and what they sum to."""

    integration: Integration
    spec: Connector | None
    rows: list[StreamRow]

    @property
    def pill(self) -> Pill:
        return health_pill(self.integration)

    @property
    def new(self) -> int:
        return sum(row.new for row in self.rows)

    @property
    def quarantined(self) -> int:
        return sum(row.quarantined for row in self.rows)

    @property
    def last_ended(self) -> dt.datetime | None:
        return max((row.last_ended for row in self.rows if row.last_ended), default=None)

    @property
    def next_run_at(self) -> dt.datetime | None:
        due = [
            row.stream.next_run_at
            for row in self.rows
            if row.stream.next_run_at and row.stream.enabled and not row.stream.paused_at
        ]
        return min(due, default=None)

    @property
    def running(self) -> bool:
        return any(row.open is not None for row in self.rows)

    @property
    def takes_files(self) -> bool:
        return any(row.spec.read is None for row in self.rows)

    @property
    def enabled(self) -> list[StreamRow]:
        return [row for row in self.rows if row.stream.enabled]


_WORDS = {
    Integration.State.DRAFT: Pill("draft", "Being set up"),
    Integration.State.PAUSED: Pill("paused", "Paused"),
    Integration.State.ATTENTION: Pill("needs_person", "Needs you"),
    Integration.State.DISCONNECTED: Pill("disabled", "Disconnected"),
}
_HEALTH = {
    "ok": Pill("healthy", "Healthy"),
    "warning": Pill("warning", "Look at it"),
    "failed": Pill("failed", "Not reachable"),
}


def health_pill(integration: Integration) -> Pill:
    """The one word for how an integration is."""
    held = _WORDS.get(Integration.State(integration.state))
    return held or _HEALTH.get(integration.health, Pill("active", "Active"))


def cards(integrations: Sequence[Integration]) -> list[Card]:
    """Integrations with their streams, in five queries whatever their number."""
    by_pk = {integration.pk: integration for integration in integrations}
    streams = Stream.objects.filter(integration__in=by_pk).select_related("mapping").order_by("pk")
    rows = stream_rows(list(streams), by_pk)
    return [
        Card(integration, _spec(integration), [row for row in rows if row.stream.integration_id == pk])
        for pk, integration in by_pk.items()
    ]


def _spec(integration: Integration) -> Connector | None:
    try:
        return registry.connector(integration)
    except ConfigError:
        return None


def stream_rows(streams: Sequence[Stream], integrations: dict[int, Integration]) -> list[StreamRow]:
    """Rows of the streams whose connector is still here, in the connector's order."""
    found = []
    for stream in streams:
        stream.integration = integrations[stream.integration_id]
        spec = _stream_spec(stream)
        if spec is not None:
            found.append(StreamRow(stream, spec))
    _add_runs(found)
    _add_counts(found)
    return sorted(found, key=_place)


def _stream_spec(stream: Stream) -> StreamSpec | None:
    try:
        return registry.stream_spec(stream)
    except (ConfigError, StopIteration):
        return None


def _place(row: StreamRow) -> int:
    spec = connectors.get(row.stream.integration.connector)
    return [stream.key for stream in spec.all_streams].index(row.stream.key)


def _add_runs(rows: Sequence[StreamRow]) -> None:
    by_pk = {row.stream.pk: row for row in rows}
    for run in SyncRun.objects.filter(stream__in=by_pk, state__in=SyncRun.OPEN):
        by_pk[run.stream_id].open = run
    ended = SyncRun.objects.filter(stream=OuterRef("pk")).exclude(state__in=SyncRun.OPEN)
    newest = Subquery(ended.order_by("-created_at").values("pk")[:1])
    ids = dict(Stream.objects.filter(pk__in=by_pk).annotate(newest=newest).values_list("newest", "pk"))
    for run in SyncRun.objects.filter(pk__in=[pk for pk in ids if pk]):
        by_pk[run.stream_id].last = run


def _add_counts(rows: Sequence[StreamRow]) -> None:
    by_pk = {row.stream.pk: row for row in rows}
    recent = SyncRun.objects.filter(stream__in=by_pk, created_at__gte=timezone.now() - RECENT)
    for stream_id, new in recent.order_by().values_list("stream").annotate(Sum("new")):
        by_pk[stream_id].new = new or 0
    waiting = Quarantine.objects.filter(stream__in=by_pk, state=Quarantine.State.OPEN)
    for stream_id, count in waiting.order_by().values_list("stream").annotate(Count("pk")):
        by_pk[stream_id].quarantined = count


def purpose(spec: StreamSpec) -> str:
    """What a stream is for: the connector's words, else what its records become."""
    kinds = list(dict.fromkeys(KINDS[output.kind].label.lower() for output in spec.outputs))
    return spec.help or f"Become {' and '.join(f'{kind}s' for kind in kinds)} in the books"


def _reads(card: Card) -> bool:
    return card.spec is None or bool(card.spec.streams)


def story(card: Card) -> str:
    """The integration in one sentence, without the times (the page puts those beside it)."""
    state = card.integration.state
    if state == Integration.State.DRAFT:
        return "Nothing is read yet: finish setting it up." if _reads(card) else "Finish setting it up."
    if state == Integration.State.DISCONNECTED:
        return "It is disconnected. What it brought stays in the books."
    if not _reads(card):
        return "Documents go there as they are booked here"
    parts = [f"{card.new:,} records came in 30 days"]
    if card.quarantined:
        parts.append(f"{card.quarantined:,} need{'s' if card.quarantined == 1 else ''} you")
    if card.running:
        parts.append("a sync is running")
    return ", ".join(parts)
