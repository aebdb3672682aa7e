"""Entries that undo each other (a void and what it voids): paired among themselves, off the bank's table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reconciliation.matching.arrays import Bools, Floats, Ints, mix, spread
from reconciliation.matching.candidates import DatedKeys
from reconciliation.matching.comparison import Comparison
from reconciliation.matching.levels import REFERENCE_CUT
from reconciliation.matching.readings import REVERSAL, Keys

DAYS = 60
MOST_EACH = 20
SURE, LIKELY = 9.0, 5.0
_EXACT, _UNDOES, _REFERENCE, _SAME_NAME, _OTHER_NAME = 3.0, 3.0, 4.0, 2.0, -4.0


@dataclass(frozen=True, slots=True)
class Offset:
    """Two entries whose amounts cancel; `undoing` says that the second is worded as a reversal."""

    first: int
    second: int
    score: float
    shares_reference: bool
    same_name: bool


def offsets(comparison: Comparison, free: Bools, least: float) -> list[Offset]:
    """Pairs among free entries that cancel with a score of at least `least`; takes their rows out of `free`.

    An entry whose reference a statement line of the same amount names is the bank's, and stays.
    """
    first, second = _opposites(comparison, free & ~_named_by_bank(comparison))
    if not len(first):
        return []
    reference = _shared(comparison.entry_reading.whole, first, second)
    name = _name_share(comparison, first, second)
    undoes = (comparison.entry_reading.kinds[first] | comparison.entry_reading.kinds[second]) & REVERSAL != 0
    gap = np.abs(comparison.entries.date[first] - comparison.entries.date[second])
    score = (
        _EXACT
        + _UNDOES * undoes
        + _REFERENCE * np.minimum(reference, 1)
        + np.minimum(reference, 4) / 2
        - gap / 30.0
    )
    score = score + np.select([name >= 0.5, name < 0.25], [_SAME_NAME, _OTHER_NAME], 0.0)
    found = []
    for i in np.argsort(-score, kind="stable").tolist():
        if score[i] < least:
            break
        a, b = int(first[i]), int(second[i])
        if free[a] and free[b]:
            free[a] = free[b] = False
            found.append(Offset(a, b, float(score[i]), bool(reference[i] > 0), bool(name[i] >= 0.5)))
    return found


def _opposites(comparison: Comparison, free: Bools) -> tuple[Ints, Ints]:
    """(earlier, later) pairs of entries with opposite amounts within DAYS."""
    rows = np.flatnonzero(free & (comparison.entries.amount != 0))
    date, amount = comparison.entries.date, comparison.entries.amount
    index = DatedKeys.build(mix(amount[rows], comparison.entry_side[rows]), date[rows], rows)
    key = mix(-amount[rows], comparison.entry_side[rows])
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


def _name_share(comparison: Comparison, first: Ints, second: Ints) -> Floats:
    """Share of the rarer words of one that the other has as well."""
    said = comparison.names.entries
    weight = np.where(comparison.names.weight > 1.5, comparison.names.weight, 0.0)
    mass = np.asarray(said @ weight).ravel()
    both = np.asarray(said[first].multiply(said[second]) @ weight).ravel()
    return np.asarray(both / np.maximum(np.minimum(mass[first], mass[second]), 1e-9))
