"""The bare loop and its compiled twin come to the engine's makespan, to the microsecond."""

from __future__ import annotations

from random import Random

import pytest

from chainfleet.model.errors import InputError
from chainfleet.model.fleet import Fleet
from chainfleet.model.task import Demand, Estimate, Limit, LimitKind, Mode, Phase, Plan, Task
from chainfleet.scheduling.blueprint import Blueprint
from chainfleet.scheduling.forecast import compiled, kernel
from chainfleet.scheduling.planning import make_plan
from chainfleet.scheduling.rehearsal import Rehearsing
from chainfleet.scheduling.world import Faults


def layered(seed: int, size: int = 400) -> Plan:
    """Random tasks in pools of their own, with slots, a bucket, both or neither; many durations are equal."""
    rng = Random(seed)
    pools = rng.randint(1, 6)
    limits, demands = [], []
    for p in range(pools):
        here = []
        if rng.random() < 0.7:
            limits.append(Limit(f"slots{p}", LimitKind.CONCURRENCY, rng.randint(1, 9)))
            here.append(Demand(f"slots{p}", 1))
        if rng.random() < 0.6:
            burst = rng.randint(1, 9)
            limits.append(
                Limit(f"api{p}", LimitKind.TOKENS, burst, rng.choice((0.07, 0.5, 3.0)), adaptive=True)
            )
            here.append(Demand(f"api{p}", rng.choice((1, burst))))
        demands.append(tuple(here))
    tasks: list[Task] = []
    for i in range(size):
        parents = rng.sample(tasks[-40:], min(len(tasks), rng.randint(0, 3)))
        needs = tuple(t.id for t in parents[:2])
        after = tuple(t.id for t in parents[2:])
        estimate = Estimate(rng.choice((0.0, 1.0, 1.0, 2.0, 7.5, rng.random() * 9)))
        tasks.append(
            Task(
                f"besu/do/t{i}",
                Phase.BESU,
                needs=needs,
                after=after,
                demands=demands[i % pools],
                estimate=estimate,
            )
        )
    return Plan("layered", str(seed), Mode.ULTRA, tuple(tasks), tuple(limits))


def by_engine(blueprint: Blueprint) -> int:
    run = Rehearsing(blueprint, sigma=0, faults=Faults(policed=False), traced=False)
    run.run()
    return run.makespan


@pytest.mark.parametrize("seed", range(60))
def test_the_loop_ends_when_the_engine_does(seed: int) -> None:
    blueprint = Blueprint(layered(seed))
    expected = by_engine(blueprint)
    assert kernel.makespan(blueprint) == expected
    assert compiled.makespan(blueprint) == expected


def test_other_durations_make_another_end() -> None:
    blueprint = Blueprint(layered(2))
    longer = [2 * each for each in blueprint.durations]
    assert kernel.makespan(blueprint, longer) == compiled.makespan(blueprint, longer)
    assert kernel.makespan(blueprint, longer) > kernel.makespan(blueprint)


def test_a_plan_that_needs_the_engine_is_refused_with_the_reason(chain_138: Fleet) -> None:
    blueprint = Blueprint(make_plan(chain_138, "r1"))
    for makespan in (kernel.makespan, compiled.makespan):
        with pytest.raises(InputError, match="needs the whole engine: it has gates or barriers"):
            makespan(blueprint)
