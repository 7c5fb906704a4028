"""The same graph, the same sleeps, in real time: make, ninja, xargs phases, graphlib and our scheduler.

Everybody has one pool of slots, because make and xargs know no more. Every task is a process `sleep`.
"""

from __future__ import annotations

import asyncio
import graphlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from pathlib import Path

from instances import fleet_instance
from throwaway import Peers

from chainfleet.model.event import AttemptSucceeded, RunStarted, StartAttempt
from chainfleet.model.task import Demand, Limit, LimitKind, Phase, Plan
from chainfleet.scheduling.bounds import lower_bound
from chainfleet.scheduling.improving import EFFORT
from chainfleet.scheduling.scheduler import Scheduler


def one_pool(seed: int, slots: int, scale: float) -> Plan:
    """The 24-region graph with one limit for everybody, durations divided by `scale`."""
    plan = fleet_instance(seed)
    tasks = tuple(
        replace(
            t, demands=(Demand("all"),), estimate=replace(t.estimate, median_s=t.estimate.median_s / scale)
        )
        for t in plan.tasks
    )
    return replace(plan, tasks=tasks, limits=(Limit("all", LimitKind.CONCURRENCY, slots),))


def race(
    others: Peers, slots: tuple[int, ...] = (6, 12, 24, 48), scale: float = 1000.0, seed: int = 1
) -> None:
    """Wall seconds of everybody on the same graph."""
    print(
        f"\n24 regions x 12 tasks, durations / {scale:g}, each a `sleep` process: wall s (over lower bound)\n"
    )
    print(f"| | {' | '.join(f'{s} slots' for s in slots)} |\n| --- |{' --- |' * len(slots)}")
    plans = {s: one_pool(seed, s, scale) for s in slots}
    bounds = {s: lower_bound(p).seconds for s, p in plans.items()}
    print(f"| lower bound | {' | '.join(f'{bounds[s]:.2f}' for s in slots)} |")
    theirs: dict[str, Callable[[Plan, int], bool | float]] = {
        "Dask, threads": partial(_program, others, "dask_graph"),
        "Prefect, threads": partial(_program, others, "prefect_graph"),
        "Ansible, strategy free": partial(_ansible, others, "free"),
        "Ansible, strategy linear": partial(_ansible, others, "linear"),
    }
    for name, run in {**RUNNERS, **theirs}.items():
        cells = []
        for count in slots:
            began = time.perf_counter()
            made = run(plans[count], count)
            # Programs that take long to start say themselves how long the graph took.
            took = made if isinstance(made, float) else time.perf_counter() - began
            cells.append(f"{took:.2f} ({took / bounds[count]:.2f})" if made else "failed")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _ours(plan: Plan, _: int) -> bool:
    asyncio.run(_drive(Scheduler(plan)))
    return True


