"""Conditions on a record (mapping): whether an output applies, and the test of the step 'If'."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from integrations.casting import Unusable, to_number, to_text
from integrations.paths import Scope, ScopeRead
from integrations.rules import Condition

Test = Callable[[Any], bool]
Holds = Callable[[Any, Scope], bool]

# Operator -> (label, how many values it takes: None for one or more).
OPERATORS: Final[dict[str, tuple[str, int | None]]] = {
    "equals": ("is", 1),
    "not_equals": ("is not", 1),
    "in": ("is one of", None),
    "not_in": ("is none of", None),
    "exists": ("has a value", 0),
    "empty": ("is empty", 0),
    "greater": ("is greater than", 1),
    "less": ("is less than", 1),
}
_GROUP: Final = "\x00"  # equal to no text that can be stored
_OPPOSITE: Final = {"not_equals": "equals", "not_in": "in", "empty": "exists"}


def condition_problem(condition: Condition) -> str:
    """What is wrong with the operator and its values, in words, or ""."""
    if condition.op not in OPERATORS:
        return f"'{condition.op}' is not an operator; use one of {', '.join(OPERATORS)}"
    label, wanted = OPERATORS[condition.op]
    count = len(condition.values)
    if wanted is None:
        return "" if count else f"The operator '{label}' needs at least one value"
    if count == wanted:
        return ""
    return f"The operator '{label}' takes {('no value', 'one value')[wanted]}, not {count}"


def compile_condition(condition: Condition, read: ScopeRead | None) -> Holds:
    """(value, scope) -> whether it holds, on what `read` gives or on the value itself.

    Of a list one item is enough; the negated operators hold where their opposite does not.
    Numbers compare as numbers (1 is 1.00), all else as text; dates in ISO form compare rightly so.
    """
    opposite = _OPPOSITE.get(condition.op)
    test = _test(opposite or condition.op, condition.values)
    wanted = opposite is None

    def holds(value: Any, scope: Scope) -> bool:
        found = value if read is None else read(scope)
        if isinstance(found, list):
            return any(test(item) for item in found) is wanted
        return test(found) is wanted

    return holds


def _test(op: str, values: tuple[Any, ...]) -> Test:
    if op == "exists":
        return lambda found: _comparable(found) is not None
    if op == "greater":
        return lambda found: _order(found, values[0]) > 0
    if op == "less":
        return lambda found: _order(found, values[0]) < 0
    texts = frozenset(_comparable(value) for value in values)
    numbers = frozenset(number for value in values if (number := _number(value)) is not None)
    return lambda found: _comparable(found) in texts or (bool(numbers) and _number(found) in numbers)


def _comparable(value: Any) -> str | None:
    """Text of a single value, None for nothing; a group of fields counts as something."""
    if isinstance(value, dict | list):
        return _GROUP if value else None
    try:
        return to_text(value)
    except Unusable:
        return _GROUP


def _number(value: Any) -> Decimal | None:
    try:
        return to_number(value)
    except Unusable:
        return None


def _order(found: Any, value: Any) -> int:
    """1, 0 or -1 as `found` is greater than, equal to or less than `value`; 0 where not comparable."""
    left, right = _number(found), _number(value)
    if left is not None and right is not None:
        return (left > right) - (left < right)
    found_text, text = _comparable(found), _comparable(value)
    if found_text is None or text is None or (left is None) != (right is None):
        return 0
    return (found_text > text) - (found_text < text)
