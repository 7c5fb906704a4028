"""Many rehearsals of one plan, each with its own luck, shared out among processes if the caller has some."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from chainfleet.model.event import Verdict
from chainfleet.model.task import Plan

from ..blueprint import Blueprint
from ..rehearsal import Rehearsing
from ..retry import mix
from ..tracing import Step
from ..world import Faults, Processors
from .idle import without_idle_limits
from .luck import pace_of

VERDICTS = tuple(Verdict)
_WHICH = 97


@dataclass(frozen=True, slots=True)
class World:
    """What all rehearsals of a forecast share.

    Attributes:
        faults: what goes wrong.
        processors: that attempts share.
        sigma: spread of durations; None takes each estimate's own.
        common: spread of what all durations of one run have in common.
    """

    faults: Faults = field(default_factory=Faults)
    processors: Processors = field(default_factory=Processors)
    sigma: float | None = None
    common: float = 0.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What is kept of one rehearsal; times in microseconds.

    Attributes:
        number: which one it was; with the forecast's seed it can be played again.
        group_ends: when each region × phase ended, as the graph counts them.
        path: the critical path, of some rehearsals only.
    """

    number: int
    makespan: int
    verdict: int
    tasks: int
    attempts: int
    throttled: int
    wasted: float
    group_ends: tuple[int, ...]
    path: tuple[Step, ...] | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Some of the rehearsals of a plan: what one process is handed."""

    plan: Plan
    world: World
    seed: int
    numbers: Sequence[int]
    traced: int


Map = Callable[[Callable[[Batch], list[Sample]], Sequence[Batch]], Iterable[list[Sample]]]
"""Like the built-in `map`; a process pool's has the same shape."""


def play(batch: Batch) -> list[Sample]:
    """Rehearse a batch."""
    blueprint = Blueprint(without_idle_limits(batch.plan, batch.world.faults.real_limits))
    return [_one(blueprint, batch, number) for number in batch.numbers]


def play_again(blueprint: Blueprint, world: World, seed: int, number: int, *, traced: bool) -> Rehearsing:
    """One rehearsal of a forecast, run to its end."""
    luck = mix(seed, number, _WHICH) >> 1
    rehearsing = Rehearsing(
        blueprint,
        seed=luck,
        pace=pace_of(luck, world.common),
        sigma=world.sigma,
        faults=world.faults,
        processors=world.processors,
        traced=traced,
    )
    rehearsing.run()
    return rehearsing


def _one(blueprint: Blueprint, batch: Batch, number: int) -> Sample:
    run = play_again(blueprint, batch.world, batch.seed, number, traced=number < batch.traced)
    finish = run.engine.finished
    assert finish is not None
    return Sample(
        number,
        run.makespan,
        VERDICTS.index(finish.verdict),
        sum(1 for attempts in run.engine.attempts if attempts),
        run.attempts,
        run.throttled,
        run.wasted,
        tuple(run.group_ends),
        None if run.trace is None else tuple(run.trace.critical_path()),
    )


def sample(
    plan: Plan, world: World, *, runs: int, seed: int, map_: Map = map, pieces: int = 1, traced: int = 0
) -> list[Sample]:
    """Rehearse a plan `runs` times; the result depends on the seed only, not on how it is shared out.

    Args:
        plan: what to rehearse.
        world: what goes wrong.
        runs: how often.
        seed: of everything random.
        map_: carries out the batches.
        pieces: how many batches to make.
        traced: of so many of them the critical path is kept.
    """
    batches = [Batch(plan, world, seed, range(first, runs, pieces), traced) for first in range(pieces)]
    samples = [each for part in map_(play, batches) for each in part]
    return sorted(samples, key=lambda each: each.number)
