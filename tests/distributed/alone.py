"""A coordinator that carries out attempts itself, as a process of its own: `alone.py URL HOME WORLD STEPS LEASE`.

Each attempt is a child process, as Terraform is; every step of it is a line in the world's `story`, in the order in which
they happened, whatever the ledger says. It stands by while another one runs the environment.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from chainfleet.drivers.driver import Attempt, Outcome
from chainfleet.drivers.terraform import process
from chainfleet.ledger.projection import project
from chainfleet.model.errors import ChainfleetError, LeaseLost
from chainfleet.model.fleet_file import load_fleet
from chainfleet.model.task import Demand, Limit, LimitKind, Mode, Phase, Plan, Policy, Task
from chainfleet.runtime.operations import continue_run, open_environment, start_run
from chainfleet.runtime.registry import Drivers
from chainfleet.runtime.state import StateFolder

ALONE = Path(__file__)
EXAMPLE = Path(__file__).parents[2] / "examples" / "chain-138.yaml"
RUN = "r-deploy"
TASKS = [f"besu/t/{number}" for number in range(4)]
STEP = """n=0; while [ $n -lt $3 ]; do n=$((n+1)); echo "$2" >> "$1"; sleep 0.1; done"""
"""What the child does: writes its line again and again."""


class ChildDriver:
    """`change` runs a child of so many steps; what was done is a file."""

    def __init__(self, world: Path, steps: int) -> None:
        self.world = world
        self.steps = steps

    def tell(self, what: str, task: str = "") -> None:
        with (self.world / "story").open("a") as stream:
            stream.write(f"{line(what, task)}\n")

    async def observe(self, attempt: Attempt) -> Outcome | None:
        return Outcome() if self._file(attempt).exists() else None

    async def change(self, attempt: Attempt) -> Outcome:
        attempt.fence()
        self.tell("began", attempt.task.id)
        story, act = str(self.world / "story"), line("acts", attempt.task.id)
        command = ["sh", "-c", STEP, "child", story, act, str(self.steps)]
        await process.run(
            command, folder=attempt.workspace, environ=os.environ, on_line=lambda _: None, grace_s=1.0
        )
        attempt.fence()
        self.tell("effect", attempt.task.id)
        self._file(attempt).touch()
        return Outcome()

    async def undo(self, attempt: Attempt) -> Outcome:
        raise NotImplementedError("nothing is undone here")

    def _file(self, attempt: Attempt) -> Path:
        return self.world / attempt.task.id.replace("/", ".")


def line(what: str, task: str) -> str:
    """A line of the story: what this process did."""
    return json.dumps([what, task, os.getpid()])


def plan() -> Plan:
    """A few tasks that have nothing to do with one another."""
    tasks = [Task(name, Phase.BESU, demands=(Demand("besu/slots"),)) for name in TASKS]
    limits = (Limit("besu/slots", LimitKind.CONCURRENCY, len(tasks)),)
    return Plan("chain-138", "r1", Mode.ULTRA, tuple(tasks), limits, Policy())


def patiently(work: Callable[[], str]) -> str:
    """As a standby does: again until nobody else runs the environment."""
    while True:
        try:
            return work()
        except LeaseLost as error:
            if "is running this environment" not in error.message:
                raise
        time.sleep(0.2)


def main(url: str, home: str, world: str, steps: str, lease: str) -> None:
    fleet = load_fleet(str(EXAMPLE), lambda _: EXAMPLE.read_text(), {}).fleet
    driver = ChildDriver(Path(world), int(steps))

    async def of(_: Drivers, __: Task) -> ChildDriver:
        return driver

    Drivers.of = of  # type: ignore[assignment, method-assign]

    def run() -> str:
        state = StateFolder(Path(home) / "alone", url)
        with open_environment(fleet, state, {}, lease_s=float(lease)) as environment:
            driver.tell("took over")
            environment.tell = lambda text: driver.tell(text)
            if RUN in environment.ledger.runs():
                view = project(RUN, environment.ledger.records(RUN))
                result = asyncio.run(continue_run(environment, view, lambda _: []))
            else:
                result = asyncio.run(start_run(environment, plan(), RUN, lambda _: []))
        return result.finish.verdict.value

    try:
        driver.tell(patiently(run))
    except ChainfleetError as error:
        driver.tell(error.message)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main(*sys.argv[1:])
