"""Statements, CSV cells: a date as banks of many countries write it -> date, and the order of its parts."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from integrations.statements.words import MONTHS, plain

ORDERS = ("DMY", "MDY", "YMD")


class Parts(NamedTuple):
    """The three parts of a date cell as written; `order` is '' where only the whole file can tell."""

    first: str
    second: str
    third: str
    separator: str
    order: str


_TIME = (
    r"(?:[\sT,/\-]+\(?\d{1,2}[:.h]\d{2}[\d:.,+\-\s]*(?:[AaPp]\.?[Mm]\.?)?"
    r"\s*[A-Za-z]{0,5}[\s\d:+\-]*\)?|[TZ])?"
)
_WEEKDAY = r"(?:[^\W\d_]{2,12}\.?,?\s+)?"
_NUMERIC = re.compile(
    rf"{_WEEKDAY}(\d{{1,4}})\s?([./\-年])\s?(\d{{1,2}})\s?(?:[./\-月])\s?'?(\d{{1,4}})\s?[.日]?{_TIME}"
)
_BLANKS = re.compile(rf"(\d{{1,4}})( )(\d{{1,2}}) (\d{{1,4}}){_TIME}")
_COMPACT = re.compile(r"(\d{8})(?:[T ]?\d{4,6}(?:\.\d+)?)?(?:\[.*\])?")
_DAY_MONTH = re.compile(
    rf"{_WEEKDAY}(\d{{1,2}})(?:st|nd|rd|th|er|\.|º|ª)?[\s\-./]*(?:de\s+|of\s+)?([^\W\d_]{{3,12}})\.?,?[\s\-./]*(?:de\s+)?'?(\d{{1,4}}){_TIME}"
)
_MONTH_DAY = re.compile(
    rf"{_WEEKDAY}([^\W\d_]{{3,12}})\.?[\s\-]*(\d{{1,2}})(?:st|nd|rd|th)?,?[\s\-]+'?(\d{{4}}|\d{{2}}){_TIME}"
)
_YEAR_MONTH = re.compile(rf"(\d{{4}})[\s\-./]+([^\W\d_]{{3,12}})\.?[\s\-./]+(\d{{1,2}}){_TIME}")


@lru_cache(maxsize=65536)
def date_parts(text: str) -> Parts | None:
    """Split a date cell into its parts; None if it is not a date. Time and zone are left aside."""
    if not 5 <= len(text) <= 50 or not any(character.isdecimal() for character in text):
        return None
    text = unicodedata.normalize("NFKC", text).strip().strip("\"'").strip()
    return _numeric(text) or _compact(text) or _named(text)


def _numeric(text: str) -> Parts | None:
    match = _NUMERIC.fullmatch(text) or _BLANKS.fullmatch(text)
    if not match:
        return None
    first, separator, second, third = match.groups()
    if len(first) == 3 or len(third) == 3 or (len(first) == 4 and len(third) > 2):
        return None
    return Parts(first, second, third, separator, "YMD" if len(first) == 4 else "")


def _compact(text: str) -> Parts | None:
    match = _COMPACT.fullmatch(text)
    if not match:
        return None
    digits = match[1]
    if digits[:2] in ("19", "20") and digits[4:6] <= "12":
        return Parts(digits[:4], digits[4:6], digits[6:], "", "YMD")
    if digits[4:6] in ("19", "20"):
        return Parts(digits[:2], digits[2:4], digits[4:], "", "")
    return None


def _named(text: str) -> Parts | None:
    for pattern, places, order in (
        (_DAY_MONTH, (1, 2, 3), "DMY"),
        (_MONTH_DAY, (2, 1, 3), "DMY"),
        (_YEAR_MONTH, (1, 2, 3), "YMD"),
    ):
        match = pattern.fullmatch(text)
        month = match and MONTHS.get(plain(match[places[1]]).replace(" ", ""))
        if match and month:
            return Parts(match[places[0]], str(month), match[places[2]], "", order)
    return None


def parse_date(text: str, *, order: str) -> date | None:
    """The day a cell names; `order` (DMY, MDY, YMD) counts only where the cell leaves it open."""
    parts = date_parts(text)
    return assemble(parts, order) if parts else None


def assemble(parts: Parts, order: str) -> date | None:
    """Parts -> date under an order, or None if there is no such day. Two-digit years: 1970 to 2069."""
    numbers = dict(zip(parts.order or order, (parts.first, parts.second, parts.third), strict=True))
    year = int(numbers["Y"])
    if len(numbers["Y"]) < 3:
        year += 2000 if year < 70 else 1900
    try:
        return date(year, int(numbers["M"]), int(numbers["D"]))
    except ValueError:
        return None


class OrderGuess(NamedTuple):
    """The order of day, month and year, and why; `note` is '' where the dates leave no doubt."""

    order: str
    note: str


def guess_order(cells: Sequence[str], *, american: bool = False) -> OrderGuess:
    """Order of the numeric dates in a column: impossible days first, then file order, then habit."""
    parts = [found for cell in cells if (found := date_parts(cell)) and not found.order]
    if not parts:
        return OrderGuess("YMD" if any(date_parts(cell) for cell in cells) else "DMY", "")
    valid = {order: sum(assemble(part, order) is not None for part in parts) for order in ORDERS}
    best = max(valid.values())
    candidates = [order for order in ("DMY", "MDY") if valid[order] == best]
    if not candidates:
        return OrderGuess("YMD", "")
    if len(candidates) == 1 or parts[0].separator == ".":
        return OrderGuess(candidates[0], "")
    return _by_sorting(candidates, parts, american=american)


def _by_sorting(candidates: list[str], parts: list[Parts], *, american: bool) -> OrderGuess:
    days = {order: [day for part in parts if (day := assemble(part, order))] for order in candidates}
    if len({tuple(dates) for dates in days.values()}) == 1:
        return OrderGuess(candidates[0], "")
    in_order = [
        order for order in candidates if days[order] in (sorted(days[order]), sorted(days[order])[::-1])
    ]
    if len(in_order) == 1 and len(parts) > 2:
        return OrderGuess(in_order[0], _note(in_order[0], parts, "because the lines are then in date order"))
    spans = {order: (max(dates) - min(dates)).days for order, dates in days.items() if dates}
    near = min(spans, key=lambda order: spans[order])
    if len(parts) > 2 and all(spans[o] > 3 * (spans[near] + 7) for o in spans if o != near):
        return OrderGuess(near, _note(near, parts, "because the lines then lie close together"))
    habit = "MDY" if american and parts[0].separator == "/" else "DMY"
    order = habit if habit in candidates else candidates[0]
    return OrderGuess(order, _note(order, parts, "by habit only"))


def _note(order: str, parts: list[Parts], why: str) -> str:
    shown = parts[0].separator.join(parts[0][:3])
    names = {"DMY": "day, month, year", "MDY": "month, day, year", "YMD": "year, month, day"}
    doubt = "The dates do not show whether day or month comes first"
    return f"{doubt}: '{shown}' was read as {names[order]}, {why}."
