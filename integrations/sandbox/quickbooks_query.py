"""The simulated QuickBooks' query language: `select * from Bill where ... orderby ... startposition 1`."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from integrations.sandbox.quickbooks_books import ENTITIES, Books, Fault, Record, number_field

MOST = 1000
_QUERY = re.compile(
    r"select \* from (?P<name>\w+)(?: where (?P<where>.+?))?(?: orderby (?P<order>[\w.]+))?"
    r"(?: startposition (?P<start>\d+))?(?: maxresults (?P<most>\d+))?",
    re.IGNORECASE | re.DOTALL,
)
_AND = re.compile(r" and (?=[\w.]+ (?:=|<|>|in))")
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda held, asked: held == asked,
    ">=": lambda held, asked: held >= asked,
    "<=": lambda held, asked: held <= asked,
}


def query(books: Books, text: str) -> Record:
    """The QueryResponse of a query; raises Fault."""
    match = _QUERY.fullmatch(text.strip())
    if match is None or match["name"] not in ENTITIES:
        raise Fault(4000, "Error parsing query", f"QueryParserError: {text[:100]}")
    name, start, most = match["name"], int(match["start"] or 1), int(match["most"] or 100)
    if not 1 <= most <= MOST:
        raise Fault(4001, "Invalid query", f"maxresults must be between 1 and {MOST}")
    where = match["where"] or ""
    tests = [_condition(part) for part in _AND.split(where) if part]
    rows = [row for row in _candidates(books, name, where) if all(test(row) for test in tests)]
    if match["order"]:
        rows.sort(key=lambda row: _held(row, match["order"]))
    page = rows[start - 1 : start - 1 + most]
    return {name: page, "startPosition": start, "maxResults": len(page)} if page else {}


def _candidates(books: Books, name: str, where: str) -> Iterator[Record]:
    """All, or by the ids or numbers asked for: a book of ten thousand is asked often."""
    wanted = re.fullmatch(rf"(Id|{number_field(name)}) in \((.*)\)", where)
    if wanted is None:
        yield from list(books.rows[name].values())
        return
    for asked in re.findall(r"'([^']*)'", wanted[2]):
        ids = [asked] if wanted[1] == "Id" else books.numbers.get((name, asked), ())
        yield from [books.rows[name][one] for one in ids if one in books.rows[name]]


def _condition(text: str) -> Callable[[Record], bool]:
    if several := re.fullmatch(r"(\w+) in \((.*)\)", text, re.DOTALL):
        name, listed = several[1], re.findall(r"'((?:[^'\\]|\\.)*)'", several[2])
        wanted = {re.sub(r"\\(.)", r"\1", one) for one in listed}
        return lambda row: str(row.get(name)) in wanted
    match = re.fullmatch(r"([\w.]+) (=|>=|<=) '(.*)'", text, re.DOTALL)
    if not match:
        raise Fault(4001, "Invalid query", f"QueryValidationError: {text[:100]}")
    column, compare, asked = match[1], _COMPARE[match[2]], re.sub(r"\\(.)", r"\1", match[3])
    return lambda row: compare(_held(row, column), _moment(asked) if "." in column else asked)


def _held(row: Record, column: str) -> Any:
    """The value of a column; times are compared as moments, all else as text."""
    group, _, name = column.partition(".")
    return _moment(row[group][name]) if name else str(row.get(column))


def _moment(text: str) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        raise Fault(4001, "Invalid query", f"QueryValidationError: {text[:40]} is not a time") from None
