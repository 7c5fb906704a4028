"""The forecast of one plan: rehearse it often, sum up, and show one run of the middle in full."""

from __future__ import annotations

from dataclasses import dataclass

from chainfleet.model.task import Plan

from ..blueprint import Blueprint
from ..graph import WORK
from ..tracing import Step
from ..units import seconds
from .question import Hands, Question
from .sampling import World, play_again, sample
from .summary import Summary, summarise

TRACED = 100
"""Rehearsals of which the critical path is looked at."""


@dataclass(frozen=True, slots=True)
class Bar:
    """When a task's last attempt ran in a rehearsal, in seconds."""

    task: str
    region: str | None
    phase: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """The answer for one mode.

    Attributes:
        plan: what was rehearsed; `world` what went wrong.
        summary: of all rehearsals.
        bars, chain: tasks and critical path of the rehearsal in the middle.
    """

    plan: Plan
    world: World
    summary: Summary
    bars: tuple[Bar, ...]
    chain: tuple[Step, ...]


def forecast_mode(question: Question, hands: Hands) -> Forecast:
    """Rehearse what is asked, in its one mode.

    Raises:
        PlanError: the plan can't be run.
        InputError: durations or faults that do not fit.
    """
    plan = question.plan()
    blueprint = Blueprint(plan)
    world = question.world(blueprint)
    summary = summary_of(plan, world, question, hands, traced=TRACED)
    middle = play_again(blueprint, world, question.seed, summary.median, traced=True)
    assert middle.trace is not None
    trace, graph = middle.trace, blueprint.graph
    bars = tuple(
        Bar(
            graph.names[t],
            graph.regions[graph.region_of(t)],
            graph.phase_of(t).value,
            seconds(trace.start[t]),
            seconds(trace.end[t]),
        )
        for t in range(graph.size)
        if graph.kind[t] == WORK and trace.start[t] >= 0
    )
    return Forecast(plan, world, summary, bars, tuple(trace.critical_path()))


def summary_of(
    plan: Plan, world: World, question: Question, hands: Hands, *, runs: int | None = None, traced: int = 0
) -> Summary:
    """Rehearse a plan in a world and sum up."""
    samples = sample(
        plan,
        world,
        runs=runs or question.runs,
        seed=question.seed,
        map_=hands.map_,
        pieces=hands.pieces,
        traced=traced,
    )
    return summarise(Blueprint(plan), samples)
