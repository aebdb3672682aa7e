"""Raw records: every version of every record as the source sent it, told apart by content."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from integrations.models import ApiCall, RawRecord, Stream, SyncRun
from integrations.moments import parse_moment
from integrations.payloads import canonical, digest_of
from integrations.records import Record, dig
from integrations.spec import Stream as StreamSpec
from ledgerhub.core import bulk

UNIDENTIFIED = "unidentified:"


class Row(NamedTuple):
    """A stored record and the same in its vendor's plain shape, which mapping reads."""

    record: RawRecord
    shaped: Record


@dataclass
class Arrived:
    """What a page of records was: rows to normalize, and counts."""

    rows: list[Row] = field(default_factory=list)
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
    incoming = [_Incoming.of(record, spec) for record in records]
    latest = _latest(stream, {item.identity for item in incoming})
    arrived = Arrived()
    outdated: list[int] = []
    for item in incoming:
        held = latest.get(item.identity)
        if held is not None and (held.content_hash == item.digest or _is_older(spec, item, held)):
            arrived.unchanged += 1
            continue
        row = RawRecord(
            stream_id=stream.pk,
            external_id=item.identity,
            version=held.version + 1 if held else 1,
            content_hash=item.digest,
            payload=item.text,
            run_id=run.pk if run else None,
            api_call_id=call.pk if call else None,
            origin=origin[:200],
        )
        if held is not None:
            held.latest = False
            outdated += [held.pk] if held.pk is not None else []
        latest[item.identity] = row
        arrived.rows.append(Row(row, item.shaped))
        arrived.new, arrived.changed = arrived.new + (held is None), arrived.changed + (held is not None)
    RawRecord.objects.filter(pk__in=outdated).update(latest=False)
    bulk.insert([row.record for row in arrived.rows])
    arrived.rows = [row for row in arrived.rows if row.record.latest]
    return arrived


def reread(spec: StreamSpec, records: Sequence[RawRecord]) -> list[Row]:
    """Records we hold, for mapping them again."""
    return [Row(record, spec.plain(record.payload)) for record in records]


@dataclass(frozen=True, slots=True)
class _Incoming:
    """A record as sent, with what is asked of it more than once."""

    identity: str
    shaped: Record
    digest: str
    text: str

    @classmethod
    def of(cls, record: Record, spec: StreamSpec) -> _Incoming:
        shaped = spec.plain(record)
        text = canonical(record)
        digest = digest_of(text)
        identity = spec.identify(shaped) or f"{UNIDENTIFIED}{digest[:16]}"
        return cls(identity[:120], shaped, digest, text)


def _latest(stream: Stream, identities: set[str]) -> dict[str, RawRecord]:
    rows = RawRecord.objects.filter(stream=stream, external_id__in=identities, latest=True).defer("payload")
    return {row.external_id: row for row in rows}


def _is_older(spec: StreamSpec, item: _Incoming, held: RawRecord) -> bool:
    """Whether what came is from before what we hold; records without a stamp never are."""
    if not spec.updated:
        return False
    payload = json.loads(held.payload) if isinstance(held.payload, str) else held.payload
    ours = parse_moment(dig(spec.plain(payload), spec.updated))
    theirs = parse_moment(dig(item.shaped, spec.updated))
    return ours is not None and theirs is not None and theirs < ours
