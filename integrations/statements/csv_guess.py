"""Statements, CSV step 2: rows -> CsvLayout, by column names, by what the cells hold, by the balances."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import islice

from integrations.statements.amounts import currency_of, decimal_mark
from integrations.statements.csv_columns import Column, columns, header_currency, likely_roles
from integrations.statements.csv_layout import CsvLayout
from integrations.statements.csv_money import settle_money
from integrations.statements.csv_text import Row, decode, guess_dialect, guess_encoding, is_movement, rows
from integrations.statements.dates import guess_order
from integrations.statements.model import StatementError
from integrations.statements.words import ROLES, plain, role_score

_SAMPLE_ROWS = 3000
_MAX_COLUMNS = 250


def guess_layout(data: bytes) -> CsvLayout:
    """The layout of a CSV file; raises StatementError if no date or no amount column can be found."""
    encoding, note = guess_encoding(data)
    text = decode(data, encoding)
    delimiter, quote = guess_dialect(text)
    sample = list(islice(rows(text, delimiter=delimiter, quote=quote), _SAMPLE_ROWS))
    if any(len(row.cells) > _MAX_COLUMNS for row in sample):
        raise StatementError(f"A line of this file has more than {_MAX_COLUMNS} columns; no statement has.")
    layout = CsvLayout(encoding=encoding, delimiter=delimiter, quote=quote, notes=(note,) if note else ())
    return _fill(layout, sample)


def _fill(layout: CsvLayout, sample: list[Row]) -> CsvLayout:
    names, header_rows, body = _split_header(sample)
    table = columns(names, [row.cells for row in body])
    layout = replace(layout, names=names, header_rows=header_rows)
    roles = likely_roles(table)
    layout = _dates(layout, roles, table)
    layout = _decimal(layout, table)
    layout = settle_money(layout, roles, table, hints=_card_hints(sample))
    return _others(layout, roles, table)


def _split_header(sample: list[Row]) -> tuple[tuple[str, ...], int, list[Row]]:
    """Header cells, how many rows they span, and the movements below them."""
    place = _header_place(sample)
    if place is None:
        return (), 0, [row for row in sample if is_movement(row.cells)]
    names, span = _joined(sample[place], sample[place + 1 : place + 2])
    return names, span, [row for row in sample[place + span :] if is_movement(row.cells)]


def _header_place(sample: list[Row]) -> int | None:
    """The row that names a date and money; else the row above the first movement if it looks like names."""
    named = [(_recognised(row.cells), -place) for place, row in enumerate(sample[:60]) if _names_columns(row)]
    if named:
        return -max(named)[1]
    first = next((place for place, row in enumerate(sample) if is_movement(row.cells)), None)
    if first is None:
        raise StatementError(
            "No line with a date and an amount was found. Is this the statement export of a bank? "
            "If it is, assign the columns by hand."
        )
    above = sample[max(0, first - 6) : first]
    best = max(above, key=lambda row: (_recognised(row.cells), row.line), default=None)
    if best and (_recognised(best.cells) >= 2 or _plain_header(best, sample[first : first + 1])):
        return sample.index(best)
    return None


def _names_columns(row: Row) -> bool:
    """Does a row, not itself a movement, name a date column and a money column?"""
    if is_movement(row.cells):
        return False
    roles = {
        role for cell in row.cells if cell and len(cell) < 60 for role in ROLES if role_score(role, cell)
    }
    return "date" in roles and bool(roles & {"amount", "debit", "credit"})


def _recognised(cells: tuple[str, ...]) -> int:
    return sum(any(role_score(role, cell) for role in ROLES) for cell in cells if cell and len(cell) < 60)


def _plain_header(row: Row, below: list[Row]) -> bool:
    """A row of three or more distinct texts right above the first movement, as wide as it."""
    texts = [cell for cell in row.cells if cell]
    return (
        len(texts) >= 3
        and len(set(texts)) == len(texts)
        and not any(character.isdecimal() for cell in texts for character in cell)
        and bool(below)
        and abs(len(row.cells) - len(below[0].cells)) <= 1
    )


def _joined(header: Row, between: list[Row]) -> tuple[tuple[str, ...], int]:
    """A second header line right below (units, a second language) is joined to the first, cell by cell."""
    below = between[0].cells if between else ()
    if len(below) != len(header.cells) or _recognised(below) < 2 or is_movement(below):
        return header.cells, 1
    return tuple(f"{upper} {lower}".strip() for upper, lower in zip(header.cells, below, strict=True)), 2


def _dates(layout: CsvLayout, roles: dict[str, list[int]], table: list[Column]) -> CsvLayout:
    named = [*roles.get("date", []), *roles.get("value_date", [])]
    chosen = [place for place in named if table[place].filled] or named[:1]
    if not chosen:
        chosen = [column.place for column in table if column.holds_dates]
    if not chosen:
        raise StatementError("No column with dates was found. Assign the columns by hand.")
    cells = [cell for place in chosen[:1] for cell in table[place].cells if cell]
    guess = guess_order(cells, american=_american(layout, table))
    notes = (*layout.notes, guess.note) if guess.note else layout.notes
    return replace(layout, dates=tuple(chosen[:3]), date_order=guess.order, notes=notes)


_ENGLISH = frozenset(
    ("date", "amount", "description", "balance", "transaction", "details", "debit", "credit", "type")
)
_BRITISH = frozenset(
    (
        "payee",
        "particulars",
        "narrative",
        "narration",
        "paid",
        "money",
        "details",
        "processed",
        "dr",
        "sort",
        "cheque",
    )
)


def _american(layout: CsvLayout, table: list[Column]) -> bool:
    """Would this file's country write the month first? Dollars, or plain English column names."""
    cells = [cell for column in table for cell in column.cells[:50] if column.holds_amounts]
    currencies = {code for cell in cells if (code := currency_of(cell))}
    codes = {cell for column in table if column.holds_codes for cell in column.cells}
    if (currencies | codes) - {"USD", "CAD"}:
        return False
    if "USD" in codes or any("$" in cell for cell in cells):
        return True
    words = {word for name in layout.names for word in name.lower().split()}
    return (bool(words & _ENGLISH) and not words & _BRITISH) or not layout.names


