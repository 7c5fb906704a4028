"""A limit as the scheduler holds it: its meter, who waits for it, and who has been passed too often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainfleet.model.task import Limit, LimitKind

from .adaptive import Level
from .purse import Purse
from .slots import Slots
from .tokens import Bucket
from .units import seconds

Meter = Slots | Bucket | Purse

NOBODY = 1 << 60
"""A place in the order behind every task."""


class Gauge:
    """One limit: the meter and its waiting room.

    Attributes:
        turn: one full capacity in the meter's units.
        waiting: heaps of (place, queue) by the amount wanted: the demand classes parked here.
        champion: place of the best task parked here that can't have what it wants.
        passed: units that lighter or later tasks drew while the champion waited.
        reserved: place of a task that has been passed too often; nobody behind it may draw until it has.
        timer_at: when a wake-up for this limit is due already; None if there is none.
    """

    __slots__ = ("champion", "index", "limit", "meter", "passed", "reserved", "timer_at", "turn", "waiting")

    def __init__(self, index: int, limit: Limit, interval: int) -> None:
        self.index = index
        self.limit = limit
        level = Level(interval) if limit.adaptive else None
        self.meter: Meter = (
            Bucket(limit.capacity, limit.rate_per_s, level)
            if limit.kind is LimitKind.TOKENS
            else Slots(limit.capacity, level)
        )
        self.turn = self.meter.units(limit.capacity)
        self.waiting: dict[float, list[tuple[int, int]]] = {}
        self.champion = NOBODY
        self.passed = 0.0
        self.reserved = NOBODY
        self.timer_at: int | None = None

    def forget(self, place: int) -> bool:
        """The task at that place waits no longer; True if that may let others in."""
        if self.champion == place:
            self.champion, self.passed = NOBODY, 0.0
        if self.reserved == place:
            self.reserved = NOBODY
            return True
        return False

    def drew_past(self, place: int, units: float) -> bool:
        """The task at that place has drawn; True if the champion has now been passed too often.

        The bound has no time in it, so that it holds at any speed: tasks behind the champion may draw
        one full capacity, no more.
        """
        if place <= self.champion or self.champion == NOBODY:
            return False
        self.passed += units
        return self.passed > self.turn


def gauges(limits: Sequence[Limit], interval: int) -> list[Gauge]:
    """The gauges of a plan's limits, in its order."""
    return [Gauge(i, limit, interval) for i, limit in enumerate(limits)]


@dataclass(frozen=True, slots=True)
class LimitView:
    """What an observer sees of a limit.

    Attributes:
        capacity: slots, MiB or burst tokens as declared.
        current_capacity: what throttling has left of it; for tokens, of the refill per second.
        in_use: units held, or tokens missing from the full bucket.
        waiting: tasks that are ready and wait for it.
        throttled: how many throttlings were reported for it.
        closed_s: seconds that a Retry-After still keeps it closed.
    """

    name: str
    kind: LimitKind
    capacity: float
    current_capacity: float
    in_use: float
    waiting: int
    throttled: int
    closed_s: float = 0.0


def view(gauge: Gauge, waiting: int, now: int) -> LimitView:
    """What an observer sees of that gauge now."""
    meter, limit = gauge.meter, gauge.limit
    if isinstance(meter, Slots):
        current, used = meter.current, meter.held
    else:
        # Of a bucket that others draw from, what this run was granted says nothing: what is left of all of it does.
        bucket = meter.alone() if isinstance(meter, Purse) else meter
        current, used = meter.rate * meter.pace, limit.capacity - bucket.available(now)
    closed_s = seconds(max(0, meter.gate_until - now))
    return LimitView(
        limit.name, limit.kind, limit.capacity, current, used, waiting, meter.throttles, closed_s
    )
