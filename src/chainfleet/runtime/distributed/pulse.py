"""What ties a worker to the database: it says that it lives, hears what was taken from it, and asks before effects.

A worker that could not be heard for most of a lease stops everything by itself: when the lease is over others are given
its work. All of that must hold while the line is dead and no answer ever comes, so nothing here waits for the database
without a bound, and each of the three has a line and a thread of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from chainfleet.ledger.database import Postgres
from chainfleet.ledger.lease import NAME as COORDINATOR
from chainfleet.model.errors import ChainfleetError, LeaseLost, LeaseUnconfirmed

from .tables import open_tables

BEAT_S = 0.25
"""How often to say that this worker lives, and to look which attempts were taken from it."""
SILENT = 0.6
"""Share of a lease without a beat after which everything is stopped."""

Key = tuple[str, str]
"""An attempt: its environment and name."""


class Pulse:
    """The heartbeat of one worker.

    Args:
        url: address of the database.
        lease_s: how long the worker may be silent.
    """

    def __init__(self, url: str, lease_s: float) -> None:
        self._patience_s = lease_s * SILENT
        # Who waits longer than it may be silent has nothing to say any more: the next beat asks anew.
        self._beats = open_tables(url, patience_s=self._patience_s)
        self._fences = open_tables(url, patience_s=self._patience_s)
        self._beating = ThreadPoolExecutor(1, thread_name_prefix="beat")
        self._asking = ThreadPoolExecutor(1, thread_name_prefix="fence")
        self._worker = 0
        self._beaten = 0.0

    def begin(self, worker: int) -> None:
        """The worker has joined under that number."""
        self._worker = worker
        self._beaten = time.monotonic()

    @property
    def left_s(self) -> float:
        """Seconds until this worker has to stop everything, unless a beat gets through."""
        return self._beaten + self._patience_s - time.monotonic()

    async def beat(self, lost: Callable[[Key], None], silent: Callable[[], None]) -> None:
        """Beat for ever.

        Args:
            lost: is told attempts that were taken from this worker.
            silent: is called again and again while nothing may go on.
        """
        loop = asyncio.get_running_loop()
        pulse: asyncio.Future[list[Key]] | None = None
        began = 0.0
        while True:
            if pulse is None or pulse.done():
                if pulse is not None and pulse.exception() is None:
                    # The lease counts from when it was said, however late the answer came.
                    self._beaten = began
                    for key in pulse.result():
                        lost(key)
                began = time.monotonic()
                pulse = loop.run_in_executor(self._beating, self._tell)
                # Where nobody asks for it any more, it must not be complained of.
                pulse.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
            if self.left_s <= 0:
                silent()
            await asyncio.wait({pulse}, timeout=BEAT_S)
            await asyncio.sleep(BEAT_S)

    def _tell(self) -> list[Key]:
        self._beats.change("UPDATE worker SET seen = clock_timestamp() WHERE id = ?", (self._worker,))
        sql = "SELECT environment, name FROM attempt WHERE worker = ? AND state = 'lost' AND NOT over"
        return [(row[0], row[1]) for row in self._beats.rows(sql, (self._worker,))]

    def check(self, place: Postgres, attempt: str, fence: int) -> None:
        """Raise LeaseLost unless the attempt is still this worker's, and its coordinator still the coordinator.

        Waits no longer than this worker may be silent: who can't ask must not act.
        """
        asked = self._asking.submit(self._is_ours, place, attempt, fence)
        try:
            ours = asked.result(timeout=max(0.0, self.left_s))
        except (TimeoutError, ChainfleetError):
            asked.cancel()
            message = "the database could not be asked whether this attempt is still this worker's"
            raise LeaseUnconfirmed(message, way_out="check that the worker reaches PostgreSQL") from None
        if not ours or self.left_s <= 0:
            raise LeaseLost("this attempt was taken from this worker", way_out="nothing: another one goes on")

    def _is_ours(self, place: Postgres, attempt: str, fence: int) -> bool:
        sql = f"""SELECT 1 FROM attempt WHERE environment = ? AND name = ? AND worker = ? AND state = 'running'
            AND (SELECT fence FROM "{place.schema}".lease WHERE name = ?) = ?"""  # noqa: S608 - a schema's name takes no placeholder
        values = (place.environment, attempt, self._worker, COORDINATOR, fence)
        return bool(self._fences.rows(sql, values))

    def close(self) -> None:
        """Say nothing more."""
        for line in (self._beats, self._fences):
            with suppress(ChainfleetError):
                line.close()
        for hands in (self._beating, self._asking):
            hands.shutdown(wait=False, cancel_futures=True)
