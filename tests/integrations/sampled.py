"""Records of tests and vendors, and what the default mapping makes of them, journal lines in words."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from integrations import answers
from integrations.mapping import CompiledMapping, MappingContext, NoLookups, compile_mapping
from integrations.records import Record, unreadable
from integrations.spec import Connector, Read, Stream
from ledgerhub.core.errors import FieldError
from ledgerhub.ledger.accounting import entries
from ledgerhub.ledger.chart import DEFAULT_CHART
from ledgerhub.ledger.entries import EntryDraft
from ledgerhub.ledger.kinds import Draft, validate

TODAY = dt.date(2026, 4, 1)
ASKED = "2026-03-03T12:00:00Z"


class NewBooks(NoLookups):
    """Those of a new organization: nobody is known, the chart of accounts is the one it starts with."""

    def account(self, by: str, value: str) -> str | None:
        return next((row.code for row in DEFAULT_CHART if getattr(row, by) == value), None)


# Compiling one takes longer than mapping a record; kept with the outputs, whose id stays theirs so.
_COMPILED: dict[tuple[int, str, str], tuple[object, CompiledMapping]] = {}


def mapping(connector: Connector, stream: Stream, case: Mapping[str, Any]) -> CompiledMapping:
    """The default mapping of a stream, under the settings and time zone of a case."""
    settings = connector.with_defaults(case.get("settings", {}))
    zone = case.get("timezone", "America/New_York")
    key = (id(stream.outputs), zone, json.dumps(settings, sort_keys=True))
    if key not in _COMPILED:
        context = MappingContext(timezone=zone, settings=settings, lookups=NewBooks())
        _COMPILED[key] = (stream.outputs, compile_mapping(stream.outputs, context))
    return _COMPILED[key][1]


def made_of(
    stream: Stream, compiled: CompiledMapping, record: Record
) -> tuple[list[Draft], list[FieldError], list[FieldError]]:
    """What a record becomes: drafts, what mapping says against it, what the drafts' kinds say."""
    plain = stream.plain(record)
    if problems := unreadable(plain):
        return [], problems, []
    return mapped(compiled, plain)


def mapped(
    compiled: CompiledMapping, plain: Record
) -> tuple[list[Draft], list[FieldError], list[FieldError]]:
    results = compiled(plain)
    drafts = [result.draft for result in results if result.draft is not None]
    errors = [error for result in results for error in result.errors]
    return drafts, errors, [error for draft in drafts for error in validate(draft, today=TODAY)]


def booked(drafts: list[Draft]) -> list[str]:
    """The journal lines of those drafts that are valid."""
    return [said(entry) for draft in drafts if not validate(draft, today=TODAY) for entry in entries(draft)]


def said(entry: EntryDraft) -> str:
    """`2026-03-02 sale: clearing.stripe 12050 USD, sales -12050 USD`"""
    lines = [f"{'.'.join(filter(None, line.account))} {line.amount} {entry.currency}" for line in entry.lines]
    return f"{entry.date} {entry.part}: {', '.join(lines)}"


# ── vendors' own files ──────────────────────────────────────────────────────────────────────────────


def records_of(case: Mapping[str, Any], read: Read | None, reference: Path) -> list[Record]:
    """The records a vendor's file holds `at` a JSON pointer: as an `answer` of the list, or by themselves."""
    path = reference / case["file"]
    if not path.exists():
        pytest.skip(f"no sample at {path}")
    found = _at(_loaded(path), case["at"])
    if case.get("answer") and read is not None:
        rows = answers.records_in(found, read, "The vendor")
        return [{**row, read.stamp: ASKED} for row in rows] if read.stamp else rows
    return found if isinstance(found, list) else [found]


class _AsWritten(yaml.CSafeLoader):
    """Moments stay the texts that they are in JSON."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, form) for tag, form in known if tag != "tag:yaml.org,2002:timestamp"]
        for first, known in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


@cache
def _loaded(path: Path) -> Any:
    """JSON or YAML, its numbers as they stand there."""
    text = path.read_text()
    if path.suffix != ".json":
        text = json.dumps(yaml.load(text, Loader=_AsWritten))
    return json.loads(text, parse_float=Decimal)


def _at(value: Any, pointer: str) -> Any:
    for part in _parts(pointer):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def _parts(pointer: str) -> Iterator[str]:
    """RFC 6901: `/paths/~1transactions~1sync`."""
    return (part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])
