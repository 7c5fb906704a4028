"""Asynchronous operations: what goes on after a request was answered, and what status requests tell of it."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from chainfleet.emulator.clock import ScaledClock

from .bodies import Json

log = logging.getLogger(__name__)
_KEPT = 2000


class Work(StrEnum):
    """What an operation does to its resource."""

    WRITE = "write"
    DELETE = "delete"


class Status(StrEnum):
    """Where an operation is."""

    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(slots=True)
class Operation:
    """One operation.

    Attributes:
        id: unique.
        work: what it does.
        key: key of its resource.
        type: type of its resource.
        region: where.
        started: when, as ARM writes it.
        due_s: emulated second at which it ends.
        error: the error it will end with, or ended with; None for success.
        error_status: HTTP status of that error for `Location` polling.
        api_version: for its URLs.
    """

    id: str
    work: Work
    key: str
    type: str
    region: str
    started: str
    due_s: float
    api_version: str
    status: Status = Status.IN_PROGRESS
    ended: str = ""
    error: Json | None = None
    error_status: int = 0

    def document(self, url_path: str) -> Json:
        """The status document."""
        document: Json = {"id": url_path, "name": self.id, "status": self.status, "startTime": self.started}
        if self.status is Status.IN_PROGRESS:
            return document
        document |= {"endTime": self.ended, "percentComplete": 100.0}
        if self.status is Status.FAILED:
            document["error"] = self.error
        return document


class Operations:
    """Runs operations to their end, also those that a restart interrupted.

    Args:
        clock: emulated time.
        finish: does the work at an operation's end; may raise, which fails the operation.
        changed: called after every change, so that the state is kept.
    """

    def __init__(
        self,
        clock: ScaledClock,
        finish: Callable[[Operation], Awaitable[None]],
        changed: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._finish = finish
        self._changed = changed
        self._all: dict[str, Operation] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._over: dict[str, str] = {}

    def start(self, operation: Operation) -> None:
        """Let an operation run; it ends at its due time."""
        self._all[operation.id] = operation
        while len(self._all) > _KEPT:
            oldest = next(iter(self._all))
            if self._all[oldest].status is Status.IN_PROGRESS:
                break
            del self._all[oldest]
            self._over.pop(oldest, None)
        self._arm(operation)
        self._changed()

    def new(
        self, work: Work, key: str, kind: str, region: str, seconds: float, api_version: str
    ) -> Operation:
        """Make an operation that takes that many emulated seconds; `start` lets it run."""
        return Operation(
            id=str(uuid.uuid4()),
            work=work,
            key=key,
            type=kind,
            region=region,
            started=stamp(),
            due_s=self._clock.now() + seconds,
            api_version=api_version,
        )

    def get(self, operation_id: str) -> Operation | None:
        """The operation with that id."""
        return self._all.get(operation_id.lower())

    def abandon(self, operation_id: str) -> None:
        """End an operation whose resource is taken away from it (deletion of its group)."""
        operation = self._all.get(operation_id)
        if operation is not None and operation.status is Status.IN_PROGRESS:
            timer = self._timers.pop(operation_id, None)
            if timer is not None:
                timer.cancel()
            operation.status, operation.ended = Status.FAILED, stamp()
            operation.error = {"code": "OperationPreempted", "message": "The resource is being deleted."}
            operation.error_status = 409

    @property
    def pending(self) -> int:
        """How many are in progress."""
        return sum(1 for operation in self._all.values() if operation.status is Status.IN_PROGRESS)

    def resume(self) -> None:
        """Let operations go on that a restart interrupted."""
        for operation in self._all.values():
            if operation.status is Status.IN_PROGRESS:
                self._arm(operation)

    async def stop(self) -> None:
        """Stop all timers and wait for work that has begun; what is in progress stays so in the state."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._running:
            await asyncio.gather(*self._running, return_exceptions=True)

    def _arm(self, operation: Operation) -> None:
        delay = max(0.0, self._clock.real(operation.due_s - self._clock.now()))
        loop = asyncio.get_running_loop()
        self._timers[operation.id] = loop.call_later(delay, self._due, operation)

    def _due(self, operation: Operation) -> None:
        self._timers.pop(operation.id, None)
        task = asyncio.get_running_loop().create_task(self._end(operation), name=f"operation {operation.id}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _end(self, operation: Operation) -> None:
        try:
            await self._finish(operation)
        except Exception as error:
            log.exception("operation %s on %s failed", operation.id, operation.key)
            operation.error = {
                "code": "InternalOperationError",
                "message": f"{type(error).__name__}: {error}",
            }
            operation.error_status = 500
        operation.ended = stamp()
        operation.status = Status.FAILED if operation.error else Status.SUCCEEDED
        self._changed()

    def dump_json(self) -> str:
        """State as JSON text; operations that are over aren't written out anew."""
        return f"[{','.join(map(self._kept, self._all.values()))}]"

    def _kept(self, operation: Operation) -> str:
        text = self._over.get(operation.id)
        if text is None:
            text = json.dumps(asdict(operation), separators=(",", ":"))
            if operation.status is not Status.IN_PROGRESS:
                self._over[operation.id] = text
        return text

    def load(self, state: object) -> None:
        """Take up a state that `dump_json` gave, parsed; `resume` lets it go on."""
        if not isinstance(state, list):
            raise TypeError("state of the operations isn't a list")
        for values in state:
            operation = _loaded(values)
            self._all[operation.id] = operation


def _loaded(values: dict[str, Any]) -> Operation:
    return Operation(**{**values, "work": Work(values["work"]), "status": Status(values["status"])})


def stamp() -> str:
    """The time as ARM writes it."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
