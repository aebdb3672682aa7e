"""Pure: reading and writing dotted paths in records as sent, before any mapping."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from ledgerhub.core.errors import FieldError

Record = dict[str, Any]

UNREADABLE = "_unreadable"  # in a record that is not built as its shape expects: what was found instead
MISBUILT = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)  # what reading it raises

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


def shaped(shape: Callable[[Record], Record], record: Record) -> Record:
    """The record in its plain shape; as it was sent, with what is wrong under UNREADABLE, where it is not
    built as the shape expects: one odd record must not stop those beside it."""
    try:
        return shape(record)
    except MISBUILT as error:
        return {**record, UNREADABLE: f"{type(error).__name__}: {error}"}


def unreadable(plain: Record) -> list[FieldError]:
    """In words, why nothing can be made of a record; empty where it could be read."""
    found = plain.get(UNREADABLE)
    words = f"The record is not built the way we know such records ({found}), so none of it is booked."
    return [FieldError("", "", words)] if found else []


def fill(template: str, values: Mapping[str, Any]) -> str:
    """Replace `{name}` by its value; an unknown name is a bug and raises KeyError."""
    return _PLACEHOLDER.sub(lambda match: str(values[match[1]]), template)
