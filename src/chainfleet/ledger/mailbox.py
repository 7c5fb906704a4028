"""What people ask of a coordinator that runs in another process: pause, go on, skip, try again, drain, cancel.

A request is a row that the coordinator takes out and turns into an event; the event is what the ledger keeps.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from chainfleet.model.event import Event

from .codec import decode, encode
from .database import Place, connect


class Ask(StrEnum):
    """What kind of request it is."""

    EVENT = "event"
    """Hand this event to the scheduler."""
    DRAIN = "drain"
    """Start nothing new, let what runs end, and stop."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `event` is None for a drain."""

    ask: Ask
    event: Event | None = None


class Mailbox:
    """The requests table of a ledger that exists."""

    def __init__(self, place: Place, *, wall: Callable[[], float] = time.time) -> None:
        self._connection = connect(place)
        self._wall = wall
        self._lock = threading.Lock()

    def post(self, request: Request) -> None:
        """Leave a request; it is durable when this returns."""
        body = "" if request.event is None else encode(request.event)
        row = (self._wall(), request.ask.value, body)
        self._connection.change("INSERT INTO request (wall, kind, body) VALUES (?, ?, ?)", row)

    def take(self) -> list[Request]:
        """Take out what was asked for, oldest first; from any thread."""
        with self._lock:
            if not self._connection.rows("SELECT 1 FROM request LIMIT 1"):
                return []
            rows = self._connection.rows("DELETE FROM request RETURNING id, kind, body")
        return [Request(Ask(kind), decode(body) if body else None) for _, kind, body in sorted(rows)]

    def close(self) -> None:
        """Let go of the database, once nobody takes anything out any more."""
        with self._lock:
            self._connection.close()
