"""Draws of a rehearsal.

Every draw depends on the seed, the task and the attempt, never on what was drawn before, so a change of
the schedule does not change the luck of a task: two policies are compared in the same world.
"""

from __future__ import annotations

from .retry import mix

DURATION, FAULT, MOMENT, WORKER, DOUBT = 1, 2, 3, 4, 5
"""What is drawn: how long an attempt takes, whether it fails, when, whether it is lost with its worker; what is wrongly
believed of a whole action."""

_UNIT = float(1 << 64)
_GRAIN = 20
"""Factors are rounded to 2^-20, so that the last bit of a machine's `exp` decides nothing."""


def draw(seed: int, key: int, attempt: int, what: int) -> float:
    """A number in (0, 1) that depends on nothing else; `key` stands for a task."""
    return (mix(seed, key, attempt, what) + 0.5) / _UNIT


def stretched(value: int, factor: float) -> int:
    """A duration times a factor, the same on every machine."""
    return value * round(factor * (1 << _GRAIN)) >> _GRAIN
