"""Groups: one line to several entries and several lines to one entry, found by batch and by exact sum."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from reconciliation.matching import levels as lv
from reconciliation.matching import sums
from reconciliation.matching.arrays import Bools, Hashes, Ints, Small, grouped, mix, run_starts, spread
from reconciliation.matching.candidates import DatedKeys, linked
from reconciliation.matching.comparison import Comparison
from reconciliation.matching.evidence import Pairs, amount_levels
from reconciliation.matching.levels import Weights
from reconciliation.matching.readings import Keys, Reading
from reconciliation.matching.tables import LARGEST_AMOUNT, Table

MOST_IN_BATCH = 500
BATCH_BEFORE, BATCH_AFTER = 20, 7
LEAST_SCORE = 1.5
_DAY_COST = 0.15
_CHANCE_LIMIT = 10.0


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """Rows that may belong together. `chance`: log of the accidental ways; `batch`: level of the batch;
    `known`: the rows of one side say themselves that they belong together, whoever paid each; `exact`:
    the amounts add up."""

    lines: Ints
    entries: Ints
    chance: float
    batch: int = lv.NO_BATCH
    known: bool = False
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Group:
    """A judged hypothesis: its levels by feature, score (log-odds), days from entries to lines.

    `share` is how likely it is among all hypotheses that want one of its rows.
    """

    lines: Ints
    entries: Ints
    levels: dict[str, int]
    score: float
    lag: int
    chance: float
    share: float = 1.0
    rivals: tuple[Hypothesis, ...] = ()


@dataclass(frozen=True, slots=True)
class _Side:
    """One table seen as the parts or as the whole of groups."""

    table: Table
    side: Ints
    reading: Reading
    free: Bools


def _both_sides(
    comparison: Comparison, free: tuple[Bools, Bools], parts_are_entries: bool
) -> tuple[_Side, _Side]:
    free_lines, free_entries = free[0] & comparison.lines.summable, free[1] & comparison.entries.summable
    lines = _Side(comparison.lines, comparison.line_side, comparison.line_reading, free_lines)
    entries = _Side(comparison.entries, comparison.entry_side, comparison.entry_reading, free_entries)
    return (entries, lines) if parts_are_entries else (lines, entries)


def known_batches(
    comparison: Comparison, free: tuple[Bools, Bools], *, parts_are_entries: bool, by_reference: bool
) -> list[Hypothesis]:
    """Rows of one side that share a batch (or their whole reference), with the row of the other side
    that names the batch, or whose amount is the batch's total."""
    parts, wholes = _both_sides(comparison, free, parts_are_entries)
    key = parts.reading.own_reference if by_reference else parts.reading.batch
    rows = np.flatnonzero(parts.free & (key != 0))
    order = rows[np.argsort(mix(key, parts.side)[rows], kind="stable")]
    starts = run_starts(mix(key, parts.side)[order])
    sizes = np.diff(np.append(starts, len(order)))
    kept = (sizes >= 2) & (sizes <= MOST_IN_BATCH)
    if not kept.any():
        return []
    totals = np.add.reduceat(parts.table.amount[order], starts)[kept]
    latest = np.maximum.reduceat(parts.table.date[order], starts)[kept]
    starts, sizes = starts[kept], sizes[kept]
    batch = _Batches(key[order[starts]], parts.side[order[starts]], totals, latest)
    members = [order[a : a + n] for a, n in zip(starts.tolist(), sizes.tolist(), strict=True)]
    return list(_with_wholes(batch, members, wholes, comparison, parts_are_entries))


@dataclass(frozen=True, slots=True)
class _Batches:
    key: Hashes
    side: Ints
    total: Ints
    date: Ints


def _with_wholes(
    batch: _Batches, members: list[Ints], wholes: _Side, comparison: Comparison, parts_are_entries: bool
) -> Iterator[Hypothesis]:
    group, row, level = _wholes(batch, wholes, parts_are_entries)
    total, amount = batch.total[group], wholes.table.amount[row]
    near = np.isin(amount_levels(amount, total, comparison.rules.tolerance), (lv.CENTS, lv.FEE, lv.DISCOUNT))
    exact = total == amount
    for i in np.flatnonzero(exact | near).tolist():
        one = row[i : i + 1]
        parts = members[group[i]]
        lines, entries = (one, parts) if parts_are_entries else (parts, one)
        chance = -_CHANCE_LIMIT if exact[i] else -2.0
        yield Hypothesis(lines, entries, chance, int(level[i]), known=True, exact=bool(exact[i]))


