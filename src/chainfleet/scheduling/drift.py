"""Notices that tasks take longer, or less long, than expected, by comparing twins.

What five networks took says what the other nineteen will take. Looked at when 5, 10, 20 … twins have ended,
so that chance does not stir the plan all the time.
"""

from __future__ import annotations

from math import sqrt
from statistics import median

FIRST_LOOK = 5
TOLERATED = 0.2
"""Relative change of the expected duration that is left alone."""

NOISE = 2.5
"""Standard errors of a median that are left alone as well: twice 1.25 sigma / sqrt(n)."""


class Drift:
    """How long twins really take, as a factor on what was expected of them."""

    def __init__(self) -> None:
        self._ratios: dict[int, list[float]] = {}
        self._factors: dict[int, float] = {}
        self._look_at: dict[int, int] = {}

    def observe(self, twin: int, took: int, expected: int, sigma: float) -> float | None:
        """Take note of one duration; the factor to apply to the expectations, if it is time to.

        Args:
            twin: index of the twins.
            took: microseconds that an attempt took which really did something.
            expected: what was expected of it in the beginning.
            sigma: spread that was expected (standard deviation of the logarithm).
        """
        ratios = self._ratios.setdefault(twin, [])
        ratios.append(took / expected)
        due = self._look_at.get(twin, FIRST_LOOK)
        if len(ratios) < due:
            return None
        self._look_at[twin] = 2 * due
        factor, present = median(ratios), self._factors.get(twin, 1.0)
        if abs(factor / present - 1) <= max(TOLERATED, NOISE * sigma / sqrt(len(ratios))):
            return None
        self._factors[twin] = factor
        return factor
