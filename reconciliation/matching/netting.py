"""Several lines with several entries: sets named on both sides, rests that complete a whole, sums on both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log, pi, sqrt

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from reconciliation.matching import levels as lv
from reconciliation.matching.arrays import (
    Bools,
    Hashes,
    Ints,
    among,
    distinct,
    in_sorted,
    mix,
    run_starts,
    spread,
    unique_pairs,
)
from reconciliation.matching.candidates import DatedKeys, linked
from reconciliation.matching.comparison import Comparison
from reconciliation.matching.evidence import Pairs, exact_levels
from reconciliation.matching.groups import BATCH_AFTER, BATCH_BEFORE, MOST_IN_BATCH, Hypothesis
from reconciliation.matching.readings import Keys
from reconciliation.matching.sums import choices

MOST_LINES, MOST_ENTRIES = 8, 12
"""Of one payer, lines and entries tried in every combination with each other (256 sums against 4,096)."""
MOST_WAYS = 6
MOST_BESIDE = 40
REST_DAYS = 10
APART_DAYS = 3
_NAMED = -10.0
Free = tuple[Bools, Bools]


# ── sets that name each other ─────────────────────────────────────────────────────────────────────────


def named_sets(comparison: Comparison, free: Free) -> list[Hypothesis]:
    """Lines and entries tied by batches and references throughout, whose totals agree.

    A batch settled in two bank lines, two batches paid in one, transfers that share a set of invoices.
    """
    line, entry, of_batch = _tied(comparison, free)
    if not len(line):
        return []
    lines, entries = len(comparison.lines), len(comparison.entries)
    labels = _components(line, entry, lines, entries)
    size = int(labels.max()) + 1
    own = distinct(line), distinct(entry)
    of_line, of_entry = labels[own[0]], labels[lines + own[1]]
    stated = np.bincount(of_line, comparison.lines.amount[own[0]], size)
    booked = np.bincount(of_entry, comparison.entries.amount[own[1]], size)
    counts = np.bincount(of_line, minlength=size), np.bincount(of_entry, minlength=size)
    batched = np.bincount(labels[line], of_batch, size) > 0
    wanted = (stated == booked) & (counts[0] + counts[1] >= 3) & (counts[0] + counts[1] <= MOST_IN_BATCH)
    left, right = _Members.of(own[0], of_line, size), _Members.of(own[1], of_entry, size)
    return [
        Hypothesis(
            left[place], right[place], _NAMED, lv.SAME_BATCH if batched[place] else lv.NO_BATCH, known=True
        )
        for place in np.flatnonzero(wanted & (counts[0] > 0) & (counts[1] > 0)).tolist()
    ]


def _tied(comparison: Comparison, free: Free) -> tuple[Ints, Ints, Bools]:
    """(line, entry, by batch) of free rows that a batch or a clear reference ties, but for those that are
    tied to a row of their own amount."""
    lines, entries = comparison.line_reading, comparison.entry_reading
    rows = np.flatnonzero(free[0])
    named = Keys.distinct([(rows, lines.batch[rows]), (lines.whole.row, lines.whole.key)])
    others = np.flatnonzero(free[1] & (entries.batch != 0))
    by_batch = linked(named.where(named.key != 0), Keys(others, entries.batch[others]))
    same_side = comparison.line_side[by_batch[0]] == comparison.entry_side[by_batch[1]]
    links = comparison.links
    clear = links.level <= lv.WITHOUT_PREFIX
    line = np.concatenate((by_batch[0][same_side], links.line[clear]))
    entry = np.concatenate((by_batch[1][same_side], links.entry[clear]))
    of_batch = np.arange(len(line)) < int(same_side.sum())
    kept = free[0][line] & free[1][entry]
    line, entry, of_batch = line[kept], entry[kept], of_batch[kept]
    same = comparison.line_key[line] == comparison.entry_key[entry]
    paired = among(line, line[same]) | among(entry, entry[same])
    return line[~paired], entry[~paired], of_batch[~paired]


def _components(line: Ints, entry: Ints, lines: int, entries: int) -> Ints:
    size = lines + entries
    graph = sparse.coo_matrix((np.ones(len(line), np.int8), (line, entry + lines)), shape=(size, size))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class _Members:
    """Rows by label; those of one label are cut out only when asked for."""

    row: Ints
    start: Ints
    size: Ints

    @classmethod
    def of(cls, rows: Ints, label: Ints, size: int) -> _Members:
        counts = np.bincount(label, minlength=size)
        return cls(rows[np.argsort(label, kind="stable")], np.cumsum(counts) - counts, counts)

    def __getitem__(self, label: int) -> Ints:
        return self.row[self.start[label] : self.start[label] + self.size[label]]


# ── a rest that one more row makes up ─────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Units:
    """Single entries and whole batches alike: what one bank line may settle. `payer` of a batch is 0."""

    key: Hashes
    side: Ints
    total: Ints
    date: Ints
    payer: Hashes
    members: _Members

    @classmethod
    def of(cls, comparison: Comparison, free: Bools) -> Units:
        batch = comparison.entry_reading.batch
        rows = np.flatnonzero(free)
        alone = mix(rows, 1)
        label = np.where(batch[rows] != 0, mix(batch[rows], comparison.entry_side[rows]), alone)
        order = rows[np.argsort(label, kind="stable")]
        starts = run_starts(np.sort(label))
        if not len(rows):
            return cls(batch[:0], rows, rows, rows, batch[:0], _Members(rows, rows, rows))
        return cls(
            key=batch[order[starts]],
            side=comparison.entry_side[order[starts]],
            total=np.add.reduceat(comparison.entries.amount[order], starts),
            date=np.maximum.reduceat(comparison.entries.date[order], starts),
            payer=np.where(batch[order[starts]] != 0, 0, comparison.entry_reading.payer[order[starts]]),
            members=_Members(order, starts, np.diff(np.append(starts, len(order)))),
        )

    def alike(self, one: int, other: int) -> bool:
        """Whether both may be of one payer, as far as they say."""
        return self.payer[one] == self.payer[other] or not self.payer[one] or not self.payer[other]

    def of_entry(self, size: int) -> Ints:
        """Unit of each entry; -1 where it is in none."""
        found = np.full(size, -1)
        found[self.members.row] = np.repeat(np.arange(len(self.total)), self.members.size)
        return found


def completed(comparison: Comparison, free: Free) -> list[Hypothesis]:
    """A line names a batch or an entry of another amount, and one more row is exactly the difference.

    Payouts netted in one bank line, a credit note taken off, the second half of a batch.
    """
    units = Units.of(comparison, free[1])
    line, entry, _ = _tied(comparison, free)
    if not len(line):
        return []
    unit = units.of_entry(len(comparison.entries))[entry]
    line, unit = unique_pairs(line, unit, len(units.total) + 1)
    rest = comparison.lines.amount[line] - units.total[unit]
    line, unit, rest = line[rest != 0], unit[rest != 0], rest[rest != 0]
    return [
        *_with_unit(comparison, units, free[0], line, unit, rest),
        *_with_line(comparison, units, free[0], line, unit, rest),
    ]


def _with_unit(
    comparison: Comparison, units: Units, free: Bools, line: Ints, unit: Ints, rest: Ints
) -> Iterator[Hypothesis]:
    """The line has more (or less) than the unit that it names: another unit is the rest.

    Not one that has a line of its own amount: that line may be all it waits for.
    """
    key = mix(units.total, units.side)
    every = np.flatnonzero(~in_sorted(key, distinct(comparison.line_key[free])))
    index = DatedKeys.build(key[every], units.date[every], every)
    date = units.date[unit]
    wanted = mix(rest, units.side[unit])
    start, count = index.ranges(wanted, date - REST_DAYS, date + REST_DAYS)
    seen = _seen(key, wanted)
    count[count > 5] = 0
    which, place = spread(start, count)
    for i, other in zip(which.tolist(), index.row[place].tolist(), strict=True):
        if other != unit[i] and units.alike(unit[i], other):
            entries = np.concatenate((units.members[unit[i]], units.members[other]))
            yield _rest_of(line[i : i + 1], entries, int(seen[i]), batch=bool(units.key[unit[i]]))


def _with_line(
    comparison: Comparison, units: Units, free: Bools, line: Ints, unit: Ints, rest: Ints
) -> Iterator[Hypothesis]:
    """The unit has more than the line that names it: another line brings the rest."""
    rows = np.flatnonzero(free & ~in_sorted(comparison.line_key, distinct(mix(units.total, units.side))))
    key, date = comparison.line_key[rows], comparison.lines.date[rows]
    index = DatedKeys.build(key, date, rows)
    several = units.members.size[unit] > 1
    line, unit, rest = line[several], unit[several], rest[several]
    wanted, day = mix(-rest, units.side[unit]), comparison.lines.date[line]
    start, count = index.ranges(wanted, day - REST_DAYS, day + REST_DAYS)
    seen = _seen(key, wanted)
    count[count > 5] = 0
    which, place = spread(start, count)
    for i, other in zip(which.tolist(), index.row[place].tolist(), strict=True):
        if other != line[i]:
            both = np.array([line[i], other])
            yield _rest_of(both, units.members[unit[i]], int(seen[i]), batch=bool(units.key[unit[i]]))


def _seen(keys: Hashes, wanted: Hashes) -> Ints:
    """How many rows in all have each of these keys: what an equal amount is worth."""
    ordered = np.sort(keys)
    return np.searchsorted(ordered, wanted, "right") - np.searchsorted(ordered, wanted)


def _rest_of(lines: Ints, entries: Ints, seen: int, *, batch: bool) -> Hypothesis:
    worth = lv.AMOUNT[int(exact_levels(np.array([seen]))[0])].weight
    return Hypothesis(lines, entries, -worth, lv.SAME_BATCH if batch else lv.NO_BATCH, known=batch)


def batches_together(comparison: Comparison, free: Free) -> list[Hypothesis]:
    """Two batches of nearly the same day whose totals together are the amount of one line."""
    units = Units.of(comparison, free[1])
    batches = np.flatnonzero(units.key != 0)
    if len(batches) < 2:
        return []
    first, second = _beside(units, batches)
    rows = np.flatnonzero(free[0])
    index = DatedKeys.build(comparison.line_key[rows], comparison.lines.date[rows], rows)
    date = np.maximum(units.date[first], units.date[second])
    total = units.total[first] + units.total[second]
    start, count = index.ranges(mix(total, units.side[first]), date - BATCH_AFTER, date + BATCH_BEFORE)
    count[count > 3] = 0
    spread_out = max(float(np.std(units.total[batches])) * 2, 1.0)
    a_line = len(first) * (BATCH_AFTER + BATCH_BEFORE) / max(int(np.ptp(units.date[batches])), 30)
    chance = log(max(a_line, 1.0)) - log(spread_out * sqrt(2 * pi))
    which, place = spread(start, count)
    return [
        Hypothesis(
            index.row[spot : spot + 1],
            np.concatenate((units.members[first[i]], units.members[second[i]])),
            chance,
            known=True,
        )
        for i, spot in zip(which.tolist(), place.tolist(), strict=True)
    ]


def _beside(units: Units, batches: Ints) -> tuple[Ints, Ints]:
    """Pairs of batches of one account and currency, at most APART_DAYS apart."""
    index = DatedKeys.build(mix(units.side[batches]), units.date[batches], batches)
    date = units.date[batches]
    start, count = index.ranges(mix(units.side[batches]), date, date + APART_DAYS)
    which, place = spread(start, np.minimum(count, MOST_BESIDE))
    first, second = batches[which], index.row[place]
    kept = (units.date[first] < units.date[second]) | (first < second)
    return first[kept], second[kept]


# ── sums on both sides ────────────────────────────────────────────────────────────────────────────────


def sums_on_both_sides(comparison: Comparison, pairs: Pairs) -> tuple[list[tuple[Hypothesis, ...]], int]:
    """Two or more lines of a payer that together pay two or more of its entries, and how often the search
    was cut off. `pairs` tie the free rows of one payer."""
    if not len(pairs):
        return [], 0
    labels = _components(pairs.line, pairs.entry, len(comparison.lines), len(comparison.entries))
    order = np.argsort(labels[pairs.line], kind="stable")
    found: list[tuple[Hypothesis, ...]] = []
    limited = 0
    for part in np.split(order, run_starts(labels[pairs.line[order]])[1:]):
        windows = list(_windows(comparison, pairs.line[part], pairs.entry[part]))
        limited += len(windows) > 1
        for lines, entries in windows:
            ways = _ways(comparison.lines.amount[lines], comparison.entries.amount[entries])
            if ways:
                found.append(tuple(Hypothesis(lines[a], entries[b], chance) for a, b, chance in ways))
    return found, limited


def _windows(comparison: Comparison, line: Ints, entry: Ints) -> Iterator[tuple[Ints, Ints]]:
    """At most MOST_LINES lines with at most MOST_ENTRIES entries each; of a frequent payer by date."""
    lines = distinct(line)
    if len(lines) < 2 or (entry == entry[0]).all():
        return
    entry = entry[np.argsort(line, kind="stable")]
    sizes = np.bincount(np.searchsorted(lines, line), minlength=len(lines))
    begin = np.cumsum(sizes) - sizes
    by_date = np.argsort(comparison.lines.date[lines], kind="stable")
    for start in range(0, max(len(lines) - MOST_LINES, 0) + 1, MOST_LINES // 2):
        some = by_date[start : start + MOST_LINES]
        near = distinct(entry[spread(begin[some], sizes[some])[1]])
        if len(near) >= 2:
            middle = int(comparison.lines.date[lines[some]].mean())
            nearest = np.argsort(np.abs(comparison.entries.date[near] - middle), kind="stable")
            yield lines[some], near[nearest[:MOST_ENTRIES]]


def _ways(lines: Ints, entries: Ints) -> list[tuple[Ints, Ints, float]]:
    """Smallest choices of two or more on either side with equal sums, with the log of accidental ones."""
    left, right = _subset_sums(lines), _subset_sums(entries)
    sizes = choices(len(lines)).sum(axis=1), choices(len(entries)).sum(axis=1)
    rows = np.flatnonzero(sizes[0] >= 2)
    columns = np.flatnonzero(sizes[1] >= 2)
    order = columns[np.argsort(right[columns], kind="stable")]
    low = np.searchsorted(right[order], left[rows])
    count = np.minimum(np.searchsorted(right[order], left[rows], "right") - low, MOST_WAYS)
    which, place = spread(low, count)
    chosen = sorted(
        zip(rows[which].tolist(), order[place].tolist(), strict=True),
        key=lambda way: (way[0].bit_count() + way[1].bit_count(), way),
    )
    least: list[tuple[int, int]] = []
    for a, b in chosen:
        if not any(a & x == x and b & y == y for x, y in least):
            least.append((a, b))
    chance = _accident(lines, entries)
    return [(_picked(a, len(lines)), _picked(b, len(entries)), chance) for a, b in least[:MOST_WAYS]]


def _subset_sums(amounts: Ints) -> Ints:
    return np.asarray(choices(len(amounts)) @ amounts)


def _picked(mask: int, size: int) -> Ints:
    return np.array([place for place in range(size) if mask >> place & 1], dtype=np.int64)


def _accident(lines: Ints, entries: Ints) -> float:
    """Log of how many pairs of sums would meet by accident."""
    every = np.concatenate((lines, entries))
    unit = max(int(np.gcd.reduce(every)), 1)
    width = max(sqrt(float((every.astype(np.float64) ** 2).sum())) / 2 / unit, 1.0)
    return (len(lines) + len(entries)) * log(2) - log(width * sqrt(2 * pi))
