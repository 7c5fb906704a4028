"""Workers and a coordinator as processes of their own whose world is a folder: `programs.py NAME ARGUMENTS`.

The world tells afterwards who began, acted and ended when, so that the tests need not believe the ledger.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from chainfleet.drivers.driver import Attempt, Outcome
from chainfleet.ledger.projection import project
from chainfleet.model.errors import ErrorClass, LeaseLost, TaskFailed
from chainfleet.model.fleet_file import load_fleet
from chainfleet.runtime.distributed.worker import Worker, WorkerOptions
from chainfleet.runtime.distribution import LEASE_S, Distribution
from chainfleet.runtime.operations import continue_run, open_environment, scaled, start_run
from chainfleet.runtime.state import StateFolder
from chainfleet.scheduling.planning import make_plan

PROGRAMS = Path(__file__)
EXAMPLE = Path(__file__).parents[2] / "examples" / "chain-138.yaml"
RUN = "r-deploy"
LONGER_THAN_A_LEASE_S = float(os.environ.get("CLUSTERS_TAKE", "0"))


class FolderDriver:
    """`change` takes a while, asks the fence and writes a file; every step is a line in `story`."""

    def __init__(self, world: Path, seconds: float) -> None:
        self.world = world
        self.seconds = seconds

    def _tell(self, attempt: Attempt, what: str) -> None:
        line = json.dumps([time.time(), what, attempt.task.id, attempt.number, os.getpid()])
        # One write of a short line to a file opened for appending is whole or not there.
        with (self.world / "story").open("a") as stream:
            stream.write(f"{line}\n")

    def _file(self, attempt: Attempt) -> Path:
        return self.world / attempt.task.id.replace("/", ".")

    async def observe(self, attempt: Attempt) -> Outcome | None:
        if not self._file(attempt).exists():
            return None
        self._tell(attempt, "adopted")
        return Outcome({"genesis_hash": "0x1"})

    async def change(self, attempt: Attempt) -> Outcome:
        self._tell(attempt, "began")
        try:
            attempt.progress("working")
            # Clusters take longer than a lease, so that nobody's work ends by itself before others begin.
            least = LONGER_THAN_A_LEASE_S if attempt.task.action == "cluster" else 0.0
            await asyncio.sleep(least + random.Random(attempt.task.id).uniform(0.2, 1.8) * self.seconds)
            attempt.fence()
            self._tell(attempt, "effect")
            self._file(attempt).touch()
            attempt.log("done")
        except LeaseLost:
            self._tell(attempt, "fenced")
            raise
        finally:
            self._tell(attempt, "ended")
        return Outcome({"genesis_hash": "0x1"})

    async def undo(self, attempt: Attempt) -> Outcome:
        self._file(attempt).unlink(missing_ok=True)
        return Outcome()


class ScriptedDriver:
    """Ends each attempt as `faults.json` in the environment's workspace says; after the list they succeed."""

    async def observe(self, attempt: Attempt) -> Outcome | None:
        return Outcome() if self._file(attempt).exists() else None

    async def change(self, attempt: Attempt) -> Outcome:
        planned = json.loads((attempt.workspace / "faults.json").read_text()).get(attempt.task.id, [])
        fault = planned[attempt.number - 1] if attempt.number <= len(planned) else ""
        if fault == "hang":
            await asyncio.sleep(60)
        if fault == "internal":
            raise ValueError("a driver's own mistake")
        if fault:
            raise TaskFailed(ErrorClass(fault), f"planned {fault}")
        attempt.fence()
        self._file(attempt).touch()
        return Outcome()

    async def undo(self, attempt: Attempt) -> Outcome:
        self._file(attempt).unlink(missing_ok=True)
        return Outcome()

    def _file(self, attempt: Attempt) -> Path:
        return attempt.workspace / f"done.{attempt.task.id.replace('/', '.')}"


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def work(url: str, home: str, world: str, seconds: str, lease: str) -> None:
    driver = FolderDriver(Path(world), float(seconds))
    _serve(url, "default", home, driver, float(lease))


def work_by_script(url: str, home: str) -> None:
    # A machine that stands still for a while must not cost a try: how many there were is compared.
    _serve(url, "same", home, ScriptedDriver(), 12 * LEASE_S)


def _serve(url: str, pool: str, home: str, driver: Any, lease_s: float) -> None:
    async def of(_task: Any) -> Any:
        return driver

    slots, labels = int(os.environ.get("SLOTS", "8")), tuple(os.environ.get("LABELS", "").split())
    options = WorkerOptions(url, pool, Path(home), slots, lease_s=lease_s, grace_s=5.0, labels=labels)
    asyncio.run(Worker(options, say=say, driver_of=of).run())


def coordinate(url: str, home: str, lease: str) -> None:
    document = EXAMPLE.read_text()
    fleet = scaled(load_fleet(str(EXAMPLE), lambda _: document, {}).fleet, 1000.0)
    state = StateFolder(Path(home) / "chaos", url)
    with open_environment(fleet, state, {}) as environment:
        environment.distribution = Distribution(document, 1000.0, {"": "default"}, lease_s=float(lease))
        plan = make_plan(fleet, "r1")
        if RUN not in environment.ledger.runs():
            result = asyncio.run(start_run(environment, plan, RUN, lambda _: []))
        else:
            view = project(RUN, environment.ledger.records(RUN))
            result = asyncio.run(continue_run(environment, view, lambda _: [], retry=[]))
    say(json.dumps({"verdict": result.finish.verdict.value, "attempts": len(result.view.spans)}))


if __name__ == "__main__":
    {"worker": work, "scripted": work_by_script, "coordinator": coordinate}[sys.argv[1]](*sys.argv[2:])
