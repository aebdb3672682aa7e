"""The simulated Salesforce's queries: `SELECT Id, Name FROM Account WHERE ... ORDER BY ... LIMIT 10`."""

from __future__ import annotations

import datetime as dt
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

Record = dict[str, Any]
Test = Callable[[Record], bool]
_QUERY = re.compile(
    r"SELECT (?P<fields>[\w, ]+?) FROM (?P<entity>\w+)(?: WHERE (?P<where>.+?))?"
    r"(?: ORDER BY (?P<order>[\w, ]+?))?(?: LIMIT (?P<limit>\d+))?",
    re.DOTALL,
)
_TOKENS = re.compile(r"'[^']*'|[()]|[<>=!]+|[^\s()<>=!']+")
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


class Wrong(Exception):
    """A query that cannot be answered: the error code, and what is wrong."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class Query(NamedTuple):
    fields: tuple[str, ...]
    entity: str
    fits: Test
    order: tuple[str, ...]
    limit: int | None

    def of(self, rows: Iterable[Record]) -> list[Record]:
        """The rows that fit, in order, with the fields asked for."""
        found = [row for row in rows if self.fits(row)]
        found.sort(key=lambda row: tuple(_comparable(row[name]) for name in self.order))
        return [{name: row[name] for name in self.fields} for row in found[: self.limit]]


def parse(text: str, schema: Mapping[str, Iterable[str]]) -> Query:
    """A query over entities and the fields that the one who asks may see; raises Wrong."""
    match = _QUERY.fullmatch(text.strip())
    if match is None:
        raise Wrong("MALFORMED_QUERY", f"unexpected token: {text.strip()[:40]}")
    entity = match["entity"]
    if entity not in schema:
        words = (
            f"sObject type '{entity}' is not supported. If you are attempting to use a custom object, be sure"
        )
        raise Wrong("INVALID_TYPE", f"{words} to append the '__c' after the entity name.")
    known = set(schema[entity])

    def names(listed: str | None) -> tuple[str, ...]:
        found = tuple(name.strip() for name in listed.split(",")) if listed else ()
        for name in found:
            if name not in known:
                place = f"ERROR at Row:1:Column:{text.find(name) + 1}"
                raise Wrong(
                    "INVALID_FIELD",
                    f"\n{text[:60]}\n^\n{place}\nNo such column '{name}' on entity '{entity}'.",
                )
        return found

    fields = names(match["fields"])
    if len(set(fields)) < len(fields):
        raise Wrong("INVALID_FIELD", "duplicate field selected")
    tokens = _TOKENS.findall(match["where"] or "")
    fits = _together(tokens, names) if tokens else lambda row: True
    if tokens:
        raise Wrong("MALFORMED_QUERY", f"unexpected token: '{tokens[0]}'")
    limit = int(match["limit"]) if match["limit"] else None
    return Query(fields, entity, fits, names(match["order"]), limit)


def _together(tokens: list[str], names: Callable[[str], tuple[str, ...]]) -> Test:
    """Conditions joined by AND, or by OR; both beside each other need parentheses."""
    tests, joined = [_one(tokens, names)], ""
    while tokens and tokens[0] in ("AND", "OR"):
        word = tokens.pop(0)
        if joined not in ("", word):
            raise Wrong("MALFORMED_QUERY", f"unexpected token: '{word}'")
        joined = word
        tests.append(_one(tokens, names))
    some = any if joined == "OR" else all
    return lambda row: some(test(row) for test in tests)


def _one(tokens: list[str], names: Callable[[str], tuple[str, ...]]) -> Test:
    try:
        first = tokens.pop(0)
        if first == "(":
            inner = _together(tokens, names)
            if tokens.pop(0) != ")":
                raise Wrong("MALFORMED_QUERY", "expecting a right parentheses")
            return inner
        [name], compare, wanted = names(first), _COMPARE[tokens.pop(0)], _literal(tokens.pop(0))
    except (IndexError, KeyError):
        raise Wrong("MALFORMED_QUERY", "unexpected end of the conditions") from None
    return lambda row: compare(_comparable(row[name]), wanted)


def _literal(text: str) -> Any:
    if text.startswith("'"):
        return text.strip("'")
    if text in ("true", "false"):
        return text == "true"
    moment = _moment(text)
    if moment is None:
        raise Wrong("MALFORMED_QUERY", f"unexpected token: '{text}'")
    return moment


def _comparable(value: Any) -> Any:
    return _moment(value) or value if isinstance(value, str) else value


def _moment(text: str) -> dt.datetime | None:
    """Only instants with their offset are times."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None
