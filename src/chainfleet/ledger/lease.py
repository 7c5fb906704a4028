"""Only one coordinator may run an environment: a lease row with a counter that only grows (the fence).

A coordinator that lost its lease finds a higher counter and must not have effects any more. The holder's name says
host and process, so that a lease left behind by a killed process on this host is taken over at once. Time is the
database's where it has a clock of its own: machines need not agree on theirs.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

from chainfleet.model.errors import LeaseLost

from .database import Connection, Place, connect, identity

TTL_S = 20.0
NAME = "coordinator"
"""The lease of whoever runs an environment."""

TAKE = """
INSERT INTO lease VALUES (?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, fence = excluded.fence, expires = excluded.expires
"""


class Lease:
    """A held lease; `fence` is its counter."""

    def __init__(self, place: Place, *, wall: Callable[[], float] | None = None, name: str = NAME) -> None:
        self._place = place
        self._connection = connect(place)
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

    def renew(self) -> None:
        """Prolong it; raises LeaseLost if somebody else has it, or the ledger is gone."""
        if not self._is_there():
            message = f"the ledger {self._place} was removed while it was in use"
            raise LeaseLost(message, way_out="deploy again: what exists is adopted")
        sql = "UPDATE lease SET expires = ? WHERE name = ? AND fence = ?"
        if not self._connection.change(sql, (self._wall() + TTL_S, self.name, self.fence)):
            raise self._lost()

    def check(self) -> None:
        """Raise LeaseLost if it is no longer ours; called before every effect."""
        if self._connection.rows("SELECT fence FROM lease WHERE name = ?", (self.name,)) != [(self.fence,)]:
            raise self._lost()

    def release(self) -> None:
        """Give it back, so that the next one need not wait."""
        sql = "UPDATE lease SET expires = 0 WHERE name = ? AND fence = ?"
        try:
            self._connection.change(sql, (self.name, self.fence))
        finally:
            self._connection.close()

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
            if row is not None and row[2] > now and not _is_dead(row[0]):
                host, pid, _ = row[0].split(":")
                message = f"process {pid} on {host} is running this environment"
                raise LeaseLost(
                    message, way_out="wait until it ends or stop it; `chainfleet status` shows what it does"
                )
            fence: int = (row[1] if row else 0) + 1
            connection.change(TAKE, (self.name, self.holder, fence, now + TTL_S))
        return fence

    def _lost(self) -> LeaseLost:
        return LeaseLost("another coordinator took over this environment", way_out="leave it to that one")


def holder_of(place: Place, *, name: str = NAME) -> str | None:
    """Who runs this environment now, as `process PID on HOST`; None if nobody does."""
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
