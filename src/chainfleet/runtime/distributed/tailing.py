"""An attempt's log on its way to the coordinator, where the two don't share the folder that it lies in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

TAIL_S = 0.3
MOST = 1 << 20
"""Characters that are sent at a time."""


def handed_out(name: str) -> str:
    """The log line by which a worker knows that it writes to the coordinator's own file."""
    return f"handed out as {name}"


def writes_to_coordinators_file(log: Path, attempt: str) -> bool:
    """Whether the coordinator has begun the very file that the worker is about to write."""
    return log.exists() and handed_out(attempt) in log.read_text(encoding="utf-8", errors="replace")


async def tail(path: Path, say: Callable[[str], None]) -> None:
    """Say what is appended to a file, several times a second, and the rest when it is cancelled."""
    place, last = 0, False
    while True:
        try:
            await asyncio.sleep(0 if last else TAIL_S)
        except asyncio.CancelledError:
            last = True
        text = ""
        with suppress(FileNotFoundError), path.open(encoding="utf-8", errors="replace") as stream:
            stream.seek(place)
            text = stream.read(MOST)
            place = stream.tell()
        if text:
            say(text)
        elif last:
            return
