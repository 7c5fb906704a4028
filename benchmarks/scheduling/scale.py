"""Overhead per task, and a million of them."""

from __future__ import annotations

import gc
import graphlib
import resource
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from heapq import heappop, heappush

from instances import layered_instance

from chainfleet.model.event import AttemptSucceeded, Event, RunStarted, StartAttempt, TimePassed, WakeAt
from chainfleet.model.task import Plan
from chainfleet.scheduling.blueprint import Blueprint
from chainfleet.scheduling.bounds import bound_of
from chainfleet.scheduling.forecast import compiled, kernel
from chainfleet.scheduling.rehearsal import Rehearsing
from chainfleet.scheduling.scheduler import Scheduler
from chainfleet.scheduling.world import Faults


def overhead(sizes: tuple[int, ...] = (288, 10_000, 100_000)) -> None:
    """CPU microseconds per task of deciding alone, tasks taking no time."""
    print("\nDeciding alone, 64 slots, no-op tasks, 3 parents each: CPU µs per task (tasks/s)\n")
    print(f"| | {' | '.join(f'{n:,}' for n in sizes)} |\n| --- |{' --- |' * len(sizes)}")
    for name, drive in (
        ("chainfleet `Scheduler.handle`, all commands", _by_events),
        ("chainfleet engine, as a rehearsal drives it", _by_engine),
        ("graphlib, no limits, no order, no threads", _graphlib),
        ("graphlib + 64 threads", _graphlib_threads),
    ):
        cells = []
        for size in sizes:
            plan = layered_instance(size, pools=1, capacity=64, rate=1e9)
            gc.collect()
            began = time.process_time()
            drive(plan)
            each = (time.process_time() - began) / size
            cells.append(f"{each * 1e6:.1f} ({1 / each:,.0f})")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _by_events(plan: Plan) -> None:
    scheduler = Scheduler(plan)
    seconds = {t.id: t.estimate.median_s for t in plan.tasks}
    agenda: list[tuple[float, int, Event]] = [(0.0, 0, RunStarted())]
    count = 0
    while scheduler.finished is None:
        now, _, event = heappop(agenda)
        for command in scheduler.handle(event, now):
            count += 1
            if type(command) is StartAttempt:
                end = AttemptSucceeded(command.task, command.attempt)
                heappush(agenda, (now + seconds[command.task], count, end))
            elif type(command) is WakeAt:
                heappush(agenda, (command.at, count, TimePassed()))


def _by_engine(plan: Plan) -> None:
    Rehearsing(Blueprint(plan), sigma=0, faults=Faults(policed=False), traced=False).run()


def _graphlib(plan: Plan) -> None:
    sorter = graphlib.TopologicalSorter({t.id: t.needs for t in plan.tasks})
    sorter.prepare()
    while sorter.is_active():
        sorter.done(*sorter.get_ready())


def _graphlib_threads(plan: Plan) -> None:
    sorter = graphlib.TopologicalSorter({t.id: t.needs for t in plan.tasks})
    sorter.prepare()
    with ThreadPoolExecutor(64) as pool:
        running: dict[Future[None], str] = {}
        while sorter.is_active():
            for name in sorter.get_ready():
                running[pool.submit(int)] = name
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            sorter.done(*(running.pop(future) for future in ended))


def million(size: int = 1_000_000) -> None:
    """A plan of a million tasks: built, checked, ranked, run in virtual time."""
    print(f"\n{size:,} tasks, 120 pools with 20 slots and a bucket each: CPU s, resident MiB\n")
    print("| step | s | MiB |\n| --- | --- | --- |")
    marks = [time.process_time()]

    def mark(what: str) -> None:
        marks.append(time.process_time())
        mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"| {what} | {marks[-1] - marks[-2]:.1f} | {mib} |", flush=True)

    plan = layered_instance(size)
    mark("make the plan's objects")
    gc.collect()
    gc.freeze()
    blueprint = Blueprint(plan)
    mark("check, lay out flat, rank, order")
    run = Rehearsing(blueprint, sigma=0, faults=Faults(policed=False), traced=False)
    run.run()
    mark("run to the end in virtual time")
    layout = kernel.lay_out(blueprint)
    alone = kernel.run(blueprint, layout, blueprint.durations)
    mark("the bare loop alone, in Python")
    compiled.makespan(blueprint)  # Compiles it, and is not timed.
    marks.append(time.process_time())
    quick = compiled.makespan(blueprint)
    mark("the bare loop, compiled by numba")
    bound = bound_of(blueprint)
    mark("lower bounds")
    print(f"\nthe three makespans are {'equal' if run.makespan == alone == quick else 'DIFFERENT'}", end="; ")
    print(
        f"makespan {run.makespan / 1e6:,.0f} s, {run.makespan / 1e6 / bound.seconds:.4f} x the bound ({bound.binding})"
    )
