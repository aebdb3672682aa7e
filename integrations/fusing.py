"""Fuse the rules of one group of fields into one Python function (mapping, compile step), for speed.

The source is put together from fixed fragments that hold nothing but names numbered here; keys, steps and
casts are bound to those names and never become source. What it does is exactly: read, steps, cast, set.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any, Final

from integrations.casting import Unusable, minor_from_text, to_number, to_text
from integrations.paths import Scope, WrongShape, reader
from integrations.planning import Assignment
from ledgerhub.core.errors import FieldError

# (values to set, scope, errors to append to) -> None
Fill = Callable[[dict[str, Any], Scope, list[FieldError]], None]
OnError = Callable[[ValueError, Assignment, list[FieldError]], None]
OnMissing = Callable[[Assignment, Scope, list[FieldError]], None]

_HEAD: Final = """\
def fill(values, scope, errors):
    item, root, parent, draft = scope.item, scope.root, scope.parent, scope.draft
"""
_SET: Final = """\
    except FAILURES as error:
        on_error(error, rule_{i}, errors)
    else:
        if value is not None:
            values[name_{i}] = value
"""
_MISSING: Final = """\
        else:
            on_missing(rule_{i}, scope, errors)
"""
# The commonest value of each type passes without a call; everything else goes through the cast itself.
_CAST: Final = "            value = cast_{i}(value, scope)\n"
_TEXT: Final = (
    "            if value.__class__ is not str or not value or not value.isprintable() or value.isspace():\n"
    "                value = to_text(value)\n"
)
_QUICK_CASTS: Final = {
    "text": _TEXT,
    "account": _TEXT,
    "choice": (
        "            if value.__class__ is not str or value not in choices_{i}:\n"
        "                value = cast_{i}(value, scope)\n"
    ),
    "boolean": (
        "            if value is not True and value is not False:\n"
        "                value = cast_{i}(value, scope)\n"
    ),
    "date": ("            if value.__class__ is not date:\n                value = cast_{i}(value, scope)\n"),
    "instant": (
        "            if value.__class__ is not datetime or value.tzinfo is None:\n"
        "                value = cast_{i}(value, scope)\n"
    ),
    "money": (
        "            if value.__class__ is str and (currency := draft.get(currency_{i})) is not None:\n"
        "                value = minor_from_text(value, currency)\n"
        "            else:\n"
        "                value = cast_{i}(value, scope)\n"
    ),
}


def fuse(assignments: tuple[Assignment, ...], *, on_error: OnError, on_missing: OnMissing) -> Fill:
    """One function that runs the rules in order; a rule that fails or gives nothing is reported."""
    names: dict[str, Any] = {
        "FAILURES": (Unusable, WrongShape),
        "date": dt.date,
        "datetime": dt.datetime,
        "minor_from_text": minor_from_text,
        "to_number": to_number,
        "to_text": to_text,
        "on_error": on_error,
        "on_missing": on_missing,
    }
    source = _HEAD
    for i, assignment in enumerate(assignments):
        source += "".join(fragment.format(i=i) for fragment in _fragments(assignment))
        names |= {f"{name}_{i}": value for name, value in _bound(assignment)}
    exec(compile(source, "<mapping>", "exec"), names)
    fill: Fill = names["fill"]
    return fill


def _fragments(assignment: Assignment) -> Iterator[str]:
    yield "    try:\n"
    yield f"        value = {_read(assignment)}\n"
    for j, step in enumerate(assignment.steps):
        if not step.takes_nothing:
            yield "        if value is not None:\n    "
        yield f"        value = step{j}_{{i}}(value, scope)\n"
    yield "        if value is not None:\n"
    yield _QUICK_CASTS.get(assignment.field.type, _CAST)
    yield _SET
    if assignment.field.required:
        yield _MISSING


def _read(assignment: Assignment) -> str:
    """Paths of one or two keys are read in place where the shapes are right."""
    if not assignment.rule.source:
        return "None"
    anchor, path = assignment.place
    call = f"read_{{i}}({anchor})"
    if path.many or not 1 <= len(path.keys) <= 2:
        return call
    if len(path.keys) == 1:
        return f"{anchor}.get(key0_{{i}}) if {anchor}.__class__ is dict else {call}"
    return (
        f"inner.get(key1_{{i}}) if {anchor}.__class__ is dict"
        f" and (inner := {anchor}.get(key0_{{i}})).__class__ is dict else {call}"
    )


def _bound(assignment: Assignment) -> Iterator[tuple[str, Any]]:
    field = assignment.field
    yield "rule", assignment
    yield "name", field.name
    yield "read", reader(assignment.place.path)
    yield "cast", assignment.cast
    yield "choices", frozenset(field.choices)
    yield "currency", field.currency_field
    for j, step in enumerate(assignment.steps):
        yield f"step{j}", step.apply
    for j, key in enumerate(assignment.place.path.keys):
        yield f"key{j}", key.name
