"""How far a limit is opened: throttling closes it multiplicatively, calm opens it additively.

The level is a fraction of the limit's full size. It falls at most once per interval, because one congestion
answers many calls in flight. It remembers the wall, where it was throttled: below it rises fast; at it, it
feels its way in small steps after some patience, and a step that hits the wall is only taken back. A step
that met no wall is followed by the next one soon, and after three the wall is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass

CUT = 0.7
"""A throttled level is multiplied by this (the beta of botocore's CUBIC rate controller)."""

RISE = 0.05
"""Share of the full size that calm adds per interval."""

PATIENCE = 6
"""Intervals of calm before a small step at the wall; doubled when the step hits it."""

PATIENCE_CAP = 24
"""Most intervals before a small step: a wall that has gone must be noticed within these."""

WORTH = 8
"""Times the last Retry-After to wait before a small step: looking for the wall may cost an eighth."""

_HAIR = 1e-9

FREE_AFTER = 3
"""Small steps without a throttle after which the wall is forgotten."""


@dataclass(slots=True)
class Level:
    """A fraction between `floor` and `top` of a limit's full size.

    Attributes:
        interval: microseconds between two cuts, and between two rises.
        step: fraction of the full size added by a fast rise; `fine` by a small one.
        floor: the fraction it never goes below; `top` the one it never goes above.
        value: where it stands.
        wall: the value at which it was last throttled; 0 if there is none.
        probes: small steps made since the last throttle.
        patience: intervals before the next small step.
        worth: times the last Retry-After to wait before it as well.
    """

    interval: int
    step: float = RISE
    fine: float = 0.01
    floor: float = 0.05
    top: float = 1.0
    value: float = 1.0
    wall: float = 0.0
    probes: int = 0
    patience: int = PATIENCE
    worth: int = WORTH
    _moved_at: int = -(1 << 62)
    _fell: bool = False
    _cost: int = 0

    def throttled(self, now: int, wait: int = 0) -> bool:
        """Close it after a 429; False if it has been closed within the interval already.

        Args:
            now: microseconds.
            wait: Retry-After in microseconds: what looking for the wall has cost.
        """
        if self._fell and now - self._moved_at < self.interval:
            return False
        known = self.wall > 0 and self.value >= self.wall - 2 * self.fine
        self.wall = self.value
        if known and not self._fell:  # The wall where it was expected, or a step further: no news.
            self.value = max(self.floor, self.value - self.fine)
            self.patience = min(PATIENCE_CAP, self.patience * 2) if self.probes <= 1 else PATIENCE
        else:
            self.value = max(self.floor, self.value * CUT)
            self.patience = PATIENCE
        self.probes = 0
        self._cost = wait
        self._moved_at, self._fell = now, True
        return True

    def calm(self, now: int) -> bool:
        """Open it if it has been calm for long enough; True if it moved."""
        if self.value >= self.top or now < self.due():
            return False
        if self._at_wall():
            self.value = min(self.top, self.value + self.fine)
            self.probes += 1
            if self.probes > FREE_AFTER:
                self.wall, self.probes = 0.0, 0
        else:
            most = self.wall - self.fine if self.wall else self.top
            self.value = min(self.top, most, self.value + self.step)
        self._moved_at, self._fell = now, False
        return True

    def due(self) -> int:
        """When calm opens it next, in microseconds."""
        if self._at_wall() and not self.probes:
            return self._moved_at + max(self.interval * self.patience, self.worth * self._cost)
        return self._moved_at + self.interval

    def _at_wall(self) -> bool:
        return self.wall > 0 and self.value >= self.wall - self.fine - _HAIR
