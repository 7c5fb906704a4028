"""How far from what is possible: the main job's plan over its lower bound, by policy, calm, flaky and throttled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from goals import crowd
from policies import alphabetical, by_hops

from chainfleet.model.fleet_file import load_fleet
from chainfleet.model.task import Demand, Limit, LimitKind, Mode, Plan
from chainfleet.scheduling.blueprint import Blueprint
from chainfleet.scheduling.bounds import bound_of, lower_bound
from chainfleet.scheduling.forecast.profiles import STRATEGY, with_durations
from chainfleet.scheduling.planning import Overrides, make_plan
from chainfleet.scheduling.rehearsal import Rehearsing, improve
from chainfleet.scheduling.tokens import Bucket
from chainfleet.scheduling.world import Change, Faults

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "chain-138.yaml"

ORDERS: dict[str, tuple[Mode, Callable[[Plan], Blueprint]]] = {
    "chainfleet, ultra": (Mode.ULTRA, lambda plan: improve(Blueprint(plan))),
    "ultra, hops to the end (ninja)": (Mode.ULTRA, lambda plan: _ordered(plan, by_hops)),
    "ultra, alphabetical (Terragrunt)": (Mode.ULTRA, lambda plan: _ordered(plan, alphabetical)),
    "phase barriers (max)": (Mode.MAX, Blueprint),
    "phase barriers, alphabetical": (Mode.MAX, lambda plan: _ordered(plan, alphabetical)),
}


def ratios(runs: int = 20) -> None:
    """Mean makespan over the lower bound of the true dependencies."""
    fleet = load_fleet(str(EXAMPLE), lambda name: Path(name).read_text(encoding="utf-8"), {}).fleet
    plans = {
        mode: with_durations(make_plan(fleet, "r", overrides=Overrides(mode=mode)), STRATEGY) for mode in Mode
    }
    ample = lower_bound(plans[Mode.ULTRA]).seconds
    tight = lower_bound(_pooled(plans[Mode.ULTRA], 12)).seconds
    print(
        f"\n24 regions, 48 validators, the strategy's durations: mean makespan over the lower bound, {runs} runs\n"
    )
    print(
        "In brackets: over the bound with the time that failed attempts took, which no schedule can know.\n"
    )
    print(
        "| policy | ample slots and calls | as documented | 12 slots for everything | ample, 5 % faults | 12 slots, 5 % faults | ample, 5 % faults, all begun anew |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    flaky = Faults(transient=0.05)
    for name, (mode, make) in ORDERS.items():
        plan = plans[mode]
        free, wide, narrow = make(_unlimited(plan)), make(plan), make(_pooled(plan, 12))
        cells = [
            _ratio(free, Faults(), 1, ample),
            _ratio(wide, Faults(), 1, ample),
            _ratio(narrow, Faults(), 1, tight),
            _ratio(free, flaky, runs, ample),
            _ratio(narrow, flaky, runs, tight),
            _ratio(make(_forgetful(_unlimited(plan))), flaky, runs, ample),
        ]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def throttling() -> None:
    """Calls against a bucket that grants what it documents, and against one that grants half of it for a while."""
    print("\n2,000 calls of 5 s, a bucket of 50 tokens and 20/s: over the token bound · calls answered 429\n")
    print("| client | as documented | half the rate from 30 to 60 s |\n| --- | --- | --- |")
    bucket = Limit("api", LimitKind.TOKENS, 50, 20.0, adaptive=True)
    half = {"api": (Change(30.0, 10.0), Change(60.0, 20.0))}
    calm, worse = Faults(), Faults(real_limits=half)
    bound = bound_of(Blueprint(crowd(2_000, 5.0, bucket))).seconds
    clients = {
        "chainfleet: paced, adaptive, Retry-After for all": (bucket, 0),
        "paced, no adaptation": (replace(bucket, adaptive=False), 0),
        "fixed parallelism 64, each call backs off alone": (bucket, 64),
        "fixed parallelism 256, each call backs off alone": (bucket, 256),
    }
    for name, (limit, slots) in clients.items():
        cells = []
        for faults, lost in ((calm, 0.0), (worse, 15.0)):  # Half the rate for 30 s costs 15 s.
            plan = crowd(2_000, 5.0, limit)
            run = Rehearsing(Blueprint(_heedless(plan, slots)), seed=1, sigma=0, faults=faults, traced=False)
            for gauge in run.engine.gauges if slots else ():
                if isinstance(gauge.meter, Bucket):
                    gauge.meter = Heedless(limit.capacity, limit.rate_per_s)
            run.run()
            share = run.throttled / run.attempts
            cells.append(f"{run.makespan / 1e6 / (bound + lost):.3f} · {share:.2%}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


class Heedless(Bucket):
    """A client that does not count its tokens; the other side does."""

    def admits(self, tokens: float, now: int) -> bool:  # noqa: ARG002 - a meter like the bucket
        return True

    def throttled(self, now: int, retry_after: int | None) -> None:  # noqa: ARG002 - a meter like the bucket
        self.throttles += 1


def _heedless(plan: Plan, slots: int) -> Plan:
    """With so many slots as well; 0 for the plan as it is."""
    if not slots:
        return plan
    tasks = tuple(replace(task, demands=(*task.demands, Demand("slots"))) for task in plan.tasks)
    return replace(plan, tasks=tasks, limits=(*plan.limits, Limit("slots", LimitKind.CONCURRENCY, slots)))


def _ordered(plan: Plan, order: Callable[[Blueprint], object]) -> Blueprint:
    blueprint = Blueprint(plan)
    return blueprint.ordered(order(blueprint))


def _pooled(plan: Plan, slots: int) -> Plan:
    """The same tasks with one limit for everybody."""
    tasks = tuple(replace(task, demands=(Demand("all"),) if task.demands else ()) for task in plan.tasks)
    return replace(plan, tasks=tasks, limits=(Limit("all", LimitKind.CONCURRENCY, slots),))


def _unlimited(plan: Plan) -> Plan:
    """The same with limits that hold nobody back."""
    limits = tuple(replace(limit, capacity=100 * limit.capacity) for limit in plan.limits)
    return replace(plan, limits=limits)


def _forgetful(plan: Plan) -> Plan:
    """The same if no attempt took up what an earlier one had begun."""
    return replace(plan, tasks=tuple(replace(task, adoptable=False) for task in plan.tasks))


class _Counting(Rehearsing):
    """Adds up how long each task was worked on, failed attempts included."""

    def __init__(self, blueprint: Blueprint, seed: int, faults: Faults) -> None:
        super().__init__(blueprint, seed=seed, sigma=0, faults=faults, traced=False)
        self.spent = [0] * blueprint.graph.size

    def _happen(self, kind: int, task: int) -> None:
        since = self.engine.running.get(task)
        if kind == 0 and since is not None:
            self.spent[task] += self.engine.now - since
        super()._happen(kind, task)


def _ratio(blueprint: Blueprint, faults: Faults, runs: int, bound: float) -> str:
    total = known = 0.0
    for seed in range(runs):
        run = _Counting(blueprint, seed, faults)
        run.run()
        total += run.makespan / 1e6
        known += run.makespan / 1e6 / bound_of(Blueprint(blueprint.plan), run.spent).seconds
    text = f"{total / runs / bound:.3f}"
    return f"{text} ({known / runs:.3f})" if faults.transient else text
