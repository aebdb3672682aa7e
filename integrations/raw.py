"""Raw records: every version of every record as the source sent it, told apart by content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from integrations.models import ApiCall, RawRecord, Stream, SyncRun
from integrations.payloads import content_hash
from integrations.records import Record, dig
from integrations.spec import Stream as StreamSpec
from integrations.spec import parse_moment


@dataclass
class Arrived:
    """What a page of records was: rows to normalize, and counts."""

    rows: list[RawRecord] = field(default_factory=list)
    new: int = 0
    changed: int = 0
    unchanged: int = 0


def store(
    stream: Stream,
    spec: StreamSpec,
    records: Sequence[Record],
    *,
    run: SyncRun | None = None,
    call: ApiCall | None = None,
    origin: str = "",
) -> Arrived:
    """Write what is new or changed; call it inside the page's transaction.

    A record without an id is kept under its hash so that it can be shown in quarantine. An answer
    older than what we hold (a slow page after a webhook) changes nothing.
    """
    identified = [(spec.identity(record), record) for record in records]
    latest = _latest(stream, {identity for identity, _ in identified if identity})
    arrived = Arrived()
    outdated: list[int] = []
    for identity, record in identified:
        digest = content_hash(record)
        identity = identity or f"unidentified:{digest[:16]}"
        held = latest.get(identity)
        if held is not None and (held.content_hash == digest or _is_older(spec, record, held)):
            arrived.unchanged += 1
            continue
        row = RawRecord(
            stream=stream,
            external_id=identity[:120],
            version=held.version + 1 if held else 1,
            content_hash=digest,
            payload=record,
            run=run,
            api_call=call,
            origin=origin[:200],
        )
        _replace(held, arrived, outdated)
        latest[identity] = row
        arrived.rows.append(row)
        arrived.new, arrived.changed = arrived.new + (held is None), arrived.changed + (held is not None)
    RawRecord.objects.filter(pk__in=outdated).update(latest=False)
    RawRecord.objects.bulk_create(arrived.rows)
    arrived.rows = [row for row in arrived.rows if row.latest]
    return arrived


def _latest(stream: Stream, identities: set[str]) -> dict[str, RawRecord]:
    rows = RawRecord.objects.filter(stream=stream, external_id__in=identities, latest=True).defer("payload")
    return {row.external_id: row for row in rows}


def _is_older(spec: StreamSpec, record: Record, held: RawRecord) -> bool:
    if not spec.updated:
        return False
    ours = parse_moment(dig(spec.shape(held.payload), spec.updated))
    theirs = parse_moment(dig(spec.shape(record), spec.updated))
    return ours is not None and theirs is not None and theirs < ours


def _replace(held: RawRecord | None, arrived: Arrived, outdated: list[int]) -> None:
    if held is None:
        return
    held.latest = False
    if held.pk is not None:
        outdated.append(held.pk)