def _decimal(layout: CsvLayout, table: list[Column]) -> CsvLayout:
    cells = [cell for column in table if column.holds_amounts for cell in column.cells]
    mark, shown = decimal_mark(cells)
    doubtful = [cell for cell in cells if "," in cell or "." in cell]
    if shown or not doubtful:
        return replace(layout, decimal=mark)
    note = (
        f"Amounts like '{doubtful[0]}' were read with '{'.' if mark == ',' else ','}' as the thousands mark."
    )
    return replace(layout, decimal=mark, notes=(*layout.notes, note))


_CARD = (
    *("card number", "card no", "card used", "card member", "cardholder", "credit card", "merchant name"),
    *("kreditkarte", "kartennummer", "carte bancaire", "numero de carte", "tarjeta", "carta di credito"),
    *("cartao de credito", "kredietkaart"),
)


def _card_hints(sample: list[Row]) -> bool:
    """Do the lines above the movements, or the column names, speak of a card?"""
    words = plain(" ".join(cell for row in sample[:12] if not is_movement(row.cells) for cell in row.cells))
    return any(hint in words for hint in _CARD) and "customer" not in words


def _others(layout: CsvLayout, roles: dict[str, list[int]], table: list[Column]) -> CsvLayout:
    taken = set(layout.dates) | {
        place
        for place in (layout.amount, layout.debit, layout.credit, layout.balance, layout.flag)
        if place is not None
    }

    def single(role: str) -> int | None:
        return next((place for place in roles.get(role, []) if place not in taken), None)

    layout = replace(
        layout,
        counterparty=single("counterparty"),
        reference=single("reference"),
        currency=_currency_column(layout, roles, table),
        provider_id=single("provider_id"),
        kind=single("kind") if layout.flag is None else next(iter(roles.get("kind", [])), None),
        status=single("status"),
        account=_account_column(roles, table, taken),
        currency_code=_currency_code(layout, table),
    )
    return replace(layout, description=_description(layout, roles, table, taken))


_ACCOUNT = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}|[0-9]{8,}")


def _account_column(roles: dict[str, list[int]], table: list[Column], taken: set[int]) -> int | None:
    """The column named so, else one that repeats one IBAN or account number in every row."""
    named = [place for place in roles.get("account", []) if place not in taken]
    same = [
        c.place
        for c in table
        if c.place not in taken
        and not c.name
        and len(c.distinct) == 1
        and c.filled == len(c.cells)
        and _ACCOUNT.fullmatch(next(iter(c.distinct)))
    ]
    return next(iter([*named, *same]), None)


def _currency_column(layout: CsvLayout, roles: dict[str, list[int]], table: list[Column]) -> int | None:
    named = [
        place for place in roles.get("currency", []) if table[place].holds_codes or not table[place].filled
    ]
    if named:
        return named[0]
    coded = [column.place for column in table if column.holds_codes and not column.foreign]
    money = layout.amount if layout.amount is not None else layout.debit or layout.credit or 0
    return min(coded, key=lambda place: abs(place - money), default=None)


def _currency_code(layout: CsvLayout, table: list[Column]) -> str:
    for place in (layout.amount, layout.debit, layout.credit, layout.balance):
        if place is not None and place < len(table) and (code := header_currency(table[place].name)):
            return code
    found = {
        code
        for place in (layout.amount, layout.debit, layout.credit, layout.balance)
        if place is not None and place < len(table)
        for cell in table[place].cells
        if (code := currency_of(cell))
    }
    return found.pop() if len(found) == 1 else ""


def _description(
    layout: CsvLayout, roles: dict[str, list[int]], table: list[Column], taken: set[int]
) -> tuple[int, ...]:
    named = [place for place in sorted(roles.get("description", [])) if place not in taken]
    if named:
        return tuple(named[:20])
    used = taken | {place for place in (layout.currency, layout.account, layout.status) if place is not None}
    single = {layout.counterparty, layout.reference, layout.provider_id, layout.kind}
    free = [
        c for c in table if c.holds_text and c.place not in used and c.place not in single and not c.foreign
    ]
    if layout.names and layout.counterparty is not None:
        return (layout.counterparty,)
    chosen = free or [
        c for c in table if c.filled and c.place not in used and not c.holds_amounts and not c.holds_dates
    ]
    longest = max((c.length for c in chosen), default=0.0)
    return tuple(c.place for c in chosen if c.length >= longest / 4 or len(c.distinct) > 1)[:20]
