"""Statements, step 0: what every reader returns, and the identity of a line."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from ledgerhub.core.errors import LedgerHubError


class StatementError(LedgerHubError):
    """The file cannot be read as a statement; str() tells a bookkeeper why and what to do."""


@dataclass(frozen=True, slots=True)
class RowProblem:
    """One row that could not be used: `row` is the line number in the file, `column` its name or ''."""

    row: int
    column: str
    message: str

    def __str__(self) -> str:
        where = f"line {self.row}" + (f", {self.column}" if self.column else "")
        return f"{where}: {self.message}"


@dataclass(frozen=True, slots=True)
class ParsedLine:
    """One movement: `amount` in major units, money in positive; `row` is the line number in the file."""

    date: date
    amount: Decimal
    currency: str = ""
    description: str = ""
    reference: str = ""
    counterparty: str = ""
    balance: Decimal | None = None
    provider_id: str = ""
    kind: str = ""
    pending: bool = False
    row: int = 0


@dataclass(frozen=True, slots=True)
class ParsedStatement:
    """One account's movements in file order; amounts in major units.

    `warnings` are guesses a person should look at, `problems` are rows left out: neither may be hidden.
    """

    account: str = ""
    currency: str = ""
    opening: Decimal | None = None
    closing: Decimal | None = None
    start: date | None = None
    end: date | None = None
    lines: tuple[ParsedLine, ...] = ()
    warnings: tuple[str, ...] = ()
    problems: tuple[RowProblem, ...] = ()


def identities(lines: Iterable[ParsedLine], account: str) -> list[str]:
    """One stable identity a line, in order, so that overlapping files import nothing twice.

    With a provider id the identity is that id *and* date and amount: banks that number each download
    from 1, or give every line the same id, would otherwise make a line vanish. Without one, the text
    takes its place. Lines still equal are told apart by their occurrence number, so twins survive.
    """
    seen: Counter[tuple[str, ...]] = Counter()
    keys = []
    for line in lines:
        content = _content(line, account)
        keys.append(identity(line, account, seen[content]))
        seen[content] += 1
    return keys


def identity(line: ParsedLine, account: str, occurrence: int) -> str:
    """The identity of a line as the so-manieth (from 0) of those that say the same."""
    return _digest((*_content(line, account), str(occurrence)))


def repeated_ids(lines: Iterable[ParsedLine]) -> dict[str, int]:
    """Provider ids that stand on more than one line of a file, with how often."""
    counts = Counter(line.provider_id for line in lines if line.provider_id)
    return {provider_id: count for provider_id, count in counts.items() if count > 1}


def _content(line: ParsedLine, account: str) -> tuple[str, ...]:
    text = normalised(f"{line.description} {line.counterparty} {line.reference}")
    told_by = ("id", line.provider_id) if line.provider_id else ("text", text)
    return (account, line.date.isoformat(), str(line.amount.normalize()), line.currency, *told_by)


def normalised(text: str) -> str:
    """Case, width, accents composed and blanks made equal: banks change those between downloads."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _digest(parts: tuple[str, ...]) -> str:
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:40]
