"""Rehearsing a deployment: the same scheduler under a virtual clock, in several worlds."""

from __future__ import annotations

from chainfleet.model.task import Plan
from chainfleet.scheduling.bounds import lower_bound
from chainfleet.scheduling.rehearsal import Rehearsal, rehearse

from ..models.runs import PathStep, PhaseSpan, RehearsalGiven, RehearsalResult


def rehearsed(plan: Plan, given: RehearsalGiven) -> RehearsalResult:
    """How long the plan takes; the world in the middle tells why.

    Raises:
        InputError: the plan can't be run.
    """
    worlds = sorted(
        (rehearse(plan, seed=given.seed + index) for index in range(given.runs)),
        key=lambda world: world.makespan_s,
    )
    middle = worlds[(len(worlds) - 1) // 2]
    makespans = [round(world.makespan_s, 2) for world in worlds]
    return RehearsalResult(
        p50_s=makespans[(len(makespans) - 1) // 2],
        p90_s=makespans[max(0, -(-9 * len(makespans) // 10) - 1)],
        makespans_s=makespans,
        lower_bound_s=round(lower_bound(plan).seconds, 2),
        bound_by={name: round(seconds, 2) for name, seconds in middle.bound_by.items()},
        phases=[
            PhaseSpan(phase=phase, start=start, end=end) for phase, (start, end) in middle.phases.items()
        ],
        critical_path=_path(middle),
        attempts=middle.attempts,
        throttled=middle.throttled,
    )


def _path(world: Rehearsal) -> list[PathStep]:
    steps = []
    for step in world.critical_path:
        if step.waited_s > 0:
            begin = round(step.start_s - step.waited_s, 3)
            wait = step.waited_for or "its turn"
            steps.append(PathStep(task=step.task, start=begin, end=round(step.start_s, 3), wait=wait))
        steps.append(PathStep(task=step.task, start=round(step.start_s, 3), end=round(step.end_s, 3)))
    return steps
