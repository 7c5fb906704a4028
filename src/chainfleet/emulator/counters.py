"""What was asked of the emulated cloud and what it changed: proof that a deployment changed nothing."""

from __future__ import annotations

from collections import Counter
from typing import Any

Key = tuple[str, str, str, str, int]


class Counters:
    """Counts of requests and of changes; implements `seams.Traffic`.

    Plain counters in memory: they start at zero with the process.
    """

    def __init__(self) -> None:
        self._requests: Counter[Key] = Counter()
        self._changes: Counter[tuple[str, str, str, str]] = Counter()

    def request(self, *, system: str, verb: str, kind: str, region: str, status: int) -> None:
        """Count one answered request."""
        self._requests[(system, verb, kind, region, status)] += 1

    def change(self, *, system: str, verb: str, kind: str, region: str) -> None:
        """Count one request that changed something."""
        self._changes[(system, verb, kind, region)] += 1

    def reset(self) -> None:
        """Start counting from zero."""
        self._requests.clear()
        self._changes.clear()

    def report(self) -> dict[str, Any]:
        """Totals and details as JSON values."""
        return {
            "requests": {
                "total": self._requests.total(),
                "by_system": _sums(self._requests, 0),
                "by_verb": _sums(self._requests, 1),
                "by_status": _sums(self._requests, 4),
                "detail": [
                    {"system": s, "verb": v, "type": k, "region": r, "status": c, "count": n}
                    for (s, v, k, r, c), n in sorted(self._requests.items())
                ],
            },
            "changes": {
                "total": self._changes.total(),
                "by_system": _sums(self._changes, 0),
                "detail": [
                    {"system": s, "verb": v, "type": k, "region": r, "count": n}
                    for (s, v, k, r), n in sorted(self._changes.items())
                ],
            },
        }


def _sums(counter: Counter[Any], position: int) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for key, count in counter.items():
        sums[str(key[position])] += count
    return dict(sorted(sums.items()))
