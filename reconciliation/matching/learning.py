"""Weights and the calibration curve estimated from what people decided; how true probabilities are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize

from reconciliation.matching.arrays import Bools, Floats, Ints
from reconciliation.matching.calibration import Calibration, log_odds
from reconciliation.matching.levels import FEATURES, MOST_LEARNED, Weights

FEWEST_DECISIONS = 50
FEWEST_REFUSALS = 5
HELD_OUT = 3
"""Every third decision is kept back to see whether what was learned from the others holds."""
_CAUTION = 4.0
"""How hard weights are held where they start (the inverse of the variance expected of a change)."""
_ANCHORS = np.array([0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.995, 0.999])
_ANCHOR_WEIGHT = 1.0
EDGES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999)


class Decision(NamedTuple):
    """A proposal that a person decided: its id, levels, probability as weighed and as shown, and whether
    it was right (confirmed and not undone). `version` names the weights that judged it."""

    id: int
    levels: Mapping[str, int]
    raw: float
    shown: float
    right: bool
    version: int = 0


class Bin(NamedTuple):
    """Proposals said to be about as likely: how likely on average, how many came true, how many."""

    said: float
    came_true: float
    size: int


@dataclass(frozen=True, slots=True)
class Quality:
    """How far probabilities can be relied on: mean losses (lower is better) and the reliability curve."""

    log_loss: float
    brier: float
    bins: tuple[Bin, ...]

    @classmethod
    def of(cls, probability: Floats, right: Bools) -> Quality:
        inside = np.clip(probability, 1e-6, 1 - 1e-6)
        losses = -np.where(right, np.log(inside), np.log(1 - inside))
        brier = np.square(probability - right)
        return cls(round(float(losses.mean()), 5), round(float(brier.mean()), 5), _bins(probability, right))

    def as_json(self) -> dict[str, Any]:
        return {"log_loss": self.log_loss, "brier": self.brier, "bins": [list(one) for one in self.bins]}


@dataclass(frozen=True, slots=True)
class Learned:
    """New weights and curve, from all decisions; quality before and after, on those kept back."""

    weights: Weights
    calibration: Calibration
    held_out: int
    before: Quality
    after: Quality


def learn(decisions: Sequence[Decision], sets: Mapping[int, Weights]) -> Learned:
    """What these decisions teach; `sets` are the weights that judged them, by version (0: built in).

    Raises ValueError where there are too few to learn from: see `too_few`.
    """
    if reason := too_few(decisions):
        raise ValueError(reason)
    kept_back = np.array([decision.id % HELD_OUT == 0 for decision in decisions])
    right = np.array([decision.right for decision in decisions])
    shown = np.array([decision.shown for decision in decisions])
    trained, curve = _fitted(_Sample.of(decisions, sets), right, ~kept_back)
    after = curve.applied(trained.probability)[kept_back]
    final, final_curve = _fitted(_Sample.of(decisions, sets), right, np.ones(len(right), dtype=np.bool_))
    return Learned(
        final.weights,
        final_curve,
        int(kept_back.sum()),
        Quality.of(shown[kept_back], right[kept_back]),
        Quality.of(after, right[kept_back]),
    )


def too_few(decisions: Sequence[Decision]) -> str:
    """Why there is nothing to learn yet, in words; empty where there is."""
    refused = sum(not decision.right for decision in decisions)
    kept_back = sum(decision.id % HELD_OUT == 0 for decision in decisions)
    if len(decisions) >= FEWEST_DECISIONS and refused >= FEWEST_REFUSALS and 0 < kept_back < len(decisions):
        return ""
    return (
        f"Learning takes at least {FEWEST_DECISIONS} proposals that people decided, {FEWEST_REFUSALS} of "
        f"them rejected or undone. So far there are {len(decisions)}, {refused} of them rejected or undone."
    )


# ── weights ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Sample:
    """Decisions as columns: `column` (decisions x features) numbers levels over all features; `even` are the
    log-odds that the built-in weights would give."""

    column: Ints
    even: Floats

    @classmethod
    def of(cls, decisions: Sequence[Decision], sets: Mapping[int, Weights]) -> _Sample:
        column = np.array(
            [
                [offset + decision.levels[name] for name, offset in _offsets().items()]
                for decision in decisions
            ]
        )
        start = Weights.start()
        given = log_odds(np.array([decision.raw for decision in decisions]))
        flat = {version: _flat(weights) - _flat(start) for version, weights in sets.items()}
        none = np.zeros(_size())
        moved = [
            flat.get(decision.version, none)[row].sum()
            for decision, row in zip(decisions, column, strict=True)
        ]
        return cls(column, given - np.array(moved))


class _Fit(NamedTuple):
    weights: Weights
    probability: Floats


def _fitted(sample: _Sample, right: Bools, used: Bools) -> tuple[_Fit, Calibration]:
    change = _change(sample, right, used)
    weights = _unflat(_flat(Weights.start()) + change)
    probability = _logistic(sample.even + change[sample.column].sum(axis=1))
    return _Fit(weights, probability), calibration_of(probability[used], right[used])


def _change(sample: _Sample, right: Bools, used: Bools) -> Floats:
    """Changes of the weights, by logistic regression held to the start: few decisions move little."""
    column, even, target = sample.column[used], sample.even[used], right[used].astype(np.float64)
    size = _size()

    def loss(change: Floats) -> tuple[float, Floats]:
        value = even + change[column].sum(axis=1) + change[-1]
        off = _logistic(value) - target
        slope = np.bincount(column.ravel(), np.repeat(off, column.shape[1]), size + 1)
        slope[-1] = off.sum()
        held = _CAUTION * change
        held[-1] = change[-1] / 4
        return float(np.logaddexp(0, value).sum() - (target * value).sum() + (held * change).sum() / 2), (
            slope + held
        )

    found = minimize(loss, np.zeros(size + 1), jac=True, method="L-BFGS-B")
    return np.asarray(np.clip(found.x[:-1], -MOST_LEARNED, MOST_LEARNED))


def _offsets() -> dict[str, int]:
    sizes = [len(levels) for levels in FEATURES.values()]
    return dict(zip(FEATURES, np.cumsum([0, *sizes[:-1]]).tolist(), strict=True))


def _size() -> int:
    return sum(len(levels) for levels in FEATURES.values())


def _flat(weights: Weights) -> Floats:
    return np.concatenate([weights.by_feature[name] for name in FEATURES])


def _unflat(values: Floats) -> Weights:
    return Weights(
        {
            name: np.round(values[offset : offset + len(FEATURES[name])], 4)
            for name, offset in _offsets().items()
        }
    )


def _logistic(value: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(value, -30, 30))))


# ── calibration ───────────────────────────────────────────────────────────────────────────────────────


def calibration_of(probability: Floats, right: Bools) -> Calibration:
    """The rising curve from probabilities as weighed to how often they came true; anchors on the diagonal
    hold it there where little was decided."""
    given = np.concatenate((probability, _ANCHORS))
    true = np.concatenate((right.astype(np.float64), _ANCHORS))
    weight = np.concatenate((np.ones(len(right)), np.full(len(_ANCHORS), _ANCHOR_WEIGHT)))
    order = np.argsort(given, kind="stable")
    blocks = _pooled(given[order], true[order], weight[order])
    return Calibration.of([(round(said, 6), round(came, 6)) for said, came in blocks])


def _pooled(given: Floats, true: Floats, weight: Floats) -> list[tuple[float, float]]:
    """Pool adjacent violators: neighbours that fall are averaged until the means rise."""
    blocks: list[tuple[float, float, float]] = []
    for said, came, heavy in zip(given.tolist(), true.tolist(), weight.tolist(), strict=True):
        block = (said, came, heavy)
        while blocks and blocks[-1][1] >= block[1]:
            before = blocks.pop()
            total = before[2] + block[2]
            share = before[2] / total
            block = (
                share * before[0] + (1 - share) * block[0],
                share * before[1] + (1 - share) * block[1],
                total,
            )
        blocks.append(block)
    return [(said, came) for said, came, _ in blocks]


def _bins(probability: Floats, right: Bools) -> tuple[Bin, ...]:
    place = np.searchsorted(np.array(EDGES), probability, "right") - 1
    found = []
    for k in range(len(EDGES)):
        mine = place == k
        if mine.any():
            said, came = float(probability[mine].mean()), float(right[mine].mean())
            found.append(Bin(round(said, 5), round(came, 5), int(mine.sum())))
    return tuple(found)
