"""Pure: pages of a list that is counted, joined without a gap, whatever is taken away while it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from integrations.paging import Counted, Paginator, Position
from integrations.records import Record
from integrations.spec import Stream
from ledgerhub.core.errors import ConfigError


class Joined(NamedTuple):
    """What is new on a page, and the names of all its records, for the next one to join."""

    records: list[Record]
    seen: list[str]


def join(
    pages: Paginator,
    position: Position | None,
    seen: Sequence[str],
    records: list[Record],
    stream: Stream | None = None,
) -> Joined | None:
    """A page of a counted list behind the one whose records were `seen`; None where it does not join that
    one: what stood there has moved, and the list is to be read from `back` on. `stream` knows the records'
    ids; those of a list that belongs to none are told apart by all they say."""
    if not isinstance(pages, Counted):
        return Joined(records, [])
    before = pages.before(position)
    shown = records[before or 0 :]
    names = [_name(record, stream) for record in shown]
    if before is None or not seen:
        return Joined(shown, names)
    if not names or names[0] not in seen:
        return None
    last = len(seen) - 1 - [*reversed(seen)].index(names[0])
    again = len([*takewhile(lambda pair: pair[0] == pair[1], zip(names, seen[last:], strict=False))])
    return Joined(shown[again:], names)


def back(pages: Paginator, position: Position | None) -> Position:
    """Where a list that moved is read again."""
    if not isinstance(pages, Counted):
        raise ConfigError("This list is not counted: there is no way back in it.")
    return pages.back(position)


def _name(record: Record, stream: Stream | None) -> str:
    identity = stream.identity(record) if stream else ""
    return hashlib.sha256((identity or repr(record)).encode()).hexdigest()[:12]
