"""Runs the controllers: changes become keys in a queue, every key is reconciled soon and once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Protocol

from ... import background
from ..errors import ApiError
from ..store import Change, Key
from ..world import World

_log = logging.getLogger(__name__)

RETRY_S = 5.0
"""Emulated seconds until a key whose reconciliation was refused is tried again."""


class Controller(Protocol):
    """Moves the objects of one kind."""

    def keys(self, change: Change) -> Iterable[Key]:
        """The objects (namespace, name) that a change concerns."""
        ...

    def reconcile(self, namespace: str, name: str) -> None:
        """Move one object a step closer; called again after every change that concerns it."""
        ...


class Manager:
    """The queue of one cluster."""

    def __init__(self, world: World, controllers: Sequence[Controller]) -> None:
        self._world = world
        self._controllers = controllers
        self._queue: dict[tuple[int, Key], None] = {}
        self._scheduled = False
        self._stopped = False
        self._tasks: set[asyncio.Task[None]] = set()

    def note(self, change: Change) -> None:
        """Queue what a change concerns."""
        for index, controller in enumerate(self._controllers):
            for key in controller.keys(change):
                self.enqueue(index, key)

    def enqueue(self, index: int, key: Key) -> None:
        """Queue one key of one controller."""
        self._queue[index, key] = None
        if not self._scheduled and not self._stopped:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._drain)

    async def stop(self) -> None:
        """Reconcile no more."""
        self._stopped = True
        await background.stop(*self._tasks)

    def _drain(self) -> None:
        self._scheduled = False
        if self._stopped:
            return
        pending, self._queue = list(self._queue), {}
        for index, key in pending:
            try:
                self._controllers[index].reconcile(*key)
            except ApiError as refused:
                _log.info("%s %s: %s", type(self._controllers[index]).__name__, key, refused.message)
                self._later(index, key)
            except Exception:  # a mistake with one object must not lose the keys of all others
                _log.exception("%s %s", type(self._controllers[index]).__name__, key)
                self._later(index, key)

    def _later(self, index: int, key: Key) -> None:
        async def again() -> None:
            await self._world.clock.sleep(RETRY_S)
            self.enqueue(index, key)

        task = background.begin(again(), f"{type(self._controllers[index]).__name__} {key} again")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
