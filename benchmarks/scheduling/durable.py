"""Tasks a second with everything durable: the real coordinator, ledger and lease, and tasks that do nothing."""

from __future__ import annotations

import asyncio
import gc
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from instances import layered_instance
from throwaway import Peers

from chainfleet.ledger.lease import Lease
from chainfleet.ledger.store import Ledger
from chainfleet.model.event import AttemptSucceeded, RunStarted, StartAttempt
from chainfleet.model.task import Estimate, Plan, Task
from chainfleet.runtime.attempts import AttemptEnd
from chainfleet.runtime.coordinator import Coordinator


def throughput(peers: Peers, sizes: tuple[int, ...], rounds: int = 3) -> None:
    """Best of some rounds each; peers do the same graph once."""
    print("\nNo-op tasks, 64 slots, 3 parents each, every start on the disk before it happens: tasks/s\n")
    print(f"| | durable | {' | '.join(f'{n:,}' for n in sizes)} |\n| --- |{' --- |' * (len(sizes) + 1)}")
    ours = [max(_ours(size) for _ in range(rounds)) for size in sizes]
    print(
        f"| chainfleet, commits forced to the disk | yes | {' | '.join(f'{n:,.0f}' for n in ours)} |",
        flush=True,
    )
    best = 0.0
    for name, program, durable, most in (
        ("DBOS 3.4, SQLite in WAL, steps of one workflow", "dbos_graph", "yes", 10_000),
        ("Prefect 3.8 with its own server, SQLite", "prefect_graph", "yes", 288),
        ("Dask 2026.8, threads", "dask_graph", "no", 10_000),
    ):
        cells = []
        for size in sizes:
            if size > most:
                cells.append("–")
                continue
            answer = peers.run(program, _graph(size), seconds=180)
            speed = size / answer["wall_s"] if "wall_s" in answer else 0.0
            best = max(best, speed) if durable == "yes" else best
            cells.append(f"{speed:,.0f}" if speed else answer["problem"])
        print(f"| {name} | {durable} | {' | '.join(cells)} |", flush=True)
    if best:
        print(f"\n{max(ours) / best:.0f} × the best durable peer (goal: 25 ×)")


def _graph(size: int) -> dict[str, object]:
    plan = layered_instance(size, pools=1, capacity=64, rate=1e9)
    return {"slots": 64, "tasks": [[t.id, 0, list(t.needs)] for t in plan.tasks]}


def _ours(size: int) -> float:
    plan = layered_instance(size, pools=1, capacity=64, rate=1e9)
    unknown = Estimate(0.0, 1.0)  # Nothing is known of how long they take, so no order is searched for.
    plan = replace(plan, tasks=tuple(replace(task, estimate=unknown) for task in plan.tasks))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        ledger, lease = Ledger(path, "benchmark"), None
        try:
            lease = Lease(path)
            gc.collect()
            began = time.perf_counter()
            asyncio.run(_drive(plan, ledger, lease))
            return size / (time.perf_counter() - began)
        finally:
            if lease is not None:
                lease.release()
            ledger.close()


async def _drive(plan: Plan, ledger: Ledger, lease: Lease) -> None:
    async def nothing(task: Task, start: StartAttempt) -> AttemptEnd:
        return AttemptSucceeded(task.id, start.attempt), {}

    coordinator = Coordinator(plan, "run", ledger, lease, nothing, lambda _task, _view: None)
    await coordinator.drive([RunStarted()])
