"""Random plans: small, and full of everything that can go wrong."""

from __future__ import annotations

from random import Random

from chainfleet.model.task import (
    Demand,
    Estimate,
    FailureBudget,
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

_PHASES = tuple(Phase)


def random_plan(rng: Random) -> Plan:
    """A plan of up to 60 tasks; a third of them are shaped like a fleet, the others like nothing at all."""
    limits = _limits(rng)
    tasks = _fleet(rng, limits) if rng.random() < 0.33 else _anything(rng, limits)
    if rng.random() < 0.2:
        rng.shuffle(tasks)
    return Plan("sim", "r", Mode.ULTRA, tuple(tasks), limits, _policy(rng))


def _policy(rng: Random) -> Policy:
    budget = FailureBudget()
    if rng.random() < 0.3:
        budget = FailureBudget(regions=rng.randint(0, 2))
    elif rng.random() < 0.1:
        budget = FailureBudget(percent=rng.choice((0.0, 25.0, 50.0)))
    retry = RetryPolicy(
        base_s=rng.choice((0.1, 2.0)),
        cap_s=rng.choice((1.0, 60.0)),
        run_budget=rng.choice((0.0, 0.5, 2.0)),
        region_budget=rng.choice((1, 5, 30)),
    )
    return Policy(retry, budget, twin_breaker=rng.random() < 0.7)


def _limits(rng: Random) -> tuple[Limit, ...]:
    limits = [
        Limit(f"slots{i}", LimitKind.CONCURRENCY, rng.randint(1, 8), adaptive=rng.random() < 0.5)
        for i in range(rng.randint(0, 3))
    ]
    limits += [
        Limit(
            f"api{i}", LimitKind.TOKENS, rng.randint(1, 20), rng.choice((0.2, 1.0, 5.0)), rng.random() < 0.5
        )
        for i in range(rng.randint(0, 2))
    ]
    if rng.random() < 0.5:
        limits.append(Limit("memory", LimitKind.MEMORY, rng.randint(100, 1000)))
    return tuple(limits)


def _demands(rng: Random, limits: tuple[Limit, ...]) -> tuple[Demand, ...]:
    out = []
    for limit in limits:
        if rng.random() < 0.5:
            heavy = rng.random() < 0.15
            amount = (
                limit.capacity if heavy else min(limit.capacity, max(1, limit.capacity * rng.random() / 3))
            )
            out.append(
                Demand(limit.name, round(amount, 1) if limit.kind is LimitKind.MEMORY else round(amount))
            )
    return tuple(out)


def _estimate(rng: Random) -> Estimate:
    return Estimate(rng.choice((0.5, 2.0, 10.0, 30.0)), 0.3)


def _anything(rng: Random, limits: tuple[Limit, ...]) -> list[Task]:
    size, regions = rng.randint(1, 60), rng.randint(0, 6)
    kinds = [_demands(rng, limits) for _ in range(rng.randint(1, 6))]
    tasks: list[Task] = []
    for i in range(size):
        ids = [task.id for task in tasks[-20:]]
        needs = tuple(sorted(rng.sample(ids, min(len(ids), rng.choice((0, 1, 1, 2, 4))))))
        after = tuple(sorted(rng.sample(ids, min(len(ids), rng.choice((0, 0, 0, 1, 2))))))
        kind = rng.choices((TaskKind.WORK, TaskKind.BARRIER, TaskKind.GATE), (85, 10, 5))[0]
        weights = sum(t.weight for t in tasks if t.id in needs)
        phase = rng.choice(_PHASES)
        tasks.append(
            Task(
                id=f"{phase.value}/do/t{i}",
                phase=phase,
                kind=kind,
                needs=needs,
                after=after,
                at_least=rng.randint(0, weights) if needs and rng.random() < 0.15 else None,
                weight=rng.choice((1, 1, 1, 2, 3)),
                demands=rng.choice(kinds),
                estimate=_estimate(rng),
                max_attempts=rng.randint(1, 5),
                region=f"r{rng.randrange(regions)}" if regions and rng.random() < 0.8 else None,
                twins=rng.choice(("", "", "x", "y")),
            )
        )
    return tasks


def _fleet(rng: Random, limits: tuple[Limit, ...]) -> list[Task]:
    regions, steps = rng.randint(2, 8), rng.randint(2, 5)
    kinds = [_demands(rng, limits) for _ in range(steps)]
    estimates = [_estimate(rng) for _ in range(steps)]
    tasks: list[Task] = []
    for r in range(regions):
        for s in range(steps):
            phase = _PHASES[min(s, 3)]
            needs = (tasks[-1].id,) if s else ()
            tasks.append(
                Task(f"{phase.value}/s{s}/r{r}", phase, needs=needs, demands=kinds[s], estimate=estimates[s],
                     region=f"r{r}", twins=f"s{s}", max_attempts=rng.randint(1, 5))
            )  # fmt: skip
    last = tuple(task.id for task in tasks[steps - 1 :: steps])
    quorum = rng.randint(1, regions)
    tasks.append(
        Task("verification/network/network", Phase.VERIFICATION, needs=last, at_least=quorum, after=last[:1])
    )
    return tasks
