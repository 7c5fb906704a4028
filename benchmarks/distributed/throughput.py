"""Ledger: events/s on SQLite and PostgreSQL. Workers: latency of an idle pool, tasks/s over 1, 2, 4 workers, coordinator's CPU.

Usage: python benchmarks/distributed/throughput.py. Client, workers and PostgreSQL (fsync on) share the machine.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

TESTS = Path(__file__).parents[2] / "tests"
sys.path[:0] = [str(TESTS)]

from chainfleet.ledger.database import Place, Postgres
from chainfleet.ledger.store import Entry, Ledger
from chainfleet.model.fleet_file import load_fleet
from chainfleet.model.task import Phase, Plan, Task
from chainfleet.runtime.distribution import Distribution
from chainfleet.runtime.operations import open_environment, start_run
from chainfleet.runtime.state import StateFolder
from chainfleet.scheduling.planning import make_plan
from postgresql_server import PostgresqlServer

EXAMPLE = Path(__file__).parents[2] / "examples" / "chain-138.yaml"
PROGRAMS = TESTS / "distributed" / "programs.py"


def events(place: Place, count: int = 40_000) -> float:
    """Records a second, eight in a batch, as a coordinator writes them."""
    ledger = Ledger(place, "b")
    began = time.perf_counter()
    for _ in range(count // 8):
        last = ledger.append([Entry("r", 0.0, "record", "t", '{"type":"TimePassed"}' + " " * 120)] * 8)
    last.result()
    took = time.perf_counter() - began
    ledger.close()
    return count / took


def run_on_workers(
    server: PostgresqlServer, workers: int, tasks: int, chained: bool, seconds: str
) -> tuple[float, float, list[float]]:
    """Wall seconds, coordinator's CPU seconds, and seconds of each attempt by the coordinator's own clock."""
    fleet = load_fleet(str(EXAMPLE), lambda _: EXAMPLE.read_text(), {}).fleet
    with tempfile.TemporaryDirectory() as folder:
        home, world = Path(folder) / "home", Path(folder) / "world"
        world.mkdir()
        name = f"b{time.monotonic_ns()}"
        arguments = ["worker", server.url, str(home), str(world), seconds, "10"]
        slots = {**os.environ, "SLOTS": str(max(8, -(-tasks // workers)) if seconds != "0" else 32)}
        processes = [
            subprocess.Popen([sys.executable, PROGRAMS, *arguments], stdout=subprocess.DEVNULL, env=slots)
            for _ in range(workers)
        ]
        time.sleep(4)
        plan = _plan(make_plan(fleet, "r"), tasks, chained=chained)
        try:
            with open_environment(fleet, StateFolder(home / name, server.url), {}) as environment:
                environment.distribution = Distribution(EXAMPLE.read_text(), 1.0, {"": "default"})
                began = time.perf_counter()
                result = asyncio.run(start_run(environment, plan, "b-deploy", lambda _: []))
                took = time.perf_counter() - began
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(timeout=60)
    return took, result.cpu_s, [span.end - span.start for span in result.view.spans if span.end is not None]


def _plan(plan: Plan, count: int, *, chained: bool) -> Plan:
    """That many tasks that draw from no limit, side by side or one after the other."""
    first = replace(plan.tasks[0], region=None) if plan.tasks else Task("besu/t/0", Phase.BESU)
    tasks = tuple(
        replace(
            first,
            id=f"besu/t/{n}",
            phase=Phase.BESU,
            after=(f"besu/t/{n - 1}",) if chained and n else (),
            demands=(),
        )
        for n in range(count)
    )
    return replace(plan, tasks=tasks, limits=())


def main() -> None:
    server = PostgresqlServer({"fsync": "on"})
    try:
        server.start()
        with tempfile.TemporaryDirectory() as folder:
            lite = [events(Path(folder) / f"{n}.db") for n in range(3)]
        big = [events(Postgres(server.url, f"bench{n}")) for n in range(3)]
        print(f"load {os.getloadavg()[0]:.1f}")
        print(
            f"ledger events/s: SQLite {statistics.median(lite):,.0f}, PostgreSQL {statistics.median(big):,.0f}",
            flush=True,
        )
        _, _, spans = run_on_workers(server, 1, 60, True, "0")
        spans.sort()
        print(
            f"start to end of an empty attempt, idle pool: P50 {spans[30] * 1e3:.0f} ms, P95 {spans[57] * 1e3:.0f} ms",
            flush=True,
        )
        for workers in (1, 2, 4):
            took, cpu, _ = run_on_workers(server, workers, 400, False, "0")
            print(
                f"{workers} workers: {400 / took:.0f} empty tasks/s, coordinator {cpu:.1f} CPU-s", flush=True
            )
        took, cpu, _ = run_on_workers(server, 2, 1000, False, "10")
        print(
            f"1,000 tasks of 2-18 s at once: {took:.1f} s, coordinator {cpu:.1f} CPU-s ({cpu / took:.0%} of a core)",
            flush=True,
        )
    finally:
        server.remove()


if __name__ == "__main__":
    main()
