"""A run as JSON lines, one per thing that happened, for whatever collects logs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from enum import Enum
from typing import Any, TextIO

from chainfleet.model.event import Command, Event, WakeAt

from ..coordinator import Coordinator

_LONGEST = 2000
"""Characters of a text; a tool's whole output is in the attempt's own log."""


class RunLog:
    """Observes a run and writes it down.

    Args:
        coordinator: of the run.
        stream: where lines go; a failing stream doesn't fail the run.
        wall: seconds since 1970.
    """

    def __init__(self, coordinator: Coordinator, stream: TextIO, wall: Callable[[], float]) -> None:
        self._common = {"fleet": coordinator.plan.fleet, "run": coordinator.run}
        self._regions = {task.id: task.region for task in coordinator.plan.tasks}
        self._stream = stream
        self._wall = wall

    def see(self, at: float, things: Sequence[Event | Command]) -> None:
        """Write a line for each thing but wake-ups."""
        lines = [self._line(at, thing) for thing in things if not isinstance(thing, WakeAt)]
        try:
            self._stream.writelines(lines)
            self._stream.flush()
        except OSError:
            return

    def _line(self, at: float, thing: Event | Command) -> str:
        record: dict[str, Any] = {
            "time": round(self._wall(), 3),
            **self._common,
            "at_s": round(at, 3),
            "event": type(thing).__name__,
        }
        for part in fields(thing):
            value = _plain(getattr(thing, part.name))
            if value not in (None, "", [], {}):
                record[part.name] = value
        if region := self._regions.get(record.get("task", "")):
            record["region"] = region
        return json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else value[:_LONGEST] + "…"
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if hasattr(value, "items"):
        return {str(key): _plain(item) for key, item in value.items()}
    return value
