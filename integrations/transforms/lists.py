"""Transforms that turn a list into one value (mapping): sum, count, first, last."""

from __future__ import annotations

from decimal import Decimal, DecimalException
from typing import Any, Final

from integrations.casting import EXACT, Unusable, quote, to_number
from integrations.paths import reader
from integrations.transforms.base import Apply, BadParam, Param, Params, Transform, TransformContext, simple

_ZERO: Final = Decimal(0)


def _sum(params: Params, context: TransformContext) -> Apply:
    path = params["path"]
    if path is not None and path.up:
        raise BadParam("the path is read inside each item, so it cannot start with ^")
    read = reader(path) if path is not None and path.keys else None

    def apply(value: Any, scope: object) -> Decimal:
        items = value if value.__class__ is list else _list(value)
        return _total(items if read is None else [read(item) for item in items])

    return apply


def _total(values: list[Any]) -> Decimal:
    """Exact sum; nothing counts as 0. The lists inside are those of a path with several `[]`."""
    total = None
    try:
        for value in values:
            if value is None or value == "":
                continue
            number = _total(value) if value.__class__ is list else to_number(value)
            total = number if total is None else EXACT.add(total, number)
    except DecimalException:
        raise Unusable("The sum is out of bounds") from None
    except RecursionError:
        raise Unusable("The list is nested too deep to sum") from None
    return _ZERO if total is None else total


def _list(value: Any) -> list[Any]:
    if value.__class__ is list:
        return value
    raise Unusable(f"A list is needed here, not {quote(value)}")


def _count(value: Any) -> int:
    return 0 if value is None else len(_list(value))


def _first(value: Any) -> Any:
    return next(iter(_list(value)), None)


def _last(value: Any) -> Any:
    items = _list(value)
    return items[-1] if items else None


TRANSFORMS: Final = (
    Transform(
        "sum",
        "Sum",
        "Adds up a list of numbers; an empty list gives 0.",
        _sum,
        params=(Param("path", "path", "Field", help="The number inside each item; empty: the item itself"),),
        accepts=("list",),
        gives="number",
    ),
    Transform(
        "count",
        "Count",
        "How many items the list has.",
        simple(_count),
        accepts=("list",),
        gives="number",
        takes_nothing=True,
    ),
    Transform("first", "First", "The first item of the list.", simple(_first), accepts=("list",)),
    Transform("last", "Last", "The last item of the list.", simple(_last), accepts=("list",)),
)
