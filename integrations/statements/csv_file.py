"""Statements, CSV step 3: a file and its layout -> a statement; a bad row never loses the others."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from itertools import zip_longest

from integrations.statements.amounts import currency_of, parse_amount
from integrations.statements.csv_columns import header_currency
from integrations.statements.csv_guess import guess_layout
from integrations.statements.csv_layout import CsvLayout, check
from integrations.statements.csv_money import flag_sign
from integrations.statements.csv_text import Row, decode, rows
from integrations.statements.dates import date_parts, parse_date
from integrations.statements.model import (
    ParsedLine,
    ParsedStatement,
    RowProblem,
    StatementError,
    repeated_ids,
)
from integrations.statements.words import PENDING, balance_label, plain
from ledgerhub.core.money import CURRENCIES

_IBAN = re.compile(r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_ACCOUNT_WORDS = (
    "account number",
    "account no",
    "account",
    "konto",
    "kontonummer",
    "rekening",
    "compte",
    "cuenta",
    "conto",
    "conta",
    "iban",
    "cislo uctu",
    "rachunek",
)


@dataclass(slots=True)
class _Reading:
    """What gathers while the rows go by."""

    layout: CsvLayout
    lines: list[ParsedLine] = field(default_factory=list)
    problems: list[RowProblem] = field(default_factory=list)
    above: list[Row] = field(default_factory=list)
    opening: Decimal | None = None
    closing: Decimal | None = None
    undated: int = 0
    labelled: int = 0
    accounts: Counter[str] = field(default_factory=Counter)


def read_csv(data: bytes, *, layout: CsvLayout | None = None, currency: str = "") -> list[ParsedStatement]:
    """One statement from a CSV file; without a layout it is guessed and its doubts become warnings."""
    layout = layout or guess_layout(data)
    check(layout)
    text = decode(data, layout.encoding)
    reading = _Reading(layout)
    for row in _body(rows(text, delimiter=layout.delimiter, quote=layout.quote), reading):
        _take(row, reading)
    if reading.problems and not reading.lines:
        raise StatementError(f"No line of this file could be read. The first: {reading.problems[0]}")
    for row in reading.above:
        if label := _label(row, layout):
            _note_balance(row, reading, label, None)
    return [_statement(reading, currency=currency)]


def _body(all_rows: Iterable[Row], reading: _Reading) -> Iterator[Row]:
    """Rows below the header (found by its names, so that a longer preamble does no harm)."""
    layout = reading.layout
    waiting = len(layout.names) > 0
    skip = layout.header_rows - 1
    for row in all_rows:
        if waiting and _is_header(row, layout):
            waiting = False
        elif waiting:
            reading.above.append(row)
        elif skip > 0:
            skip -= 1
        elif not _is_header(row, layout):
            yield row
    if waiting:
        wanted = ", ".join(name for name in layout.names if name)
        raise StatementError(f"The column names '{wanted}' are not in this file. Check the column settings.")


def _is_header(row: Row, layout: CsvLayout) -> bool:
    if not layout.names:
        return False
    upper = layout.names if layout.header_rows < 2 else None
    if upper is not None:
        return row.cells == upper
    return len(row.cells) == len(layout.names) and all(
        name == cell or name.startswith(f"{cell} ") or not cell
        for name, cell in zip(layout.names, row.cells, strict=True)
    )


def _take(row: Row, reading: _Reading) -> None:
    """Sort a row: a movement, a continuation of the text above, a balance or a total, a problem."""
    layout = reading.layout
    day, dated = _date(row, layout)
    amount = _amount(row, layout)
    label = _label(row, layout)
    movement = day is not None and isinstance(amount, Decimal)
    if label and not (label == "total" and movement):
        reading.labelled += 1
        _note_balance(row, reading, label, amount)
    elif day is not None and isinstance(amount, Decimal):
        reading.lines.append(_line(row, day, amount, layout))
        reading.accounts.update(filter(None, [_cell(row, layout.account)]))
    elif day is None and amount is None:
        _without_either(row, reading)
    elif day is None:
        _without_date(row, reading, dated)
    else:
        _without_amount(row, reading, amount)


def _cell(row: Row, place: int | None) -> str:
    return row.cells[place] if place is not None and place < len(row.cells) else ""


def _date(row: Row, layout: CsvLayout) -> tuple[date | None, str]:
    """The first of the date columns that holds a day, and the text that stands there."""
    cells = [_cell(row, place) for place in layout.dates]
    days = (parse_date(cell, order=layout.date_order) for cell in cells if cell)
    found = next((day for day in days if day), None)
    if cells[0] and date_parts(cells[0]) and not parse_date(cells[0], order=layout.date_order):
        return None, cells[0]
    return found, next((cell for cell in cells if cell), "")


def _amount(row: Row, layout: CsvLayout) -> Decimal | str | None:
    """The signed amount; the offending text where a cell is not an amount; None where the cells are empty."""
    if layout.amount is not None:
        cell = _cell(row, layout.amount)
        value = parse_amount(cell, decimal=layout.decimal)
        if value is None:
            return cell or None
        turned = value * layout.sign * flag_sign(layout, _cell(row, layout.flag))
        return turned + 0  # no negative zero
    total: Decimal | None = None
    for place, sign in ((layout.debit, layout.debit_sign), (layout.credit, layout.credit_sign)):
        cell = _cell(row, place)
        value = parse_amount(cell, decimal=layout.decimal)
        if value is None and cell not in ("", "-", "--", "–"):
            return cell
        if value is not None:
            total = (total or Decimal(0)) + value * sign * layout.sign
    return total


def _label(row: Row, layout: CsvLayout) -> str:
    """Is this row a balance or a total? Only its text cells are asked."""
    texts = [cell for cell in row.cells if cell and len(cell) < 80 and not date_parts(cell)]
    return next((found for cell in texts[:6] if (found := balance_label(cell))), "")


def _note_balance(row: Row, reading: _Reading, label: str, amount: Decimal | str | None) -> None:
    value = parse_amount(_cell(row, reading.layout.balance), decimal=reading.layout.decimal)
    if value is None and isinstance(amount, Decimal):
        value = amount
    if value is None:
        value = next(
            (v for c in row.cells[1:] if (v := parse_amount(c, decimal=reading.layout.decimal)) is not None),
            None,
        )
    if label == "opening" and reading.opening is None:
        reading.opening = value
    elif label == "closing" and value is not None:
        reading.closing = value


def _without_either(row: Row, reading: _Reading) -> None:
    """Neither date nor amount: more text for the movement above, or a remark of the bank's."""
    text = " ".join(cell for place in reading.layout.description if (cell := _cell(row, place)))
    others = [
        cell for place, cell in enumerate(row.cells) if cell and place not in reading.layout.description
    ]
    if text and not others and reading.lines:
        last = reading.lines[-1]
        reading.lines[-1] = replace(last, description=f"{last.description} {text}".strip())


