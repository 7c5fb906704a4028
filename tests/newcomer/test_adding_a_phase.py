"""Worked example: tasks of your own in a plan, and all that a phase has to have."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import pytest

from chainfleet.model.event import Verdict
from chainfleet.model.fleet import Ceilings, Fleet
from chainfleet.model.task import Demand, Estimate, Phase, Task, TaskKind
from chainfleet.runtime.registry import DRIVERS
from chainfleet.scheduling.planning import make_plan
from chainfleet.scheduling.planning.estimates import PROFILES
from chainfleet.scheduling.rehearsal import rehearse


# --8<-- [start:complete]
@pytest.mark.parametrize("phase", Phase)
def test_a_phase_has_all_that_it_needs(phase: Phase, chain_138: Fleet) -> None:
    """Add a member to `Phase` and run this: it says what is missing, one thing after the other."""
    ceiling = Ceilings.model_fields.get(phase.value)
    assert ceiling is not None, f"model/fleet.py: Ceilings has no `{phase.value}`"
    assert ceiling.description, f"model/fleet.py: say what `{phase.value}` bounds"

    assert phase in DRIVERS, f"runtime/registry.py: no driver for {phase}"
    module, name, _ = DRIVERS[phase]
    driver = getattr(import_module(module), name)()
    assert all(callable(getattr(driver, verb)) for verb in ("observe", "change", "undo"))

    plan = make_plan(chain_138, "r1")
    works = [task for task in plan.tasks if task.phase is phase and task.kind is TaskKind.WORK]
    assert works, f"scheduling/planning/plan.py makes no task of {phase}"
    unknown = {f"{task.phase}/{task.action}" for task in works} - set(PROFILES)
    assert not unknown, f"scheduling/planning/estimates.py: no profile of {unknown}"


# --8<-- [end:complete]


# --8<-- [start:tasks]
def test_tasks_of_your_own_run_where_the_graph_says(chain_138: Fleet) -> None:
    """A name for every region once its cluster stands; the network is verified only when all have one."""
    plan = make_plan(chain_138, "r1")
    named = tuple(
        Task(
            f"verification/dns/{region.name}",
            Phase.VERIFICATION,
            needs=(f"kubernetes/base/{region.name}",),
            region=region.name,
            twins="verification/dns",
            demands=(Demand("verification/slots"),),
            estimate=Estimate(median_s=5.0),
        )
        for region in chain_138.regions
    )
    last = plan.task("verification/network/network")
    waiting = replace(last, needs=(*last.needs, *(task.id for task in named)))
    others = tuple(task for task in plan.tasks if task.id != last.id)
    mine = replace(plan, tasks=(*others, *named, waiting))

    before, after = rehearse(plan, seed=7), rehearse(mine, seed=7)
    assert after.verdict is Verdict.SUCCEEDED
    assert after.tasks == before.tasks + 24
    # Off the longest path: the end hardly moves.
    assert after.makespan_s == pytest.approx(before.makespan_s, rel=0.05)


# --8<-- [end:tasks]
