"""An index of all open rows, on disk: which few of them are worth comparing with a new one.

Both sides are sorted by what a row may be found by (`marks.py`) and its date, so that the rows of one
key in a window of dates are one range: a look-up reads a few pages of files that are mapped into memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from reconciliation.matching import marks as mk
from reconciliation.matching import offsetting
from reconciliation.matching.arrays import Bools, Hashes, Ints, Small, distinct, run_starts, spread
from reconciliation.matching.marks import Marks, Reach, Said
from reconciliation.matching.rarity import Rarity
from reconciliation.matching.readings import read
from reconciliation.matching.tables import Table
from reconciliation.rules import DateWindow

CHUNK = 100_000
MOST_NEIGHBOURS = 600
"""Rows of one side compared with one new row; the nearest and surest are taken first."""
_DAYS = 1 << 16
_EPOCH = _DAYS // 2
MOST_RIVALS = 12

Names = npt.NDArray[np.bytes_]


@dataclass(frozen=True, slots=True)
class Side:
    """One table of the index. `place` holds key (upper 48 bits) and date (lower 16), sorted; `row` whose it
    is. Of each row: its id (sorted), its date, and its strong keys from `start[row]` on."""

    ids: Names
    date: Ints
    place: Hashes
    row: Ints
    start: Ints
    strong: Hashes
    strong_kind: Small

    @classmethod
    def build(cls, ids: list[str], date: Ints, marks: Marks) -> Side:
        names = np.array(ids, dtype=np.bytes_)
        order = np.argsort(names)
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        row = rank[marks.row]
        date = date[order]
        place = _place(marks.key, date[row])
        sorted_places = np.argsort(place, kind="stable")
        kept = np.flatnonzero(np.isin(marks.kind, mk.STRONG))
        kept = kept[np.argsort(row[kept], kind="stable")]
        return cls(
            ids=names[order],
            date=date,
            place=place[sorted_places],
            row=row[sorted_places].astype(np.int32),
            start=np.searchsorted(row[kept], np.arange(len(ids) + 1)),
            strong=marks.key[kept],
            strong_kind=marks.kind[kept],
        )

    def holds(self, ids: list[str]) -> Bools:
        """Which of these rows stand in the index."""
        if not len(self.ids) or not ids:
            return np.zeros(len(ids), dtype=np.bool_)
        names = np.array(ids, dtype=np.bytes_)
        places = np.minimum(np.searchsorted(self.ids, names), len(self.ids) - 1)
        return np.asarray(self.ids[places] == names)

    def find(self, wanted: Wanted) -> tuple[Ints, Ints]:
        """(position among the wanted, row) of the rows that have a wanted key in its window of dates.

        Of a key that too many rows have, those nearest by date, twice as many before as after.
        """
        start = np.searchsorted(self.place, _place(wanted.key, wanted.date - wanted.back))
        end = np.searchsorted(self.place, _place(wanted.key, wanted.date + wanted.ahead), "right")
        at = np.searchsorted(self.place, _place(wanted.key, wanted.date))
        begin = np.clip(at - wanted.most * 2 // 3, start, np.maximum(end - wanted.most, start))
        which, spots = spread(begin, np.minimum(end - start, wanted.most))
        return which, self.row[spots].astype(np.int64)

    def strong_of(self, rows: Ints) -> Marks:
        """The strong keys of these rows; `row` counts the rows given."""
        which, spots = spread(self.start[rows], self.start[rows + 1] - self.start[rows])
        return Marks(which, self.strong[spots], self.strong_kind[spots])


def _place(key: Hashes, date: Ints) -> Hashes:
    day = np.clip(date + _EPOCH, 0, _DAYS - 1).astype(np.uint64)
    return np.asarray((key & ~np.uint64(_DAYS - 1)) | day)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Keys to look up, each around a date, with the days before and after it and the most rows to take."""

    key: Hashes
    kind: Small
    date: Ints
    back: Ints
    ahead: Ints
    most: Ints

    @classmethod
    def across(cls, marks: Marks, date: Ints, reach: Reach, *, from_lines: bool) -> Wanted:
        """On the other side: an entry lies before its line."""
        days = (reach.back, reach.ahead) if from_lines else (reach.ahead, reach.back)
        kind = marks.kind
        return cls(marks.key, kind, date[marks.row], days[0][kind], days[1][kind], reach.most[kind])

    @classmethod
    def beside(cls, marks: Marks, date: Ints, reach: Reach) -> Wanted:
        """On the same side: what competes for the same rows, or belongs to the same group."""
        back = reach.back[marks.kind]
        return cls(marks.key, marks.kind, date[marks.row], back, back, reach.most[marks.kind])


