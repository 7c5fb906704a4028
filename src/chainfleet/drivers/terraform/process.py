"""Runs one Terraform command in a process group of its own, and leaves nothing behind.

While it runs, a small file beside the state names it. Whoever finds that file later, after a crash of ours,
knows whether the process still lives and stops it before starting another on the same state.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from chainfleet.model.errors import ErrorClass, TaskFailed

log = logging.getLogger(__name__)

_LINE_LIMIT = 16 * 2**20
"""Longest line of output taken, in bytes: Terraform prints a whole diagnostic as one."""

_KILLED_S = 5.0
"""How long the kernel may take to remove a killed process."""

_RUNNING = ".chainfleet-running.json"


async def run(
    command: Sequence[str],
    *,
    folder: Path,
    environ: Mapping[str, str],
    on_line: Callable[[str], None],
    grace_s: float,
) -> int:
    """Run a command to its end and return its exit code.

    Cancelled, it interrupts the whole process group, waits `grace_s` seconds for an orderly end (Terraform
    then writes its state and frees its lock), and kills what is left.

    Raises:
        TaskFailed: the command can't be started.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env=dict(environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            limit=_LINE_LIMIT,
        )
    except OSError as error:
        raise TaskFailed(
            ErrorClass.CONFIGURATION,
            f"can't start {command[0]}: {error}",
            way_out="check the program's permissions, or install Terraform anew",
        ) from error
    note = folder / _RUNNING
    try:
        note.write_text(json.dumps({"pid": process.pid, "created": _created(process.pid)}), encoding="utf-8")
        await _read(process, on_line)
        return await process.wait()
    finally:
        await asyncio.shield(_end(process, on_line, grace_s))
        note.unlink(missing_ok=True)


async def _read(process: asyncio.subprocess.Process, on_line: Callable[[str], None]) -> None:
    assert process.stdout is not None
    while line := await process.stdout.readline():
        on_line(line.decode(errors="replace").rstrip("\n"))


async def _end(process: asyncio.subprocess.Process, on_line: Callable[[str], None], grace_s: float) -> None:
    """Make sure that the process and its group are gone."""
    if process.returncode is None:
        _signal(process.pid, signal.SIGINT)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await _read(process, _as_long_as_it_takes(on_line))
                await process.wait()
    _signal(process.pid, signal.SIGKILL)
    await process.wait()


def _as_long_as_it_takes(on_line: Callable[[str], None]) -> Callable[[str], None]:
    """A process that has to end is read to its end even where nobody can keep what it says, on a full disk for one."""
    takes = True

    def take(line: str) -> None:
        nonlocal takes
        if takes:
            try:
                on_line(line)
            except Exception:
                log.exception("what a command says while it ends is lost")
                takes = False

    return take


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


async def stop_leftover(folder: Path, *, grace_s: float) -> str:
    """Stop a command that an earlier process of ours started in that folder and that still runs.

    Returns what was done, empty if there was nothing to do.
    """
    note = folder / _RUNNING
    try:
        document = json.loads(note.read_text(encoding="utf-8"))
        pid, created = int(document["pid"]), float(document["created"])
    except (OSError, ValueError, KeyError, TypeError):
        note.unlink(missing_ok=True)
        return ""
    if _created(pid) != created:
        note.unlink(missing_ok=True)
        return f"process {pid} of an earlier run had ended without us"
    _signal(pid, signal.SIGINT)
    with contextlib.suppress(psutil.Error):
        await asyncio.to_thread(_wait, pid, grace_s)
    _signal(pid, signal.SIGKILL)
    with contextlib.suppress(psutil.Error):
        await asyncio.to_thread(_wait, pid, _KILLED_S)
    note.unlink(missing_ok=True)
    return f"stopped process {pid}, left over from an earlier run"


def _wait(pid: int, timeout_s: float) -> None:
    psutil.Process(pid).wait(timeout_s)


def _created(pid: int) -> float:
    """When a process started, in seconds since the epoch; 0 if it does not run. Tells a reused id apart."""
    try:
        process = psutil.Process(pid)
        return 0.0 if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return 0.0
