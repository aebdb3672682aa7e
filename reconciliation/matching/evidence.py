"""Each candidate pair gets its level on every feature, and the sum of their weights as its score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reconciliation.matching import levels as lv
from reconciliation.matching.arrays import Bools, Floats, Ints, Small
from reconciliation.matching.levels import Weights
from reconciliation.rules import Tolerance

SAME_SHARE, NEAR_SHARE, PART_SHARE = 0.82, 0.6, 0.3
RARE_MASS = 6.0
LEAST_MASS = 2.5


@dataclass(frozen=True, slots=True)
class Pairs:
    """Candidate pairs in columns: rows, days from entry to line, share of the name found, levels."""

    line: Ints
    entry: Ints
    lag: Ints
    share: Floats
    levels: dict[str, Small]

    def __len__(self) -> int:
        return len(self.line)

    def take(self, kept: Bools | Ints) -> Pairs:
        levels = {name: level[kept] for name, level in self.levels.items()}
        return Pairs(self.line[kept], self.entry[kept], self.lag[kept], self.share[kept], levels)


def joined(parts: list[Pairs]) -> Pairs:
    """All pairs of these parts."""
    return Pairs(
        line=np.concatenate([part.line for part in parts]),
        entry=np.concatenate([part.entry for part in parts]),
        lag=np.concatenate([part.lag for part in parts]),
        share=np.concatenate([part.share for part in parts]),
        levels={name: np.concatenate([part.levels[name] for part in parts]) for name in lv.FEATURES},
    )


def score(pairs: Pairs, weights: Weights, usual_lag: float) -> Floats:
    """Log-odds of each pair; a touch less the further its lag is from the usual one, the name from whole."""
    total = sum(
        (weights.by_feature[name][level] for name, level in pairs.levels.items()), np.zeros(len(pairs))
    )
    drift = np.minimum(np.abs(pairs.lag - usual_lag), 30.0)
    whole = np.where(pairs.share >= SAME_SHARE, pairs.share - 0.9, 0.0)
    return np.asarray(total - lv.DATE_DRIFT * drift + lv.SHARE_PULL * whole)


def exact_levels(sharing: Ints) -> Small:
    """Level of an equal amount by how many rows of either side have it in the window."""
    edges = np.array([2, 6, 31])
    return np.searchsorted(edges, sharing, "right").astype(np.int8)


def amount_levels(line: Ints, entry: Ints, tolerance: Tolerance) -> Small:
    """Level of two different amounts, minor units with sign."""
    difference = np.abs(line - entry)
    same_sign = np.sign(line) == np.sign(entry)
    size, booked = np.abs(line), np.abs(entry)
    fee = np.minimum(tolerance.fee, (tolerance.fee_share * booked).astype(np.int64))
    conditions = [
        difference <= np.minimum(tolerance.cents, booked // 20),
        transposed(size, booked),
        difference <= fee,
        difference <= (tolerance.discount_share * booked).astype(np.int64),
        size < booked,
    ]
    found = np.select(conditions, [lv.CENTS, lv.TRANSPOSED, lv.FEE, lv.DISCOUNT, lv.PART], lv.DIFFERENT)
    return np.where(same_sign, found, lv.DIFFERENT).astype(np.int8)


def transposed(left: Ints, right: Ints) -> Bools:
    """Whether two neighbouring digits changed places."""
    found = np.zeros(len(left), dtype=np.bool_)
    near = np.flatnonzero((left - right) % 9 == 0)
    a, b = left[near], right[near]
    for place in range(15):
        low = 10**place
        two, other = a // low % 100, b // low % 100
        swapped = (two % 10 == other // 10) & (two // 10 == other % 10) & (two != other)
        found[near] |= swapped & (a - two * low == b - other * low)
    return found


def payer_levels(share: Floats, mass: Floats) -> Small:
    """Level of a payer by the share of the name that was found and the weight of the words found."""
    told = share >= 0
    conditions = [
        ~told,
        (share >= SAME_SHARE) & (mass >= RARE_MASS),
        (share >= SAME_SHARE) & (mass >= LEAST_MASS),
        (share >= NEAR_SHARE) & (mass >= LEAST_MASS),
        share >= PART_SHARE,
    ]
    outcome = [lv.NO_PAYER, lv.SAME_PAYER, lv.COMMON_PAYER, lv.NEAR_PAYER, lv.PARTLY_PAYER]
    return np.select(conditions, outcome, lv.OTHER_PAYER).astype(np.int8)


def date_levels(lag: Ints, cheque: Bools) -> Small:
    """Level of the days from entry to line; cheques have levels of their own."""
    level = np.searchsorted(lv.DATE_EDGES, lag, "right")
    return (level + np.where(cheque, len(lv.DATE), 0)).astype(np.int8)


def kind_levels(line: Ints, entry: Ints) -> Small:
    """Level of two sets of kind bits: a shared bit agrees; both told and none shared contradicts."""
    shared = (line & entry) != 0
    both = (line != 0) & (entry != 0)
    return np.select([shared, both], [lv.KIND_AGREES, lv.KIND_CONTRADICTS], lv.KIND_SILENT).astype(np.int8)
