"""Statements, CSV step 2: which columns are money and which sign they bear, proved by the balances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise, permutations

from integrations.statements.amounts import parse_amount, signed
from integrations.statements.csv_columns import Column
from integrations.statements.csv_layout import CsvLayout
from integrations.statements.model import StatementError
from integrations.statements.words import IN, OUT, plain, role_score

Values = list[Decimal | None]
Columns = Sequence[Column] | Mapping[int, Column]
_PAYMENT = (
    "payment received",
    "payment thank",
    "thank you",
    "autopay",
    "online payment",
    "refund",
    "zahlung erhalten",
    "pagamento recebido",
    "pago recibido",
    "paiement recu",
)
_BOTH = ("amount", "debit", "credit")


def settle_money(
    layout: CsvLayout, roles: dict[str, list[int]], table: Sequence[Column], *, hints: bool
) -> CsvLayout:
    """Choose amount or debit and credit, balance, flag and signs; raises StatementError without money."""
    named = _by_name(layout, roles, table)
    layout = named if named.amount is not None or _pair(named) else _by_cells(layout, roles, table)
    layout = _flagged(layout, roles, table) if layout.amount is not None else _pair_signs(layout, table)
    return _proved(layout, table, hints=hints)


def _pair(layout: CsvLayout) -> bool:
    return layout.debit is not None or layout.credit is not None


def _by_name(layout: CsvLayout, roles: dict[str, list[int]], table: Sequence[Column]) -> CsvLayout:
    first = {role: next(iter(roles.get(role, [])), None) for role in (*_BOTH, "balance")}
    layout = replace(layout, balance=first["balance"])
    amount, debit, credit = first["amount"], first["debit"], first["credit"]
    filled = amount is not None and (
        table[amount].filled or not any(table[p].filled for p in (debit, credit) if p)
    )
    if debit is not None and credit is not None and not (filled and _signs(table[amount or 0])):
        return replace(layout, debit=debit, credit=credit)
    if amount is not None and filled:
        return replace(layout, amount=amount)
    if debit is not None or credit is not None:
        return _single(layout, debit if debit is not None else credit, table)
    return layout


def _single(layout: CsvLayout, place: int | None, table: Sequence[Column]) -> CsvLayout:
    """Only one of debit and credit is named: a signed amount under a loose name, or one-sided money."""
    if place is not None and _signs(table[place]):
        return replace(layout, amount=place)
    return layout if place is None else replace(layout, debit=place)


def _signs(column: Column) -> bool:
    return any(signed(cell) for cell in column.cells if cell)


def _by_cells(layout: CsvLayout, roles: dict[str, list[int]], table: Sequence[Column]) -> CsvLayout:
    """No column is named as money: take what the cells show, the balance chain first."""
    named = {place for places in roles.values() for place in places}
    free = [
        c for c in table if c.money_like and not c.foreign and (c.place not in named or not layout.names)
    ][:6]
    free = free or [c for c in table if c.money_like and c.place not in layout.dates][:6]
    if not free:
        raise StatementError("No column with amounts was found. Assign the columns by hand.")
    chained = _by_chain(layout, free)
    if chained:
        return chained
    pair = next(((a, b) for a, b in pairwise(free) if _complementary(a, b)), None)
    if pair:
        return _unnamed_pair(layout, *pair)
    coded = {column.place for column in table if column.holds_codes}
    lone = max(free, key=lambda c: (c.filled, bool({c.place - 1, c.place + 1} & coded), _signs(c), -c.place))
    twin = _empty_neighbour(lone, table)
    if twin is not None and not _signs(lone):
        note = "Only one of the two amount columns is filled; it was taken as money out."
        return replace(layout, debit=lone.place, credit=twin, notes=(*layout.notes, note))
    return replace(layout, amount=lone.place)


def _unnamed_pair(layout: CsvLayout, left: Column, right: Column) -> CsvLayout:
    """Money goes out more often than it comes in; where neither side is fuller, debit comes first."""
    spent = [sum(not _empty(cell) for cell in column.cells) for column in (left, right)]
    swapped = spent[1] >= 2 * spent[0] and not (_signs(left) or _signs(right))
    debit, credit = (right, left) if swapped else (left, right)
    which = "second, fuller" if swapped else "first"
    note = f"The columns have no names: the {which} of the two amount columns was taken as money out."
    return replace(layout, debit=debit.place, credit=credit.place, notes=(*layout.notes, note))


def _empty_neighbour(lone: Column, table: Sequence[Column]) -> int | None:
    """A wholly empty column beside the amounts: the other half of a debit and credit pair."""
    near = [c for c in table if abs(c.place - lone.place) == 1 and not c.filled and not c.name]
    beyond = [c for c in near if c.place + 1 < len(table) or c.place < lone.place]
    return beyond[0].place if beyond else None


def _complementary(left: Column, right: Column) -> bool:
    """In every row exactly one of the two holds money (the other is empty or zero)."""
    pairs = list(zip(left.cells, right.cells, strict=True))
    return all(_empty(a) != _empty(b) for a, b in pairs) and all(
        any(not _empty(pair[side]) for pair in pairs) for side in (0, 1)
    )


def _empty(cell: str) -> bool:
    return not any(character in "123456789" for character in cell)


def _by_chain(layout: CsvLayout, free: Sequence[Column]) -> CsvLayout | None:
    """The columns of which one is the running balance of the others, in file order or reversed."""
    best = (0, 0)
    chosen = None
    by_place = {column.place: column for column in free}
    for candidate in _candidates(layout, free):
        candidate = candidate if candidate.debit is None else _pair_signs(candidate, by_place)
        hits, total = evidence(candidate, by_place)
        explained = (hits, sum(bool(move) for move in _moves(candidate, by_place)))
        if hits >= 2 and hits * 2 >= total and explained > best:
            best, chosen = explained, candidate
    return chosen


def _candidates(layout: CsvLayout, free: Sequence[Column]) -> Iterable[CsvLayout]:
    places = [column.place for column in free]
    for amount, balance in permutations(places, 2):
        yield replace(layout, amount=amount, balance=balance)
    for debit, credit, balance in permutations(places, 3):
        yield replace(layout, debit=debit, credit=credit, balance=balance)
    for amount, balance in permutations(places, 2):
        yield replace(layout, amount=amount, balance=balance, sign=-1)


def _pair_signs(layout: CsvLayout, table: Columns) -> CsvLayout:
    """Debits may be written as negatives already, credits of a card too: the majority in a column decides."""
    debit = -1 if _mostly_positive(layout, table, layout.debit) else 1
    credit = 1 if _mostly_positive(layout, table, layout.credit) else -1
    return replace(layout, debit_sign=debit, credit_sign=credit)


def _mostly_positive(layout: CsvLayout, table: Columns, place: int | None) -> bool:
    values = [] if place is None else [v for v in _values(table[place], layout.decimal) if v]
    return sum(value < 0 for value in values) * 2 <= len(values)


def _flagged(layout: CsvLayout, roles: dict[str, list[int]], table: Sequence[Column]) -> CsvLayout:
    """An unsigned amount with a column that says D or C, S or H, Af or Bij, debit or credit."""
    amounts = [value for value in _values(table[layout.amount or 0], layout.decimal) if value]
    if any(value < 0 for value in amounts):
        return layout
    candidates = sorted((c for c in table if _is_flag(c)), key=_flag_strength, reverse=True)
    if not candidates:
        return layout
    flag = candidates[0]
    outs = tuple(sorted(cell for cell in flag.distinct if _word(cell) in OUT))
    blank_out = not outs and flag.filled < len(flag.cells)
    return replace(layout, flag=flag.place, flag_out=outs, flag_blank_out=blank_out)


def _flag_strength(column: Column) -> tuple[bool, int, int]:
    both = bool({_word(c) for c in column.distinct} & OUT) and bool({_word(c) for c in column.distinct} & IN)
    return both, role_score("flag", column.name), -column.place


def _is_flag(column: Column) -> bool:
    words = {_word(cell) for cell in column.distinct}
    if not words or len(words) > 8:
        return False
    known = sum(_word(cell) in OUT or _word(cell) in IN for cell in column.cells if cell)
    named = bool(role_score("flag", column.name)) or not column.name
    return known >= 0.9 * column.filled and (named or len(words) == 2 or len(max(words, key=len)) <= 2)


def _word(cell: str) -> str:
    return cell if cell in ("+", "-") else plain(cell)


def _values(column: Column, decimal: str) -> Values:
    return [parse_amount(cell, decimal=decimal) if cell else None for cell in column.cells]


def evidence(layout: CsvLayout, table: Columns) -> tuple[int, int]:
    """How many steps of the running balance the amounts explain, of how many; the better file order."""
    if layout.balance is None:
        return 0, 0
    balances = _values(table[layout.balance], layout.decimal)
    moves = _moves(layout, table)
    known = [
        (i, j) for i, j in pairwise(range(len(moves))) if balances[i] is not None and balances[j] is not None
    ]
    rising = sum(_step(balances[j], balances[i], moves[j]) for i, j in known)
    falling = sum(_step(balances[i], balances[j], moves[i]) for i, j in known)
    return max(rising, falling), len(known)


def _step(after: Decimal | None, before: Decimal | None, move: Decimal | None) -> bool:
    return after is not None and before is not None and bool(move) and after - before == move


def _moves(layout: CsvLayout, table: Columns) -> Values:
    if layout.amount is not None:
        values = _values(table[layout.amount], layout.decimal)
        flags = table[layout.flag].cells if layout.flag is not None else ("",) * len(values)
        return [
            None if value is None else flag_sign(layout, flag) * layout.sign * value
            for value, flag in zip(values, flags, strict=True)
        ]
    sides = [(layout.debit, layout.debit_sign), (layout.credit, layout.credit_sign)]
    held = [(_values(table[place], layout.decimal), sign) for place, sign in sides if place is not None]
    return [
        sum((sign * layout.sign * (value or 0) for value, sign in cells), Decimal(0))
        for cells in zip(*([(value, sign) for value in values] for values, sign in held), strict=True)
    ]


def flag_sign(layout: CsvLayout, cell: str) -> int:
    """-1 where the flag cell says money out, else 1."""
    if layout.flag is None:
        return 1
    return -1 if cell in layout.flag_out or (not cell and layout.flag_blank_out) else 1


def _proved(layout: CsvLayout, table: Sequence[Column], *, hints: bool) -> CsvLayout:
    """Let the balances confirm or turn the sign; without balances look for a card's habits."""
    now, total = evidence(layout, table)
    turned, _ = evidence(replace(layout, sign=-layout.sign), table)
    if turned >= 2 and turned > now:
        note = "Amounts were turned round (money in positive), because the balances show it."
        return replace(layout, sign=-layout.sign, notes=(*layout.notes, note))
    if now >= 2 or layout.amount is None or layout.flag is not None:
        return layout
    values = _values(table[layout.amount], layout.decimal)
    return _card(layout, table, values, hints=hints, doubtful=not total)


