"""The best assignment: each line and each entry used at most once, the whole as likely as can be."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import (
    connected_components,
    min_weight_full_bipartite_matching,
)

from reconciliation.matching.arrays import Bools, Floats, Ints, among, numbered, run_starts, second_best

MOST_PAIRS = 60_000
"""Pairs of one component solved exactly; beyond, best pairs first (equal amounts by the ten thousand)."""
_ROWS_A_CALL = 1500


def assign(line: Ints, entry: Ints, score: Floats) -> tuple[Ints, bool]:
    """Positions of the chosen pairs, and whether a component was too large to solve exactly.

    The sum of the scores is maximal in each connected component; pairs with a score of 0 or less
    are never chosen (leaving both rows alone is better).
    """
    chosen: list[Ints] = []
    left = np.flatnonzero(score > 0)
    for _ in range(4):
        sure = left[_dominant(line[left], entry[left], score[left])]
        if not len(sure):
            break
        chosen.append(sure)
        left = left[~among(line[left], line[sure]) & ~among(entry[left], entry[sure])]
    reached = False
    if len(left):
        rest, reached = _solve(line[left], entry[left], score[left])
        chosen.append(left[rest])
    return (np.concatenate(chosen) if chosen else left), reached


def _dominant(line: Ints, entry: Ints, score: Floats) -> Bools:
    """Pairs in every best assignment: worth more than the best others of both their rows together."""
    line, _ = numbered(line)
    entry, _ = numbered(entry)
    if not len(line):
        return np.zeros(0, dtype=np.bool_)
    other = _best_other(line, score) + _best_other(entry, score)
    return np.asarray(score > other)


def _best_other(group: Ints, score: Floats) -> Floats:
    """For each pair the best score of another pair in its group, at least 0."""
    best, second = second_best(group, score, int(group.max()) + 1)
    mine = best[group]
    return np.maximum(np.where(score >= mine, second[group], mine), 0.0)


def _solve(line: Ints, entry: Ints, score: Floats) -> tuple[Ints, bool]:
    l_code, lines = numbered(line)
    e_code, entries = numbered(entry)
    size = lines + entries
    graph = sparse.coo_matrix((np.ones(len(line), np.int8), (l_code, e_code + lines)), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    component = labels[l_code]
    order = np.lexsort((-score, l_code, component))
    starts = run_starts(component[order])
    sizes = np.diff(np.append(starts, len(order)))
    large = np.repeat(sizes > MOST_PAIRS, sizes)
    picks = [_greedy(l_code, e_code, score, order[large])] if large.any() else []
    exact = order[~large]
    picks.extend(
        _exact(l_code[part], e_code[part], score[part], part) for part in _calls(exact, component, l_code)
    )
    return np.concatenate(picks), bool(large.any())


def _calls(order: Ints, component: Ints, line: Ints) -> list[Ints]:
    """Pairs in groups of whole components, about _ROWS_A_CALL lines each."""
    if not len(order):
        return []
    seen = np.cumsum(np.append(True, line[order][1:] != line[order][:-1]))
    starts = run_starts(component[order])
    bucket = seen[starts] // _ROWS_A_CALL
    return np.split(order, starts[run_starts(bucket)][1:])


def _exact(line: Ints, entry: Ints, score: Floats, part: Ints) -> Ints:
    """One call of the sparse solver; a private column a line stands for leaving it alone."""
    lines, l_code = np.unique(line, return_inverse=True)
    entries, e_code = np.unique(entry, return_inverse=True)
    high = float(score.max()) + 1.0
    alone = np.arange(len(lines))
    costs = np.concatenate((high - score, np.full(len(lines), high)))
    rows = np.concatenate((l_code, alone))
    columns = np.concatenate((e_code, len(entries) + alone))
    matrix = sparse.csr_matrix((costs, (rows, columns)), shape=(len(lines), len(entries) + len(lines)))
    row, column = min_weight_full_bipartite_matching(matrix)
    taken = column < len(entries)
    wanted = row[taken] * len(entries) + column[taken]
    codes = l_code * len(entries) + e_code
    order = np.argsort(codes)
    return np.asarray(part[order[np.searchsorted(codes[order], wanted)]])


def _greedy(line: Ints, entry: Ints, score: Floats, pairs: Ints) -> Ints:
    """Best pairs first; equals in the order of the rows."""
    order = pairs[np.lexsort((entry[pairs], line[pairs], -score[pairs]))]
    used_lines: set[int] = set()
    used_entries: set[int] = set()
    picks: list[int] = []
    for position, a, b in zip(order.tolist(), line[order].tolist(), entry[order].tolist(), strict=True):
        if a not in used_lines and b not in used_entries:
            used_lines.add(a)
            used_entries.add(b)
            picks.append(position)
    return np.array(picks, dtype=np.int64)
