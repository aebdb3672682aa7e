"""Exporting: rows as CSV that a spreadsheet opens safely, streamed row by row."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.http import StreamingHttpResponse
from django.utils import timezone

# A spreadsheet takes a cell that opens with one of these for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_BYTE_ORDER_MARK = "\ufeff"  # Excel reads UTF-8 only where it finds one


def csv_cell(value: Any) -> str:
    """One value as text: numbers and dates as they are, text that could be a formula behind an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, datetime):
        return (timezone.localtime(value) if timezone.is_aware(value) else value).isoformat(
            timespec="seconds"
        )
    if isinstance(value, date):
        return value.isoformat()
    text = str(value).replace("\0", "")
    return f"'{text}" if text.startswith(_FORMULA) else text


def csv_response(
    name: str,
    header: Sequence[str],
    rows: Iterable[Any],
    row_values: Callable[[Any], Iterable[Any]],
) -> StreamingHttpResponse:
    """A download `<name>.csv`; `rows` is read while it is sent, `row_values` gives a row's cells."""
    response = StreamingHttpResponse(_lines(header, rows, row_values), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response["Cache-Control"] = "private, no-store"
    return response


class _Echo:
    """What csv.writer writes to: gives the line back instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def _lines(
    header: Sequence[str], rows: Iterable[Any], row_values: Callable[[Any], Iterable[Any]]
) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield _BYTE_ORDER_MARK + writer.writerow([csv_cell(label) for label in header])
    for row in rows:
        yield writer.writerow([csv_cell(value) for value in row_values(row)])