def _wholes(batch: _Batches, wholes: _Side, parts_are_entries: bool) -> tuple[Ints, Ints, Ints]:
    """(batch, row, level of the batch) by name and by total."""
    rows = np.flatnonzero(wholes.free)
    named = Keys.distinct(
        [(rows, wholes.reading.batch[rows]), (wholes.reading.whole.row, wholes.reading.whole.key)]
    )
    group, row, _ = linked(Keys(np.arange(len(batch.key)), batch.key), named.where(named.key != 0))
    told = wholes.free[row] & (batch.side[group] == wholes.side[row])
    group, row = group[told], row[told]
    index = DatedKeys.build(mix(wholes.table.amount[rows], wholes.side[rows]), wholes.table.date[rows], rows)
    ahead, back = (BATCH_BEFORE, BATCH_AFTER) if parts_are_entries else (BATCH_AFTER, BATCH_BEFORE)
    start, count = index.ranges(mix(batch.total, batch.side), batch.date - back, batch.date + ahead)
    count[count > 5] = 0
    other, place = spread(start, count)
    codes = np.concatenate((group, other)) * len(wholes.table) + np.concatenate((row, index.row[place]))
    level = np.repeat([lv.SAME_BATCH, lv.NO_BATCH], [len(group), len(other)])
    known, first = np.unique(codes, return_index=True)
    return known // len(wholes.table), known % len(wholes.table), level[first]


def exact_sums(
    comparison: Comparison, pairs: Pairs, *, by_line: bool, netted: bool = False
) -> tuple[list[tuple[Hypothesis, ...]], int]:
    """Sums of the candidates of each line (or entry) that equal its amount, ways of one target together;
    and for how many targets the search was cut off by its limit. `netted` takes candidates off as well."""
    target, part = (pairs.line, pairs.entry) if by_line else (pairs.entry, pairs.line)
    lines, entries = comparison.lines.amount, comparison.entries.amount
    wholes, parts = (lines, entries) if by_line else (entries, lines)
    named = pairs.levels["reference"] <= lv.WITHOUT_PREFIX
    reach = np.ones(len(pairs), np.bool_) if netted else _may_reach(target, wholes[target], parts[part])
    enough = np.flatnonzero(reach)
    # Those of the very payer come before namesakes, and among them the nearest dates.
    namesake = ~named & (pairs.levels["payer"] > lv.COMMON_PAYER)
    order = enough[np.lexsort((np.abs(pairs.lag[enough]), namesake[enough], target[enough]))]
    starts, sizes = grouped(target[order])
    rows, amounts, told = target[order[starts]], parts[part[order]], named[order]
    # A sum from which something is taken off may start from any candidate.
    hopeful = (sizes >= 2) if netted else sums.possible(wholes[rows], amounts, starts, sizes)
    if len(order):
        hopeful |= (sizes >= 2) & np.logical_or.reduceat(told, starts)
    found: list[tuple[Hypothesis, ...]] = []
    limited = int((sizes > sums.MOST_SEARCHED).sum())
    for k in np.flatnonzero(hopeful).tolist():
        members = slice(starts[k], starts[k] + sizes[k])
        search = _Search(
            int(wholes[rows[k]]), part[order[members]], amounts[members],
            comparison.rules.longest_group, netted,
        )  # fmt: skip
        ways, cut = search.ways(told[members])
        limited -= int(sizes[k] > sums.MOST_SEARCHED and not cut)
        if ways:
            row = int(rows[k])
            found.append(tuple(_hypothesis(row, way, chance, by_line=by_line) for way, chance in ways))
    return found, limited


def _may_reach(target: Ints, whole: Ints, part: Ints) -> Bools:
    """Pairs of targets whose smaller candidates of the same sign together are large enough."""
    fits = (np.sign(part) == np.sign(whole)) & (np.abs(part) < np.abs(whole))
    fits &= np.abs(whole) <= LARGEST_AMOUNT
    together = np.bincount(target, np.where(fits, np.abs(part), 0))
    return np.asarray(fits & (together[target] >= np.abs(whole)))


@dataclass(frozen=True, slots=True)
class _Search:
    """Parts that may add up to a whole; nearest dates first."""

    target: int
    rows: Ints
    amounts: Ints
    longest: int
    netted: bool = False

    def ways(self, named: Bools) -> tuple[list[tuple[Ints, float]], bool]:
        """Ways with their chance: first those with every part that is named, then any."""
        if named.any():
            ways = self._with(named)
            if ways:
                return ways, False
        result = sums.find(self.target, self.amounts, longest=self.longest, netted=self.netted)
        chances = [sums.chance(len(way), self.amounts) for way in result.ways]
        return [
            (self.rows[list(way)], one) for way, one in zip(result.ways, chances, strict=True)
        ], result.limited

    def _with(self, named: Bools) -> list[tuple[Ints, float]]:
        rest = self.target - int(self.amounts[named].sum())
        if rest == 0:
            return [(self.rows[named], -_CHANCE_LIMIT)] if named.sum() > 1 else []
        others = self.amounts[~named]
        if ((rest > 0) != (self.target > 0) and not self.netted) or not len(others):
            return []
        longest = self.longest - int(named.sum())
        result = sums.find(rest, others, longest=longest, fewest=1, netted=self.netted)
        return [
            (np.concatenate((self.rows[named], self.rows[~named][list(way)])), sums.chance(len(way), others))
            for way in result.ways
        ]


