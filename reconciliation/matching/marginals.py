"""Probability of every candidate pair, given that each row can be used once; weights learned from it."""

from __future__ import annotations

import numpy as np

from reconciliation.matching.arrays import Floats, Ints, Small
from reconciliation.matching.levels import LEARNED, MOST_LEARNED, Weights

ROUNDS = 12
_DAMPING = 0.3
_PRIOR_PAIRS = 60.0


def marginals(line: Ints, entry: Ints, score: Floats) -> Floats:
    """Belief propagation on the pairs: exp(score) against "neither", with rivals on both sides.

    Messages are how free each row is for a pair once its other pairs are heard; exact on trees and
    near enough on the small cycles that equal amounts make.
    """
    _, line = np.unique(line, return_inverse=True)
    _, entry = np.unique(entry, return_inverse=True)
    weight = np.exp(np.clip(score, -30.0, 25.0))
    free_line = np.full(len(score), 0.5)
    free_entry = np.full(len(score), 0.5)
    for _ in range(ROUNDS if len(score) else 0):
        free_line = _DAMPING * free_line + (1 - _DAMPING) * _freedom(line, weight * free_entry)
        free_entry = _DAMPING * free_entry + (1 - _DAMPING) * _freedom(entry, weight * free_line)
    joint = weight * free_line * free_entry
    return np.asarray(joint / (1.0 + joint))


def _freedom(row: Ints, pull: Floats) -> Floats:
    total = np.bincount(row, weights=pull)
    return np.asarray(1.0 / (1.0 + np.maximum(total[row] - pull, 0.0)))


def learned(weights: Weights, levels: dict[str, Small], probability: Floats) -> Weights:
    """Weights moved towards what the pairs show: one step of expectation-maximisation.

    Each level's share among probable pairs against its share among improbable ones; few pairs move
    it little, and no level moves further than MOST_LEARNED from its start value.
    """
    start = Weights.start().by_feature
    matched = float(probability.sum())
    by_feature = dict(weights.by_feature)
    for name in LEARNED:
        size = len(start[name])
        hits = np.bincount(levels[name], weights=probability, minlength=size)
        seen = np.bincount(levels[name], weights=1.0 - probability, minlength=size)
        rest = max(len(probability) - matched, 1.0)
        prior = np.exp(start[name]) / np.exp(start[name]).sum()
        share = (hits + _PRIOR_PAIRS * prior) / (matched + _PRIOR_PAIRS)
        other = (seen + _PRIOR_PAIRS / size) / (rest + _PRIOR_PAIRS)
        trust = hits + seen
        blend = trust / (trust + _PRIOR_PAIRS)
        target = start[name] + blend * (np.log(share / other) - start[name])
        by_feature[name] = np.clip(target, start[name] - MOST_LEARNED, start[name] + MOST_LEARNED)
    return Weights(by_feature, weights.version)
