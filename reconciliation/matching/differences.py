"""What a difference between lines and entries probably is: a fee, a discount, rounding, a part payment."""

from __future__ import annotations

import numpy as np

from reconciliation.matching import levels as lv
from reconciliation.matching.arrays import Bools, Ints, Small

KINDS = ("", "rounding", "fee", "discount", "part", "overpaid", "transposed", "other")
"""Names of the kinds; the position of each is what `difference_kinds` gives, no difference first."""
NONE, ROUNDING, FEE, DISCOUNT, PART, OVERPAID, TRANSPOSED, OTHER = range(8)
_DISCOUNTS = np.array([10, 20, 30, 50, 100])
"""Agreed discounts, in thousandths of the invoice."""


def difference_kinds(line: Ints, entry: Ints, level: Small) -> Small:
    """Kind of each difference (minor units with sign), given the level of the two amounts.

    Money in arrives short of a fee or a discount. Money out leaves with a fee on top or less a discount.
    What is exactly one, two, three, five or ten percent is an agreed discount rather than a fee.
    """
    more = np.abs(line) > np.abs(entry)
    fee_like = level == lv.FEE
    agreed = ~more & _agreed(np.abs(entry) - np.abs(line), np.abs(entry))
    conditions = [
        line == entry,
        level == lv.CENTS,
        level == lv.TRANSPOSED,
        agreed,
        fee_like & (more == (entry < 0)),
        ~more & (fee_like | (level == lv.DISCOUNT)),
        more & (np.sign(line) == np.sign(entry)),
        level == lv.PART,
    ]
    kinds = [NONE, ROUNDING, TRANSPOSED, DISCOUNT, FEE, DISCOUNT, OVERPAID, PART]
    return np.select(conditions, kinds, OTHER).astype(np.int8)


def _agreed(missing: Ints, booked: Ints) -> Bools:
    """Whether this much is missing to the cent by a usual discount; of small amounts that says nothing."""
    exact = np.abs(missing[:, None] * 1000 - booked[:, None] * _DISCOUNTS) <= 500
    return np.asarray(exact.any(axis=1) & (booked >= 2000))
