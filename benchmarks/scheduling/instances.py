"""Graphs to schedule: seeded, so that everybody gets the same."""

from __future__ import annotations

from random import Random

from chainfleet.model.task import Demand, Estimate, Limit, LimitKind, Mode, Phase, Plan, Task

STEPS = (
    # step, phase, seconds, limit, steps before
    ("network", Phase.INFRASTRUCTURE, 120, "infrastructure", ()),
    ("cluster", Phase.INFRASTRUCTURE, 780, "infrastructure", (0,)),
    ("base", Phase.KUBERNETES, 90, "kubernetes", (1,)),
    ("storage", Phase.KUBERNETES, 150, "kubernetes", (1,)),
    ("images", Phase.KUBERNETES, 240, "registry", (2,)),
    ("config", Phase.BESU, 60, "besu", (3,)),
    ("start-a", Phase.BESU, 420, "sync-a", (4, 5)),
    ("start-b", Phase.BESU, 480, "sync-b", (4, 5)),
    ("peers", Phase.BESU, 120, "besu", (6, 7)),
    ("contract", Phase.CONTRACTS, 60, "contracts", (8,)),
    ("monitor", Phase.MONITORING, 90, "kubernetes", (2,)),
    ("verify", Phase.VERIFICATION, 150, "verification", (9, 10)),
)
"""Twelve steps per region, the shape and the durations of the strategy."""


def fleet_instance(seed: int, *, regions: int = 24, slots: int = 4) -> Plan:
    """The strategy's graph with 12 tasks per region; regions are slowed by 1 to 2, tasks by 0.8 to 1.25.

    Args:
        seed: of the durations.
        regions: how many.
        slots: slots of the infrastructure limit; the others keep their proportion.
    """
    rng = Random(seed)
    scale = slots / 4
    capacity = {"infrastructure": 4, "kubernetes": 3, "registry": 10, "besu": 6, "sync-a": 6, "sync-b": 6,
                "contracts": 2, "verification": 6}  # fmt: skip
    limits = tuple(Limit(n, LimitKind.CONCURRENCY, max(1, round(c * scale))) for n, c in capacity.items())
    tasks = []
    for r in range(regions):
        slow = 1 + rng.random()
        for name, phase, seconds, limit, before in STEPS:
            estimate = Estimate(round(seconds * slow * rng.uniform(0.8, 1.25), 1), 0.1)
            needs = tuple(f"{STEPS[b][1].value}/{STEPS[b][0]}/r{r:02}" for b in before)
            task_id = f"{phase.value}/{name}/r{r:02}"
            tasks.append(
                Task(
                    task_id,
                    phase,
                    needs=needs,
                    demands=(Demand(limit),),
                    estimate=estimate,
                    region=f"r{r:02}",
                )
            )
    return Plan("benchmark", str(seed), Mode.ULTRA, tuple(tasks), limits)


def layered_instance(
    size: int, *, seed: int = 1, pools: int = 120, capacity: int = 20, rate: float = 1.0
) -> Plan:
    """`size` tasks in layers of a hundredth, three parents each, in pools with slots and a token bucket."""
    rng = Random(seed)
    random = rng.random
    layers = 100 if size >= 10_000 else 10
    width = max(1, size // layers)
    demands = [(Demand(f"slots{p}", 1), Demand(f"api{p}", 1)) for p in range(pools)]
    estimates = [Estimate(float(s), 0.3) for s in range(10, 200)]
    phases = tuple(Phase)
    ids = [f"{phases[i % 6].value}/do/{i}" for i in range(size)]
    tasks = []
    for i in range(size):
        layer = min(i // width, layers - 1)
        low = (layer - 1) * width
        needs = () if layer == 0 else tuple(dict.fromkeys(ids[low + int(random() * width)] for _ in range(3)))
        tasks.append(
            Task(ids[i], phases[i % 6], needs=needs, demands=demands[int(random() * pools)],
                 estimate=estimates[int(random() * 190)], labels=_NO_LABELS)
        )  # fmt: skip
    limits = [Limit(f"slots{p}", LimitKind.CONCURRENCY, capacity) for p in range(pools)]
    limits += [Limit(f"api{p}", LimitKind.TOKENS, 50, rate) for p in range(pools)]
    return Plan("layered", str(seed), Mode.ULTRA, tuple(tasks), tuple(limits))


_NO_LABELS: dict[str, str] = {}
