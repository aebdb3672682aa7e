"""The levels of evidence: what two rows can have in common, what each is worth, and its words.

A weight is a log-odds: how much more often (natural logarithm) the level is seen in true pairs than
in pairs that merely came up as candidates. Weights are start values; `learned` adjusts those of
date, payer and kind to the data at hand within `MOST_LEARNED`, without labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reconciliation.matching.arrays import Floats

MOST_LEARNED = 2.5


class Level(NamedTuple):
    """One level of one feature; `label` is shown to a person, with `{}` for the particulars."""

    name: str
    weight: float
    label: str


AMOUNT = (
    Level("exact, seen once", 5.0, "Exact amount, seen once"),
    Level("exact, seen a few times", 3.8, "Exact amount, seen a few times"),
    Level("exact, seen often", 2.4, "Exact amount, one seen often"),
    Level("exact, a list price", 0.6, "Exact amount, a common price"),
    Level("cents", 0.5, "Amount differs by cents ({})"),
    Level("transposed", 0.5, "Two digits of the amount changed places ({})"),
    Level("fee", -0.5, "Amount differs by what a fee may be ({})"),
    Level("discount", -1.0, "Amount differs by what a discount may be ({})"),
    Level("part", -3.7, "Part of the amount ({} open)"),
    Level("different", -9.0, "Different amount ({})"),
    Level("exact sum", 0.0, "The amounts add up exactly"),
)
(EXACT_ONCE, EXACT_FEW, EXACT_OFTEN, EXACT_COMMON, CENTS, TRANSPOSED, FEE, DISCOUNT, PART, DIFFERENT, SUM) = (
    range(11)
)

REFERENCE = (
    Level("whole", 7.0, "reference {} in the bank text"),
    Level("without prefix", 5.0, "number {} in the bank text, without its prefix"),
    Level("cut", 3.0, "the bank text ends in the beginning of its reference"),
    Level("shared", 2.0, "reference {}, which several rows share"),
    Level("some", 3.0, "one of the references ({}) in the bank text"),
    Level("none", 0.0, ""),
    Level("named elsewhere", -2.5, "another row names this reference"),
    Level("names another", -4.0, "the bank text names another document"),
)
WHOLE, WITHOUT_PREFIX, REFERENCE_CUT, SHARED, SOME, NO_REFERENCE, NAMED_ELSEWHERE, NAMES_ANOTHER = range(8)

PAYER = (
    Level("same", 4.5, "same payer"),
    Level("same, common", 3.0, "same payer, a frequent one"),
    Level("nearly the same", 2.2, "payer nearly the same"),
    Level("partly", -1.0, "payer partly the same"),
    Level("unknown", 0.0, ""),
    Level("different", -4.0, "different payer"),
)
SAME_PAYER, COMMON_PAYER, NEAR_PAYER, PARTLY_PAYER, NO_PAYER, OTHER_PAYER = range(6)

DATE = (
    Level("long before", -4.0, "{}"),
    Level("before", -2.0, "{}"),
    Level("just before", -0.7, "{}"),
    Level("same day", 1.2, "{}"),
    Level("next day", 1.0, "{}"),
    Level("2-3 days", 0.7, "{}"),
    Level("4-7 days", 0.0, "{}"),
    Level("8-14 days", -0.8, "{}"),
    Level("15-31 days", -1.6, "{}"),
    Level("1-2 months", -2.6, "{}"),
    Level("later", -3.8, "{}"),
)
DATE_EDGES = np.array([-14, -3, 0, 1, 2, 4, 8, 15, 32, 63])
DATE_DAYS = np.array([20.0, 11, 3, 1, 1, 2, 4, 7, 17, 31, 60])
"""Days that each date level spans in the windows searched."""
CHEQUE_DATE = tuple(
    Level(level.name, weight, level.label)
    for level, weight in zip(DATE, (-4.0, -3.0, -2.0, 0.2, 0.3, 0.4, 0.4, 0.2, 0.0, -0.6, -1.5), strict=True)
)

KIND = (
    Level("agrees", 0.8, "same kind of transaction"),
    Level("silent", 0.0, ""),
    Level("contradicts", -0.3, "another kind of transaction"),
)
KIND_AGREES, KIND_SILENT, KIND_CONTRADICTS = range(3)

BATCH = (
    Level("same", 8.0, "same batch"),
    Level("silent", 0.0, ""),
    Level("different", -6.0, "another batch"),
)
SAME_BATCH, NO_BATCH, OTHER_BATCH = range(3)

FEATURES: dict[str, tuple[Level, ...]] = {
    "amount": AMOUNT,
    "reference": REFERENCE,
    "payer": PAYER,
    "date": DATE + CHEQUE_DATE,
    "kind": KIND,
    "batch": BATCH,
}
LEARNED = ("payer", "date", "kind")
DATE_DRIFT = 0.03
"""Log-odds a day away from the usual lag: settles which of two equal months a payment belongs to."""

SHARE_PULL = 4.0
"""Log-odds for the whole of a name over nine tenths of it: settles which of two near namesakes is meant."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Log-odds of every level, by feature; `version` names the set a proposal was made with (0: built in)."""

    by_feature: dict[str, Floats]
    version: int = 0

    @classmethod
    def start(cls) -> Weights:
        return cls({name: np.array([level.weight for level in levels]) for name, levels in FEATURES.items()})
