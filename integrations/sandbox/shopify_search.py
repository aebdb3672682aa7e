"""Shopify's `query:` search syntax over rows: fields, comparators, quotes, AND, OR and NOT."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any

from integrations.sandbox.events import ZONE
from integrations.sandbox.graphql_parse import QueryError

Row = Mapping[str, Any]
Test = Callable[[Row], bool]
_TERM = re.compile(
    r"\s*(?P<open>\()|\s*(?P<close>\))|\s*(?P<minus>-|NOT\s+)?(?P<field>\w+):\s*(?P<op>>=|<=|>|<)?\s*"
    r"(?P<value>'[^']*'|\"[^\"]*\"|[^\s()]+)|\s*(?P<word>[^\s()]+)"
)
TIMES = frozenset({"created_at", "updated_at", "processed_at", "issued_at", "initiated_at", "payout_date",
                   "available_on", "customer_date"})  # fmt: skip
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
}


def search(text: str, known: frozenset[str]) -> tuple[Test, list[tuple[str, str]]]:
    """(test for a row, warnings as (field, message)). A field not in `known` is ignored with a warning,
    as Shopify does."""
    warnings: list[tuple[str, str]] = []
    tokens = [match for match in _TERM.finditer(text) if match.group().strip()]
    test, rest = _alternatives(tokens, known, warnings)
    if rest:
        raise QueryError(f"Invalid search syntax near '{rest[0].group().strip()}'", code="BAD_REQUEST")
    return test, warnings


def _alternatives(
    tokens: list[re.Match[str]], known: frozenset[str], warnings: list[tuple[str, str]]
) -> tuple[Test, list[re.Match[str]]]:
    """Terms joined by blanks or AND bind tighter than OR."""
    choices: list[list[Test]] = [[]]
    while tokens and not tokens[0]["close"]:
        token, tokens = tokens[0], tokens[1:]
        if token["open"]:
            inner, tokens = _alternatives(tokens, known, warnings)
            if tokens:
                tokens = tokens[1:]
            choices[-1].append(inner)
        elif token["word"] == "OR":
            choices.append([])
        elif token["word"] != "AND":
            choices[-1] += _term(token, known, warnings)
    return (lambda row: any(all(test(row) for test in tests) for tests in choices)), tokens


def _term(token: re.Match[str], known: frozenset[str], warnings: list[tuple[str, str]]) -> list[Test]:
    if token["word"]:
        word = token["word"].strip("'\"").lower()
        return [lambda row: word in str(row.get("default", "")).lower()]
    name, value = token["field"], token["value"].strip("'\"")
    if name not in known:
        warnings.append((name, f"Invalid search field for this query: {name}."))
        return []
    test = _time_test(name, token["op"], value) if name in TIMES else _value_test(name, token["op"], value)
    if token["minus"]:
        return [lambda row: not test(row)]
    return [test]


def _value_test(name: str, operator: str | None, value: str) -> Test:
    if operator:
        if not value.lstrip("-").isdigit():
            raise QueryError(f"Invalid value '{value}' for search field {name}", code="BAD_REQUEST")
        compare, number = _COMPARE[operator], int(value)
        return lambda row: compare(int(row[name]), number)
    wanted = value.lower()
    if wanted == "*":
        return lambda row: row[name] not in ("", None)
    if wanted.endswith("*"):
        return lambda row: str(row[name]).lower().startswith(wanted[:-1])
    return lambda row: str(row[name]).lower() == wanted


def _time_test(name: str, operator: str | None, value: str) -> Test:
    low, high = _moment(value)
    if operator is None:
        return lambda row: bool(low <= row[name] < high)
    # A whole day is included by <= and excluded by >.
    bound = high - 1 if operator in ("<=", ">") else low
    compare = _COMPARE[operator]
    return lambda row: compare(row[name], bound)


def _moment(value: str) -> tuple[int, int]:
    """[start, end) in Unix seconds; a bare date is that day in the shop's zone."""
    try:
        parsed = dt.datetime.fromisoformat(value)
    except ValueError:
        raise QueryError(f"Invalid timestamp for query filter: '{value}'", code="BAD_REQUEST") from None
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=ZONE)
    seconds = int(parsed.timestamp())
    return seconds, seconds + (86_400 if len(value) == 10 else 1)
