"""Limits that can't hold anybody back are left out of rehearsals, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chainfleet.model.fleet import Fleet
from chainfleet.model.task import Mode
from chainfleet.scheduling.blueprint import Blueprint
from chainfleet.scheduling.forecast.idle import without_idle_limits
from chainfleet.scheduling.forecast.sampling import World, play_again
from chainfleet.scheduling.planning import Overrides, make_plan
from chainfleet.scheduling.world import Faults


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("transient", [0.0, 0.05])
def test_every_rehearsal_ends_when_it_ended_with_them(chain_138: Fleet, mode: Mode, transient: float) -> None:
    plan = make_plan(chain_138, "r", overrides=Overrides(mode=mode))
    fewer = without_idle_limits(plan)
    assert 0 < len(fewer.limits) < len(plan.limits)
    world = World(faults=Faults(transient=transient))
    whole, pruned = Blueprint(plan), Blueprint(fewer)
    for number in range(20):
        one, other = (play_again(b, world, 7, number, traced=False) for b in (whole, pruned))
        assert (one.makespan, one.attempts) == (other.makespan, other.attempts)


def test_a_limit_that_could_bind_stays_and_so_does_one_that_is_asked_for(chain_138: Fleet) -> None:
    plan = make_plan(chain_138, "r")
    names = {limit.name for limit in without_idle_limits(plan).limits}
    assert {"besu/slots", "azure/arm/write"} <= names
    assert "infrastructure/slots" not in names
    assert "infrastructure/slots" in {
        limit.name for limit in without_idle_limits(plan, {"infrastructure/slots"}).limits
    }
    tight = replace(
        plan,
        limits=tuple(replace(limit, capacity=4) for limit in plan.limits if limit.name == "kubernetes/slots"),
    )
    kept = replace(
        tight,
        tasks=tuple(
            replace(t, demands=tuple(d for d in t.demands if d.limit == "kubernetes/slots"))
            for t in plan.tasks
        ),
    )
    assert [limit.name for limit in without_idle_limits(kept).limits] == ["kubernetes/slots"]