def _hypothesis(row: int, parts: Ints, chance: float, *, by_line: bool) -> Hypothesis:
    whole = np.array([row])
    return Hypothesis(whole, parts, chance) if by_line else Hypothesis(parts, whole, chance)


def part_payments(comparison: Comparison, pairs: Pairs) -> list[Hypothesis]:
    """Several lines that name one entry and together pay a part of it."""
    named = pairs.levels["reference"] <= lv.WITHOUT_PREFIX
    small = comparison.entries.summable[pairs.entry]
    rows = np.flatnonzero(named & small & (pairs.levels["amount"] == lv.PART))
    order = rows[np.argsort(pairs.entry[rows], kind="stable")]
    starts = run_starts(pairs.entry[order])
    found = []
    for members in np.split(order, starts[1:]) if len(order) else []:
        lines, entry = pairs.line[members], pairs.entry[members[:1]]
        paid, booked = int(comparison.lines.amount[lines].sum()), int(comparison.entries.amount[entry[0]])
        if len(members) > 1 and abs(paid) < abs(booked):
            found.append(Hypothesis(lines, entry, 0.0))
    return found


def judge(
    comparison: Comparison, sets: Iterable[tuple[Hypothesis, ...]], weights: Weights, *, usual_lag: float
) -> list[Group]:
    """Every hypothesis judged by its members' levels; of each set the best, its rivals with it."""
    listed = list(sets)
    flat = [hypothesis for ways in listed for hypothesis in ways]
    if not flat:
        return []
    judged = _judged(comparison, flat, weights, usual_lag)
    groups: list[Group] = []
    position = 0
    for ways in listed:
        ranked = sorted(judged[position : position + len(ways)], key=lambda group: -group.score)
        position += len(ways)
        groups.append(_best_of(ranked, comparison.rules.tie_margin))
    return groups


def _best_of(ranked: list[Group], margin: float) -> Group:
    best = ranked[0]
    share = 1.0 / sum(float(np.exp(group.score - best.score)) for group in ranked)
    close = [group for group in ranked[1:] if best.score - group.score < margin]
    rivals = tuple(Hypothesis(group.lines, group.entries, group.chance) for group in close)
    return replace(best, share=share, rivals=rivals)


def _judged(
    comparison: Comparison, flat: list[Hypothesis], weights: Weights, usual_lag: float
) -> list[Group]:
    line = np.concatenate([np.repeat(one.lines, len(one.entries)) for one in flat])
    entry = np.concatenate([np.tile(one.entries, len(one.lines)) for one in flat])
    sizes = np.array([len(one.lines) * len(one.entries) for one in flat])
    owner = np.repeat(np.arange(len(flat)), sizes)
    pairs = comparison.pairs(line, entry, np.full(len(line), lv.SUM, dtype=np.int8))
    levels = _group_levels(comparison, flat, pairs, owner)
    starts = np.cumsum(sizes) - sizes
    early, late = np.minimum.reduceat(pairs.lag, starts), np.maximum.reduceat(pairs.lag, starts)
    middle = np.round(np.add.reduceat(pairs.lag, starts) / sizes).astype(np.int64)
    chance = np.array([one.chance for one in flat])
    total = sum((weights.by_feature[name][level] for name, level in levels.items()), np.zeros(len(flat)))
    total = (
        total - np.clip(chance, -_CHANCE_LIMIT, _CHANCE_LIMIT) - np.minimum(_DAY_COST * (late - early), 4.0)
    )
    total = total - lv.DATE_DRIFT * np.minimum(np.abs(middle - usual_lag), 30.0)
    return [
        Group(
            one.lines, one.entries, {name: int(level[i]) for name, level in levels.items()},
            float(total[i]), int(middle[i]), one.chance,
        )
        for i, one in enumerate(flat)
    ]  # fmt: skip


