"""Drafts as JSON and back: what a Document keeps in `data`."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any

from ledgerhub.ledger.kinds import KINDS, Draft, Field


def dump(draft: Draft) -> str:
    """Canonical JSON text of a draft: sorted keys, dates in ISO form, decimals as strings."""
    return _CANONICAL.encode(draft)


def content_hash(text: str) -> str:
    """Hash of a canonical text: same hash, same content."""
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()


def load(data: dict[str, Any]) -> Draft:
    """A Document's `data` -> the draft it was made from, with dates and decimals again."""
    header, sections = _readers(data["kind"])
    draft = {name: _read(header.get(name), value) for name, value in data.items()}
    for name, readers in sections.items():
        rows = data.get(name)
        if isinstance(rows, dict):
            draft[name] = _load_row(rows, readers)
        elif rows:
            draft[name] = [_load_row(row, readers) for row in rows]
    return draft


Reader = Callable[[Any], Any]


def _plain(value: Any) -> str:
    if isinstance(value, dt.date | dt.datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} cannot stand in a draft")


_CANONICAL = json.JSONEncoder(sort_keys=True, default=_plain, separators=(",", ":"), ensure_ascii=False)


@lru_cache(maxsize=64)
def _readers(kind: str) -> tuple[dict[str, Reader], dict[str, dict[str, Reader]]]:
    spec = KINDS[kind]
    return _field_readers(spec.fields), {s.name: _field_readers(s.fields) for s in spec.sections}


def _field_readers(fields: tuple[Field, ...]) -> dict[str, Reader]:
    by_type: dict[str, Reader] = {
        "date": dt.date.fromisoformat,
        "instant": dt.datetime.fromisoformat,
        "decimal": Decimal,
    }
    return {field.name: by_type[field.type] for field in fields if field.type in by_type}


def _read(reader: Reader | None, value: Any) -> Any:
    return value if reader is None or value is None else reader(value)


def _load_row(row: dict[str, Any], readers: dict[str, Reader]) -> dict[str, Any]:
    return {name: _read(readers.get(name), value) for name, value in row.items()}
