"""Who uses an emulated cloud: it ends with the last of them, however they went."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import psutil

_WATCH_EVERY_S = 0.5
log = logging.getLogger(__name__)


class Owners:
    """The processes that an emulator serves.

    Args:
        first: who started it; None means that nobody owns it, and it runs until it is told to stop.
        stop: asks the emulator to stop.
    """

    def __init__(self, first: int | None, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._alive: dict[int, psutil.Process] = {}
        self._owned = first is not None
        if first is not None and not self.add(first):
            log.info("owner %d is gone: stopping", first)
            stop()

    def add(self, pid: int) -> bool:
        """One more uses it; False where there is no such process."""
        try:
            self._alive[pid] = psutil.Process(pid)
        except psutil.NoSuchProcess:
            return False
        return True

    def remove(self, pid: int) -> bool:
        """One uses it no longer; True where it stops because nobody is left."""
        self._alive.pop(pid, None)
        if self._alive or not self._owned:
            return False
        log.info("nobody uses it any more: stopping")
        self._stop()
        return True

    async def watch(self) -> None:
        """Look now and then whether they are still there."""
        while True:
            await asyncio.sleep(_WATCH_EVERY_S)
            for pid, process in list(self._alive.items()):
                if not _lives(process):
                    log.info("owner %d is gone", pid)
                    self.remove(pid)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        # Another user's, on a system that hides those: it is there, and nothing may end the watch over the others.
        return True
