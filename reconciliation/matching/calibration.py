"""Model probabilities brought in line with how often they come true."""

from __future__ import annotations

import numpy as np

from reconciliation.matching.arrays import Floats, Small

HIGHEST = 0.999999


def calibrated(probability: Floats, levels: dict[str, Small]) -> Floats:
    """Probability shown for chosen pairs."""
    return np.round(np.minimum(probability, HIGHEST), 6)
