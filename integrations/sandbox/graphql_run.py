"""Executes a parsed GraphQL query over plain dicts: aliases, variables, fragments, Relay paging, cost.

Objects are dicts with `__typename`; a value may be a function of the field's arguments, or `Nodes`, which the
executor pages. There is no schema: a field that an object does not have is refused in Shopify's words.
"""

from __future__ import annotations

import base64
import binascii
import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from integrations.sandbox.graphql_parse import (
    Document,
    EnumValue,
    Field,
    Fragment,
    Operation,
    QueryError,
    Selection,
    Spread,
    Variable,
)

PAGE_LIMIT = 250
Record = dict[str, Any]


class Shared(dict[str, Any]):
    """An immutable dict that many objects hold (money): each selection over it is evaluated once."""


@dataclass(frozen=True, slots=True)
class Nodes:
    """A connection: `keys` are the unique, ascending sort keys (tuples of plain values) of `items`."""

    items: Sequence[Any]
    node: Callable[[Any], Record] = lambda item: item
    keys: Sequence[tuple[Any, ...]] | None = None


class Step(NamedTuple):
    """A field ready to be answered: its arguments are filled in."""

    key: str
    name: str
    selections: tuple[Selection, ...]
    arguments: Mapping[str, Any]
    field: Field


@dataclass(slots=True)
class Context:
    fragments: Mapping[str, Fragment]
    variables: Mapping[str, Any]
    interfaces: Mapping[str, frozenset[str]]
    plans: dict[tuple[int, str], list[Step]] = field(default_factory=dict)
    shared: dict[tuple[int, int], tuple[Shared, Record]] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    linear: bool = False


def operation_of(document: Document, name: str) -> Operation:
    """The operation to run; raises QueryError when it is missing or ambiguous."""
    found = [item for item in document.operations if not name or item.name == name]
    if len(found) != 1:
        raise QueryError(f"No operation named {name!r}" if name else "An operation name is required")
    return found[0]


def context(
    document: Document,
    operation: Operation,
    variables: Mapping[str, Any],
    interfaces: Mapping[str, frozenset[str]],
) -> Context:
    missing = [name for name in operation.required if variables.get(name) is None]
    if missing:
        raise QueryError(f"Variable ${missing[0]} was provided invalid value: expected value to not be null")
    _check_fragments(operation.selections, document.fragments, ())
    known = {k: v for k, v in variables.items() if k in operation.declared}
    merged: dict[str, Any] = dict.fromkeys(operation.declared) | dict(operation.defaults) | known
    return Context(document.fragments, merged, interfaces)


def _check_fragments(
    selections: tuple[Selection, ...], fragments: Mapping[str, Fragment], seen: tuple[str, ...]
) -> None:
    for item in selections:
        if isinstance(item, Spread):
            if item.name in seen or item.name not in fragments:
                raise QueryError(f"Fragment {item.name} was used, but not defined, or contains itself")
            _check_fragments(fragments[item.name].selections, fragments, (*seen, item.name))
        else:
            _check_fragments(item.selections, fragments, seen)


def execute(operation: Operation, root: Record, run: Context) -> Record:
    """The `data` of the answer. Raises QueryError."""
    return _object(root, operation.selections, run)


def _object(value: Record, selections: tuple[Selection, ...], run: Context) -> Record:
    plan = run.plans.get((id(selections), value["__typename"]))
    if plan is None:
        plan = run.plans[id(selections), value["__typename"]] = _plan(value["__typename"], selections, run)
    result: Record = {}
    for step in plan:
        try:
            found = value[step.name]
        except KeyError:
            raise _no_such_field(value, step.name) from None
        # Most values are plain texts and numbers: they go first, and cost no call.
        if type(found) in _PLAIN and not step.selections:
            result[step.key] = found
            continue
        try:
            result[step.key] = _value(found, step, run)
        except QueryError as error:
            error.path = (step.key, *error.path)
            raise
    return result


_PLAIN = frozenset({str, int, bool, float, type(None)})


def _value(found: Any, step: Step, run: Context) -> Any:
    if callable(found):
        found = found(step.arguments)
    if type(found) is Shared:
        known = run.shared.get((id(found), id(step.selections)))
        if known is not None:
            return known[1]
    if isinstance(found, Nodes):
        return _connection(found, step, run)
    if step.selections:
        return _composite(found, step.selections, run)
    if isinstance(found, dict):
        raise QueryError(f"Field must have selections (field '{step.name}' returns an object)")
    return found


def _no_such_field(value: Record, name: str) -> QueryError:
    message = f"Field '{name}' doesn't exist on type '{value['__typename']}'"
    return QueryError(message, code="undefinedField", path=(name,))


def _composite(found: Any, selections: tuple[Selection, ...], run: Context) -> Any:
    if found is None:
        return None
    if isinstance(found, list):
        return [_composite(each, selections, run) for each in found]
    if not isinstance(found, dict):
        raise QueryError("Selections can't be made on scalars")
    result = _object(found, selections, run)
    if type(found) is Shared:
        run.shared[id(found), id(selections)] = (found, result)
    return result


def _plan(typename: str, selections: tuple[Selection, ...], run: Context) -> list[Step]:
    """The fields that apply to a type, in order, with their arguments filled in; equal keys are merged."""
    merged: dict[str, Field] = {}
    for item in _applicable(typename, selections, run):
        first = merged.get(item.key)
        if first is None:
            merged[item.key] = item
        elif first.selections:
            merged[item.key] = Field(
                item.key, item.name, item.arguments, item.directives, first.selections + item.selections
            )
    return [
        Step(item.key, item.name, item.selections, _filled(item.arguments, run.variables), item)
        for item in merged.values()
    ]


