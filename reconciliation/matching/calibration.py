"""Model probabilities brought in line with how often they come true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reconciliation.matching.arrays import Floats

HIGHEST = 0.999999
"""No evidence makes a match certain."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A rising curve of points (as the weights gave it, as it comes true); without points, as given."""

    points: tuple[tuple[float, float], ...] = ()

    @classmethod
    def of(cls, points: Sequence[Sequence[float]]) -> Calibration:
        return cls(tuple((float(given), float(true)) for given, true in points))

    def applied(self, probability: Floats) -> Floats:
        """Probabilities as they come true, six decimals, never certain.

        Between points on the log-odds scale, where the last thousandth is as far as the first.
        """
        capped = np.clip(probability, 0.0, HIGHEST)
        if self.points:
            given, true = np.array(self.points).T
            curve = np.interp(log_odds(capped), log_odds(given), log_odds(true))
            capped = np.minimum(1.0 / (1.0 + np.exp(-curve)), HIGHEST)
        return np.asarray(np.round(capped, 6), dtype=np.float64)


AS_GIVEN = Calibration()
BUILT_IN = Calibration(
    (
        (0.02, 0.01), (0.3, 0.18), (0.43, 0.27), (0.6, 0.45), (0.75, 0.64), (0.85, 0.79), (0.93, 0.86),
        (0.97, 0.96), (0.99, 0.99), (0.999, 0.999), (HIGHEST, HIGHEST),
    )
)  # fmt: skip
"""As probabilities came true on generated workloads of 40,000 and 100,000 lines with text: what is doubtful
is more so than the levels say, since damaged text hides rivals. Without text there are none to hide."""


def log_odds(probability: Floats) -> Floats:
    """Natural logarithm of p against 1 - p, kept finite."""
    inside = np.clip(probability, 1e-6, HIGHEST)
    return np.asarray(np.log(inside / (1.0 - inside)), dtype=np.float64)
