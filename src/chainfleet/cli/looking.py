"""What commands share that look at, or serve, a deployed network without running a plan."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

from chainfleet.drivers.driver import Attempt
from chainfleet.ledger.store import Ledger
from chainfleet.model.fleet import Fleet
from chainfleet.model.task import Phase, Task
from chainfleet.runtime.operations import scaled, task_environ
from chainfleet.runtime.state import StateFolder
from chainfleet.runtime.targets import TargetOptions, load, open_target

Outputs = Mapping[str, Mapping[str, Any]]
Work = Callable[[Fleet, Path, Mapping[str, str], Outputs], Coroutine[Any, Any, None]]
"""Fleet, workspace, environment, outputs of tasks → what to do."""


def with_environment(path: Path, where: TargetOptions, work: Work) -> None:
    """Reach the fleet's cloud and do something there; no lease is held, a deployment may go on beside it."""
    declared = load(path)
    state = where.state_folder(declared.fleet.name)
    with open_target(where, state) as cloud:
        fleet = scaled(load(path, cloud.environ).fleet, cloud.time_scale)
        environ = task_environ(cloud.environ)
        asyncio.run(work(fleet, state.workspace, environ, recorded_outputs(state, fleet.name)))


def recorded_outputs(state: StateFolder, fleet: str) -> dict[str, Mapping[str, Any]]:
    """What tasks left behind; the clusters are found by it."""
    if not state.ledger.exists():
        return {}
    ledger = Ledger(state.ledger, fleet)
    try:
        return {
            record.subject: json.loads(record.body)
            for run in ledger.runs()
            for record in ledger.records(run)
            if record.kind == "outputs"
        }
    finally:
        ledger.close()


def looking_attempt(
    fleet: Fleet,
    workspace: Path,
    environ: Mapping[str, str],
    outputs: Outputs,
    task: str,
    log: Callable[[str], None] | None = None,
) -> Attempt:
    """An attempt outside any run, for drivers' code that wants one."""
    return Attempt(
        task=Task(task, Phase(task.partition("/")[0])),
        number=1,
        fleet=fleet,
        workspace=workspace,
        log_file=workspace.parent / f"{task.split('/')[1]}.log",
        parallelism=1,
        environ=environ,
        outputs=outputs.__getitem__,
        log=log or say,
        fence=lambda: None,
        observed=lambda _: None,
        progress=lambda _: None,
    )


def stop_on_signals() -> asyncio.Event:
    """Return an event that Ctrl-C and SIGTERM set."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def until_stopped(stop: asyncio.Event, seconds: float) -> None:
    """Wait that long, or until told to stop."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


def say(line: str) -> None:
    """Print a line with the time of day."""
    typer.echo(f"{time.strftime('%H:%M:%S')} {line}")
