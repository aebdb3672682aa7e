"""Rows that come one by one to a workload that was matched before: what the product does, in memory."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from benchmarks.workloads import Workload
from reconciliation.matching.arrays import Ints
from reconciliation.matching.engine import Whole, match
from reconciliation.matching.index import Index, neighbours
from reconciliation.matching.proposals import Proposal
from reconciliation.matching.renewal import renewal
from reconciliation.matching.tables import Table

Rows: TypeAlias = frozenset[str]


def rows_of(proposal: Proposal) -> Rows:
    return frozenset((*proposal.line_ids, *proposal.entry_ids))


@dataclass
class Books:
    """All rows of a workload, the index of those there were at first, and the proposals that stand."""

    lines: Table
    entries: Table
    index: Index
    whole: Whole
    late: list[str]
    standing: dict[int, Rows]
    tail: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, work: Workload, late: int, *, seed: int = 3) -> Books:
        """The workload with all but `late` rows, drawn at random, matched as a whole."""
        lines, entries = work.tables()
        ids = [*lines.ids, *entries.ids]
        random.Random(seed).shuffle(ids)
        early = frozenset(ids[late:])
        known = taken(lines, early), taken(entries, early)
        result = match(*known)
        index = Index.build(*known)
        whole = Whole(index.rarity, result.weights, result.usual_lag)
        standing = dict(enumerate(map(rows_of, result.proposals)))
        return cls(lines, entries, index, whole, ids[:late], standing)

    def __post_init__(self) -> None:
        self._line_of = {identity: row for row, identity in enumerate(self.lines.ids)}
        self._entry_of = {identity: row for row, identity in enumerate(self.entries.ids)}
        self._holder = {row: number for number, rows in self.standing.items() for row in rows}
        self._next = len(self.standing)

    def add(self, new: str) -> None:
        """Match one new row against all there is."""
        tail = Index.build(*self._tables(self.tail))
        found = neighbours([self.index, tail], *self._tables([new]))
        ids = {new, *found.near, *found.beside}
        held = sorted({self._holder[row] for row in ids if row in self._holder})
        ids.update(row for number in held for row in self.standing[number])
        result = match(*self._tables(ids), whole=self.whole)
        proposed = [rows_of(proposal) for proposal in result.proposals]
        changes = renewal([self.standing[number] for number in held], proposed, new=[new], near=found.near)
        for place in changes.dropped:
            for row in self.standing.pop(held[place]):
                del self._holder[row]
        for place in changes.stored:
            self._store(proposed[place])
        self.tail.append(new)
        self.sizes.append(len(ids))

    def _store(self, rows: Rows) -> None:
        holders = {self._holder.get(row) for row in rows}
        if holders == {None}:
            self._next += 1
            self.standing[self._next] = rows
            self._holder.update(dict.fromkeys(rows, self._next))
        elif len(holders) > 1 or self.standing[next(iter(holders)) or 0] != rows:
            raise AssertionError(f"{sorted(rows)}: a row would be proposed twice")

    def _tables(self, ids: set[str] | list[str]) -> tuple[Table, Table]:
        lines = sorted(self._line_of[row] for row in ids if row in self._line_of)
        entries = sorted(self._entry_of[row] for row in ids if row in self._entry_of)
        return self.lines.take(_ints(lines)), self.entries.take(_ints(entries))


def taken(table: Table, ids: frozenset[str]) -> Table:
    return table.take(_ints([row for row, identity in enumerate(table.ids) if identity in ids]))


def _ints(rows: list[int]) -> Ints:
    return np.array(rows, dtype=np.int64)


def agreement(left: set[Rows], right: set[Rows]) -> float:
    """Share of the proposals of both that both have."""
    return len(left & right) / max(len(left | right), 1)
