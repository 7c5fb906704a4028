"""The portal as a program beside this one, on a free port: for pictures, benchmarks and tests."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer
from typing import IO

START_S = 120.0
"""Seconds until it must have told its address."""
STOP_S = 60.0
"""Seconds that it may take to end after SIGTERM."""


@contextmanager
def portal(
    command: Sequence[str],
    *,
    folder: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    log: int | IO[str] = subprocess.DEVNULL,
) -> Iterator[str]:
    """Run `command`, which is `chainfleet portal` with its options; gives its address, without the sign-in code.

    Raises:
        RuntimeError: it told no address in time.
    """
    process = subprocess.Popen(
        [*command, "--port", "0"],
        cwd=folder,
        env={**environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    try:
        yield _address(process)
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=STOP_S)
        stuck = process.poll() is None
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    if stuck:
        raise RuntimeError(f"the portal did not end within {STOP_S:g} s of SIGTERM")


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    # Killed, it ends its line: reading needs no bound of its own.
    patience = Timer(START_S, process.kill)
    patience.start()
    try:
        for line in process.stdout:
            if found := re.search(r"http://\S+?(?=/#t=)", line):
                return found[0]
    finally:
        patience.cancel()
    raise RuntimeError(f"the portal told no address within {START_S:g} s; it ended with {process.wait()}")
