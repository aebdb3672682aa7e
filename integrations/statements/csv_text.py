"""Statements, CSV step 1: bytes -> text -> rows of cells (encoding, delimiter and quotes guessed)."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from charset_normalizer import from_bytes

from integrations.statements.amounts import looks_like_amount
from integrations.statements.dates import date_parts
from integrations.statements.model import StatementError
from integrations.statements.words import ROLES, plain

DELIMITERS = (",", ";", "\t", "|")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_EIGHT_BIT = (
    "cp1252",
    "cp1250",
    "mac_roman",
    "cp850",
    "cp1251",
    "cp1254",
    "cp932",
    "gb18030",
    "euc_kr",
    "big5",
)
_KNOWN = frozenset(word for names in ROLES.values() for name in names for word in name.split())
_SAMPLE = 65536


class Row(NamedTuple):
    """The cells of one record, blanks trimmed, and the line of the file it starts on (from 1)."""

    line: int
    cells: tuple[str, ...]


def guess_encoding(data: bytes) -> tuple[str, str]:
    """(Python codec name, note): marks and UTF first, then the 8-bit table whose text reads best."""
    for mark, name in _BOMS:
        if data.startswith(mark):
            return name, ""
    wide = _utf16_without_mark(data[:_SAMPLE])
    if wide:
        return wide, ""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return _eight_bit(data)
    return "utf-8", ""


def _utf16_without_mark(sample: bytes) -> str:
    half = max(1, len(sample) // 2)
    even, odd = sample[0::2].count(0) / half, sample[1::2].count(0) / half
    if odd > 0.3 and even < 0.1:
        return "utf-16-le"
    return "utf-16-be" if even > 0.3 and odd < 0.1 else ""


def _eight_bit(data: bytes) -> tuple[str, str]:
    """Our reading test first: on the few accented words of a statement it errs less than statistics."""
    high = [line for line in data.splitlines() if any(byte > 127 for byte in line)][:400]
    sample = b"\n".join(high)[:_SAMPLE]
    scores = {name: _readability(sample, name) + _USUAL.get(name, 0.0) for name in _EIGHT_BIT}
    name = max(_EIGHT_BIT, key=lambda encoding: scores[encoding])
    if scores[name] < -5 and (guess := from_bytes(sample).best()):
        name = guess.encoding
    rival = max(
        (other for other in _EIGHT_BIT if _differs(sample, name, other)), key=lambda other: scores[other]
    )
    doubtful = scores[rival] >= scores.get(name, 0.0) - 0.5
    note = f"The file does not say how its letters are coded; it was read as {name}, it could be {rival}."
    return name, note if doubtful else ""


_USUAL = {"cp1252": 1.0, "cp1250": 0.5}


def _differs(sample: bytes, one: str, other: str) -> bool:
    return one != other and _lenient(sample, one) != _lenient(sample, other)


def _lenient(sample: bytes, encoding: str) -> str:
    return sample.decode(encoding, "replace")


def _readability(sample: bytes, encoding: str) -> float:
    """Known column words speak for; signs inside words and capitals after small letters against."""
    text = _lenient(sample, encoding)
    words = [plain(word) for word in re.findall(r"[^\W\d_]{2,}", text) if not word.isascii()]
    score = 5.0 * sum(word in _KNOWN for word in words)
    score -= 3.0 * len(re.findall(r"[\ufffd\x80-\x9f]", text))
    score -= 2.0 * len(re.findall(r"[^\W\d_][^\x00-\x7f\w\s’–—€£§°®²³ªº´«»][^\W\d_]?", text))
    score -= 2.0 * len(re.findall(r"[a-zà-öø-ÿ][À-ÖØ-ÞŠŽŸА-Я]", text))
    if encoding in ("cp932", "gb18030", "euc_kr", "big5"):
        score += 0.6 * len(re.findall(r"[\u3040-\u30ff\uac00-\ud7af]", text)) + 0.2 * _cjk_runs(text)
        score -= 3.0 * len(re.findall(r"[A-Za-z][\u3400-\u9fff]|[\u3400-\u9fff][a-z]|[\uff61-\uff9f]", text))
    if encoding == "cp1251":
        score -= 3.0 * len(re.findall(r"[A-Za-z][А-яЁё]|[А-яЁё][A-Za-z]", text))
        score += 0.3 * len(re.findall(r"[а-яё]{3,}", text))
    return score


def _cjk_runs(text: str) -> int:
    return len(re.findall(r"[\u4e00-\u9fff]{2,}", text))


def decode(data: bytes, encoding: str) -> str:
    """Bytes -> text; bytes that do not fit become U+FFFD rather than stop the file."""
    try:
        return data.decode(encoding, "replace").removeprefix("\ufeff").replace("\x00", "")
    except LookupError:
        raise StatementError(f"'{encoding}' is not a text encoding this program knows.") from None


def rows(text: str, *, delimiter: str, quote: str) -> Iterator[Row]:
    """Records that hold anything, one at a time, each with the line it starts on."""
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quotechar=quote or None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        skipinitialspace=True,
    )
    started = 0
    try:
        for cells in reader:
            line, started = started + 1, reader.line_num
            if len(cells) == 1 and delimiter in cells[0] and quote:
                cells = next(csv.reader([cells[0]], delimiter=delimiter, quotechar=quote), cells)
            if any(cells):
                yield Row(line, tuple(_clean(cell) for cell in cells))
    except csv.Error:
        raise StatementError(
            f"Line {started + 1} is not readable as CSV: a cell is far too long. "
            "Is a quotation mark left open there?"
        ) from None


def _clean(cell: str) -> str:
    cell = " ".join(cell.split())
    return cell.strip('"').strip() if '"' in cell[:1] + cell[-1:] and cell.count('"') == 1 else cell


def guess_dialect(text: str) -> tuple[str, str]:
    """(delimiter, quote mark or ''): the pair that shows most rows with a date and an amount."""
    declared = re.match(r"\s*sep=(.)\s*[\r\n]", text)
    sample = _whole_lines(text)
    quotes = ('"', "") if sample.count('"') % 2 or _runaway(sample) else ('"',)
    marks = (declared[1],) if declared else DELIMITERS
    pairs = [(delimiter, quote) for quote in quotes for delimiter in marks]
    return max(pairs, key=lambda pair: _fit(sample, *pair))


def _whole_lines(text: str) -> str:
    return text if len(text) <= _SAMPLE else text[: max(text.rfind("\n", 0, _SAMPLE), _SAMPLE // 2)]


def _runaway(sample: str) -> bool:
    return any(
        cell.count("\n") > 20
        for record in csv.reader(io.StringIO(sample, newline=""), strict=False)
        for cell in record
    )


def _fit(sample: str, delimiter: str, quote: str) -> tuple[float, float, int]:
    try:
        found = [row.cells for row in rows(sample, delimiter=delimiter, quote=quote)]
    except StatementError:
        return (0.0, 0.0, 0)
    shaped = [cells for cells in found if is_movement(cells)]
    widths = Counter(len(cells) for cells in (shaped or found) if len(cells) > 1)
    width, often = widths.most_common(1)[0] if widths else (0, 0)
    named = max((_named(cells) for cells in found[:60]), default=0)
    return (float(len(shaped)), often / max(1, len(shaped or found)) + named, width)


def _named(cells: Sequence[str]) -> int:
    return sum(any(word in _KNOWN for word in plain(cell).split()) for cell in cells) if len(cells) > 1 else 0


def is_movement(cells: Sequence[str]) -> bool:
    """Does a row hold a date and, in another cell, an amount?"""
    dates = [place for place, cell in enumerate(cells) if date_parts(cell)]
    return bool(dates) and any(
        looks_like_amount(cell) and not date_parts(cell)
        for place, cell in enumerate(cells)
        if place not in dates[:1]
    )
