"""Tokens of a bucket that several runs share, as far as they were granted to this one.

The bucket itself lies where all runs reach it (`ledger.budgets`), and so does its pace: here is only what may be drawn
without asking anybody, and what has been noticed that the others should know.
"""

from __future__ import annotations

from math import inf

from .adaptive import Level
from .tokens import PACE, Bucket
from .units import NEVER

_HAIR = 1e-6


class Purse:
    """A meter that holds granted tokens; times in microseconds.

    Args:
        bucket: the meter of a run that is alone; its documented size and rate are this one's.
    """

    __slots__ = (
        *("adaptive", "burst", "gate_until", "left", "pace", "rate", "throttles", "tokens"),
        *("_others", "_told_at"),
    )

    def __init__(self, bucket: Bucket) -> None:
        self.burst = bucket.burst
        self.rate = bucket.rate
        self.pace = PACE
        self.tokens = 0.0
        self.gate_until = -NEVER
        self.throttles = 0
        self.left = inf
        """What a header said last."""
        self.adaptive: Level | None = None
        self._others = bucket.burst
        self._told_at = -NEVER

    def units(self, tokens: float) -> float:
        """Tokens are counted as they are."""
        return tokens

    def ready_at(self, tokens: float) -> int:
        """When that many may be drawn; NEVER stands for "when they are granted"."""
        return self.gate_until if tokens <= self.tokens + _HAIR else NEVER

    def admits(self, tokens: float, now: int) -> bool:
        """Whether that many tokens may be drawn now."""
        return now >= self.gate_until and tokens <= self.tokens + _HAIR

    def take(self, tokens: float, now: int) -> None:  # noqa: ARG002 - a meter like the bucket
        """Draw tokens."""
        self.tokens = max(0.0, self.tokens - tokens)

    def give(self, tokens: float) -> None:
        """Tokens that were drawn are never given back."""

    def available(self, now: int) -> float:
        """Tokens that may be drawn now."""
        return 0.0 if now < self.gate_until else self.tokens

    def grant(self, tokens: float, now: int, closed: int, pace: float, left: float) -> None:
        """Take up what was granted (or, negative, given back), what is left, and what the others have met."""
        self.pace, self._others, self._told_at = pace, left, now
        self.tokens = max(0.0, self.tokens + tokens)
        if closed > 0:
            self.gate_until = max(self.gate_until, now + closed)

    def drain_to(self, tokens: float, now: int) -> None:  # noqa: ARG002 - a meter like the bucket
        """Believe a header that says fewer tokens are left than we count."""
        self.tokens = min(self.tokens, max(0.0, tokens))
        self.left = max(0.0, tokens)

    def throttled(self, now: int, retry_after: int | None) -> None:
        """A call was answered 429: nothing is left, whatever was granted."""
        self.throttles += 1
        self.tokens = 0.0
        if retry_after is not None:
            self.gate_until = max(self.gate_until, now + retry_after)

    def calm(self, now: int) -> bool:  # noqa: ARG002 - a meter like the bucket
        """The pace is not this run's to raise."""
        return False

    def alone(self) -> Bucket:
        """The bucket as it would be if no other run drew from it from now on; for looking ahead."""
        bucket = Bucket(self.burst, self.rate)
        bucket.stand_at(min(self.burst, self.tokens + self._others), self._told_at, self.pace)
        bucket.gate_until, bucket.throttles = self.gate_until, self.throttles
        return bucket

    @property
    def eventful(self) -> bool:
        """Whether there is anything in it, or anything to be told of it."""
        return self.tokens > 0 or self.throttles > 0 or self.left < inf

    @property
    def binding(self) -> bool:
        """Who waits for tokens is the limit's to know."""
        return False

    @property
    def openness(self) -> float:
        """How far the pace is open, as a fraction of the normal one."""
        return min(1.0, self.pace / PACE)
