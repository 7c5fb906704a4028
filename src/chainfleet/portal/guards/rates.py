"""Token buckets for callers: who asks too often waits, everybody else doesn't notice."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from ..problems import ProblemError

_CALLERS = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """How often a caller may ask: `per_s` requests a second, `burst` at once."""

    per_s: float
    burst: float


class Rates:
    """One bucket for each caller; the ones that were idle longest are forgotten.

    Args:
        rate: of every caller.
        clock: monotonic seconds.
    """

    def __init__(self, rate: Rate, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def draw(self, caller: str) -> None:
        """Take one request; raises ProblemError (429) with Retry-After where the bucket is empty."""
        now = self._clock()
        level, since = self._levels.pop(caller, (self._rate.burst, now))
        level = min(self._rate.burst, level + (now - since) * self._rate.per_s)
        enough = level >= 1
        self._levels[caller] = (level - 1 if enough else level, now)
        if len(self._levels) > _CALLERS:
            self._levels.popitem(last=False)
        if not enough:
            wait = math.ceil((1 - level) / self._rate.per_s)
            raise ProblemError(
                429,
                "too-many-requests",
                f"more than {self._rate.per_s:g} requests a second",
                way_out=f"wait {wait} s",
                headers={"Retry-After": str(wait)},
                retryable=True,
            )
