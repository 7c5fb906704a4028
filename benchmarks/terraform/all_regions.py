"""Applies, looks again at and destroys every region of a fleet on the emulated cloud; prints what it cost.

    python benchmarks/terraform/all_regions.py [--fleet FILE] [--time-scale N] [--faults NAME] [--embedded]

CPU seconds are those of the Terraform commands, of this process, of the provider and of the emulated cloud.
Memory is the sum of the PSS of all of them, sampled twice a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

from chainfleet.drivers.driver import Attempt, Outcome
from chainfleet.drivers.terraform import TerraformDriver
from chainfleet.drivers.terraform.tool import Tool, embedded
from chainfleet.emulator.client import Running, start
from chainfleet.model.fleet import Fleet
from chainfleet.model.fleet_file import load_fleet
from chainfleet.model.task import Phase, Task

Call = Callable[[Attempt], Awaitable[Outcome | None]]


class Bench:
    """One driver and the outputs of what it did."""

    def __init__(self, fleet: Fleet, workspace: Path, cloud: Running) -> None:
        self.fleet = fleet
        self.environ = {**os.environ, **cloud.environment}
        self.workspace = workspace
        self.driver = TerraformDriver()
        self.outputs: dict[str, Mapping[str, Any]] = {}
        providers = json.loads(cloud.environment["TF_REATTACH_PROVIDERS"])
        self.watched = {"cloud": cloud.pid, "provider": next(iter(providers.values()))["Pid"]}

    def attempt(self, action: str, region: str) -> Attempt:
        task = Task(f"infrastructure/{action}/{region}", Phase.INFRASTRUCTURE, region=region)
        log_file = self.workspace / "logs" / f"{action}.{region}.log"
        log_file.parent.mkdir(parents=True, exist_ok=True)

        def log(line: str) -> None:
            with log_file.open("a") as stream:
                stream.write(line + "\n")

        return Attempt(
            task=task,
            number=1,
            fleet=self.fleet,
            workspace=self.workspace,
            log_file=log_file,
            parallelism=10,
            environ=self.environ,
            outputs=self.outputs.__getitem__,
            log=log,
            fence=lambda: None,
            observed=lambda _: None,
            progress=lambda _: None,
        )

    async def region(self, region: str, call: Call, actions: tuple[str, ...]) -> list[bool]:
        changed = []
        for action in actions:
            attempt = self.attempt(action, region)
            outcome = await call(attempt)
            if outcome is None:
                print(f"  {attempt.task.id}: needs changing")
            else:
                self.outputs.setdefault(attempt.task.id, outcome.outputs)
            changed.append(outcome is None or outcome.changed)
        return changed

    async def measure(self, title: str, call: Call, actions: tuple[str, ...]) -> None:
        start = time.monotonic()
        before = self.cpu()
        peak = asyncio.create_task(self.peak_mib())
        results = await asyncio.gather(*(self.region(r.name, call, actions) for r in self.fleet.regions))
        wall = time.monotonic() - start
        peak.cancel()
        spent = {name: value - before[name] for name, value in self.cpu().items()}
        changed = sum(map(sum, results))
        row = {
            "what": title,
            "wall_s": round(wall, 2),
            "changed": changed,
            "cpu_s": {name: round(value, 2) for name, value in spent.items()},
            "cpu_total_s": round(sum(spent.values()), 2),
            "peak_pss_mib": await peak_of(peak),
        }
        print(json.dumps(row), flush=True)

    def cpu(self) -> dict[str, float]:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        mine = resource.getrusage(resource.RUSAGE_SELF)
        spent = {
            "terraform": children.ru_utime + children.ru_stime,
            "driver": mine.ru_utime + mine.ru_stime,
        }
        for name, pid in self.watched.items():
            times = psutil.Process(pid).cpu_times()
            spent[name] = times.user + times.system
        return spent

    async def peak_mib(self) -> dict[str, float]:
        peak: dict[str, float] = {"all": 0}
        try:
            while True:
                pids = [os.getpid(), *self.watched.values()]
                children = [c.pid for c in psutil.Process().children(recursive=True) if c.pid not in pids]
                total = await asyncio.to_thread(lambda p=pids + children: sum(map(pss_mib, p)))
                if total > peak["all"]:
                    peak = {"all": round(total), "terraform_processes": len(children)}
                await asyncio.sleep(0.5)
        except asyncio.CancelledError:
            return peak


def pss_mib(pid: int) -> float:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


async def peak_of(task: asyncio.Task[dict[str, float]]) -> dict[str, float]:
    return await task


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fleet", default="examples/chain-138.yaml")
    parser.add_argument("--time-scale", type=float, default=60.0)
    parser.add_argument("--faults")
    parser.add_argument("--embedded", action="store_true")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        start(Path(folder) / "cloud", options.time_scale, options.faults, parts="arm,azapi") as cloud,
    ):
        environ = {"MAINNET_RPC_URL": "", **cloud.environment}
        fleet = load_fleet(options.fleet, lambda name: Path(name).read_text(), environ).fleet
        bench = Bench(fleet, Path(folder), cloud)
        if options.embedded:
            command = (sys.executable, "-I", embedded.__file__)
            bench.driver._runner._tools[os.environ["PATH"]] = Tool("embedded terraform", "?", command)
        both = ("network", "cluster")
        await bench.measure("apply", bench.driver.change, both)
        await bench.measure("look again", bench.driver.observe, both)
        print(json.dumps(cloud.control("/stats"))[:2000])
        await bench.measure("destroy", bench.driver.undo, both[::-1])


asyncio.run(main())