def _applicable(typename: str, selections: tuple[Selection, ...], run: Context) -> list[Field]:
    found: list[Field] = []
    for item in selections:
        if not _included(item.directives, run.variables):
            continue
        if isinstance(item, Field):
            found.append(item)
            continue
        if isinstance(item, Spread):
            item = run.fragments[item.name]
        if not item.on or item.on == typename or item.on in run.interfaces.get(typename, ()):
            found += _applicable(typename, item.selections, run)
    return found


def _included(directives: tuple[tuple[str, Mapping[str, Any]], ...], variables: Mapping[str, Any]) -> bool:
    for name, arguments in directives:
        given = _filled(arguments, variables).get("if")
        if (name == "include" and not given) or (name == "skip" and given):
            return False
    return True


def _filled(value: Any, variables: Mapping[str, Any]) -> Any:
    if isinstance(value, Variable):
        if value.name not in variables:
            raise QueryError(f"Variable ${value.name} is used but not declared")
        return variables[value.name]
    if isinstance(value, Mapping):
        return {name: _filled(item, variables) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, variables) for item in value]
    return str(value) if isinstance(value, EnumValue) else value


def _connection(nodes: Nodes, step: Step, run: Context) -> Record:
    arguments = step.arguments
    keys = nodes.keys if nodes.keys is not None else [(n,) for n in range(len(nodes.items))]
    low, high, before, after = _window(keys, arguments)
    run.sizes[id(step.field)] = max(run.sizes.get(id(step.field), 0), high - low)
    order = range(low, high)[::-1] if arguments.get("reverse") else range(low, high)
    records: list[Record] = []

    def loaded() -> list[Record]:
        if not records:
            records.extend(nodes.node(nodes.items[n]) for n in order)
        return records

    page = {
        "__typename": "Connection",
        "nodes": lambda _: loaded(),
        "edges": lambda _: [
            {"__typename": "Edge", "cursor": cursor(keys[n]), "node": record}
            for n, record in zip(order, loaded(), strict=True)
        ],
        "pageInfo": {
            "__typename": "PageInfo",
            "hasNextPage": after,
            "hasPreviousPage": before,
            "startCursor": lambda _: cursor(keys[order[0]]) if order else None,
            "endCursor": lambda _: cursor(keys[order[-1]]) if order else None,
        },
    }
    return _object(page, step.selections, run)


def _window(keys: Sequence[tuple[Any, ...]], arguments: Mapping[str, Any]) -> tuple[int, int, bool, bool]:
    """(low, high, has previous, has next): the slice of the ascending keys; `reverse` reads it backwards."""
    first, last = arguments.get("first"), arguments.get("last")
    size = first if first is not None else last
    if size is None:
        raise QueryError("you must provide one of first or last", code="BAD_REQUEST")
    if not isinstance(size, int) or not 0 < size <= PAGE_LIMIT:
        raise QueryError(f"first or last must be between 1 and {PAGE_LIMIT}, got {size}", code="BAD_REQUEST")
    start, stop = arguments.get("after"), arguments.get("before")
    reverse = bool(arguments.get("reverse"))
    if reverse:
        start, stop = stop, start
    low = bisect_right(keys, _key(start)) if start else 0
    high = max(low, bisect_left(keys, _key(stop)) if stop else len(keys))
    if (first is not None) != reverse:
        high = min(high, low + size)
    else:
        low = max(low, high - size)
    earlier, later = low > 0, high < len(keys)
    return (low, high, later, earlier) if reverse else (low, high, earlier, later)


def cursor(key: tuple[Any, ...]) -> str:
    return base64.b64encode(json.dumps(key).encode()).decode()


def _key(text: Any) -> tuple[Any, ...]:
    try:
        key = json.loads(base64.b64decode(str(text), validate=True))
    except (binascii.Error, ValueError):
        key = None
    if not isinstance(key, list):
        raise QueryError(f"Invalid cursor for current pagination sort: {text!r}", code="BAD_REQUEST")
    return tuple(key)


def cost(operation: Operation, run: Context, *, actual: bool = False) -> int:
    """Points of a query: before it ran by what it asks for, after it by the pages it got.

    Objects that can be fetched on their own cost 1, money and other values nothing, a connection 2 plus its
    children times its size. Shopify publishes no formula for large pages, and charges them less than in
    proportion: here a size counts as its binary logarithm, unless the context is `linear` (the old rule).
    """
    return max(1, _points(operation.selections, run, actual))


def _points(selections: tuple[Selection, ...], run: Context, actual: bool) -> int:
    total = 0
    for item in selections:
        if isinstance(item, Field):
            total += _field_points(item, run, actual)
            continue
        if isinstance(item, Spread):
            item = run.fragments[item.name]
        total += _points(item.selections, run, actual)
    return total


def _field_points(item: Field, run: Context, actual: bool) -> int:
    if not item.selections:
        return 0
    children = _points(item.selections, run, actual)
    if item.name in ("nodes", "edges"):
        return children
    arguments = _filled(item.arguments, run.variables)
    size = arguments.get("first") or arguments.get("last")
    asks_page = any(
        isinstance(child, Field) and child.name in ("nodes", "edges") for child in item.selections
    )
    if asks_page and isinstance(size, int):
        size = run.sizes.get(id(item), 0) if actual else size
        return 2 + _weight(size, run.linear) * (1 + children)
    fetchable = any(isinstance(child, Field) and child.name == "id" for child in item.selections)
    return children + int(fetchable)


def _weight(size: int, linear: bool) -> int:
    return size if linear else size.bit_length()
