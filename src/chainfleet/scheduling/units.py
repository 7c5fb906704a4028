"""Time inside the machine is whole microseconds; seconds exist at its border only.

Integers make a rehearsal give the same makespan on every machine, to the microsecond.
"""

from __future__ import annotations

SECOND = 1_000_000
"""Microseconds in a second."""

NEVER = 1 << 62
"""Later than any moment of a run."""


def micros(seconds: float) -> int:
    """Turn seconds into whole microseconds."""
    return round(seconds * SECOND)


def seconds(micros_: int) -> float:
    """Turn whole microseconds into seconds; `micros(seconds(x)) == x` up to 2**53 microseconds."""
    return micros_ / SECOND
