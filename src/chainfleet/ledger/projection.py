"""What the records of a run say: states, attempts, outputs, durations. Rebuilt from the ledger, never stored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chainfleet.model.event import (
    AttemptFailed,
    AttemptSucceeded,
    Finish,
    Incident,
    LimitObserved,
    RunStarted,
    StartAttempt,
    StateChanged,
    TaskState,
)
from chainfleet.model.task import Plan

from .codec import decode
from .store import Record

MISSING_WORKERS = "workers"
"""Name of the note that keeps what a run waits for because no worker can do it, a line each."""


@dataclass(slots=True)
class Span:
    """One attempt in time: seconds on the run's axis; `end` is None while it runs or if it was cut off."""

    task: str
    attempt: int
    start: float
    end: float | None = None
    ok: bool = False
    changed: bool = False
    error: str = ""
    error_class: str = ""


@dataclass(slots=True)
class RunView:
    """Everything that is known of one run."""

    run: str
    plan: Plan | None = None
    began: float = 0.0
    """Wall-clock time of the first record, in seconds since 1970."""
    last: float = 0.0
    """Seconds on the run's axis of the last record."""
    states: dict[str, TaskState] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    outputs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    incidents: list[str] = field(default_factory=list)
    throttled: int = 0
    finish: Finish | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    _open: dict[tuple[str, int], Span] = field(default_factory=dict)

    def apply(self, record: Record) -> None:
        """Take up one record."""
        if not self.began:
            self.began = record.wall
        if record.kind == "outputs":
            self.outputs[record.subject] = json.loads(record.body)
        elif record.kind == "note":
            self.notes[record.subject] = json.loads(record.body)
        elif record.kind == "record":
            self.see(decode(record.body), record.at)
        self.last = max(self.last, record.at)

    def see(self, thing: Any, at: float) -> None:
        """Take up one event or command that happened at that moment of the run."""
        match thing:  # The most frequent ones first.
            case StateChanged():
                self.states[thing.task] = thing.state
                self.reasons[thing.task] = thing.reason
                if self.finish is not None and not thing.state.over:
                    self.finish = None
            case StartAttempt():
                self.attempts[thing.task] = thing.attempt
                span = Span(thing.task, thing.attempt, at)
                self._open[thing.task, thing.attempt] = span
                self.spans.append(span)
            case AttemptSucceeded():
                self._end(thing.task, thing.attempt, at, ok=True, changed=thing.changed)
            case AttemptFailed():
                self._end(
                    thing.task, thing.attempt, at, error=thing.message, error_class=thing.error_class.value
                )
            case Plan():
                self.plan = thing
                self.states = {task.id: TaskState.WAITING for task in thing.tasks}
            case RunStarted():
                self._begin(thing)
            case LimitObserved():
                self.throttled += thing.throttled
            case Incident():
                self.incidents.append(thing.message)
            case Finish():
                self.finish = thing

    def _begin(self, started: RunStarted) -> None:
        """A process takes the run up: what was not over waits again, what was under way was cut off."""
        for span in self._open.values():
            span.end, span.error = self.last, "cut off"
        self._open.clear()
        self.states = {task: started.done.get(task, TaskState.WAITING) for task in self.states}
        self.reasons = {task: reason for task, reason in self.reasons.items() if task in started.done}
        self.finish = None
        self.notes.pop(MISSING_WORKERS, None)

    def _end(self, task: str, attempt: int, at: float, **facts: Any) -> None:
        span = self._open.pop((task, attempt), None)
        if span is not None:
            span.end = at
            for name, value in facts.items():
                setattr(span, name, value)

    @property
    def missing_workers(self) -> list[str]:
        """What it waits for because no worker can do it; nothing once it is over."""
        return [] if self.finish is not None else list(self.notes.get(MISSING_WORKERS, ()))

    @property
    def retries(self) -> int:
        """Attempts beyond the first."""
        return sum(1 for span in self.spans if span.attempt > 1)


def project(run: str, records: Iterable[Record]) -> RunView:
    """Read a run from its records."""
    view = RunView(run)
    for record in records:
        view.apply(record)
    return view