def _without_date(row: Row, reading: _Reading, dated: str) -> None:
    if plain(dated) in PENDING or any(plain(cell) in PENDING for cell in row.cells if cell != "true"):
        reading.undated += 1
    elif reading.lines or reading.layout.names or dated:
        said = f"'{dated}' is not a date" if dated else "there is no date"
        if not _is_remark(row, reading):
            reading.problems.append(
                RowProblem(row.line, _name(reading.layout, reading.layout.dates[0]), said)
            )


def _is_remark(row: Row, reading: _Reading) -> bool:
    """Lines above the first movement of a headerless file, or much narrower than it, are remarks."""
    return len(row.cells) < 3 or (not reading.lines and not reading.layout.names)


def _without_amount(row: Row, reading: _Reading, amount: Decimal | str | None) -> None:
    layout = reading.layout
    place = next(p for p in (layout.amount, layout.debit, layout.credit) if p is not None)
    said = f"'{amount}' is not an amount" if amount else "there is no amount"
    reading.problems.append(RowProblem(row.line, _name(layout, place), said))


def _name(layout: CsvLayout, place: int) -> str:
    named = layout.names[place] if place < len(layout.names) else ""
    return f"column '{named}'" if named else f"column {place + 1}"


def _line(row: Row, day: date, amount: Decimal, layout: CsvLayout) -> ParsedLine:
    description = " ".join(dict.fromkeys(cell for place in layout.description if (cell := _cell(row, place))))
    counterparty, kind = _cell(row, layout.counterparty), _cell(row, layout.kind)
    return ParsedLine(
        date=day,
        amount=amount,
        currency=_currency(row, layout),
        description=description or counterparty or kind,
        reference=_cell(row, layout.reference),
        counterparty=counterparty,
        balance=parse_amount(_cell(row, layout.balance), decimal=layout.decimal),
        provider_id=_cell(row, layout.provider_id),
        kind=kind,
        pending=plain(_cell(row, layout.status)) in PENDING,
        row=row.line,
    )


