"""Pure: reading and writing dotted paths in records as sent, before any mapping."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

Record = dict[str, Any]

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


def dig(value: Any, path: str) -> Any:
    """`dig(order, "customer.id")`: the value at a dotted path, None where any part is missing."""
    for part in _parts(path):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


@lru_cache(maxsize=4096)
def _parts(path: str) -> tuple[str, ...]:
    """Paths come from specs: a few hundred, asked for a million times."""
    return tuple(path.split(".")) if path else ()


def put(record: Record, path: str, value: Any) -> None:
    """Set the value at a dotted path, making the dicts on the way."""
    *parents, last = path.split(".")
    for part in parents:
        child = record.get(part)
        if not isinstance(child, dict):
            child = record[part] = {}
        record = child
    record[last] = value


def fill(template: str, values: Mapping[str, Any]) -> str:
    """Replace `{name}` by its value; an unknown name is a bug and raises KeyError."""
    return _PLACEHOLDER.sub(lambda match: str(values[match[1]]), template)
