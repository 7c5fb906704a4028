"""How long things take in a cluster, in emulated seconds.

Log-normal durations whose middle 80 % lie between the bounds given; seeded, so a run can be repeated.
Bounds: image pull, disk attach and process start 20 to 40 s each, a load balancer's address 20 to 45 s.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

_Z80 = 1.2816  # standard normal quantile at 90 %


@dataclass(frozen=True, slots=True)
class Span:
    """A duration between two bounds, four times out of five."""

    low_s: float
    high_s: float

    def draw(self, rng: random.Random, factor: float = 1.0) -> float:
        """A duration in emulated seconds."""
        middle = (math.log(self.low_s) + math.log(self.high_s)) / 2
        sigma = (math.log(self.high_s) - math.log(self.low_s)) / (2 * _Z80)
        return factor * rng.lognormvariate(middle, sigma)


IMAGE_PULL = Span(20, 40)
DISK_ATTACH = Span(20, 40)
LOAD_BALANCER = Span(20, 45)
CONTAINER_START = Span(0.5, 2)
SANDBOX = Span(1, 3)
SHUTDOWN = Span(1, 6)

BACKOFF_FIRST_S = 10.0
BACKOFF_CAP_S = 300.0
"""Kubelet's crash-loop back-off: 10 s, doubling, at most five minutes."""
_MOST_DOUBLINGS = 10


def backoff(restarts: int) -> float:
    """Emulated seconds until a crashed container is started again."""
    return min(BACKOFF_CAP_S, BACKOFF_FIRST_S * 2.0 ** min(_MOST_DOUBLINGS, max(0, restarts - 1)))