def _currency(row: Row, layout: CsvLayout) -> str:
    code = _cell(row, layout.currency).upper()
    if code in CURRENCIES:
        return code
    places = (layout.amount, layout.debit, layout.credit)
    shown = next((found for place in places if (found := currency_of(_cell(row, place)))), "")
    return shown or layout.currency_code


def _statement(reading: _Reading, *, currency: str) -> ParsedStatement:
    lines = tuple(reading.lines)
    code = currency or _usual(line.currency for line in lines) or _above_currency(reading.above)
    lines = tuple(line if line.currency else replace(line, currency=code) for line in lines)
    opening, closing = _ends(reading, lines)
    days = [line.date for line in lines]
    return ParsedStatement(
        account=_account(reading),
        currency=code,
        opening=opening,
        closing=closing,
        start=min(days, default=None),
        end=max(days, default=None),
        lines=lines,
        warnings=_warnings(reading, lines),
        problems=tuple(reading.problems),
    )


def _usual(values: Iterable[str]) -> str:
    common = Counter(value for value in values if value).most_common(1)
    return common[0][0] if common else ""


def _above_currency(above: list[Row]) -> str:
    cells = [cell for row in above for cell in row.cells if len(cell) < 40]
    return next((code for cell in cells if (code := header_currency(cell))), "")


def _account(reading: _Reading) -> str:
    """The account the file itself names: in its column (the constant one) or in the lines above the table."""
    if reading.accounts:
        return reading.accounts.most_common(1)[0][0]
    cells = [cell for row in reading.above for cell in row.cells if cell]
    for cell, following in zip_longest(cells, cells[1:], fillvalue=""):
        iban = _IBAN.search(cell)
        if iban:
            return iban[0].replace(" ", "")
        label, _, value = cell.partition(":")
        if plain(label) in _ACCOUNT_WORDS and any(character.isdecimal() for character in value or following):
            return (value or following).strip()
    return ""


def _ends(reading: _Reading, lines: tuple[ParsedLine, ...]) -> tuple[Decimal | None, Decimal | None]:
    """Opening and closing balance: as the file labels them, else from the running balance if it adds up."""
    total = sum((line.amount for line in lines if not line.pending), Decimal(0))
    opening, closing = reading.opening, reading.closing
    if lines and opening is None and closing is None:
        for first, last in ((lines[0], lines[-1]), (lines[-1], lines[0])):
            if first.balance is not None and last.balance is not None:
                start = first.balance - first.amount
                if start + total == last.balance:
                    return start, last.balance
    return opening, closing


def _warnings(reading: _Reading, lines: tuple[ParsedLine, ...]) -> tuple[str, ...]:
    found = list(reading.layout.notes)
    if not lines:
        found.append("The file holds no movements.")
    if reading.undated:
        found.append(f"{reading.undated} pending lines have no date yet and were left out.")
    if reading.labelled:
        found.append(f"{reading.labelled} lines are balances or totals, not movements, and were left out.")
    if repeated := repeated_ids(lines):
        found.append(f"{len(repeated)} transaction ids stand on more than one line; all lines were kept.")
    return tuple(found)
