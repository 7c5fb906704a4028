"""A run's projection with what pages want beyond the command line: since when, until when, and who decided."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from chainfleet.ledger.projection import RunView
from chainfleet.model.event import (
    AttemptFailed,
    CancelRequested,
    Finish,
    GateDecided,
    PauseRequested,
    ResumeRequested,
    RetryRequested,
    RunStarted,
    StateChanged,
    TaskState,
)
from chainfleet.model.task import Plan, Task


@dataclass(slots=True)
class PortalView(RunView):
    """Everything that is known of one run, and a little more."""

    since: dict[str, float] = field(default_factory=dict)
    """When each task came into its state, on the run's axis."""
    retry_at: dict[str, float] = field(default_factory=dict)
    failures: dict[str, AttemptFailed] = field(default_factory=dict)
    """The last failed attempt of each task that has not succeeded since."""
    decided: dict[str, GateDecided] = field(default_factory=dict)
    paused: bool = False
    cancelling: bool = False
    last_wall: float = 0.0
    tasks: dict[str, Task] = field(default_factory=dict)

    def apply(self, record: Any) -> None:
        """Take up one record."""
        # Named: a dataclass with slots is made anew, and `super()` would look for the old one.
        RunView.apply(self, record)
        self.last_wall = record.wall

    def see(self, thing: Any, at: float) -> None:
        """Take up one event or command that happened at that moment of the run."""
        RunView.see(self, thing, at)
        match thing:
            case StateChanged():
                self.since[thing.task] = at
                if thing.retry_at is not None:
                    self.retry_at[thing.task] = thing.retry_at
                if thing.state is TaskState.SUCCEEDED:
                    self.failures.pop(thing.task, None)
            case AttemptFailed():
                self.failures[thing.task] = thing
            case GateDecided():
                self.decided[thing.task] = thing
            case Plan():
                self.tasks = {task.id: task for task in thing.tasks}
            case PauseRequested():
                self.paused = True
            case ResumeRequested():
                self.paused = False
            case CancelRequested():
                self.cancelling = True
            case RetryRequested():
                self.cancelling = False
            case RunStarted():
                self.paused = self.cancelling = False
            case Finish():
                self.paused = False
