"""Records that are there no more: those that a list of changes told and tells no more when it begins again,
and those that a message speaks of and that cannot be found."""

from __future__ import annotations

from integrations.models import RawRecord, Stream, SyncRun
from integrations.reading import Page
from integrations.records import Record
from integrations.spec import Bookmark
from integrations.spec import Stream as StreamSpec

DOUBTFUL = "doubtful"  # in the checkpoint: ids of records told since the mark, and not again so far


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
