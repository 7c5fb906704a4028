"""What all durations of one rehearsal have in common: a cloud, or a machine, that is slow today."""

from __future__ import annotations

from math import exp
from statistics import NormalDist

_NORMAL = NormalDist()


def pace_of(luck: int, common: float) -> float:
    """The factor that all durations of one rehearsal have in common."""
    if not common:
        return 1.0
    return exp(common * _NORMAL.inv_cdf(((luck & 0xFFFF) + 0.5) / 0x10000))
