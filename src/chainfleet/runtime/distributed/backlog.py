"""What a worker has to say to coordinators and could not send yet: logs, progress, observations.

While the database is away it waits here, in its order and within a bound; what had to give way is counted, and the count
is said in its place, in the attempt's own log.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

MOST = 8 << 20
"""Characters that are kept; one attempt writes some 100 KiB of log in a minute."""


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that an attempt said.

    Attributes:
        environment: of the attempt, as `run`, `task` and `number`.
        kind: `log`, `progress` or `observed`.
        body: text of that kind.
        dropped: lines that this one says were dropped.
    """

    environment: str
    run: str
    task: str
    number: int
    kind: str
    body: str
    dropped: int = 0

    @property
    def attempt(self) -> tuple[str, str, str, int]:
        """Whose it is."""
        return self.environment, self.run, self.task, self.number

    @property
    def lines(self) -> int:
        """What is lost with it, in lines of a log; a progress that is out of date is no loss."""
        return self.dropped or (0 if self.kind == "progress" else self.body.count("\n") or 1)


class Backlog:
    """First in, first out; the oldest gives way. Used from any thread.

    Args:
        most: characters that are kept.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._waiting: deque[Said] = deque()
        self._characters = 0
        self._dropped: dict[tuple[str, str, str, int], int] = {}

    def add(self, said: Said) -> None:
        """Take something, behind all the rest."""
        with self._lock:
            self._waiting.append(said)
            self._characters += len(said.body)
            self._make_room()

    def take(self) -> Said | None:
        """The oldest thing, which is the caller's now; None where there is none."""
        with self._lock:
            if self._dropped:
                attempt = next(iter(self._dropped))
                lines = self._dropped.pop(attempt)
                text = f"... {lines} lines were dropped here: the database was away\n"
                return Said(*attempt, "log", text, dropped=lines)
            if not self._waiting:
                return None
            said = self._waiting.popleft()
            self._characters -= len(said.body)
            return said

    def put_back(self, said: Said) -> None:
        """What was taken could not be sent: it is the oldest again."""
        with self._lock:
            if said.dropped:
                self._drop(said)
                return
            self._waiting.appendleft(said)
            self._characters += len(said.body)
            self._make_room()

    def _make_room(self) -> None:
        while self._characters > self._most and len(self._waiting) > 1:
            oldest = self._waiting.popleft()
            self._characters -= len(oldest.body)
            self._drop(oldest)

    def _drop(self, said: Said) -> None:
        if said.lines:
            self._dropped[said.attempt] = self._dropped.get(said.attempt, 0) + said.lines
