"""How far a limit is opened: throttling closes it multiplicatively, calm opens it additively.

The level is a fraction of the limit's full size. It falls at most once per interval, because one
congestion answers many calls in flight. It remembers where it was throttled: below that it rises fast,
there it feels its way, and each throttle at the same place makes it wait longer before the next try.
"""

from __future__ import annotations

from dataclasses import dataclass

CUT = 0.7
"""A throttled level is multiplied by this (the beta of botocore's CUBIC rate controller)."""

RISE = 0.05
"""Share of the full size that calm adds per interval."""

PROBE_PATIENCE = 4
"""Intervals of calm before trying a level that was throttled before; doubled at each relapse."""

PROBE_PATIENCE_CAP = 64
"""Most intervals that a try waits."""


@dataclass(slots=True)
class Level:
    """A fraction between `floor` and `top` of a limit's full size.

    Attributes:
        interval: microseconds between two cuts, and between two rises.
        step: fraction of the full size added by one rise.
        floor: the fraction it never goes below.
        top: the fraction it never goes above.
        value: where it stands.
        wall: the value at which it was last throttled; 0 if it was not.
    """

    interval: int
    step: float = RISE
    floor: float = 0.05
    top: float = 1.0
    value: float = 1.0
    wall: float = 0.0
    patience: int = PROBE_PATIENCE
    moved_at: int = -(1 << 62)

    def throttled(self, now: int) -> bool:
        """Close it after a 429; False if it has been closed within the interval already."""
        if now - self.moved_at < self.interval and self.value < self.top:
            return False
        near_wall = self.wall and self.value >= self.wall - self.step / 2
        self.patience = min(PROBE_PATIENCE_CAP, self.patience * 2) if near_wall else PROBE_PATIENCE
        self.wall = self.value
        self.value = max(self.floor, self.value * CUT)
        self.moved_at = now
        return True

    def calm(self, now: int) -> bool:
        """Open it if it has been calm for long enough; True if it moved."""
        if self.value >= self.top or now < self.due():
            return False
        below_wall = self.value + self.step < self.wall
        self.value = min(self.top, self.value + self.step)
        if not below_wall and self.value >= self.wall:
            self.wall = self.value
        self.moved_at = now
        return True

    def due(self) -> int:
        """When calm opens it next, in microseconds."""
        probing = self.wall > 0 and self.value + self.step >= self.wall
        return self.moved_at + self.interval * (self.patience if probing else 1)
