"""Probability of every candidate pair, given that each row can be used once; weights learned from it."""

from __future__ import annotations

import numpy as np

from reconciliation.matching.arrays import Bools, Floats, Ints, Small, numbered
from reconciliation.matching.levels import DATE_DAYS, LEARNED, MOST_LEARNED, Weights

ROUNDS, ROUNDS_TO_LEARN = 12, 5
_DAMPING = 0.3
UNHEARD = -8.0
"""Pairs this unlikely take nothing from their rivals; they are most of what crowded amounts bring."""
_SETTLED = 1e-5
_PRIOR_PAIRS = 60.0


def marginals(line: Ints, entry: Ints, score: Floats, rounds: int = ROUNDS) -> Floats:
    """Belief propagation on the pairs: exp(score) against "neither", with rivals on both sides.

    Messages are how free each row is for a pair once its other pairs are heard; exact on trees and
    near enough on the small cycles that equal amounts make.
    """
    joint = np.exp(np.clip(score, -30.0, 25.0))
    heard = np.flatnonzero(score > UNHEARD)
    rest = heard[_has_rivals(line[heard]) | _has_rivals(entry[heard])]
    joint[rest] *= _freedom_of_both(numbered(line[rest]), numbered(entry[rest]), joint[rest], rounds)
    return np.asarray(joint / (1.0 + joint))


def _has_rivals(row: Ints) -> Bools:
    which, size = numbered(row)
    return np.asarray(np.bincount(which, minlength=size)[which] > 1)


def _freedom_of_both(line: tuple[Ints, int], entry: tuple[Ints, int], weight: Floats, rounds: int) -> Floats:
    """How free both rows of each pair are for it; rounds end when hardly anything moves."""
    free_line = np.full(len(weight), 0.5)
    free_entry = np.full(len(weight), 0.5)
    for _ in range(rounds if len(weight) else 0):
        before = free_line
        free_line = _DAMPING * free_line + (1 - _DAMPING) * _freedom(line, weight * free_entry)
        free_entry = _DAMPING * free_entry + (1 - _DAMPING) * _freedom(entry, weight * free_line)
        if float(np.abs(free_line - before).max()) < _SETTLED:
            break
    return np.asarray(free_line * free_entry)


def _freedom(row: tuple[Ints, int], pull: Floats) -> Floats:
    which, size = row
    others = np.bincount(which, weights=pull, minlength=size)[which] - pull
    return np.asarray(1.0 / (1.0 + np.maximum(others, 0.0)))


def learned(
    weights: Weights, levels: dict[str, Small], probability: Floats, background: dict[str, Floats]
) -> Weights:
    """These weights moved towards what the pairs show: one step of expectation-maximisation.

    Each level's share among probable pairs against its share among improbable ones (of dates: against
    its share of the days searched, because candidates are not drawn evenly from them). `background` adds
    how often each level stands in pairs of crowded amounts drawn at random. Few pairs move a level
    little, and none moves further than MOST_LEARNED from its value in `weights`.
    """
    by_feature = dict(weights.by_feature)
    for name in LEARNED:
        start = weights.by_feature[name]
        hits = _tally(levels[name], probability, len(start))
        seen = _tally(levels[name], 1.0 - probability, len(start))
        seen = seen + background.get(name, 0.0)
        target = _dates(start, hits) if name == "date" else _shares(start, hits, seen)
        by_feature[name] = np.clip(target, start - MOST_LEARNED, start + MOST_LEARNED)
    return Weights(by_feature, weights.version)


def _tally(level: Small, weight: Floats, size: int) -> Floats:
    return np.bincount(level, weights=weight, minlength=size).astype(np.float64)


def _shares(start: Floats, hits: Floats, seen: Floats) -> Floats:
    size = len(start)
    prior = np.exp(start) / np.exp(start).sum()
    share = (hits + _PRIOR_PAIRS * prior) / (hits.sum() + _PRIOR_PAIRS)
    other = (seen + _PRIOR_PAIRS / size) / (seen.sum() + _PRIOR_PAIRS)
    blend = (hits + seen) / (hits + seen + _PRIOR_PAIRS)
    return np.asarray(start + blend * (np.log(share / other) - start))


def _dates(start: Floats, hits: Floats) -> Floats:
    """Payments and cheques apart; the mean weight of a true pair stays what it was."""
    size = len(DATE_DAYS)
    parts = []
    for family in (slice(0, size), slice(size, None)):
        even = DATE_DAYS / DATE_DAYS.sum()
        prior = np.exp(start[family]) * even / (np.exp(start[family]) * even).sum()
        share = (hits[family] + _PRIOR_PAIRS * prior) / (hits[family].sum() + _PRIOR_PAIRS)
        target = np.log(share / even)
        parts.append(target - float((share * (target - start[family])).sum()))
    return np.concatenate(parts)
