"""Slots and memory: units that an attempt holds while it runs, and gives back."""

from __future__ import annotations

from .adaptive import Level
from .units import NEVER

_GRAIN = 1000
"""Units are thousandths of what was declared, as integers, so that sums are exact."""


class Slots:
    """So many units at once; times in microseconds.

    With an adaptive level fewer units than `capacity` are handed out. When nothing is held, any amount
    up to the full capacity is admitted, so that a lowered level can't lock out a heavy task for ever.
    """

    __slots__ = ("_capacity", "_held", "_room", "adaptive", "gate_until", "throttles")

    def __init__(self, capacity: float, adaptive: Level | None = None) -> None:
        self._capacity = self.units(capacity)
        self._room = self._capacity
        self._held = 0
        self.adaptive = adaptive
        self.gate_until = -NEVER
        self.throttles = 0
        if adaptive is not None:
            one = 1.0 / max(1.0, capacity)
            adaptive.step, adaptive.fine = max(adaptive.step, one), one
            adaptive.floor = one

    def units(self, amount: float) -> int:
        """An amount as this meter counts it."""
        return round(amount * _GRAIN)

    @property
    def held(self) -> float:
        """How much is held now."""
        return self._held / _GRAIN

    @property
    def current(self) -> float:
        """How much is handed out at most, as throttling has left it."""
        return self._room / _GRAIN

    def ready_at(self, units: float) -> int:
        """When that many units may be taken; NEVER stands for "when somebody gives some back"."""
        if self._held and self._held + units > self._room:
            return NEVER
        return self.gate_until

    def admits(self, units: float, now: int) -> bool:
        """Whether that many units may be taken now."""
        held = self._held
        if held and held + units > self._room:
            return False
        return now >= self.gate_until

    def take(self, units: float, now: int) -> None:  # noqa: ARG002 - a meter like the token bucket
        """Hold that many units."""
        self._held += int(units)

    def give(self, units: float) -> None:
        """Give that many units back."""
        self._held -= int(units)

    def throttled(self, now: int, retry_after: int | None) -> None:
        """A call behind this limit was answered 429; without a Retry-After it closes for half an interval.

        Otherwise every waiting task would try its luck in turn, and spend an attempt on it.
        """
        self.throttles += 1
        if retry_after is None and self.adaptive is not None:
            retry_after = self.adaptive.interval // 2
        if retry_after is not None:
            self.gate_until = max(self.gate_until, now + retry_after)
        if self.adaptive is not None and self.adaptive.throttled(now, retry_after or 0):
            self._follow()

    def calm(self, now: int) -> bool:
        """Let calm raise the level; True if it did."""
        if self.adaptive is None or not self.adaptive.calm(now):
            return False
        self._follow()
        return True

    def drain_to(self, amount: float, now: int) -> None:
        """A header says what is left: nothing left counts as a throttle without a wait."""
        if amount < 1 and self.adaptive is not None and self.adaptive.throttled(now):
            self._follow()

    def _follow(self) -> None:
        level = 1.0 if self.adaptive is None else self.adaptive.value
        self._room = min(self._capacity, max(_GRAIN, int(self._capacity * level + 1e-6)))

    @property
    def binding(self) -> bool:
        """Whether more room would soon be used."""
        return 2 * self._held >= self._room

    @property
    def openness(self) -> float:
        """How far it is open, as a fraction of the full capacity."""
        return self._room / self._capacity
