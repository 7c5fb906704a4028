"""The same plan ends the same on one machine and on workers, whatever its attempts meet."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chainfleet.model.event import TaskState
from chainfleet.model.fleet import Fleet
from chainfleet.model.task import Plan, Task
from chainfleet.runtime.distribution import Distribution
from chainfleet.runtime.operations import RunResult, open_environment, scaled, start_run
from chainfleet.runtime.registry import Drivers
from chainfleet.runtime.state import StateFolder

sys.path.insert(0, str(Path(__file__).parent))

from programs import EXAMPLE, PROGRAMS, ScriptedDriver
from toy_plans import toy_plan

SEEDS = int(os.environ.get("CHAINFLEET_SEEDS", "6"))
"""How many plans to try."""


@pytest.fixture(scope="module")
def home(postgresql: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of environments that two workers serve."""
    folder = tmp_path_factory.mktemp("same")
    command = [sys.executable, str(PROGRAMS), "scripted", postgresql.url, str(folder)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for worker in workers:
        assert worker.stdout is not None
        assert "serves pool same" in worker.stdout.readline()
    yield folder
    for worker in workers:
        worker.terminate()
        worker.communicate(timeout=60)


def run(
    plan: Plan, faults: dict[str, list[str]], fleet: Fleet, folder: StateFolder, *, workers: bool
) -> RunResult:
    with open_environment(scaled(fleet, 1000.0), folder, {}) as environment:
        (folder.workspace / "faults.json").write_text(json.dumps(faults))
        if workers:
            environment.distribution = Distribution(EXAMPLE.read_text(), 1000.0, {"": "same"})
        return asyncio.run(start_run(environment, plan, "r-deploy", lambda _: []))


def outcome(result: RunResult) -> dict[str, Any]:
    """What counts: how every task, every region and the network ended, and after how many attempts."""
    return {
        "states": dict(result.view.states),
        "attempts": dict(result.view.attempts),
        "reasons": {
            t: reason
            for t, reason in result.view.reasons.items()
            if result.view.states[t] is TaskState.FAILED
        },
        "verdict": result.finish.verdict,
        "regions": dict(result.finish.regions),
    }


def test_any_fault_schedule(
    home: Path, postgresql: Any, chain_138: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scripted(_: Drivers, __: Task) -> ScriptedDriver:
        return ScriptedDriver()

    monkeypatch.setattr(Drivers, "of", scripted)
    seen: set[TaskState] = set()
    for seed in range(SEEDS):
        plan, faults = toy_plan(seed)
        here = run(plan, faults, chain_138, StateFolder(tmp_path / f"local{seed}"), workers=False)
        name = f"s{seed}x{time.monotonic_ns()}"
        there = run(plan, faults, chain_138, StateFolder(home / name, postgresql.url), workers=True)
        assert outcome(there) == outcome(here), f"seed {seed}"
        seen |= set(here.view.states.values())
    assert seen >= {TaskState.SUCCEEDED, TaskState.FAILED, TaskState.SKIPPED}
