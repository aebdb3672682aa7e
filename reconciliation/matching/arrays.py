"""Array types and the few operations on sorted and grouped arrays that every matching step shares."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Small = npt.NDArray[np.int8]

_MIX_A = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B = np.uint64(0x94D049BB133111EB)


def mix(values: npt.NDArray[Any], other: npt.NDArray[Any] | int = 0) -> Hashes:
    """One well spread 64-bit key from one or two integer arrays (splitmix64 finaliser)."""
    key = values.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    key = key + np.asarray(other).astype(np.uint64)
    key = (key ^ (key >> np.uint64(30))) * _MIX_A
    key = (key ^ (key >> np.uint64(27))) * _MIX_B
    return np.asarray(key ^ (key >> np.uint64(31)), dtype=np.uint64)


def spread(starts: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Ranges given by start and count, written out: (which range, position) for every position."""
    owner = np.repeat(np.arange(len(counts)), counts)
    total = int(counts.sum())
    first = np.repeat(starts - np.concatenate(([0], np.cumsum(counts)[:-1])), counts) if total else starts[:0]
    return owner, first + np.arange(total)


def run_starts(ordered: npt.NDArray[Any]) -> Ints:
    """Positions where a new value begins in an array whose equal values stand together."""
    if not len(ordered):
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))


def grouped(ordered: npt.NDArray[Any]) -> tuple[Ints, Ints]:
    """Start and size of each stretch of equal values in an array whose equal values stand together."""
    starts = run_starts(ordered)
    return starts, np.diff(np.append(starts, len(ordered)))


def rank_in_group(groups: npt.NDArray[Any], order: Ints) -> Ints:
    """Rank of each row (0, 1, ...) inside its group when rows are taken in `order` (groups contiguous)."""
    ordered = groups[order]
    starts = run_starts(ordered)
    sizes = np.diff(np.append(starts, len(ordered)))
    ranks = np.empty(len(groups), dtype=np.int64)
    ranks[order] = np.arange(len(ordered)) - np.repeat(starts, sizes)
    return ranks


def distinct(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Sorted distinct values (by sorting: faster here than the hashing of np.unique)."""
    ordered = np.sort(values)
    return ordered[run_starts(ordered)]


def numbered(rows: Ints) -> tuple[Ints, int]:
    """Row numbers as 0, 1, 2 ... in their order, and how many there are (without sorting)."""
    seen = np.zeros(int(rows.max(initial=-1)) + 1, dtype=np.int64)
    seen[rows] = 1
    places = np.cumsum(seen)
    return places[rows] - 1, int(places[-1]) if len(places) else 0


def among(rows: Ints, chosen: Ints) -> Bools:
    """Which of these row numbers are among the chosen ones (without sorting)."""
    marked = np.zeros(max(int(rows.max(initial=-1)), int(chosen.max(initial=-1))) + 1, dtype=np.bool_)
    marked[chosen] = True
    return marked[rows]


def in_sorted(values: npt.NDArray[Any], known: npt.NDArray[Any]) -> Bools:
    """Which values are among `known` (sorted, usually few): quicker than np.isin, which sorts both."""
    if not len(known):
        return np.zeros(len(values), dtype=np.bool_)
    places = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return np.asarray(known[places] == values)


def unique_pairs(left: Ints, right: Ints, width: int) -> tuple[Ints, Ints]:
    """Distinct (left, right) pairs, ordered; `width` exceeds every value of `right`."""
    codes = distinct(left * width + right)
    return codes // width, codes % width


def second_best(groups: Ints, values: Floats, size: int) -> tuple[Floats, Floats]:
    """Largest and second largest value of each group (-inf where there is none)."""
    best = np.full(size, -np.inf)
    second = np.full(size, -np.inf)
    order = np.lexsort((-values, groups))
    starts = run_starts(groups[order])
    best[groups[order][starts]] = values[order][starts]
    following = starts + 1
    following = following[following < len(order)]
    following = following[groups[order][following] == groups[order][following - 1]]
    second[groups[order][following]] = values[order][following]
    return best, second
