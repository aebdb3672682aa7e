"""Records that are there no more: those that a list of changes told and tells no more when it begins again,
those that a list of all there is holds no more, and those that a message speaks of and that cannot be found.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from integrations.client import Client
from integrations.models import RawRecord, Stream, SyncRun
from integrations.reading import Page
from integrations.records import Record
from integrations.spec import Bookmark, Incremental
from integrations.spec import Stream as StreamSpec
from ledgerhub.core.errors import ConfigError
from ledgerhub.ledger.models import Document

DOUBTFUL = "doubtful"  # in the checkpoint: ids of records told since the mark, and not again so far
TOLD = "told"  # in the checkpoint: the ids that a list of all there is has told so far, and from which day on
SEVERAL = 3  # so many gone at once, and none left, is another account rather than somebody's deed


def with_gone(run: SyncRun, spec: StreamSpec, client: Client, state: dict[str, Any], page: Page) -> Page:
    """The page that was read at `state`; at the end of a list of all there is with what it would say of
    those that stand in the books, that it no longer holds, and that the system, asked by their ids, does
    not know. Raises ConfigError where it holds none of several."""
    how = spec.incremental
    if not isinstance(how, Incremental) or how.window is None or not how.window.whole:
        return page
    before = state.get(TOLD) or {"since": state["begin"], "ids": []}
    told = {*before["ids"], *(spec.identity(record) for record in page.records)}
    if page.next is not None:
        page.next[TOLD] = {**before, "ids": sorted(told)}
        return page
    since, until = (dt.datetime.fromisoformat(each).date() for each in (before["since"], state["end"]))
    booked = _booked(run, since, until)
    missing = sorted(booked - told)
    if len(missing) >= SEVERAL and len(missing) == len(booked):
        raise ConfigError(
            f"None of the {len(booked)} booked records of '{spec.label}' between {since} and {until} is "
            "listed any more. Nothing was changed here: see that it is still the same account."
        )
    unknown = [one for one in missing if client.fetch_one(spec, one) is None]
    lost = [record for one in unknown for record in gone(run.stream, spec, one)]
    return page._replace(records=[*page.records, *lost])


def _booked(run: SyncRun, since: dt.date, until: dt.date) -> set[str]:
    """Ids of the records whose documents stand in the books between two days (not on them: where a list is
    cut off is for the system to say), but for what this very run brought."""
    documents = Document.objects.filter(source=run.stream.source, date__gt=since, date__lt=until)
    records = RawRecord.objects.filter(
        stream=run.stream_id, pk__in=documents.exclude(status="void").values("raw_record_id")
    )
    return set(records.exclude(run=run).values_list("external_id", flat=True))


def taken_back(run: SyncRun, spec: StreamSpec, page: Page) -> list[Record]:
    """At the end of the list: what it would say of those that vanished. Before that they are carried on in
    the page's next state."""
    how = spec.incremental
    if not isinstance(how, Bookmark) or how.vanished is None:
        return []
    told = {spec.identity(record) for record in page.records}
    doubtful = [one for one in _doubtful(run, page) if one not in told]
    if page.next is not None:
        page.next[DOUBTFUL] = doubtful
        return []
    rows = RawRecord.objects.filter(stream=run.stream_id, latest=True, external_id__in=doubtful)
    return [how.vanished(row.payload) for row in rows.order_by("pk")]


def gone(stream: Stream, spec: StreamSpec, record_id: str) -> list[Record]:
    """What a list would say of a record that is there no more; nothing of one that we never had."""
    if spec.gone is None:
        return []
    rows = RawRecord.objects.filter(stream=stream, latest=True, external_id=record_id)
    return [spec.gone(row.payload) for row in rows]


def _doubtful(run: SyncRun, page: Page) -> list[str]:
    """All that is new since the mark where the list begins, again or after a sync that did not reach its
    end; else what is left of that."""
    begins_again = page.next is not None and page.next.pop("again", False)
    if run.checkpoint and not begins_again:
        left: list[str] = run.checkpoint.get(DOUBTFUL, [])
        return left
    reached = SyncRun.objects.filter(stream=run.stream_id, state=SyncRun.State.SUCCEEDED)
    last = (
        reached.exclude(trigger__in=("replay", "file")).order_by("-pk").values_list("pk", flat=True).first()
    )
    rows = RawRecord.objects.filter(stream=run.stream_id, version=1, latest=True, run__gt=last or 0)
    return list(rows.values_list("external_id", flat=True))
