"""Statements, for the eye and for programs: statements -> JSON lines or a plain table."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from integrations.statements.model import ParsedLine, ParsedStatement

_TEXT_WIDTH = 60


def json_lines(statements: Iterable[ParsedStatement]) -> Iterator[str]:
    """One JSON object a movement: date, amount, currency, description, reference, balance or null."""
    for statement in statements:
        for line in statement.lines:
            yield json.dumps(_plain(line), ensure_ascii=False)


def _plain(line: ParsedLine) -> dict[str, str | None]:
    return {
        "date": line.date.isoformat(),
        "amount": format(line.amount, "f"),
        "currency": line.currency,
        "description": line.description,
        "reference": line.reference,
        "balance": None if line.balance is None else format(line.balance, "f"),
    }


def remarks(statements: Iterable[ParsedStatement]) -> Iterator[str]:
    """Every warning and every row left out, in words."""
    for statement in statements:
        yield from statement.warnings
        for problem in statement.problems:
            yield f"Left out: {problem}."


def table(statements: Sequence[ParsedStatement]) -> str:
    """Statements as aligned text, each with its sums; blank lines between them."""
    return "\n\n".join("\n".join(_statement(statement)) for statement in statements)


def _statement(statement: ParsedStatement) -> Iterator[str]:
    period = f"{statement.start} to {statement.end}" if statement.start else "no period"
    yield f"Account {statement.account or '(not named)'}  {statement.currency or '(no currency)'}  {period}"
    rows = [_row(line) for line in statement.lines]
    widths = [max(map(_width, column)) for column in zip(_HEAD, *rows, strict=True)]
    for cells in (_HEAD, *rows):
        yield "  ".join(
            _pad(cell, width, right=place in (1, 3))
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ).rstrip()
    yield _sums(statement)


_HEAD = ("Date", "Amount", "Cur", "Balance", "Reference", "Description")


def _row(line: ParsedLine) -> tuple[str, ...]:
    balance = "" if line.balance is None else f"{line.balance:,f}"
    text = f"(pending) {line.description}" if line.pending else line.description
    return (
        line.date.isoformat(),
        f"{line.amount:,f}",
        line.currency,
        balance,
        _short(line.reference, 24),
        _short(text, _TEXT_WIDTH),
    )


def _sums(statement: ParsedStatement) -> str:
    parts = [f"{len(statement.lines)} lines"]
    for currency in sorted({line.currency for line in statement.lines}):
        amounts = [line.amount for line in statement.lines if line.currency == currency]
        into = sum((amount for amount in amounts if amount > 0), Decimal(0))
        out = sum((amount for amount in amounts if amount < 0), Decimal(0))
        parts.append(f"in {into:,f}, out {out:,f}, sum {into + out:,f} {currency}".rstrip())
    for name, value in (("opening", statement.opening), ("closing", statement.closing)):
        if value is not None:
            parts.append(f"{name} {value:,f}")
    return " · ".join(parts)


def _short(text: str, width: int) -> str:
    printable = "".join(character if character.isprintable() else " " for character in text)
    return printable if len(printable) <= width else printable[: width - 1] + "…"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _pad(text: str, width: int, *, right: bool) -> str:
    blanks = " " * (width - _width(text))
    return blanks + text if right else text + blanks
