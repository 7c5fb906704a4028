"""Random small plans and fault schedules whose outcome does not depend on who is quicker."""

from __future__ import annotations

import random

from chainfleet.model.task import (
    Demand,
    Estimate,
    Limit,
    LimitKind,
    Mode,
    Phase,
    Plan,
    Policy,
    RetryPolicy,
    Task,
    TaskKind,
)

TIMEOUT_S = 1.5
HANG = "hang"
"""An attempt that goes on until its time is up."""
FAULTS = (
    *("transient", "throttled", "timeout", "capacity", "state-lock", "chain-not-ready"),
    *("authorisation", "configuration", "quota", "internal", HANG),
)


def toy_plan(seed: int) -> tuple[Plan, dict[str, list[str]]]:
    """A plan, and what each attempt of each task ends with; after the list they succeed.

    Budgets are ample and the twin breaker is off: where those bind, the order of ends decides, and no two runs,
    wherever they run, have the same.
    """
    rng = random.Random(seed)
    tasks: list[Task] = []
    for number in range(rng.randint(8, 16)):
        tasks.append(_task(rng, number, [task.id for task in tasks]))
    worked = [task.id for task in tasks if task.kind is TaskKind.WORK]
    faults = {
        name: [rng.choice(FAULTS) for _ in range(rng.randint(1, 3))] for name in worked if rng.random() < 0.45
    }
    limit = Limit("besu/slots", LimitKind.CONCURRENCY, rng.randint(1, 6))
    policy = Policy(retry=RetryPolicy(0.01, 0.05, run_budget=100.0, region_budget=1000), twin_breaker=False)
    return Plan("toy", f"seed-{seed}", Mode.ULTRA, tuple(tasks), (limit,), policy), faults


def _task(rng: random.Random, number: int, before: list[str]) -> Task:
    near = before[-6:]
    needs = tuple(rng.sample(near, rng.randint(0, min(3, len(near)))))
    after = tuple(rng.sample(near, rng.randint(0, min(1, len(near)))))
    phase = rng.choice([Phase.BESU, Phase.KUBERNETES, Phase.CONTRACTS])
    barrier = bool(needs) and rng.random() < 0.15
    return Task(
        f"{phase.value}/t/{number}",
        phase,
        kind=TaskKind.BARRIER if barrier else TaskKind.WORK,
        needs=needs,
        after=after,
        at_least=rng.randint(1, len(needs)) if needs and rng.random() < 0.3 else None,
        demands=() if barrier else (Demand("besu/slots"),),
        estimate=Estimate(rng.uniform(0.1, 2.0)),
        timeout_s=TIMEOUT_S,
        max_attempts=rng.randint(1, 4),
        region=rng.choice([None, "north", "south", "west"]),
    )
