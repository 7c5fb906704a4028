"""The twin breaker: when the first twins fail alike, the others would too.

Twins do the same in different regions. If 2 of the first 3 that ended did so with the same new
fingerprint, a person has to look: more of the same costs time, quota and money for nothing.
"""

from __future__ import annotations

from chainfleet.model.errors import ErrorClass

FIRST = 3
ALIKE = 2

EXCUSED = frozenset(
    {
        ErrorClass.THROTTLED,
        ErrorClass.TRANSIENT,
        ErrorClass.CAPACITY,
        ErrorClass.TIMEOUT,
        ErrorClass.CANCELLED,
    }
)
"""Classes that say something about the moment or the place, not about the task."""


class TwinBreaker:
    """Counts how the first twins of each kind ended."""

    def __init__(self) -> None:
        self._ended: dict[int, int] = {}
        self._prints: dict[int, dict[str, list[int]]] = {}
        self._known: set[str] = set()

    def succeeded(self, twin: int) -> None:
        """A twin ended well."""
        self._ended[twin] = self._ended.get(twin, 0) + 1

    def failed(self, twin: int, task: int, error_class: ErrorClass, fingerprint: str) -> list[int]:
        """A twin failed for good; the tasks that failed alike if the others should be stopped, else []."""
        ended = self._ended[twin] = self._ended.get(twin, 0) + 1
        if ended > FIRST or error_class in EXCUSED or fingerprint in self._known:
            return []
        alike = self._prints.setdefault(twin, {}).setdefault(fingerprint, [])
        alike.append(task)
        return list(alike) if len(alike) == ALIKE else []

    def acknowledge(self) -> None:
        """A person has seen the failures and goes on: what was seen is no news, and counting starts anew."""
        for prints in self._prints.values():
            self._known.update(prints)
        self._ended.clear()
        self._prints.clear()


def fingerprint_of(error_class: ErrorClass, message: str, fingerprint: str) -> str:
    """The fingerprint given, or one made from the class and the start of the message."""
    return fingerprint or f"{error_class.value}:{message[:80]}"
