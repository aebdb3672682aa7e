"""Which of some amounts add up to a target exactly: bounded search, never exponential in the data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import comb, log, pi, sqrt

import numpy as np
import numpy.typing as npt

from reconciliation.matching.arrays import Bools, Ints, distinct, in_sorted, mix, spread

MOST_SEARCHED = 20
"""Amounts tried in every combination (two halves of at most 1,024 sums each)."""
MOST_IN_RUN = 120
"""Amounts, in order of date, of which every unbroken run is tried."""
MOST_WAYS = 12
MOST_HITS = 20_000
"""Ways looked at before the simplest are kept: equal amounts add up in hundreds of thousands of ways."""
_TOGETHER = 256
_FEW = 8
_Words = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Sums:
    """Ways to make the target, as positions of amounts; `limited` if not every combination was tried."""

    ways: list[tuple[int, ...]]
    limited: bool


def find(target: int, amounts: Ints, *, longest: int, fewest: int = 2, netted: bool = False) -> Sums:
    """Combinations of `fewest` to `longest` of these amounts that sum to the target: those of its sign, or
    (`netted`) of both signs, as where credit notes are taken off.

    The first MOST_SEARCHED amounts are tried in all combinations; of the first MOST_IN_RUN every run.
    """
    sign = 1 if target > 0 else -1
    sizes = amounts * sign
    fitting = np.flatnonzero((sizes != 0) if netted else ((sizes > 0) & (sizes <= target * sign)))
    if len(fitting) < fewest:
        return Sums([], False)
    near = fitting[:MOST_SEARCHED]
    ways = _combinations(target * sign, sizes[near], range(fewest, longest + 1))
    found = [tuple(near[list(way)].tolist()) for way in ways]
    limited = len(fitting) > MOST_SEARCHED
    if limited:
        found.extend(
            way for way in _runs(target * sign, sizes, fitting[:MOST_IN_RUN], longest) if way not in found
        )
    return Sums(found[:MOST_WAYS], limited)


def possible(target: Ints, amounts: Ints, starts: Ints, counts: Ints) -> Bools:
    """For which targets `find` may find a way: all at once, since most have none.

    The amounts of target k (all of its sign, smaller than it) are `counts[k]` amounts from `starts[k]`.
    Sums are compared modulo 2**31: whoever is named here by accident is seen through by `find`.
    """
    found = np.zeros(len(target), dtype=np.bool_)
    sizes = np.minimum(counts, MOST_SEARCHED)
    words = np.abs(amounts).astype(np.uint32)
    wanted = np.abs(target).astype(np.uint32)
    for size in range(2, MOST_SEARCHED + 1):
        rows = np.flatnonzero(sizes == size)
        for part in np.array_split(rows, -(-len(rows) // _TOGETHER)) if len(rows) else ():
            found[part] = _meets(wanted[part], words[starts[part][:, None] + np.arange(size)])
    many = np.flatnonzero(counts > MOST_SEARCHED)
    found[many[_runs_meet(target[many], amounts, starts[many], counts[many])]] = True
    return found


def _meets(target: _Words, amounts: _Words) -> Bools:
    """Rows in which a sum of the left half of the amounts is the target less a sum of the right half."""
    half = amounts.shape[1] // 2
    left, right = _every_sum(amounts[:, :half]), target[:, None] - _every_sum(amounts[:, half:])
    both = np.concatenate((left << np.uint32(1), right << np.uint32(1) | np.uint32(1)), axis=1)
    both.sort(axis=1)
    return np.asarray(((both[:, 1:] ^ both[:, :-1]) == 1).any(axis=1))


def _every_sum(amounts: _Words) -> _Words:
    sums = np.zeros((len(amounts), 1), dtype=np.uint32)
    for column in amounts.T:
        sums = np.concatenate((sums, sums + column[:, None]), axis=1)
    return sums


def _runs_meet(target: Ints, amounts: Ints, starts: Ints, counts: Ints) -> Ints:
    """Positions of the targets that an unbroken run of their first MOST_IN_RUN amounts makes."""
    which, place = spread(starts, np.minimum(counts, MOST_IN_RUN))
    sizes = np.abs(amounts[place])
    reached = np.cumsum(sizes)
    before = reached - sizes
    hits = in_sorted(mix(before + np.abs(target[which]), which), distinct(mix(reached, which)))
    return distinct(which[hits])


@lru_cache(maxsize=MOST_SEARCHED)
def choices(size: int) -> Ints:
    """Every choice of `size` things: 2**size rows of 0 and 1."""
    numbers = np.arange(1 << size)
    return (numbers[:, None] >> np.arange(size)) & 1


def _combinations(target: int, sizes: Ints, allowed: range) -> list[tuple[int, ...]]:
    if int(sizes[sizes > 0].sum()) < target:
        return []
    if len(sizes) <= _FEW:
        chosen = np.flatnonzero(choices(len(sizes)) @ sizes == target)
    else:
        chosen = _from_halves(target, sizes)
    many = np.bitwise_count(chosen.astype(np.uint64)).astype(np.int64)
    told = (many >= allowed.start) & (many < allowed.stop)
    chosen, many = chosen[told], many[told]
    simplest = np.lexsort((chosen, np.minimum(many, len(sizes) - many)))[:MOST_WAYS]
    return [tuple(i for i in range(len(sizes)) if one >> i & 1) for one in chosen[simplest].tolist()]


def _from_halves(target: int, sizes: Ints) -> Ints:
    """Choices as bits: every sum of the left half against what the right half must bring."""
    half = len(sizes) // 2
    left, right = choices(half) @ sizes[:half], choices(len(sizes) - half) @ sizes[half:]
    order = np.argsort(right)
    ordered = right[order]
    low = np.searchsorted(ordered, target - left)
    high = np.searchsorted(ordered, target - left, "right")
    which, place = spread(low, np.minimum(high - low, MOST_HITS))
    return (which | order[place] << half)[:MOST_HITS]


def _runs(target: int, sizes: Ints, order: Ints, longest: int) -> list[tuple[int, ...]]:
    reached = np.concatenate(([0], np.cumsum(sizes[order]))).tolist()
    place = {total: i for i, total in enumerate(reached)}
    ends = ((place.get(total + target), i) for i, total in enumerate(reached))
    return [tuple(order[a:b].tolist()) for b, a in ends if b is not None and 2 <= b - a <= longest]


def chance(size: int, amounts: Ints) -> float:
    """Log of how many combinations as simple as this one would meet a target by accident.

    Combinations of `size` of n amounts, or of all but `size`, against the width over which their
    sums spread, in units of what all amounts are multiples of.
    """
    n = min(len(amounts), MOST_SEARCHED)
    simple = min(size, max(n - size, 0))
    tried = 2 * sum(comb(n, k) for k in range(simple + 1))
    unit = max(int(np.gcd.reduce(amounts)), 1)
    spread = max(sqrt(float((amounts.astype(np.float64) ** 2).sum())) / 2 / unit, 1.0)
    return log(tried) - log(spread * sqrt(2 * pi))