@dataclass(frozen=True, slots=True)
class Index:
    """All open rows of both sides, and how rare each word is among them."""

    lines: Side
    entries: Side
    rarity: Rarity
    crowded: Hashes

    @classmethod
    def build(cls, lines: Table, entries: Table) -> Index:
        """Reads the rows CHUNK by CHUNK, so that memory holds keys rather than texts."""
        sides = [_marked(lines, prefixes=False), _marked(entries, prefixes=True)]
        rarity = Rarity.of(sides[0][1].word, sides[1][1].word, len(lines) + len(entries))
        crowded = _crowded([marks for marks, _ in sides])
        built = [
            Side.build(
                table.ids, table.date, Marks.joined([marks, mk.worded(said, table.amount, rarity, crowded)])
            )
            for table, (marks, said) in zip((lines, entries), sides, strict=True)
        ]
        return cls(built[0], built[1], rarity, crowded)

    def save(self, folder: Path) -> None:
        """One file an array."""
        for name, array in _arrays(self):
            np.save(folder / f"{name}.npy", array)

    @classmethod
    def load(cls, folder: Path) -> Index:
        """Mapped into memory: nothing is read until it is looked at. Raises OSError or ValueError."""

        def part(name: str, kind: type[Side] | type[Rarity]) -> dict[str, Any]:
            return {
                one: np.asarray(np.load(folder / f"{name}.{one}.npy", mmap_mode="r"))
                for one in kind.__dataclass_fields__
                if one != "size"
            }

        size = int(np.load(folder / "rarity.size.npy"))
        rarity = Rarity(**part("rarity", Rarity), size=size)
        crowded = np.load(folder / "crowded.npy")
        return cls(Side(**part("lines", Side)), Side(**part("entries", Side)), rarity, crowded)


def _arrays(index: Index) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    for name in ("lines", "entries", "rarity"):
        part = getattr(index, name)
        for one in part.__dataclass_fields__:
            yield f"{name}.{one}", np.asarray(getattr(part, one))
    yield "crowded", index.crowded


def _marked(table: Table, *, prefixes: bool) -> tuple[Marks, Said]:
    parts = []
    for start in range(0, max(len(table), 1), CHUNK):
        chunk = table.take(np.arange(start, min(start + CHUNK, len(table))))
        reading = read(chunk, prefixes=prefixes)
        parts.append((mk.plain(chunk, reading, start), mk.said(reading, start)))
    words = [said for _, said in parts]
    return Marks.joined([marks for marks, _ in parts]), Said(
        np.concatenate([one.row for one in words]), np.concatenate([one.word for one in words])
    )


def _crowded(sides: list[Marks]) -> Hashes:
    """Amounts that more than CROWDED rows of one side have."""
    found = []
    for marks in sides:
        keys = np.sort(marks.key[marks.kind == mk.AMOUNT])
        starts = run_starts(keys)
        found.append(keys[starts][np.diff(np.append(starts, len(keys))) > mk.CROWDED])
    return np.asarray(distinct(np.concatenate(found)), dtype=np.uint64)


class Neighbours(NamedTuple):
    """Ids of rows: `near` may themselves be matched with a new row; `beside` competes for these, or may
    belong to a group with them."""

    near: set[str]
    beside: set[str]


