"""Only one coordinator may run an environment: a lease row with a counter that only grows (the fence).

A coordinator that lost its lease finds a higher counter and must not have effects any more. The holder's name says
host and process, so that a lease left behind by a killed process on this host is taken over at once. Time is the
database's where it has a clock of its own: machines need not agree on theirs.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from math import inf
from pathlib import Path

from chainfleet.model.errors import LeaseLost

from .database import Connection, Place, connect, identity

TTL_S = 20.0
NAME = "coordinator"
"""The lease of whoever runs an environment."""

TAKE = """
INSERT INTO lease VALUES (?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, fence = excluded.fence, expires = excluded.expires
WHERE lease.expires = ?
"""
"""Changes nothing where its holder renewed it since it was looked at."""
PROLONG = """
UPDATE lease SET expires = CASE WHEN expires > ? THEN expires ELSE ? END WHERE name = ? AND fence = ?
"""
"""A renewal that was on its way for long takes nothing back from a later one."""


class Lease:
    """A held lease; `fence` is its counter.

    Args:
        place: where it lies.
        wall: the clock it runs out by; the database's if None.
        name: of the lease.
        ttl_s: seconds from a renewal until others may take it.
        connection: to that place, which it closes; None opens one.

    Attributes:
        renew_every_s: how often its holder is to call `renew`.
    """

    renew_every_s = 5.0

    def __init__(
        self,
        place: Place,
        *,
        wall: Callable[[], float] | None = None,
        name: str = NAME,
        ttl_s: float = TTL_S,
        connection: Connection | None = None,
    ) -> None:
        self._place = place
        self._ttl_s = ttl_s
        self.renew_every_s = min(self.renew_every_s, ttl_s / 4)
        self._connection = connection or connect(place)
        # A file that was removed can still be written to, and nobody would ever read it.
        self._identity = identity(place)
        self._wall = wall or self._connection.clock
        self.name = name
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{_birth(os.getpid())}"
        try:
            self.fence = self._take()
        except BaseException:
            self._connection.close()
            raise

    @property
    def left_s(self) -> float:
        """Seconds for which its holder may act without another renewal; below zero if it may not."""
        return inf

    def renew(self) -> None:
        """Prolong it; raises LeaseLost if somebody else has it, or the ledger is gone."""
        if not self._is_there():
            message = f"the ledger {self._place} was removed while it was in use"
            raise LeaseLost(message, way_out="deploy again: what exists is adopted")
        self._prolong(self._connection, self._wall)

    def _prolong(self, connection: Connection, wall: Callable[[], float]) -> None:
        until = wall() + self._ttl_s
        if not connection.change(PROLONG, (until, until, self.name, self.fence)):
            raise self._lost()

    def check(self) -> None:
        """Raise LeaseLost if it is no longer ours; called before every effect."""
        if self._connection.rows("SELECT fence FROM lease WHERE name = ?", (self.name,)) != [(self.fence,)]:
            raise self._lost()

    def release(self) -> None:
        """Give it back, so that the next one need not wait."""
        try:
            self._give_back(self._connection)
        finally:
            self._connection.close()

    def _give_back(self, connection: Connection) -> None:
        connection.change(
            "UPDATE lease SET expires = 0 WHERE name = ? AND fence = ?", (self.name, self.fence)
        )

    def _is_there(self) -> bool:
        try:
            return identity(self._place) == self._identity
        except OSError:
            return False

    def _take(self) -> int:
        connection, now = self._connection, self._wall()
        with connection.writing():
            sql = "SELECT holder, fence, expires FROM lease WHERE name = ?"
            row = next(iter(connection.rows(sql, (self.name,))), None)
            fence: int = (row[1] if row else 0) + 1
            found = row[2] if row else 0.0
            mine = (self.name, self.holder, fence, now + self._ttl_s)
            held = row is not None and row[2] > now and not _is_dead(row[0])
            if held or not connection.change(TAKE, (*mine, found)):
                assert row is not None
                host, pid, _ = row[0].split(":")
                message = f"process {pid} on {host} is running this environment"
                raise LeaseLost(
                    message,
                    way_out="wait until it ends or stop it; `chainfleet status FLEET` shows what it does",
                )
        return fence

    def _lost(self) -> LeaseLost:
        return LeaseLost("another coordinator took over this environment", way_out="leave it to that one")


def open_lease(place: Place, *, ttl_s: float = TTL_S) -> Lease:
    """Take the lease of an environment.

    Raises:
        LeaseLost: another process has it.
    """
    if isinstance(place, Path):
        return Lease(place, ttl_s=ttl_s)
    from .distant import DistantLease

    return DistantLease(place, ttl_s=ttl_s)


def holder_of(place: Place, *, name: str = NAME) -> str | None:
    """Who runs this environment now, as `process PID on HOST`; None if nobody does."""
    # Asking must not make the file: a ledger that is to lie in a database could then begin no more.
    if isinstance(place, Path) and not place.exists():
        return None
    connection = connect(place)
    try:
        return holder_in(connection, connection.clock(), name)
    finally:
        connection.close()


def holder_in(connection: Connection, now: float, name: str = NAME) -> str | None:
    """The same over an open connection, at that wall-clock time."""
    row = next(iter(connection.rows("SELECT holder, expires FROM lease WHERE name = ?", (name,))), None)
    if row is None or row[1] <= now or _is_dead(row[0]):
        return None
    host, pid, _ = row[0].split(":")
    return f"process {pid} on {host}"


def _birth(pid: int) -> str:
    """When a process began, in clock ticks since boot: tells a process from a later one with the same number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return "0"


def _is_dead(holder: str) -> bool:
    host, pid, birth = holder.split(":")
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return birth != _birth(int(pid))
