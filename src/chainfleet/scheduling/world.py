"""The world of a rehearsal: what fails, what machine attempts share, what the other side's limits really are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from chainfleet.model.errors import ErrorClass, InputError
from chainfleet.model.task import LimitKind, Phase

from .blueprint import Blueprint
from .graph import WORK
from .luck import FAULT, MOMENT, WORKER, draw, stretched
from .units import micros

SLOWEST = 1000
"""Most times that a region can be as slow as expected."""
LONGEST_S = 1e9
"""Longest duration or latest moment of a fault, in seconds (32 years): beyond it microseconds no longer fit 64 bits."""


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
        no_capacity_until_s: until then, attempts to make infrastructure in a region find no capacity.
        lost_workers_at_s: moments at which a machine that runs attempts is lost, and half of them with it.
        real_limits: how the other side's limits differ from what the plan says, over time. An attempt
            that draws more is answered 429 at once, with `retry_after_s`.
        policed: whether the other side's token buckets are enforced at all.
        retry_after_s: what a 429 asks for; None for no header.
        gate_s: how long a person takes at a gate.
    """

    transient: float = 0.0
    lost_regions: tuple[str, ...] = ()
    slow_regions: Mapping[str, float] = field(default_factory=dict)
    no_capacity_until_s: Mapping[str, float] = field(default_factory=dict)
    lost_workers_at_s: tuple[float, ...] = ()
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
        for region in (*self.lost_regions, *self.slow_regions, *self.no_capacity_until_s):
            if region not in blueprint.graph.regions:
                raise InputError(
                    f"the fault profile names region {region}, which the plan does not have",
                    way_out="name regions of the fleet",
                )
        for region, factor in self.slow_regions.items():
            if not 0 < factor <= SLOWEST:
                raise InputError(
                    f"region {region} can't be {factor:g} times as slow",
                    way_out=f"give a factor above 0, {SLOWEST:,} at most",
                )
        for what, number in self._numbers():
            if not 0 <= number <= LONGEST_S:
                raise InputError(
                    f"the fault profile's {what} can't be {number:g}",
                    way_out=f"give a number from 0 to {LONGEST_S:,.0f}",
                )
        known = {limit.name for limit in blueprint.plan.limits}
        for name in self.real_limits:
            if name not in known:
                raise InputError(
                    f"the fault profile names limit {name}, which the plan does not have",
                    way_out="name limits that `chainfleet plan FLEET --json` lists",
                )

    def _numbers(self) -> Iterator[tuple[str, float]]:
        """Moments, durations (seconds) and capacities, each with what it is."""
        yield "gate_s", self.gate_s
        if self.retry_after_s is not None:
            yield "retry_after_s", self.retry_after_s
        for at in self.lost_workers_at_s:
            yield "lost_workers_at_s", at
        for region, until in self.no_capacity_until_s.items():
            yield f"no_capacity_until_s of {region}", until
        for name, changes in self.real_limits.items():
            for change in changes:
                yield f"at_s of {name}", change.at_s
                yield f"capacity of {name}", change.capacity


@dataclass(frozen=True, slots=True)
class Processors:
    """The cores of the orchestrating machine, and what each action needs of them.

    Attributes:
        cores: that all attempts share; 0 if they are not modelled.
        cpu_s: CPU seconds of one attempt by action (`infrastructure/cluster`); others need none.
    """

    cores: int = 0
    cpu_s: Mapping[str, float] = field(default_factory=dict)


class Crowd:
    """How much longer attempts take because they share the cores: processor sharing, as seen at their start."""

    def __init__(self, blueprint: Blueprint, processors: Processors) -> None:
        self._cores = processors.cores
        work = {action: micros(cpu) for action, cpu in processors.cpu_s.items()}
        self._work = [work.get(name.rsplit("/", 1)[0], 0) for name in blueprint.graph.names]
        self._inside = 0

    def enter(self, task: int) -> int:
        """An attempt begins; microseconds that it takes longer than alone."""
        work = self._work[task]
        if not work:
            return 0
        self._inside += 1
        return max(0, work * self._inside // self._cores - work)

    def leave(self, task: int) -> None:
        """It has ended."""
        self._inside -= self._work[task] > 0


@dataclass(frozen=True, slots=True)
class Failure:
    """How an attempt will fail: after how many microseconds, and as what.

    Attributes:
        cut_off: whether the attempt lost touch with what it does, which goes on without it.
    """

    after: int
    error_class: ErrorClass
    message: str
    limit: str | None = None
    retry_after_s: float | None = None
    cut_off: bool = False


AGAIN = micros(10.0)
"""What an attempt that adopts takes itself: the time between two looks at the other side (ARM's Retry-After, 10 s);
a tenth of the whole where a cloud is emulated and all is faster."""

_HIT = 0.5
"""Share of the running attempts that a lost worker takes with it."""


class Misfortune:
    """Decides which attempts fail by themselves, throttling aside."""

    def __init__(self, blueprint: Blueprint, seed: int, faults: Faults) -> None:
        self._seed = seed
        self._keys: Sequence[int] = blueprint.keys() if faults.transient or faults.lost_workers_at_s else ()
        self._transient = faults.transient
        self._workers = sorted(micros(at) for at in faults.lost_workers_at_s)
        graph = blueprint.graph
        dry = {graph.regions.index(name): micros(at) for name, at in faults.no_capacity_until_s.items()}
        self._dry = {
            t: dry[graph.region_of(t)]
            for t in range(graph.size if dry else 0)
            if graph.region_of(t) in dry and graph.phase_of(t) is Phase.INFRASTRUCTURE
        }
        lost = {graph.regions.index(name) for name in faults.lost_regions}
        self._lost = {t for t in range(graph.size) if graph.region_of(t) in lost and graph.kind[t] == WORK}

    @property
    def possible(self) -> bool:
        """Whether anything can fail at all."""
        return bool(self._transient or self._lost or self._dry or self._workers)

    def strike(self, task: int, attempt: int, now: int, duration: int) -> Failure | None:
        """How the attempt that begins now fails, or None if it does not."""
        if task in self._lost:
            return Failure(duration, ErrorClass.CONFIGURATION, "the region is lost")
        if now < self._dry.get(task, 0):
            return Failure(max(1, duration // 10), ErrorClass.CAPACITY, "no capacity in the region")
        if self._transient and draw(self._seed, self._keys[task], attempt, FAULT) < self._transient:
            after = max(1, stretched(duration, draw(self._seed, self._keys[task], attempt, MOMENT)))
            return Failure(after, ErrorClass.TRANSIENT, "connection reset", cut_off=True)
        for at in self._workers:
            if now < at < now + duration and draw(self._seed, self._keys[task], attempt, WORKER) < _HIT:
                return Failure(at - now, ErrorClass.TRANSIENT, "the worker is lost", cut_off=True)
        return None


class Adoption:
    """What the other side goes on with after an attempt was cut off; the next attempt waits for the rest of it."""

    def __init__(self, blueprint: Blueprint) -> None:
        self._adoptable = [task.adoptable for task in blueprint.plan.tasks]
        self._ready: dict[int, int] = {}

    def cut_off(self, task: int, ends: int) -> None:
        """An attempt that would have ended at that moment does not see it."""
        if self._adoptable[task]:
            self._ready[task] = ends

    def rest(self, task: int, now: int, lasts: int) -> int:
        """Microseconds that the attempt which begins now takes: `lasts`, or what is left of an earlier one."""
        ready = self._ready.pop(task, None)
        return lasts if ready is None else max(ready - now, 0) + min(AGAIN, lasts // 10)


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
