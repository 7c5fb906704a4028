"""Other ways to order the same graph, run by the same engine in virtual time."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import replace

from chainfleet.model.task import Phase, Plan, Task, TaskKind
from chainfleet.scheduling.blueprint import Blueprint
from chainfleet.scheduling.ranking import Order, order_by, upward_rank
from chainfleet.scheduling.rehearsal import Rehearsing, improve
from chainfleet.scheduling.world import Faults


def alphabetical(blueprint: Blueprint) -> Order:
    """By id, as Terragrunt does."""
    names = blueprint.graph.names
    order = sorted(range(len(names)), key=names.__getitem__)
    return order_by(_keys(order))


def by_hops(blueprint: Blueprint) -> Order:
    """By number of steps to the end, as ninja 1.12 does."""
    return order_by(upward_rank(blueprint.graph, array("q", [1]) * blueprint.graph.size))


def _keys(order: list[int]) -> list[int]:
    keys = [0] * len(order)
    for place, task in enumerate(order):
        keys[task] = -place
    return keys


def with_barriers(plan: Plan) -> Plan:
    """The same plan with a barrier between phases, as Ansible, Argo CD and the old scripts have."""
    tasks: list[Task] = []
    before: tuple[str, ...] = ()
    for phase in Phase:
        here = [t for t in plan.tasks if t.phase is phase]
        tasks += [replace(t, after=before) for t in here]
        if here:
            wall = Task(
                f"{phase.value}/barrier/all", phase, TaskKind.BARRIER, after=tuple(t.id for t in here)
            )
            tasks.append(wall)
            before = (wall.id,)
    return replace(plan, tasks=tuple(tasks))


POLICIES: dict[str, Callable[[Plan], Blueprint]] = {
    "chainfleet, searched 1 s": lambda plan: improve(Blueprint(plan)),
    "longest path first": Blueprint,
    "hops (ninja)": lambda plan: Blueprint(plan).ordered(by_hops(Blueprint(plan))),
    "alphabetical (Terragrunt)": lambda plan: Blueprint(plan).ordered(alphabetical(Blueprint(plan))),
    "phase barriers": lambda plan: Blueprint(with_barriers(plan)),
    "phase barriers, alphabetical": lambda plan: (b := Blueprint(with_barriers(plan))).ordered(
        alphabetical(b)
    ),
}


def makespan(
    blueprint: Blueprint, *, seed: int = 0, sigma: float | None = 0, faults: Faults | None = None
) -> float:
    """Seconds that a blueprint takes in a world."""
    rehearsing = Rehearsing(blueprint, seed=seed, sigma=sigma, faults=faults, traced=False)
    rehearsing.run()
    return rehearsing.makespan / 1e6
