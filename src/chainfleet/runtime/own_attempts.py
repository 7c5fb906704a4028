"""Attempts that the coordinator carries out itself end before its lease does.

A coordinator that is cut off from the database can't know whether another one has taken over. So when a renewal has not
been confirmed for most of the lease, its attempts are stopped, and nothing begins until one is. If nobody took over
meanwhile they are tried again; else whoever did looks at the world first, and adopts what was done.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import inf
from typing import Any

from chainfleet.ledger.lease import Lease
from chainfleet.model.errors import ErrorClass, LeaseUnconfirmed
from chainfleet.model.event import AttemptFailed, StartAttempt
from chainfleet.model.task import Task

from .attempts import AttemptEnd
from .coordinator import RunAttempt

LOOK_S = 0.25
"""How often to look whether attempts may go on, at least."""

SILENT = "the database has not been heard of: everything is stopped until it is"
HEARD = "the database is heard again: what was stopped is tried again"


@dataclass(slots=True)
class OwnAttempts:
    """Carries out attempts in this process for as long as its lease allows; opened by `own_attempts`.

    Attributes:
        lease: of the environment.
        carry_out: one attempt, see `attempts.run_attempt`.
        tell: takes a line for the operator.
    """

    lease: Lease
    carry_out: RunAttempt
    tell: Callable[[str], None]
    _running: set[asyncio.Task[Any]] = field(default_factory=set)
    _stopped: set[asyncio.Task[Any]] = field(default_factory=set)

    async def run_attempt(self, task: Task, start: StartAttempt) -> AttemptEnd:
        """Carry out one attempt; one that had to be stopped counts as met by something that passes."""
        work = asyncio.current_task()
        assert work is not None
        while self.lease.left_s <= 0:  # noqa: ASYNC110 - the clock alone ends it, no event does
            await asyncio.sleep(LOOK_S)
        self._running.add(work)
        try:
            event, outputs = await self.carry_out(task, start)
        except LeaseUnconfirmed:
            return _interrupted(start), {}
        finally:
            self._running.discard(work)
            stopped = work in self._stopped
            self._stopped.discard(work)
        cancelled = isinstance(event, AttemptFailed) and event.error_class is ErrorClass.CANCELLED
        return (_interrupted(start), {}) if stopped and cancelled else (event, outputs)

    async def watch(self) -> None:
        """Stop attempts in time, for ever."""
        silent = False
        while True:
            left_s = self.lease.left_s
            if left_s <= 0:
                self._stop_all()
            # That it is lost for good is told by whoever ends the run for it.
            if left_s > -inf and silent != (left_s <= 0):
                silent = not silent
                self.tell(SILENT if silent else HEARD)
            await asyncio.sleep(min(left_s, LOOK_S) if left_s > 0 else LOOK_S)

    def _stop_all(self) -> None:
        for work in self._running - self._stopped:
            self._stopped.add(work)
            work.cancel()


@asynccontextmanager
async def own_attempts(
    lease: Lease, carry_out: RunAttempt, tell: Callable[[str], None]
) -> AsyncIterator[OwnAttempts]:
    """What carries out attempts here; while it is open, they are stopped in time."""
    own = OwnAttempts(lease, carry_out, tell)
    watching = asyncio.create_task(own.watch(), name="lease")
    try:
        yield own
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def _interrupted(start: StartAttempt) -> AttemptFailed:
    message = "stopped: the database could not be asked whether another coordinator took over"
    return AttemptFailed(
        start.task, start.attempt, ErrorClass.TRANSIENT, message, fingerprint="lease-unconfirmed"
    )
