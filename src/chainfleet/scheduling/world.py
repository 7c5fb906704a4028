"""The world of a rehearsal: how long attempts take, what fails, what the other side's limits really are.

Every draw depends on the seed, the task and the attempt, never on what was drawn before, so a change of
the schedule does not change the luck of a task: two policies are compared in the same world.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp
from statistics import NormalDist

from chainfleet.model.errors import ErrorClass, InputError
from chainfleet.model.task import LimitKind

from .blueprint import Blueprint
from .graph import WORK
from .retry import mix
from .units import micros

_UNIT = float(1 << 64)
_NORMAL = NormalDist()
_DURATION, _FAULT, _MOMENT = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Change:
    """From `at_s` on, a limit of the other side is `capacity` (slots, or tokens per second)."""

    at_s: float
    capacity: float


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong in a rehearsal.

    Attributes:
        transient: share of attempts that fail somewhere on their way and can be tried again.
        lost_regions: regions in which every attempt fails for good.
        slow_regions: factor on the durations of a region.
        real_limits: how the other side's limits differ from what the plan says, over time. An attempt
            that draws more is answered 429 at once, with `retry_after_s`.
        policed: whether the other side's token buckets are enforced at all.
        retry_after_s: what a 429 asks for; None for no header.
        gate_s: how long a person takes at a gate.
    """

    transient: float = 0.0
    lost_regions: tuple[str, ...] = ()
    slow_regions: Mapping[str, float] = field(default_factory=dict)
    real_limits: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)
    policed: bool = True
    retry_after_s: float | None = 5.0
    gate_s: float = 0.0

    def check(self, blueprint: Blueprint) -> None:
        """InputError if a share, a factor, a region or a limit makes no sense for that plan."""
        if not 0 <= self.transient < 1:
            raise InputError(
                f"a share of {self.transient:g} of attempts can't fail", way_out="give 0 up to below 1"
            )
        for region in (*self.lost_regions, *self.slow_regions):
            if region not in blueprint.graph.regions:
                raise InputError(f"the fault profile names region {region}, which the plan does not have")
        for region, factor in self.slow_regions.items():
            if not factor > 0:
                raise InputError(
                    f"region {region} can't be {factor:g} times as slow", way_out="give a factor above 0"
                )
        known = {limit.name for limit in blueprint.plan.limits}
        for name in self.real_limits:
            if name not in known:
                raise InputError(f"the fault profile names limit {name}, which the plan does not have")


def draw(seed: int, task: int, attempt: int, what: int) -> float:
    """A number in (0, 1) that depends on nothing else."""
    return (mix(seed, task, attempt, what) + 0.5) / _UNIT


class Durations:
    """Samples how long attempts take: lognormal around the expected duration.

    Args:
        blueprint: of the plan.
        seed: of the world.
        faults: slow regions.
        sigma: spread of all durations; None takes each estimate's own, 0 makes them exact.
    """

    def __init__(self, blueprint: Blueprint, seed: int, faults: Faults, sigma: float | None) -> None:
        self._expected: Sequence[int] = blueprint.durations
        self._seed = seed
        graph = blueprint.graph
        self._sigma = blueprint.sigmas() if sigma is None else None
        self._one_sigma = sigma
        slow = {graph.regions.index(name): factor for name, factor in faults.slow_regions.items()}
        self._slow = (
            {t: slow[graph.region_of(t)] for t in range(graph.size) if graph.region_of(t) in slow}
            if slow
            else {}
        )

    def sample(self, task: int, attempt: int) -> int:
        """Microseconds that an attempt takes when nothing fails; at least 1 for work."""
        value = float(self._expected[task])
        sigma = self._one_sigma if self._sigma is None else self._sigma[task]
        if sigma:
            value *= exp(sigma * _NORMAL.inv_cdf(draw(self._seed, task, attempt, _DURATION)))
        if self._slow:
            value *= self._slow.get(task, 1.0)
        return max(1, round(value))


@dataclass(frozen=True, slots=True)
class Failure:
    """How an attempt will fail: after how many microseconds, and as what."""

    after: int
    error_class: ErrorClass
    message: str
    limit: str | None = None
    retry_after_s: float | None = None


