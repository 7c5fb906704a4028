"""Runs one attempt of a task in this process and turns whatever happens into one event."""

from __future__ import annotations

import asyncio
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from chainfleet.drivers.driver import Attempt, Outcome
from chainfleet.model.errors import ChainfleetError, ErrorClass, LeaseLost, TaskFailed
from chainfleet.model.event import AttemptFailed, AttemptSucceeded, LimitObserved, StartAttempt
from chainfleet.model.fleet import Fleet
from chainfleet.model.task import Task

from .registry import DriverOf

LOG_LIMIT_BYTES = 8 * 2**20
"""An attempt's log stops growing there; a tool gone wild must not fill the disk."""

AttemptEnd = tuple[AttemptSucceeded | AttemptFailed, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all attempts of a run share.

    Attributes:
        fleet: the resolved fleet.
        workspace: folder of the environment.
        environ: endpoints and credentials for tools and clients.
        log_path: path of the log of (task id, attempt).
        outputs: outputs of a finished task by id; KeyError if it has none.
        fence: raises LeaseLost when effects are no longer allowed.
        observed: takes what was learned about a limit.
        progress: takes (task id, short text) for the live view.
    """

    fleet: Fleet
    workspace: Path
    environ: Mapping[str, str]
    log_path: Callable[[str, int], Path]
    outputs: Callable[[str], Mapping[str, Any]]
    fence: Callable[[], None]
    observed: Callable[[LimitObserved], None]
    progress: Callable[[str, str], None]


async def run_attempt(
    task: Task, start: StartAttempt, surroundings: Surroundings, driver_of: DriverOf, *, undo: bool = False
) -> AttemptEnd:
    """Observe first; change only what isn't right yet.

    Raises:
        LeaseLost: another coordinator took over; nothing may be done any more.
    """
    with opened(task, start, surroundings) as attempt:
        try:
            async with asyncio.timeout(start.timeout_s) as scope:
                outcome = await _carry_out(attempt, driver_of, undo=undo)
        except LeaseLost:
            raise
        except TaskFailed as error:
            attempt.log(f"failed ({error.error_class}): {error}")
            return _failed(start, error), {}
        except asyncio.CancelledError:
            attempt.log("cancelled: stopped while it ran")
            return _failed(start, TaskFailed(ErrorClass.CANCELLED, "stopped while it ran")), {}
        except TimeoutError as error:
            late = TaskFailed(
                ErrorClass.TIMEOUT, f"not done after {start.timeout_s:.0f} s", fingerprint="timeout"
            )
            other = TaskFailed(ErrorClass.TRANSIENT, f"timed out: {error}", fingerprint="inner-timeout")
            return _failed(start, late if scope.expired() else other), {}
        except ChainfleetError as error:
            attempt.log(f"failed: {error}")
            refused = TaskFailed(ErrorClass.CONFIGURATION, error.message, way_out=error.way_out)
            return _failed(start, refused), {}
        except Exception as error:  # whatever a driver does wrong must not end the other 23 regions
            attempt.log(traceback.format_exc())
            return _failed(start, TaskFailed(ErrorClass.INTERNAL, f"{type(error).__name__}: {error}")), {}
    left = UNDONE if undo else outcome.outputs
    return AttemptSucceeded(task.id, start.attempt, changed=outcome.changed), left


UNDONE = {"undone": True}
"""What is written down where a task has undone what it had left behind: its ledger forgets it by that."""


async def _carry_out(attempt: Attempt, driver_of: DriverOf, *, undo: bool) -> Outcome:
    driver = await driver_of(attempt.task)
    if undo:
        attempt.fence()
        return await driver.undo(attempt)
    found = await driver.observe(attempt)
    if found is not None:
        attempt.log("already as it should be")
        return replace(found, changed=False)
    attempt.fence()
    return await driver.change(attempt)


@contextmanager
def opened(task: Task, start: StartAttempt, surroundings: Surroundings) -> Iterator[Attempt]:
    """What an attempt is given, with its log open."""
    path = surroundings.log_path(task.id, start.attempt)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        yield _attempt(task, start, surroundings, stream, path)


def _attempt(
    task: Task, start: StartAttempt, surroundings: Surroundings, stream: TextIO, path: Path
) -> Attempt:
    written = 0

    def log(line: str) -> None:
        nonlocal written
        if stream.closed:
            return  # Work that attempts share goes on for the others when this one is over.
        text = f"{datetime.now(UTC):%H:%M:%S.%f} {line.rstrip()}\n"
        written += len(text)
        if written <= LOG_LIMIT_BYTES:
            stream.write(text)
            stream.flush()
        elif written - len(text) <= LOG_LIMIT_BYTES:
            stream.write("… cut here: the log reached its limit\n")

    log(f"attempt {start.attempt} of {task.id}")
    return Attempt(
        task=task,
        number=start.attempt,
        fleet=surroundings.fleet,
        workspace=surroundings.workspace,
        log_file=path,
        parallelism=start.parallelism,
        environ=surroundings.environ,
        outputs=surroundings.outputs,
        log=log,
        fence=surroundings.fence,
        observed=surroundings.observed,
        progress=lambda text: surroundings.progress(task.id, text),
    )


_VOLATILE = re.compile(r"0x[0-9a-f]+|[0-9a-f]{8}-[0-9a-f-]{27,}|\d+")


def _failed(start: StartAttempt, error: TaskFailed) -> AttemptFailed:
    return AttemptFailed(
        task=start.task,
        attempt=start.attempt,
        error_class=error.error_class,
        message=str(error),
        fingerprint=_VOLATILE.sub("#", error.fingerprint),
        retry_after_s=error.retry_after_s,
        limit=error.limit,
    )