def _ours_searched(plan: Plan, _: int) -> bool:
    asyncio.run(_drive(Scheduler(plan, effort=EFFORT // 10)))
    return True


async def _drive(scheduler: Scheduler) -> None:
    seconds = {t.id: t.estimate.median_s for t in scheduler.plan.tasks}
    inbox: asyncio.Queue[AttemptSucceeded | RunStarted] = asyncio.Queue()
    inbox.put_nowait(RunStarted())
    alive = set()

    async def attempt(start: StartAttempt) -> None:
        process = await asyncio.create_subprocess_exec("sleep", f"{seconds[start.task]:.4f}")
        await process.wait()
        inbox.put_nowait(AttemptSucceeded(start.task, start.attempt))

    while scheduler.finished is None:
        for command in scheduler.handle(await inbox.get(), time.monotonic()):
            if isinstance(command, StartAttempt):
                alive.add(asyncio.create_task(attempt(command)))


def _graphlib(plan: Plan, slots: int) -> bool:
    seconds = {t.id: t.estimate.median_s for t in plan.tasks}
    sorter = graphlib.TopologicalSorter({t.id: t.needs for t in plan.tasks})
    sorter.prepare()
    with ThreadPoolExecutor(slots) as pool:
        running: dict[Future[object], str] = {}
        while sorter.is_active():
            for name in sorter.get_ready():
                running[pool.submit(subprocess.run, ["sleep", f"{seconds[name]:.4f}"], check=True)] = name
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            sorter.done(*(running.pop(future) for future in ended))
    return True


def _make(plan: Plan, slots: int) -> bool:
    return _tool("make", ["-s", "-f", "build.mk", f"-j{slots}", "all"], "build.mk", _makefile(plan))


def _makefile(plan: Plan) -> str:
    lines = [
        f".PHONY: all {' '.join(t.id for t in plan.tasks)}",
        f"all: {' '.join(t.id for t in plan.tasks)}",
    ]
    for t in plan.tasks:
        lines += [f"{t.id}: {' '.join(t.needs)}", f"\t@sleep {t.estimate.median_s:.4f}"]
    return "\n".join(lines) + "\n"


def _ninja(plan: Plan, slots: int) -> bool:
    lines = ["rule s", "  command = sleep $t && touch $out"]
    for t in plan.tasks:
        name, needs = t.id.replace("/", "."), " ".join(n.replace("/", ".") for n in t.needs)
        lines += [f"build {name}: s {needs}", f"  t = {t.estimate.median_s:.4f}"]
    return _tool("ninja", ["--quiet", f"-j{slots}"], "build.ninja", "\n".join(lines) + "\n")


def _tool(name: str, arguments: list[str], file: str, text: str) -> bool:
    path = shutil.which(name)
    if path is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / file).write_text(text)
        subprocess.run([path, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return True


def _xargs(plan: Plan, slots: int) -> bool:
    """One `xargs -P` per step of each phase, as scripts do it: all regions, then the next step."""
    depth: dict[str, int] = {}
    for t in plan.tasks:
        depth[t.id] = 1 + max((depth[n] for n in t.needs), default=0)
    for phase in Phase:
        for level in sorted({depth[t.id] for t in plan.tasks if t.phase is phase}):
            times = [
                f"{t.estimate.median_s:.4f}" for t in plan.tasks if t.phase is phase and depth[t.id] == level
            ]
            subprocess.run(
                ["xargs", "-P", str(slots), "-n", "1", "sleep"], input="\n".join(times), text=True, check=True
            )
    return True


def _program(others: Peers, program: str, plan: Plan, slots: int) -> float:
    """The graph in one of the peers' programs; its sleeps are calls, not processes."""
    tasks = [[t.id, t.estimate.median_s, list(t.needs)] for t in plan.tasks]
    answer = others.run(program, {"slots": slots, "tasks": tasks}, seconds=90)
    return float(answer.get("wall_s", 0.0))


def _ansible(others: Peers, strategy: str, plan: Plan, slots: int) -> bool:
    """A play over 24 hosts, all of them this machine, with as many forks as there are slots."""
    steps: dict[str, dict[str, float]] = {}
    for t in plan.tasks:
        phase, action, region = t.id.split("/")
        steps.setdefault(f"{phase}_{action}".replace("-", "_"), {})[region] = t.estimate.median_s
    hosts = sorted({region for by_region in steps.values() for region in by_region})
    lines = ["[all]"]
    for host in hosts:
        values = " ".join(f"{step}={by_region[host]:.4f}" for step, by_region in steps.items())
        lines.append(
            f"{host} ansible_connection=local ansible_python_interpreter={others.bin}/python {values}"
        )
    play = [f"- hosts: all\n  gather_facts: false\n  strategy: {strategy}\n  tasks:"]
    play += [f"    - raw: sleep {{{{ {step} }}}}" for step in steps]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "hosts.ini").write_text("\n".join(lines) + "\n")
        (Path(folder) / "play.yml").write_text("\n".join(play) + "\n")
        command = [f"{others.bin}/ansible-playbook", "-i", "hosts.ini", "-f", str(slots), "play.yml"]
        environ = {**os.environ, "ANSIBLE_HOME": folder, "LC_ALL": "C.UTF-8"}
        done = subprocess.run(command, cwd=folder, check=False, capture_output=True, timeout=300, env=environ)
    return done.returncode == 0


RUNNERS: dict[str, Callable[[Plan, int], bool | float]] = {
    "chainfleet, searched (the search included)": _ours_searched,
    "chainfleet, longest path first": _ours,
    "ninja": _ninja,
    "GNU make": _make,
    "graphlib + threads": _graphlib,
    "xargs -P, step by step": _xargs,
}