def _group_levels(
    comparison: Comparison, flat: list[Hypothesis], pairs: Pairs, owner: Ints
) -> dict[str, Small]:
    """Level of a group on each feature: of payer the third quartile of its pairs, else the median."""
    size = len(flat)
    booked = _sums(comparison.entries.amount, [one.entries for one in flat])
    stated = _sums(comparison.lines.amount, [one.lines for one in flat])
    near = amount_levels(stated, booked, comparison.rules.tolerance)
    worst = _quantile(owner, pairs.levels["payer"], size, 0.75)
    several = np.array([one.known for one in flat])
    worst = np.where(several & (worst >= lv.PARTLY_PAYER), lv.NO_PAYER, worst)
    return {
        "amount": np.where(booked == stated, lv.SUM, near).astype(np.int8),
        "reference": _reference(owner, pairs, size),
        "payer": worst.astype(np.int8),
        "date": _quantile(owner, pairs.levels["date"], size, 0.5),
        "kind": _quantile(owner, pairs.levels["kind"], size, 0.5),
        "batch": np.minimum(
            np.array([one.batch for one in flat]), _quantile(owner, pairs.levels["batch"], size, 0.5)
        ).astype(np.int8),
    }


def _sums(amounts: Ints, sets: list[Ints]) -> Ints:
    """The sum of the amounts of each set of rows, none of them empty."""
    sizes = np.fromiter(map(len, sets), np.int64, len(sets))
    return np.add.reduceat(amounts[np.concatenate(sets)], np.cumsum(sizes) - sizes)


def _reference(owner: Ints, pairs: Pairs, size: int) -> Small:
    """Named throughout, named in part, or not; worst if a row's reference belongs outside the group.

    What counts for a row is the best of its pairs: of several invoices one may be named.
    """
    level = pairs.levels["reference"]
    of_line = _best_of_row(owner, pairs.line, level)
    of_entry = _best_of_row(owner, pairs.entry, level)
    middle = _quantile(owner, level, size, 0.5)
    best = _quantile(owner, level, size, 0.0)
    astray = np.bincount(owner, of_line == lv.NAMES_ANOTHER, size) > 0
    elsewhere = np.bincount(owner, of_entry == lv.NAMED_ELSEWHERE, size) > 0
    conditions = [astray, elsewhere, middle < lv.SOME, best < lv.SHARED]
    found = np.select(conditions, [lv.NAMES_ANOTHER, lv.NAMED_ELSEWHERE, middle, lv.SOME], lv.NO_REFERENCE)
    return np.asarray(found, dtype=np.int8)


def _best_of_row(owner: Ints, row: Ints, level: Small) -> Small:
    """For each pair the best level of its row within its group."""
    order = np.lexsort((level, row, owner))
    starts = run_starts(owner[order] * (int(row.max()) + 1) + row[order])
    best = np.empty_like(level)
    best[order] = np.repeat(level[order][starts], np.diff(np.append(starts, len(order))))
    return best


def _quantile(owner: Ints, level: Small, size: int, share: float) -> Small:
    order = np.lexsort((level, owner))
    counts = np.bincount(owner, minlength=size)
    starts = np.cumsum(counts) - counts
    places = starts + np.floor((counts - 1) * share + 0.5).astype(np.int64)
    return np.asarray(level[order][places], dtype=np.int8)


def choose(groups: list[Group], free: tuple[Bools, Bools], least: float = LEAST_SCORE) -> list[Group]:
    """The best groups that use each free row once; their rows are no longer free afterwards."""
    lines, entries = free
    wanted = _Wanted(groups)
    chosen = []
    for group in sorted(groups, key=lambda group: (-group.score, int(group.lines[0]), int(group.entries[0]))):
        if group.score < least:
            break
        if lines[group.lines].all() and entries[group.entries].all():
            lines[group.lines] = False
            entries[group.entries] = False
            chosen.append(wanted.against(group))
    return chosen


class _Wanted:
    """Which groups want which row."""

    def __init__(self, groups: list[Group]) -> None:
        self.groups = groups
        self.by_row: dict[int, list[int]] = defaultdict(list)
        for place, group in enumerate(groups):
            for key in _row_keys(group):
                self.by_row[key].append(place)

    def against(self, group: Group) -> Group:
        """The group with its share reduced by others that want its rows."""
        places = {place for key in _row_keys(group) for place in self.by_row[key]}
        others = [self.groups[place] for place in sorted(places) if self.groups[place] is not group]
        pull = sum(float(np.exp(min(other.score - group.score, 0.0))) for other in others if other.score > 0)
        close = [other for other in others if group.score - other.score < 1.5]
        rivals = (*group.rivals, *(Hypothesis(other.lines, other.entries, other.chance) for other in close))
        return replace(group, share=1.0 / (1.0 / group.share + pull), rivals=rivals[:3])


def _row_keys(group: Group) -> list[int]:
    return [*group.lines.tolist(), *(~group.entries).tolist()]
