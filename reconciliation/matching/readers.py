"""A CSV file of statement lines or entries becomes a Table; every unusable row is named in words."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from ledgerhub.core.money import Inexact, UnknownCurrency, to_minor
from reconciliation.matching.tables import LARGEST_AMOUNT, TEXT_COLUMNS, Table, day_number

COLUMNS = {
    "id": "id", "line_id": "id", "entry_id": "id", "date": "date", "amount": "amount",
    "ref": "reference", **{name: name for name in TEXT_COLUMNS},
}  # fmt: skip
MOST_BYTES = 2 * 1024**3
ROWS_A_BLOCK = 1 << 13
Given = TypeVar("Given", bound=Hashable)
Cell = TypeVar("Cell")
_REPEATED = {"account", "currency", "kind"}
_PLAIN = re.compile(r"-?\d{1,15}(\.\d+)?")
_THOUSANDS = re.compile(r"\d{1,3}([,'  ]\d{3})+(\.\d+)?")
_DECIMAL_COMMA = re.compile(r"(\d+|\d{1,3}(\.\d{3})+),\d{1,2}")
_DAY_PARTS = re.compile(r"(\d{1,4})[-/.](\d{1,2})[-/.](\d{1,4})(?:[T ].*)?")
_BLANKS = re.compile(r"[\s$€£¥]")


class UnusableFile(ValueError):
    """The file as a whole cannot be read; the message says why and what to do."""


def read_table(path: Path) -> tuple[Table, list[str]]:
    """Table of the usable rows and one sentence a row left out. Raises UnusableFile."""
    blocks = _records(path)
    first: list[list[str]] = next(blocks, [[]])
    header = _header(first[0], path)
    cells, numbers, problems = _columns(chain([first[1:]], blocks), header)
    return _table(cells, numbers, problems)


def amount_in_minor(text: str, currency: str) -> int:
    """`1,234.50`, `(1,234.50)`, `-1234.5`, `1.234,50` -> minor units. Raises ValueError in words."""
    value = text.strip()
    if not _PLAIN.fullmatch(value):
        value = _unadorned(value)
    try:
        minor = to_minor(Decimal(value), currency or "USD")
    except (UnknownCurrency, Inexact) as error:
        raise ValueError(str(error)) from None
    if abs(minor) > LARGEST_AMOUNT:
        raise ValueError(f"amount '{text}' is too large")
    return minor


def _unadorned(text: str) -> str:
    value = _BLANKS.sub("", text.replace("\u2212", "-"))
    negative = value[:1] in "-(" or value[-1:] == "-"
    value = value.strip("-+()")
    if _THOUSANDS.fullmatch(value):
        value = re.sub(r"[,']", "", value)
    elif _DECIMAL_COMMA.fullmatch(value):
        value = value.replace(".", "").replace(",", ".")
    if not _PLAIN.fullmatch(value):
        raise ValueError(f"amount '{text[:40]}' is not a number" if text else "no amount")
    return f"-{value}" if negative else value


def _records(path: Path) -> Iterator[list[list[str]]]:
    """Rows of the file, a block at a time."""
    text = _decoded(path)
    if not text.strip("\ufeff\0 \t\r\n"):
        raise UnusableFile(f"{path.name} is empty: a header line with id, date and amount is needed")
    first = text.split("\n", 1)[0]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t|", key=first.count))
    before = 0
    while True:
        block: list[list[str]] = []
        try:
            block.extend(islice(rows, ROWS_A_BLOCK))
        except csv.Error:  # the rows before the faulty one are in the block
            raise UnusableFile(
                f"{path.name}, row {before + len(block) + 1}: a cell is longer than "
                f"{csv.field_size_limit():,} characters; is a quotation mark missing?"
            ) from None
        if not block:
            return
        before += len(block)
        yield block


def _decoded(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UnusableFile(f"{path.name} is larger than 2 GB: split it into months")
        raw = path.read_bytes()
    except OSError as error:
        raise UnusableFile(f"{path.name} cannot be opened: {error.strerror}") from None
    for encoding in ("utf-16",) if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def _header(names: list[str], path: Path) -> dict[str, int]:
    header: dict[str, int] = {}
    for position, name in enumerate(names):
        column = COLUMNS.get(name.strip().lower().replace(" ", "_"))
        if column:
            header.setdefault(column, position)
    missing = [name for name in ("id", "date", "amount") if name not in header]
    if missing:
        seen = ", ".join(name.strip()[:30] for name in names[:12]) or "nothing"
        raise UnusableFile(
            f"{path.name} has no column {' and no column '.join(missing)}; its first line has: {seen}"
        )
    return header


def _columns(
    blocks: Iterable[list[list[str]]], header: dict[str, int]
) -> tuple[dict[str, list[str]], list[int], list[str]]:
    cells: dict[str, list[str]] = {name: [] for name in header}
    numbers: list[int] = []
    problems: list[str] = []
    width = 1 + max(header.values())
    begin = 2
    for block in blocks:
        told = range(begin, begin + len(block))
        begin += len(block)
        if block and min(map(len, block)) < width:
            whole = [(number, row) for number, row in zip(told, block, strict=True) if len(row) >= width]
            problems.extend(
                f"row {number}: only {len(row)} of {width} columns; left out"
                for number, row in zip(told, block, strict=True)
                if len(row) < width and any(row)
            )
            numbers.extend(number for number, _ in whole)
            block = [row for _, row in whole]
        else:
            numbers.extend(told)
        columns = list(zip(*block, strict=False)) or [()] * width
        for name, position in header.items():
            column = columns[position]
            cells[name].extend(_shared(column) if name in _REPEATED else column)
    return cells, numbers, problems


def _shared(texts: Iterable[str]) -> Iterator[str]:
    """Texts of few kinds: equal ones are one object."""
    return (sys.intern(text.strip()) for text in texts)


def _table(cells: dict[str, list[str]], numbers: list[int], problems: list[str]) -> tuple[Table, list[str]]:
    size = len(numbers)
    texts = {name: cells.get(name, [""] * size) for name in TEXT_COLUMNS}
    texts["currency"] = [sys.intern(code.upper()) for code in texts["currency"]]
    ids = [text.strip() for text in cells["id"]]
    days, day_first = cells["date"], _day_first(cells["date"])
    stated = list(zip(cells["amount"], texts["currency"], strict=True))
    dates, no_date = _each(lambda day: _day(day, day_first), days)
    amounts, no_amount = _each(lambda money: amount_in_minor(*money), stated)
    if not no_date and not no_amount and len({"", *ids}) == size + 1:
        return _made(ids, dates, amounts, texts), problems
    seen: dict[str, int] = {}
    keep: list[int] = []
    for i, key in enumerate(ids):
        wrong = _identity(key, seen, numbers) or no_date.get(days[i]) or no_amount.get(stated[i])
        if wrong:
            problems.append(f"row {numbers[i]}: {wrong}; left out")
            continue
        seen[key] = i
        keep.append(i)
    kept = {name: _picked(column, keep) for name, column in texts.items()}
    return _made(list(seen), _picked(dates, keep), _picked(amounts, keep), kept), problems


def _made(ids: list[str], dates: list[int], amounts: list[int], texts: dict[str, list[str]]) -> Table:
    return Table(ids, np.array(dates, dtype=np.int64), np.array(amounts, dtype=np.int64), **texts)


def _each(make: Callable[[Given], int], given: Sequence[Given]) -> tuple[list[int], dict[Given, str]]:
    """What is made of each (0 where it cannot be), and why not; what stands there often is read once."""
    known: dict[Given, int] = {}
    wrong: dict[Given, str] = {}
    for one in dict.fromkeys(given):
        try:
            known[one] = make(one)
        except ValueError as error:
            known[one], wrong[one] = 0, str(error)
    return list(map(known.__getitem__, given)), wrong


def _picked(column: list[Cell], keep: list[int]) -> list[Cell]:
    return column if len(keep) == len(column) else [column[i] for i in keep]


def _identity(key: str, seen: dict[str, int], numbers: list[int]) -> str:
    """Why this row has no id of its own; empty where it has."""
    if not key:
        return "no id"
    return f"id '{key[:60]}' was already used in row {numbers[seen[key]]}" if key in seen else ""


def _day(text: str, day_first: bool | None) -> int:
    value = text.strip()
    try:
        return day_number(date.fromisoformat(value[:10]))
    except ValueError:
        parts = _DAY_PARTS.fullmatch(value)
    if not parts:
        raise ValueError(f"date '{value[:40]}' is not a date (use 2026-03-31)" if value else "no date")
    try:
        return day_number(_written_date(value, parts, day_first))
    except ValueError as error:
        raise ValueError(f"date '{value[:40]}': {error}") from None


def _written_date(value: str, parts: re.Match[str], day_first: bool | None) -> date:
    a, b, c = (int(part) for part in parts.groups())
    if len(parts[1]) == 4:
        return date(a, b, c)
    if day_first is None and "." not in value:
        raise ValueError("day and month cannot be told apart in this file (use 2026-03-31)")
    year = c + 2000 if len(parts[3]) == 2 else c
    return date(year, b, a) if day_first or "." in value else date(year, a, b)


def _day_first(days: list[str]) -> bool | None:
    """Whether 03/04/2026 is 3 April: told by any row whose first or second part exceeds 12."""
    for text in days:
        parts = _DAY_PARTS.fullmatch(text.strip())
        if parts and len(parts[1]) <= 2 and "." not in text:
            if int(parts[1]) > 12:
                return True
            if int(parts[2]) > 12:
                return False
    return None
