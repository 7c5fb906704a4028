"""Filters that clients install to be told of new logs and blocks."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

MOST = 10_000
"""Filters kept at once; the oldest go first (Besu's `rpc-max-active-filters`)."""


@dataclass(slots=True)
class Filter:
    """One filter: of which kind, for what, and up to which block it has been told."""

    kind: str
    query: Json
    seen: int


class Filters:
    """All filters of the emulated world."""

    def __init__(self) -> None:
        self._filters: dict[str, Filter] = {}
        self._ids = itertools.count(1)

    def add(self, kind: str, query: Json, head: int) -> str:
        """Install a filter; returns its id."""
        if len(self._filters) >= MOST:
            del self._filters[next(iter(self._filters))]
        name = hex(next(self._ids))
        self._filters[name] = Filter(kind, query, head)
        return name

    def get(self, name: str) -> Filter | None:
        """A filter."""
        return self._filters.get(name)

    def remove(self, name: str) -> bool:
        """Uninstall a filter; returns whether it was there."""
        return self._filters.pop(name, None) is not None