class Misfortune:
    """Decides which attempts fail by themselves, throttling aside."""

    def __init__(self, blueprint: Blueprint, seed: int, faults: Faults) -> None:
        self._seed = seed
        self._transient = faults.transient
        graph = blueprint.graph
        lost = {graph.regions.index(name) for name in faults.lost_regions}
        self._lost = {t for t in range(graph.size) if graph.region_of(t) in lost and graph.kind[t] == WORK}

    @property
    def possible(self) -> bool:
        """Whether anything can fail at all."""
        return bool(self._transient or self._lost)

    def strike(self, task: int, attempt: int, duration: int) -> Failure | None:
        """How that attempt fails, or None if it does not."""
        if task in self._lost:
            return Failure(duration, ErrorClass.CONFIGURATION, "the region is lost")
        if draw(self._seed, task, attempt, _FAULT) < self._transient:
            after = max(1, int(duration * draw(self._seed, task, attempt, _MOMENT)))
            return Failure(after, ErrorClass.TRANSIENT, "connection reset")
        return None


class Warden:
    """The other side: enforces what it documents, or what the faults say, and answers 429 beyond it."""

    def __init__(self, blueprint: Blueprint, faults: Faults) -> None:
        self._faults = faults
        self._doors = [
            _Door(
                limit.name,
                limit.kind,
                limit.capacity,
                limit.rate_per_s,
                faults.real_limits.get(limit.name, ()),
            )
            for limit in blueprint.plan.limits
        ]
        self._guarded = {
            i
            for i, limit in enumerate(blueprint.plan.limits)
            if limit.name in faults.real_limits or (faults.policed and limit.kind is LimitKind.TOKENS)
        }
        self._checks = [
            [(self._doors[i], amount) for i, amount in demands if i in self._guarded]
            for demands in blueprint.graph.classes
        ]
        self._class = blueprint.graph.demand_class

    @property
    def awake(self) -> bool:
        """Whether it guards anything at all."""
        return bool(self._guarded)

    def refuse(self, task: int, now: int) -> Failure | None:
        """A 429 for an attempt that begins now, or None, in which case it has drawn."""
        checks = self._checks[self._class[task]]
        for door, amount in checks:
            if not door.open_for(amount, now):
                wait = self._faults.retry_after_s
                message = f"429: {door.name}"
                return Failure(micros(0.2), ErrorClass.THROTTLED, message, door.name, wait)
        for door, amount in checks:
            door.enter(amount)
        return None

    def leave(self, task: int) -> None:
        """An attempt that was let in has ended."""
        for door, amount in self._checks[self._class[task]]:
            door.leave(amount)


class _Door:
    """One limit of the other side: a token bucket, or so many inside at once."""

    def __init__(
        self, name: str, kind: LimitKind, capacity: float, rate: float, changes: Sequence[Change]
    ) -> None:
        self.name = name
        self._tokens = kind is LimitKind.TOKENS
        self._capacity = capacity
        self._rate = rate
        self._changes = sorted(changes, key=lambda change: change.at_s, reverse=True)
        self._level = capacity if self._tokens else 0.0
        self._seen = 0

    def open_for(self, amount: float, now: int) -> bool:
        while self._changes and micros(self._changes[-1].at_s) <= now:
            self._refill(micros(self._changes[-1].at_s))
            value = self._changes.pop().capacity
            if self._tokens:
                self._rate = value
            else:
                self._capacity = value
        self._refill(now)
        # A millionth of a token of tolerance: the level is a sum of floats.
        return self._level >= amount - 1e-6 if self._tokens else self._level + amount <= self._capacity

    def _refill(self, now: int) -> None:
        if self._tokens:
            self._level = min(self._capacity, self._level + (now - self._seen) * self._rate / 1e6)
        self._seen = now

    def enter(self, amount: float) -> None:
        self._level += -amount if self._tokens else amount

    def leave(self, amount: float) -> None:
        if not self._tokens:
            self._level -= amount
