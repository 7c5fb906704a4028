"""The goals of issue 3 as figures."""

from __future__ import annotations

import time
from math import exp

from instances import fleet_instance
from policies import POLICIES, makespan
from throwaway import Peers

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
)
from chainfleet.scheduling.blueprint import Blueprint
from chainfleet.scheduling.bounds import bound_of, lower_bound
from chainfleet.scheduling.improving import EFFORT, search
from chainfleet.scheduling.listing import Listing
from chainfleet.scheduling.rehearsal import Rehearsing, improve
from chainfleet.scheduling.world import Change, Faults


def orders(slots: tuple[int, ...] = (6, 12, 24, 48), seeds: int = 5) -> None:
    """Makespan of the 24-region graph over its lower bound, by policy and slots."""
    worlds = {
        "exact": (0.0, Faults()),
        "σ 0.1, 5 % faults": (None, Faults(transient=0.05)),
    }
    for name, (sigma, faults) in worlds.items():
        print(f"\n24 regions x 12 tasks, mean of {seeds} instances, makespan over lower bound; {name}\n")
        print(f"| policy | {' | '.join(f'{s} slots' for s in slots)} |\n| --- |{' --- |' * len(slots)}")
        for policy, make in POLICIES.items():
            cells = []
            for count in slots:
                ratios = []
                for seed in range(1, seeds + 1):
                    plan = fleet_instance(seed, slots=max(1, count // 3))
                    bound = lower_bound(plan).seconds
                    ratios.append(makespan(make(plan), seed=seed, sigma=sigma, faults=faults) / bound)
                cells.append(f"{sum(ratios) / len(ratios):.3f}")
            print(f"| {policy} | {' | '.join(cells)} |", flush=True)


def search_quality(seeds: int, long_factor: int, others: Peers | None = None, cpsat_s: float = 60.0) -> None:
    """The order found in a second against the best found in `long_factor` seconds, and by CP-SAT."""
    print(f"\nOrder found in 1 s against the best of {long_factor} s of search", end="")
    print(f" and {cpsat_s:g} s of CP-SAT on 2 cores" if others else "", end="")
    print(f", {seeds} instances of 288 tasks\n")
    print(
        "| seed | bound s | longest path | hops | 1 s | search | CP-SAT | 1 s over best | CPU s |\n| --- |"
        + " --- |" * 8
    )
    worst = 0.0
    for seed in range(1, seeds + 1):
        plan = fleet_instance(seed)
        blueprint = Blueprint(plan)
        plain = makespan(blueprint)
        hops = makespan(POLICIES["hops (ninja)"](plan))
        began = time.process_time()
        ours = makespan(improve(blueprint))
        took = time.process_time() - began
        listing = Listing(plan, blueprint.graph, blueprint.durations)
        keys = [-rank for rank in blueprint.ranks]
        found = search(listing, keys, effort=long_factor * EFFORT, seed=99).makespan / 1e6
        exact = float("inf") if others is None else _cpsat(others, plan, cpsat_s)
        best = min(found, ours, plain, exact)
        worst = max(worst, ours / best - 1)
        bound = bound_of(blueprint).seconds
        cells = f"{bound:.0f} | {plain:.0f} | {hops:.0f} | {ours:.0f} | {found:.0f} | {exact:.0f}"
        print(f"| {seed} | {cells} | {ours / best - 1:+.2%} | {took:.1f} |", flush=True)
    print(f"\nworst: {worst:+.2%} (goal: at most +2 %)")


def _cpsat(others: Peers, plan: Plan, seconds: float) -> float:
    """Makespan in seconds that CP-SAT finds; infinite if it finds none."""
    index = {task.id: i for i, task in enumerate(plan.tasks)}
    tasks = [
        [round(t.estimate.median_s * 10), [index[n] for n in t.needs], t.demands[0].limit] for t in plan.tasks
    ]
    capacity = {limit.name: int(limit.capacity) for limit in plan.limits}
    given = {"tasks": tasks, "capacity": capacity, "seconds": seconds}
    answer = others.run("cpsat", given, seconds=seconds + 120)
    return answer["makespan"] / 10 if answer.get("makespan") else float("inf")


def ample_slots(seeds: int = 20) -> None:
    """Makespan over bound when slots are not what binds."""
    ratios = []
    for seed in range(1, seeds + 1):
        plan = fleet_instance(seed, slots=96)
        ratios.append(makespan(Blueprint(plan)) / lower_bound(plan).seconds)
    print(f"\nAmple slots: worst of {seeds} instances {max(ratios):.4f} x the bound (goal: 1.02)")


def crowd(size: int, seconds: float, limit: Limit) -> Plan:
    """That many calls of one kind, which nothing but a limit holds back."""
    policy = Policy(RetryPolicy(run_budget=10_000))
    tasks = tuple(
        Task(
            f"besu/call/{i}",
            Phase.BESU,
            demands=(Demand(limit.name),),
            estimate=Estimate(seconds, 0.3),
            max_attempts=9_999,
        )
        for i in range(size)
    )
    return Plan("crowd", "1", Mode.ULTRA, tasks, (limit,), policy)


def token_bound() -> None:
    """Rate-bound instances against the token bound."""
    print(
        "\nRate-bound: a bucket of 50 tokens and 20/s\n\n| calls | each s | over bound | calls per success |"
    )
    print("| --- | --- | --- | --- |")
    for size, seconds in ((2_000, 0.3), (2_000, 5.0), (20_000, 0.3)):
        blueprint = Blueprint(crowd(size, seconds, Limit("api", LimitKind.TOKENS, 50, 20.0, adaptive=True)))
        run = Rehearsing(blueprint, sigma=0, traced=False)
        run.run()
        ratio = run.makespan / 1e6 / bound_of(blueprint).seconds
        print(f"| {size:,} | {seconds:g} | {ratio:.4f} | {run.attempts / size:.3f} |", flush=True)


def capacity_drop() -> None:
    """A capacity that drops from 30 to 12 and returns to 24 against the best fixed setting."""
    print("\nCapacity 30 → 12 → 24 (at 30 % and 65 % of the run); Retry-After in the second column\n")
    print(
        "| calls of | Retry-After | best fixed: slots, 429s | adaptive over best fixed | over ideal | 429s | share |"
    )
    print("| --- |" + " --- |" * 6)
    for size, seconds in ((2_000, 30.0), (5_000, 5.0)):
        third = size * seconds / 20
        changes = (Change(0, 30), Change(0.3 * third, 12), Change(0.65 * third, 24))
        work = size * seconds * exp(0.3**2 / 2) - third * (0.3 * 30 + 0.35 * 12)
        ideal = 0.65 * third + work / 24
        for wait in (None, 5.0, 20.0):
            faults = Faults(real_limits={"s": changes}, retry_after_s=wait)
            fixed = []
            for slots in range(10, 31, 2):
                run = _run(crowd(size, seconds, Limit("s", LimitKind.CONCURRENCY, slots)), 1, faults)
                fixed.append((run.makespan / 1e6, slots, run.throttled))
            best, slots, wasted = min(fixed)
            runs = [
                _run(crowd(size, seconds, Limit("s", LimitKind.CONCURRENCY, 30, adaptive=True)), s, faults)
                for s in (1, 2, 3)
            ]
            ours = max(run.makespan for run in runs) / 1e6
            calls = max(run.throttled for run in runs)
            share = max(run.throttled / run.attempts for run in runs)
            asked = "none" if wait is None else f"{wait:g} s"
            print(f"| {size:,} x {seconds:g} s | {asked} | {slots}, {wasted:,} | {ours / best - 1:+.1%} "
                  f"| {ours / ideal - 1:+.1%} | {calls} | {share:.2%} |", flush=True)  # fmt: skip


def _run(plan: Plan, seed: int, faults: Faults) -> Rehearsing:
    run = Rehearsing(Blueprint(plan), seed=seed, faults=faults, traced=False)
    run.run()
    return run