def _card(
    layout: CsvLayout, table: Sequence[Column], values: Values, *, hints: bool, doubtful: bool
) -> CsvLayout:
    """Cards often show purchases as positive and payments as negative."""
    text = [" ".join(plain(c.cells[row]) for c in table if c.holds_text) for row in range(len(values))]
    paid = [
        value
        for value, words in zip(values, text, strict=True)
        if value and any(p in words for p in _PAYMENT)
    ]
    bought = [value for value in values if value and value not in paid]
    positive = sum(value > 0 for value in bought) * 2 > len(bought)
    if paid and bought and positive and all(value < 0 for value in paid):
        note = "Looks like a card: purchases are positive in the file and were taken as money out."
        return replace(layout, sign=-1, notes=(*layout.notes, note))
    if len(bought) == len(values) and all(value > 0 for value in bought) and bought and doubtful:
        return _all_positive(layout, hints=hints)
    return layout


def _all_positive(layout: CsvLayout, *, hints: bool) -> CsvLayout:
    if hints:
        note = "Looks like a card with purchases only; all amounts were taken as money out."
        return replace(layout, sign=-1, notes=(*layout.notes, note))
    note = "All amounts are positive and nothing tells money in from money out; all were taken as money in."
    return replace(layout, notes=(*layout.notes, note))
