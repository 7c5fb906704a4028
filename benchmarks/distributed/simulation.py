"""A fleet of 1,000 regions and a plan of a million tasks on workers, simulated: the real scheduler under a virtual clock.

What is real: the plan, the scheduler and every decision it takes. What is modelled: the coordinator as one thread that
needs its measured time for each attempt; the database as one server that carries so many attempts a second; workers with
slots, memory and cores; attempts whose durations are drawn from the plan's estimates. The constants are measured first,
in the same run, on this machine (or given: see --help).

Usage: python benchmarks/distributed/simulation.py [--tasks 1000000] [--quick]
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import sys
import time
from collections import deque
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from math import exp
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "tests")]

from chainfleet.model.event import (
    AttemptSucceeded,
    Command,
    GateDecided,
    OpenGate,
    RunStarted,
    StartAttempt,
    TimePassed,
    WakeAt,
)
from chainfleet.model.fleet_file import load_fleet
from chainfleet.model.task import Demand, Estimate, Limit, LimitKind, Mode, Phase, Plan, Policy, Task
from chainfleet.scheduling.planning import Machine, make_plan
from chainfleet.scheduling.scheduler import Scheduler

EXAMPLE = Path(__file__).parents[2] / "examples" / "chain-138.yaml"
PLAN_MIB, PLAN_CORE_S = 320.0, 5.5
"""Of one Terraform with a large provider, as measured: 24 at once took 7.7 GiB and 66 s on 2 cores."""


@dataclass(frozen=True)
class Constants:
    """Measured: seconds of the coordinator for each attempt, attempts/s through database and workers, seconds of latency."""

    coordinator_s: float
    attempts_per_s: float
    latency_s: float


@dataclass(frozen=True)
class Workers:
    """So many machines, each with slots, memory and cores."""

    count: int
    slots: int = 64
    memory_mib: float = 16384.0
    cores: int = 4


@dataclass
class Result:
    """How a simulated run went; shares are of the makespan."""

    makespan_s: float
    attempts: int
    coordinator: float
    database: float
    workers: float
    most_at_once: int
    waited_s: float
    took_s: float


class Simulation:
    """Drives the scheduler; times are virtual seconds."""

    def __init__(self, plan: Plan, workers: Workers, constants: Constants, seed: int = 1) -> None:
        self.scheduler = Scheduler(plan)
        self.tasks = {task.id: task for task in plan.tasks}
        self.workers, self.constants = workers, constants
        self.rng = random.Random(seed)
        self.agenda: list[tuple[float, int, object]] = []
        self.number = 0
        self.now = self.busy_until = self.database_until = 0.0
        self.coordinator_s = self.database_s = self.slot_s = self.waited_s = 0.0
        self.attempts = self.running = self.most = 0
        self.free = [workers.slots] * workers.count
        self.memory = [workers.memory_mib] * workers.count
        self.plans = [0] * workers.count
        self.ready: deque[tuple[float, StartAttempt]] = deque()
        self.heavy: deque[tuple[float, StartAttempt]] = deque()
        self.order = [(0, n) for n in range(workers.count)]

    def at(self, when: float, what: object) -> None:
        self.number += 1
        heappush(self.agenda, (when, self.number, what))

    def run(self) -> Result:
        began = time.perf_counter()
        self.decide(RunStarted(), 0.0)
        while self.scheduler.finished is None:
            self.now, _, what = heappop(self.agenda)
            match what:
                case StartAttempt():
                    (self.heavy if self.needs_memory(what) else self.ready).append((self.now, what))
                    self.place()
                case (StartAttempt() as start, int() as worker, float() as held, float() as mib):
                    self.give_back(worker, held, mib)
                    self.at(
                        self.now + self.constants.latency_s / 2, AttemptSucceeded(start.task, start.attempt)
                    )
                    self.place()
                case _:
                    self.decide(what, self.now)
        return Result(
            self.now,
            self.attempts,
            self.coordinator_s / self.now,
            self.database_s / self.now,
            self.slot_s / (self.now * self.workers.count * self.workers.slots),
            self.most,
            self.waited_s / max(1, self.attempts),
            time.perf_counter() - began,
        )

    def decide(self, event: object, now: float) -> None:
        """The coordinator takes an event up when it has time, and its decisions go out one after the other."""
        at = max(now, self.busy_until)
        commands: list[Command] = self.scheduler.handle(event, at)
        cost = self.constants.coordinator_s if isinstance(event, AttemptSucceeded) else 0.0
        self.busy_until = at + cost
        self.coordinator_s += cost
        for command in commands:
            match command:
                case StartAttempt():
                    self.attempts += 1
                    self.database_until = max(self.database_until, at) + 1 / self.constants.attempts_per_s
                    self.database_s += 1 / self.constants.attempts_per_s
                    self.at(self.database_until + self.constants.latency_s / 2, command)
                case WakeAt():
                    self.at(max(command.at, at), TimePassed())
                case OpenGate():
                    self.at(at, GateDecided(command.task, approved=True))

    def needs_memory(self, start: StartAttempt) -> bool:
        return self.tasks[start.task].phase is Phase.INFRASTRUCTURE

    def place(self) -> None:
        """Free slots take what has waited longest; Terraform goes where there is memory for it."""
        while self.ready and (worker := self.roomiest(0.0)) is not None:
            self.begin(*self.ready.popleft(), worker, 0.0)
        while self.heavy and (worker := self.roomiest(PLAN_MIB)) is not None:
            self.begin(*self.heavy.popleft(), worker, PLAN_MIB)

    def roomiest(self, mib: float) -> int | None:
        best = (
            max(range(len(self.free)), key=lambda n: (self.memory[n] >= mib, self.free[n]))
            if len(self.free) < 65
            else self.first(mib)
        )
        return best if best is not None and self.free[best] > 0 and self.memory[best] >= mib else None

    def first(self, mib: float) -> int | None:
        return next((n for n, free in enumerate(self.free) if free > 0 and self.memory[n] >= mib), None)

    def begin(self, since: float, start: StartAttempt, worker: int, mib: float) -> None:
        self.waited_s += self.now - since
        self.free[worker] -= 1
        self.memory[worker] -= mib
        self.running += 1
        self.most = max(self.most, self.running)
        estimate = self.tasks[start.task].estimate
        seconds = estimate.median_s * exp(self.rng.gauss(0.0, estimate.sigma))
        if mib:
            self.plans[worker] += 1
            # Cores are shared by those that plan at the same time, as seen at the start.
            seconds += PLAN_CORE_S * max(1.0, self.plans[worker] / self.workers.cores)
        self.slot_s += seconds
        self.at(self.now + seconds, (start, worker, seconds, mib))

    def give_back(self, worker: int, _: float, mib: float) -> None:
        self.free[worker] += 1
        self.memory[worker] += mib
        self.plans[worker] -= bool(mib)
        self.running -= 1


def fleet_plan(regions: int, workers: Workers) -> Plan:
    """The plan of a fleet of that many regions in as many subscriptions as keep to 24 regions each, on these workers."""
    fleet = load_fleet(str(EXAMPLE), lambda _: EXAMPLE.read_text(), {}).fleet
    some = [
        fleet.regions[n % len(fleet.regions)].model_copy(
            update={"name": f"r{n:04}", "validators": 1 if n < 100 else 0}
        )
        for n in range(regions)
    ]
    wide = fleet.model_copy(update={"regions": some})
    machine = Machine(
        memory_mib=int(workers.count * workers.memory_mib),
        terraform_mib=int(PLAN_MIB),
        cores=float(workers.count * workers.cores),
    )
    plan = make_plan(wide, "r", machine=machine)
    return in_subscriptions(with_ceilings(plan, workers.count * workers.slots), 24)


def with_ceilings(plan: Plan, most: int) -> Plan:
    """The same with room for as many attempts at once as the workers have slots."""
    limits = tuple(
        replace(limit, capacity=most) if limit.name.endswith("/slots") else limit for limit in plan.limits
    )
    return replace(plan, limits=limits)


def in_subscriptions(plan: Plan, regions: int) -> Plan:
    """ARM's budgets belong to a subscription; with one for so many regions each has its own."""
    names = sorted({task.region for task in plan.tasks if task.region})
    group = {name: place // regions for place, name in enumerate(names)}
    shared = {limit.name: limit for limit in plan.limits if limit.name.startswith("azure/arm/")}
    tasks = tuple(
        replace(
            task,
            demands=tuple(
                replace(d, limit=f"{d.limit}/{group[task.region]}")
                if d.limit in shared and task.region
                else d
                for d in task.demands
            ),
        )
        for task in plan.tasks
    )
    more = [
        replace(limit, name=f"{name}/{n}")
        for name, limit in shared.items()
        for n in range(max(group.values()) + 1)
    ]
    return replace(plan, tasks=tasks, limits=(*(own for own in plan.limits if own.name not in shared), *more))


def layered_plan(count: int, regions: int, median_s: float, slots: int) -> Plan:
    """A million tasks or so: ten stages in each region, each task after two or three of the stage before."""
    rng = random.Random(7)
    per_stage = max(1, count // regions // 10)
    limits = [Limit(f"region/{r}", LimitKind.CONCURRENCY, 50) for r in range(regions)]
    limits.append(Limit("all/slots", LimitKind.CONCURRENCY, slots))
    tasks: list[Task] = []
    estimate = Estimate(median_s, 0.3)
    for region in range(regions):
        demands = (Demand(f"region/{region}"), Demand("all/slots"))
        before: list[str] = []
        for stage in range(10):
            here = []
            for n in range(per_stage):
                name = f"besu/t{stage}/{region}-{n}"
                needs = tuple({rng.choice(before) for _ in range(3)}) if before else ()
                tasks.append(
                    Task(
                        name, Phase.BESU, needs=needs, demands=demands, estimate=estimate, region=f"r{region}"
                    )
                )
                here.append(name)
            before = here
    return Plan("big", "r", Mode.ULTRA, tuple(tasks), tuple(limits), Policy(twin_breaker=False))


def measured() -> Constants:
    """The constants as they are on this machine, now."""
    from throughput import run_on_workers

    from postgresql_server import PostgresqlServer

    server = PostgresqlServer({"fsync": "on"})
    try:
        server.start()
        _, _, spans = run_on_workers(server, 1, 60, True, "0")
        took, cpu, _ = run_on_workers(server, 2, 400, False, "0")
    finally:
        server.remove()
    return Constants(cpu / 400, 400 / took, sorted(spans)[len(spans) // 2])


def show(what: str, workers: Workers, result: Result) -> None:
    hours = result.makespan_s / 3600
    print(
        f"| {what} | {workers.count} × {workers.slots} | {result.attempts:,} | {hours:.2f} h | {result.most_at_once:,} | "
        f"{result.coordinator:.1%} | {result.database:.1%} | {result.workers:.0%} | {result.waited_s:.1f} s | {result.took_s:.0f} s |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--constants", help="coordinator ms, attempts/s, latency ms; measured if left out")
    given = parser.parse_args()
    if given.constants:
        ms, rate, latency = map(float, given.constants.split(","))
        constants = Constants(ms / 1e3, rate, latency / 1e3)
    else:
        constants = measured()
    print(f"load {os.getloadavg()[0]:.1f}; coordinator {constants.coordinator_s * 1e3:.2f} ms an attempt, "
          f"{constants.attempts_per_s:.0f} attempts/s, latency {constants.latency_s * 1e3:.0f} ms\n")  # fmt: skip
    print(
        "| plan | workers × slots | attempts | makespan | most at once | coordinator | database | slots | wait for a slot | simulated in |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for regions, machines in ((24, 1), (200, 1), (200, 5), (1000, 5), (1000, 21), (1000, 42)):
        workers = Workers(machines)
        show(
            f"{regions} regions", workers, Simulation(fleet_plan(regions, workers), workers, constants).run()
        )
    gc.disable()
    for median_s, machines in ((60.0, 21), (60.0, 100), (5.0, 21)):
        workers = Workers(machines)
        plan = layered_plan(given.tasks, 1000, median_s, machines * workers.slots)
        show(
            f"{len(plan.tasks):,} tasks of {median_s:.0f} s",
            workers,
            Simulation(plan, workers, constants).run(),
        )


if __name__ == "__main__":
    main()
