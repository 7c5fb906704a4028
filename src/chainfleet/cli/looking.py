"""What commands share that look at, or serve, a deployed network without running a plan."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

from chainfleet.model.fleet import Fleet
from chainfleet.runtime.operations import scaled, task_environ
from chainfleet.runtime.state import StateFolder
from chainfleet.runtime.targets import TargetOptions, load, open_target

Work = Callable[[Fleet, StateFolder, Mapping[str, str]], Coroutine[Any, Any, None]]
"""Fleet, state folder, environment → what to do."""


def with_environment(path: Path, where: TargetOptions, work: Work) -> None:
    """Reach the fleet's cloud and do something there; no lease is held, a deployment may go on beside it."""
    declared = load(path)
    state = where.state_folder(declared.fleet.name)
    with open_target(where, state) as cloud:
        fleet = scaled(load(path, cloud.environ).fleet, cloud.time_scale)
        asyncio.run(work(fleet, state, task_environ(cloud.environ)))


def stop_on_signals() -> asyncio.Event:
    """Return an event that Ctrl-C and SIGTERM set."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def until_stopped(stop: asyncio.Event, seconds: float) -> None:
    """Wait that long, or until told to stop."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()


def say(line: str) -> None:
    """Print a line with the time of day."""
    typer.echo(f"{time.strftime('%H:%M:%S')} {line}")
