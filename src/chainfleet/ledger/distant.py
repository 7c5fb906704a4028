"""The lease of an environment whose database may be out of reach: it says for how long its holder may still act.

Cut off, a coordinator can't know whether another one has taken over. So it counts from before the last renewal that was
confirmed was sent, by its own clock, and must have ended what it does before the lease can have run out. All of that has
to hold while the line is dead and no answer ever comes: renewing and asking have a line and a thread of their own each,
and nobody waits for either without a bound.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from math import inf

from chainfleet.model.errors import ChainfleetError, EnvironmentProblem, LeaseLost, LeaseUnconfirmed

from .database import PATIENCE_S, Postgres
from .lease import TTL_S, Lease
from .postgres import PostgresConnection

SAFE = 0.7
"""Share of a lease without a confirmed renewal after which nothing may be done any more; the rest is for ending it.
With 20 s a database may be away for 12 s: the last renewal, and finding the database again, take a second each."""
RENEWALS = 20
"""Renewals in a lease."""
SILENCE = 0.15
"""Share of a lease after which a line that is silent is dead, and another one is tried."""


class DistantLease(Lease):
    """A held lease that renews itself, on a thread of its own, until it is released.

    Args:
        place: where it lies.
        ttl_s: seconds from a renewal until others may take it.
    """

    renew_every_s = 1.0

    def __init__(self, place: Postgres, *, ttl_s: float = TTL_S) -> None:
        silence_s = SILENCE * ttl_s
        # Without patience, so that each try counts from when it was made.
        self._renewing = PostgresConnection(place, patience_s=0.0, silence_s=silence_s)
        try:
            # Nobody who asks waits longer than the lease lasts.
            asking = PostgresConnection(place, patience_s=ttl_s, silence_s=silence_s)
            super().__init__(place, ttl_s=ttl_s, connection=asking)
        except BaseException:
            self._renewing.close()
            raise
        self._failure: ChainfleetError | None = None
        self._unanswered: float | None = None
        """Since when the database has been asked for a renewal in vain."""
        self._released = threading.Event()
        self._asking = ThreadPoolExecutor(1, thread_name_prefix="fence")
        self._keeping = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._keeping.start()

    def _take(self) -> int:
        self._heard = time.monotonic()
        return super()._take()

    @property
    def left_s(self) -> float:
        """See `Lease`."""
        if isinstance(self._failure, LeaseLost):
            return -inf
        return self._heard + SAFE * self._ttl_s - time.monotonic()

    def renew(self) -> None:
        """Say what has become of the renewals.

        Raises:
            LeaseLost: somebody else has it, or the ledger is gone.
            EnvironmentProblem: the database has been away for `database.PATIENCE_S`.
        """
        self._raise_if_lost()
        since = self._unanswered
        if since is not None and time.monotonic() - since > PATIENCE_S:
            message = f"can't reach the ledger {self._place}: it has not answered for {PATIENCE_S:.0f} s"
            way_out = "check that PostgreSQL runs and can be reached; `resume` goes on from there"
            raise self._failure or EnvironmentProblem(message, way_out=way_out)

    def check(self) -> None:
        """Raise LeaseLost if it is no longer ours, LeaseUnconfirmed if that can't be asked before it may not be."""
        self._raise_if_lost()
        asked = self._asking.submit(super().check)
        try:
            asked.result(timeout=max(0.0, self.left_s))
        except (TimeoutError, EnvironmentProblem):
            asked.cancel()
            raise _unconfirmed() from None
        if self.left_s <= 0:
            raise _unconfirmed()

    def release(self) -> None:
        """Give it back, so that the next one need not wait; where the database is away it runs out by itself."""
        self._released.set()
        self._keeping.join(self._ttl_s / 2)
        self._asking.shutdown(wait=False, cancel_futures=True)
        self._connection.close()

    def _keep(self) -> None:
        while not (self._released.wait(self._ttl_s / RENEWALS) or isinstance(self._failure, LeaseLost)):
            began = time.monotonic()
            self._unanswered = self._unanswered or began
            try:
                self._prolong(self._renewing, self._renewing.clock)
            except LeaseLost as error:
                self._failure = error
            except ChainfleetError as error:
                # The first one says what happened, the others only that it has.
                self._failure = self._failure or error
            else:
                self._heard, self._failure, self._unanswered = began, None, None
        # By this thread, so that no renewal comes after it.
        with suppress(ChainfleetError):
            self._give_back(self._renewing)
        self._renewing.close()

    def _raise_if_lost(self) -> None:
        if isinstance(self._failure, LeaseLost):
            raise self._failure


def _unconfirmed() -> LeaseUnconfirmed:
    message = "the database could not be asked whether another coordinator took over"
    return LeaseUnconfirmed(message, way_out="check that PostgreSQL can be reached; `resume` goes on")
