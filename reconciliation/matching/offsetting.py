"""Rows of one table that undo each other: an entry and its void, a bank payment and its return."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from reconciliation.matching.arrays import Bools, Floats, Ints, mix, spread
from reconciliation.matching.candidates import DatedKeys
from reconciliation.matching.comparison import Comparison
from reconciliation.matching.levels import REFERENCE_CUT
from reconciliation.matching.readings import RETURNED, REVERSAL, Keys, Reading
from reconciliation.matching.tables import Table

DAYS = 60
MOST_EACH = 20
SURE, LIKELY = 9.0, 5.0
RETURN = 5.5
_RETURN_DAYS = 15
_EXACT, _UNDOES, _REFERENCE, _SAME_NAME, _OTHER_NAME = 3.0, 3.0, 4.0, 2.0, -4.0


@dataclass(frozen=True, slots=True)
class Offset:
    """Two rows whose amounts cancel; `undoes` says that one is worded as a reversal or return."""

    first: int
    second: int
    score: float
    undoes: bool
    shares_reference: bool
    same_name: bool


@dataclass(frozen=True, slots=True)
class _Side:
    """One table, among whose rows pairs are sought; `undoing` are the kind bits that speak of it."""

    table: Table
    side: Ints
    reading: Reading
    said: sparse.csr_matrix
    weight: Floats
    undoing: int


def offsets(comparison: Comparison, free: Bools, least: float) -> list[Offset]:
    """Pairs among free entries that cancel with a score of at least `least`; takes their rows out of `free`.

    An entry whose reference a statement line of the same amount names is the bank's, and stays.
    """
    names = comparison.names
    side = _Side(
        comparison.entries, comparison.entry_side, comparison.entry_reading, names.entries, names.weight,
        REVERSAL,
    )  # fmt: skip
    found = _scored(side, free & ~_named_by_bank(comparison), least)
    return _taken(found, free)


def returns(comparison: Comparison, free: tuple[Bools, Bools]) -> list[Offset]:
    """Payments and what the bank gave back of them, both on the statement and neither in the ledger.

    The later line is worded as a return, or both share a reference. Where a free entry has the amount of
    one of them, the ledger knows of it, and the lines have entries of their own.
    """
    reading = comparison.line_reading
    said, weight = _own_words(reading)
    undoing = REVERSAL | RETURNED
    side = _Side(comparison.lines, comparison.line_side, reading, said, weight, undoing)
    found = [
        offset
        for offset in _scored(side, free[0], RETURN)
        if (offset.undoes and reading.kinds[offset.second] & undoing) or offset.shares_reference
    ]
    booked = _booked(comparison, free[1])
    left = [offset for offset in found if not booked[offset.first] and not booked[offset.second]]
    return _taken(left, free[0])


def _own_words(reading: Reading) -> tuple[sparse.csr_matrix, Floats]:
    words = reading.words
    shape = (reading.size, len(words.text))
    said = sparse.csr_matrix((np.ones(len(words.row), np.float32), (words.row, words.word)), shape=shape)
    counts = np.bincount(words.word, minlength=len(words.text))
    return said, np.asarray(np.log((reading.size + 50.0) / (counts + 0.5)))


def _booked(comparison: Comparison, free: Bools) -> Bools:
    """Lines of whose amount a free entry of about that day is left."""
    rows = np.flatnonzero(free)
    index = DatedKeys.build(comparison.entry_key[rows], comparison.entries.date[rows], rows)
    date = comparison.lines.date
    _, count = index.ranges(comparison.line_key, date - _RETURN_DAYS, date + _RETURN_DAYS)
    return np.asarray(count > 0)


def _scored(side: _Side, free: Bools, least: float) -> list[Offset]:
    """Pairs that cancel with a score of at least `least`, best first."""
    first, second = _opposites(side, free)
    if not len(first):
        return []
    reference = _shared(side.reading.whole, first, second)
    name = _name_share(side, first, second)
    undoes = (side.reading.kinds[first] | side.reading.kinds[second]) & side.undoing != 0
    gap = np.abs(side.table.date[first] - side.table.date[second])
    score = _EXACT + _UNDOES * undoes - gap / 30.0
    score = score + _REFERENCE * np.minimum(reference, 1) + np.minimum(reference, 4) / 2
    score = score + np.select([name >= 0.5, name < 0.25], [_SAME_NAME, _OTHER_NAME], 0.0)
    order = np.argsort(-score, kind="stable")
    order = order[score[order] >= least]
    columns = (first, second, score, undoes, reference > 0, name >= 0.5)
    return [Offset(*row) for row in zip(*(column[order].tolist() for column in columns), strict=True)]


def _taken(found: list[Offset], free: Bools) -> list[Offset]:
    """The best that use each free row once; their rows are no longer free afterwards."""
    taken = []
    for offset in found:
        if free[offset.first] and free[offset.second]:
            free[offset.first] = free[offset.second] = False
            taken.append(offset)
    return taken


def _opposites(side: _Side, free: Bools) -> tuple[Ints, Ints]:
    """(earlier, later) pairs of rows with opposite amounts within DAYS."""
    date, amount = side.table.date, side.table.amount
    rows = np.flatnonzero(free & (amount != 0))
    index = DatedKeys.build(mix(amount[rows], side.side[rows]), date[rows], rows)
    key = mix(-amount[rows], side.side[rows])
    start, count = index.ranges(key, date[rows], date[rows] + DAYS)
    count[count > MOST_EACH] = 0
    which, place = spread(start, count)
    first, second = rows[which], index.row[place]
    same_day = date[first] == date[second]
    kept = ~same_day | (first < second)
    return first[kept], second[kept]


def _named_by_bank(comparison: Comparison) -> Bools:
    links = comparison.links
    same = comparison.line_key[links.line] == comparison.entry_key[links.entry]
    named = np.zeros(len(comparison.entries), dtype=np.bool_)
    named[links.entry[same & (links.level < REFERENCE_CUT)]] = True
    return named


def _shared(keys: Keys, first: Ints, second: Ints) -> Ints:
    """How many whole references the two rows have in common."""
    known, codes = np.unique(keys.key, return_inverse=True)
    width = len(known) + 1
    told = np.sort(keys.row * width + codes)
    order = np.argsort(keys.row, kind="stable")
    size = int(max(first.max(), second.max())) + 1
    counts = np.bincount(keys.row, minlength=size)
    starts = np.cumsum(counts) - counts
    which, place = spread(starts[first], counts[first])
    wanted = second[which] * width + codes[order[place]]
    places = np.minimum(np.searchsorted(told, wanted), max(len(told) - 1, 0))
    hits = told[places] == wanted if len(told) else np.zeros(len(wanted), dtype=np.bool_)
    return np.bincount(which[hits], minlength=len(first))


def _name_share(side: _Side, first: Ints, second: Ints) -> Floats:
    """Share of the rarer words of one that the other has as well."""
    weight = np.where(side.weight > 1.5, side.weight, 0.0)
    mass = np.asarray(side.said @ weight).ravel()
    both = np.asarray(side.said[first].multiply(side.said[second]) @ weight).ravel()
    return np.asarray(both / np.maximum(np.minimum(mass[first], mass[second]), 1e-9))
