"""The two tables that are matched: statement lines and entries, column by column."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Self

import numpy as np

from reconciliation.matching.arrays import Bools, Ints

_EPOCH = date(1970, 1, 1).toordinal()
TEXT_COLUMNS = ("account", "currency", "description", "reference", "counterparty", "kind", "batch")
LONGEST_TEXT = 1000
LARGEST_AMOUNT = 10**15
"""Minor units; sums of hundreds of such amounts are still exact in 64 bits. Larger ones are never summed."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows as columns of equal length.

    `date` counts days since 1970-01-01; `amount` is minor units, money in positive.
    Text columns are empty strings where nothing is known. Ids are unique.
    """

    ids: list[str]
    date: Ints
    amount: Ints
    account: list[str] = field(default_factory=list)
    currency: list[str] = field(default_factory=list)
    description: list[str] = field(default_factory=list)
    reference: list[str] = field(default_factory=list)
    counterparty: list[str] = field(default_factory=list)
    kind: list[str] = field(default_factory=list)
    batch: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in TEXT_COLUMNS:
            if not getattr(self, name):
                object.__setattr__(self, name, [""] * len(self.ids))
            if len(getattr(self, name)) != len(self.ids):
                raise ValueError(
                    f"column {name} has {len(getattr(self, name))} values for {len(self.ids)} rows"
                )
        if len(self.date) != len(self.ids) or len(self.amount) != len(self.ids):
            raise ValueError("date, amount and id need the same number of rows")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def summable(self) -> Bools:
        """Rows whose amounts may be added up."""
        return (self.amount >= -LARGEST_AMOUNT) & (self.amount <= LARGEST_AMOUNT)

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]]) -> Self:
        """Rows with `id`, `date` (datetime.date), `amount` (int, minor units) and any of the text columns."""
        ids: list[str] = []
        numbers = array("q")
        texts: dict[str, list[str]] = {name: [] for name in TEXT_COLUMNS}
        for row in rows:
            ids.append(str(row["id"]))
            numbers.extend((row["date"].toordinal() - _EPOCH, row["amount"]))
            for name, column in texts.items():
                column.append(str(row.get(name) or ""))
        date, amount = np.array(numbers, dtype=np.int64).reshape(-1, 2).T.copy()
        return cls(ids=ids, date=date, amount=amount, **texts)

    def take(self, rows: Ints) -> Table:
        """The table of these rows, in this order."""
        picks = rows.tolist()
        texts = {name: list(map(getattr(self, name).__getitem__, picks)) for name in TEXT_COLUMNS}
        return Table([self.ids[i] for i in picks], self.date[rows], self.amount[rows], **texts)

    def by_amount(self) -> Ints:
        """The rows in order of amount, then of date: those that may be one another's come close in memory."""
        return np.lexsort((self.date, self.amount))


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - _EPOCH


def codes(left: list[str], right: list[str]) -> tuple[Ints, Ints]:
    """Equal texts of both lists (case and outer blanks aside) as equal numbers; 0 is the empty text."""
    known: dict[str, int] = {"": 0}
    return _coded(left, known), _coded(right, known)


def _coded(texts: list[str], known: dict[str, int]) -> Ints:
    # Columns of few distinct texts: each is folded once.
    numbers = {text: known.setdefault(text.strip().casefold(), len(known)) for text in dict.fromkeys(texts)}
    return np.fromiter(map(numbers.__getitem__, texts), np.int64, len(texts))


def comparable(left: Ints, right: Ints) -> tuple[Ints, Ints]:
    """Codes to compare rows by, or zeros where one side does not say or no code is shared.

    A file that calls its account "checking" and one that calls it "1200" must still meet; where
    the same names are used on both sides, they separate.
    """
    shared = np.intersect1d(left[left > 0], right[right > 0])
    if not len(shared):
        return np.zeros_like(left), np.zeros_like(right)
    return left, right
