"""Token buckets, paced by the generic cell rate algorithm (GCRA).

A bucket of burst b and rate r is kept as one number, the moment at which it is full again. An attempt
of n tokens conforms when that moment, with its n tokens added, lies no more than the whole burst ahead.
Within any window of length w at most b + r·w tokens leave.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from .adaptive import Level
from .units import NEVER, SECOND

PACE = 0.981
"""Share of the documented rate that is drawn, so that jitter on the way doesn't overdraw it (at 98 % we
measured 1.00 calls per success); a hair more, so that a rate-bound run stays within 2 % of the bound."""

WORTH = 2
"""Times the last Retry-After to wait before trying a faster pace: little, for tokens gather meanwhile."""

_FINE = 1000
"""The moment is kept in nanoseconds: rounding a burst of small costs up must not delay its last token."""


class Bucket:
    """One token bucket; amounts in tokens, times in microseconds.

    Args:
        burst: tokens of the full bucket.
        rate_per_s: documented refill.
        adaptive: the controller that throttling and calm move, or None for a fixed pace.
    """

    __slots__ = (
        "_full_at",
        "_per_token",
        "_tolerance",
        "adaptive",
        "burst",
        "gate_until",
        "pace",
        "rate",
        "throttles",
    )

    def __init__(self, burst: float, rate_per_s: float, adaptive: Level | None = None) -> None:
        self.burst = burst
        self.rate = rate_per_s
        self._full_at = -NEVER
        self.gate_until = -NEVER
        self.adaptive = adaptive
        self.throttles = 0
        if adaptive is not None:
            adaptive.value = adaptive.top = PACE
            adaptive.worth = WORTH
        self._at_pace(PACE)

    def units(self, tokens: float) -> float:
        """Tokens are counted as they are."""
        return tokens

    def ready_at(self, tokens: float) -> int:
        """The earliest moment at which that many tokens may leave; in the past means now."""
        conforming = self._full_at + ceil(tokens * self._per_token) - self._tolerance
        return max(-(-conforming // _FINE), self.gate_until)

    def admits(self, tokens: float, now: int) -> bool:
        """Whether that many tokens may leave now."""
        if now < self.gate_until:
            return False
        return self._full_at + ceil(tokens * self._per_token) - self._tolerance <= now * _FINE

    def take(self, tokens: float, now: int) -> None:
        """Draw tokens; the caller has asked `admits`."""
        self._full_at = max(self._full_at, now * _FINE) + ceil(tokens * self._per_token)

    def give(self, tokens: float) -> None:
        """Tokens are never given back."""

    def available(self, now: int) -> float:
        """Tokens that may leave now, as we count them."""
        if now < self.gate_until:
            return 0.0
        return max(0.0, self.burst - max(0, self._full_at - now * _FINE) / self._per_token)

    def drain_to(self, tokens: float, now: int) -> None:
        """Believe a header that says fewer tokens are left than we count."""
        if tokens < self.available(now):
            self._full_at = now * _FINE + ceil((self.burst - max(0.0, tokens)) * self._per_token)

    def put_back(self, tokens: float, now: int) -> None:
        """Tokens that were taken ahead and not spent are there again, up to the full bucket."""
        self._full_at = max(now * _FINE, self._full_at - ceil(tokens * self._per_token))

    def stand_at(self, available: float, at: int, pace: float) -> None:
        """So many tokens were there at that moment, and it refills at that pace since."""
        self._at_pace(pace)
        self._full_at = at * _FINE + ceil((self.burst - available) * self._per_token)

    def memory(self) -> list[float]:
        """What has to be kept of it besides its size, rate and level, to go on elsewhere by the same clock."""
        return [self._full_at, self.gate_until, self.throttles]

    def recall(self, memory: Sequence[float]) -> None:
        """Go on from there."""
        self._full_at, self.gate_until, self.throttles = map(int, memory)
        if self.adaptive is not None:
            self._at_pace(self.adaptive.value)

    def throttled(self, now: int, retry_after: int | None) -> None:
        """A call was answered 429: the bucket is empty, and Retry-After closes it for everybody."""
        self.throttles += 1
        self._full_at = max(self._full_at, now * _FINE + self._tolerance)
        if retry_after is not None:
            self.gate_until = max(self.gate_until, now + retry_after)
        if self.adaptive is not None and self.adaptive.throttled(now, retry_after or 0):
            self._set_pace(self.adaptive.value, now)

    def calm(self, now: int) -> bool:
        """Let calm raise the pace; True if it did."""
        if self.adaptive is None or not self.adaptive.calm(now):
            return False
        self._set_pace(self.adaptive.value, now)
        return True

    def _set_pace(self, pace: float, now: int) -> None:
        """Change the pace; the tokens that are missing now stay missing."""
        missing = max(0, self._full_at - now * _FINE)
        old = self._per_token
        self._at_pace(pace)
        if missing:
            self._full_at = now * _FINE + ceil(missing * self._per_token / old)

    def _at_pace(self, pace: float) -> None:
        self.pace = pace
        self._per_token = SECOND * _FINE / (self.rate * pace)
        # A nanosecond per token of slack: each cost is rounded up, and the last token must not wait for it.
        self._tolerance = ceil(self.burst * self._per_token) + ceil(self.burst)

    @property
    def binding(self) -> bool:
        """Whether a faster pace would soon be used; who waits for tokens is the limit's to know."""
        return False

    @property
    def openness(self) -> float:
        """How far the pace is open, as a fraction of the normal one."""
        return min(1.0, self.pace / PACE)