@dataclass(frozen=True, slots=True)
class _Seeds:
    """New rows of one side with their keys."""

    marks: Marks
    date: Ints
    amount: Ints
    are_lines: bool

    @classmethod
    def of(cls, table: Table, index: Index, *, are_lines: bool) -> _Seeds:
        marks, said = _marked(table, prefixes=not are_lines)
        words = mk.worded(said, table.amount, index.rarity, index.crowded)
        return cls(Marks.joined([marks, words]), table.date, table.amount, are_lines)


def neighbours(
    indexes: Sequence[Index], lines: Table, entries: Table, window: DateWindow | None = None
) -> Neighbours:
    """The rows worth comparing with these new ones, at most MOST_NEIGHBOURS a new row, side and reason.

    The first of the indexes is the whole: it says what is rare.
    """
    reach = mk.reach(window or DateWindow())
    found = Neighbours(set(), set())
    for table, are_lines in ((lines, True), (entries, False)):
        if len(table):
            _Search(indexes, _Seeds.of(table, indexes[0], are_lines=are_lines), reach, found).run()
    return Neighbours(found.near, found.beside - found.near)


@dataclass(frozen=True, slots=True)
class _Search:
    """From new rows of one side to the other, beside them, and back from what was found to its rivals."""

    indexes: Sequence[Index]
    seeds: _Seeds
    reach: Reach
    found: Neighbours

    def run(self) -> None:
        rivals = [self._across(index) for index in self.indexes]
        beside = Wanted.beside(self.seeds.marks, self.seeds.date, self.reach)
        for index in self.indexes:
            own, _ = self._sides(index)
            for wanted in (beside, *rivals):
                which, rows = own.find(wanted)
                self.found.beside.update(_ids(own, self._surest(rows, wanted.kind[which])))

    def _sides(self, index: Index) -> tuple[Side, Side]:
        both = index.lines, index.entries
        return both if self.seeds.are_lines else both[::-1]

    def _across(self, index: Index) -> Wanted:
        """Look on the other side; gives what to look up for rivals."""
        own, other = self._sides(index)
        wanted = Wanted.across(self.seeds.marks, self.seeds.date, self.reach, from_lines=self.seeds.are_lines)
        which, rows = other.find(wanted)
        kind = wanted.kind[which]
        strong = kind <= mk.AMOUNT_AND_WORD
        near = self._surest(rows[strong], kind[strong])
        self.found.near.update(_ids(other, near))
        self.found.beside.update(_ids(other, self._surest(rows[~strong], kind[~strong])))
        if not self.seeds.are_lines:
            self.found.near.update(_ids(own, own.find(_opposite(self.seeds))[1]))
        return self._rivals(other, near)

    def _surest(self, rows: Ints, kind: Ints | Small) -> Ints:
        """Distinct rows, those found by the surest kinds of keys first."""
        rows = rows[np.argsort(kind, kind="stable")]
        _, first = np.unique(rows, return_index=True)
        return rows[np.sort(first)][: MOST_NEIGHBOURS * len(self.seeds.date)]

    def _rivals(self, other: Side, near: Ints) -> Wanted:
        wanted = Wanted.across(
            other.strong_of(near), other.date[near], self.reach, from_lines=not self.seeds.are_lines
        )
        return replace(wanted, most=np.minimum(wanted.most, MOST_RIVALS))


def _opposite(seeds: _Seeds) -> Wanted:
    """Entries that may cancel a new one."""
    size = len(seeds.date)
    days, most = np.full(size, offsetting.DAYS), np.full(size, offsetting.MOST_EACH)
    kind = np.full(size, mk.AMOUNT, dtype=np.int8)
    return Wanted(mk.amount_keys(-seeds.amount), kind, seeds.date, days, days, most)


def _ids(side: Side, rows: Ints) -> set[str]:
    return {name.decode() for name in side.ids[rows].tolist()}
