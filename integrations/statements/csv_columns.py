"""Statements, CSV step 2: what each column holds, and which role its name and cells allow."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from integrations.statements.amounts import fractional, looks_like_amount
from integrations.statements.dates import date_parts
from integrations.statements.words import FOREIGN, ROLES, plain, role_score
from ledgerhub.core.money import CURRENCIES

MONEY = ("amount", "debit", "credit", "balance")
_MANY = ("date", "value_date", "description", "currency", *MONEY)
_SIGNS = {"€": "EUR", "£": "GBP", "円": "JPY", "₹": "INR", "R$": "BRL"}
_CODE = re.compile(r"\b[A-Z]{3}\b")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the movements: its name and cells, and what share of the filled cells is of a kind."""

    place: int
    name: str
    cells: tuple[str, ...]
    filled: int
    dates: float
    amounts: float
    codes: float
    length: float
    distinct: frozenset[str]

    @property
    def holds_dates(self) -> bool:
        return self.dates >= 0.6

    @property
    def holds_amounts(self) -> bool:
        return self.amounts >= 0.8 and not self.holds_dates

    @property
    def holds_codes(self) -> bool:
        return self.codes >= 0.9

    @property
    def holds_text(self) -> bool:
        return bool(self.filled) and not (self.holds_dates or self.holds_amounts or self.holds_codes)

    @property
    def foreign(self) -> bool:
        return bool(FOREIGN.search(plain(self.name)))

    @property
    def money_like(self) -> bool:
        """Money rather than a number that counts or names: decimals somewhere, or short enough."""
        some = [cell for cell in self.cells if cell]
        return self.holds_amounts and (any(map(fractional, some)) or all(len(cell) < 8 for cell in some))


def columns(names: Sequence[str], body: Sequence[Sequence[str]]) -> list[Column]:
    """Profile every column of the movements (sampled); a short row leaves its last cells empty."""
    width = max([len(names), *(len(cells) for cells in body)], default=0)
    return [_column(place, names[place] if place < len(names) else "", body) for place in range(width)]


def _column(place: int, name: str, body: Sequence[Sequence[str]]) -> Column:
    cells = tuple(row[place] if place < len(row) else "" for row in body)
    some = [cell for cell in cells if cell]
    count = len(some) or 1
    return Column(
        place=place,
        name=name,
        cells=cells,
        filled=len(some),
        dates=sum(date_parts(cell) is not None for cell in some) / count,
        amounts=sum(looks_like_amount(cell) for cell in some) / count,
        codes=sum(cell.upper() in CURRENCIES for cell in some) / count,
        length=sum(map(len, some)) / count,
        distinct=frozenset(some),
    )


def likely_roles(table: Sequence[Column]) -> dict[str, list[int]]:
    """Role -> columns named so, best first. A column has one role, save currency beside its amount."""
    scored = sorted(
        (
            (score, -column.place, role)
            for column in table
            if column.name
            for role in ROLES
            if (score := _fitting_score(role, column))
        ),
        reverse=True,
    )
    roles: dict[str, list[int]] = {}
    used: set[int] = set()
    for _score, place, role in scored:
        if -place in used or (role in roles and role not in _MANY):
            continue
        used.add(-place)
        roles.setdefault(role, []).append(-place)
    return roles


def _fitting_score(role: str, column: Column) -> int:
    score = role_score(role, column.name.replace(header_currency(column.name) or "\0", ""))
    if not score or not _allows(role, column):
        return 0
    if column.foreign and role == "account":
        return 0
    penalty = 900 if column.foreign and score < 1500 else 0
    return max(1, score - penalty)


def _allows(role: str, column: Column) -> bool:
    if role in ("date", "value_date"):
        return column.holds_dates or not column.filled
    if role in MONEY:
        return column.holds_amounts or not column.filled
    if role == "currency":
        return column.holds_codes or not column.filled
    if role == "provider_id":
        return column.filled > 0 and len(column.distinct) == column.filled == len(column.cells)
    if role == "flag":
        return column.holds_text and len(column.distinct) <= 12
    if role in ("description", "counterparty", "kind", "status"):
        return not (column.holds_dates or column.holds_codes or (column.holds_amounts and column.money_like))
    return True


def header_currency(name: str) -> str:
    """ISO code inside a column name: `Betrag (EUR)`, `Amount CZK`, `Importe €`; else ''."""
    for match in _CODE.finditer(name):
        if match[0] in CURRENCIES:
            return match[0]
    return next((code for sign, code in _SIGNS.items() if sign in name), "")
