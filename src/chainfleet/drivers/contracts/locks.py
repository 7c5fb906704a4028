"""One key is used by one process at a time: nonces would collide otherwise."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from chainfleet.model.errors import ErrorClass, TaskFailed

_POLL_S = 0.05


@asynccontextmanager
async def exclusive(path: Path, *, timeout_s: float) -> AsyncIterator[None]:
    """Hold a file's lock; the system gives it back when this process ends, however it ends.

    Raises:
        TaskFailed: STATE_LOCK, another process holds it all that time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        await _acquire(descriptor, path.name, timeout_s)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def briefly(path: Path) -> Iterator[None]:
    """Hold a file's lock for a read and a write; waits for others, who are as brief."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


async def _acquire(descriptor: int, name: str, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            while not _try(descriptor):  # noqa: ASYNC110  # another process gives it back
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        message = f"another process has been sending with this key for {timeout_s:.0f} s ({name})"
        raise TaskFailed(ErrorClass.STATE_LOCK, message, fingerprint="contracts:key-lock") from None


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
