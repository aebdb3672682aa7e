"""Statements: bank files of every format -> ParsedStatement; pure, one module a format."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path

from integrations.statements.csv_file import read_csv
from integrations.statements.csv_guess import guess_layout
from integrations.statements.csv_layout import CsvLayout
from integrations.statements.detect import detect
from integrations.statements.model import (
    ParsedLine,
    ParsedStatement,
    RowProblem,
    StatementError,
    identities,
    identity,
)
from integrations.statements.ofx import read_ofx

__all__ = [
    "FORMATS",
    "MAX_BYTES",
    "CsvLayout",
    "ParsedLine",
    "ParsedStatement",
    "RowProblem",
    "StatementError",
    "detect",
    "guess_layout",
    "identities",
    "identity",
    "load",
    "read",
]

MAX_BYTES = 64 * 1024 * 1024


def _csv(data: bytes, *, layout: CsvLayout | None, currency: str) -> list[ParsedStatement]:
    return read_csv(data, layout=layout, currency=currency)


def _ofx(data: bytes, *, layout: CsvLayout | None, currency: str) -> list[ParsedStatement]:
    return read_ofx(data, currency=currency)


Reader = Callable[..., list[ParsedStatement]]
FORMATS: dict[str, Reader] = {"csv": _csv, "ofx": _ofx, "qfx": _ofx}


def read(
    source: bytes | str | PathLike[str],
    *,
    format: str = "",
    layout: CsvLayout | None = None,
    currency: str = "",
    max_bytes: int = MAX_BYTES,
) -> list[ParsedStatement]:
    """Read a statement file (its bytes or its path) into one statement an account.

    `format` is a name in FORMATS, '' to look at the content; `layout` is for CSV, None to guess;
    `currency` is used where the file names none. Raises StatementError, in words for a bookkeeper.
    """
    data = load(source, max_bytes=max_bytes)
    name = format.lower() or detect(data)
    if name not in FORMATS:
        raise StatementError(f"'{format}' is not a format this program reads. It reads {', '.join(FORMATS)}.")
    return FORMATS[name](data, layout=layout, currency=currency.upper())


def load(source: bytes | str | PathLike[str], *, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes of a file, never more than `max_bytes` of them; raises StatementError where it is larger."""
    if isinstance(source, bytes):
        return _capped(source, len(source), max_bytes)
    try:
        path = Path(source)
        if path.is_file():
            _capped(b"", path.stat().st_size, max_bytes)
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise StatementError(f"The file could not be opened: {error.strerror or error}.") from None
    return _capped(data, len(data), max_bytes)


def _capped(data: bytes, size: int, max_bytes: int) -> bytes:
    if size > max_bytes:
        raise StatementError(
            f"This file is larger than {max_bytes / 1024 / 1024:.0f} MB, too large for one statement. "
            "Download a shorter period from your bank."
        )
    return data
