"""What the scheduler is told (events) and what it asks for (commands).

All times are seconds on a monotonic axis that the caller owns; the scheduler never reads a clock.
Every event and command is plain data, so that the ledger can keep it and a replay can repeat it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from .errors import ErrorClass


class TaskState(StrEnum):
    """Where a task stands."""

    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    BACKING_OFF = "backing-off"
    AT_GATE = "at-gate"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to the task in this run, unless somebody retries it."""
        return self in _OVER


_OVER = frozenset({TaskState.SUCCEEDED, TaskState.FAILED, TaskState.SKIPPED, TaskState.CANCELLED})


class Verdict(StrEnum):
    """How a region, or the run, ended."""

    SUCCEEDED = "succeeded"
    DEGRADED = "degraded"
    FAILED = "failed"
    CANCELLED = "cancelled"


# --- events ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The run begins, or is resumed: `done` were over before, with their states.

    `attempts` says how many attempts each task has used, so that numbering goes on. `waived` names the
    tasks among `done` that an operator asked to skip: dependents take them for succeeded.
    """

    done: Mapping[str, TaskState] = field(default_factory=dict)
    attempts: Mapping[str, int] = field(default_factory=dict)
    waived: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AttemptSucceeded:
    """An attempt ended well."""

    task: str
    attempt: int
    changed: bool = True
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """An attempt ended badly.

    `limit` names the limit a throttling belongs to; `retry_after_s` gates that whole limit.
    """

    task: str
    attempt: int
    error_class: ErrorClass
    message: str
    fingerprint: str = ""
    retry_after_s: float | None = None
    limit: str | None = None


@dataclass(frozen=True, slots=True)
class LimitObserved:
    """Something was learned about a limit from the other side, while an attempt goes on.

    Attributes:
        remaining: what a header said is left, if one did.
        throttled: calls answered 429 since the last report.
        retry_after_s: the longest wait asked for.
        calls: calls made since the last report.
    """

    limit: str
    remaining: float | None = None
    throttled: int = 0
    retry_after_s: float | None = None
    calls: int = 0


@dataclass(frozen=True, slots=True)
class GateDecided:
    """A gate was opened or refused, by a check or by a person."""

    task: str
    approved: bool
    by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TimePassed:
    """A wake-up asked for has come."""


@dataclass(frozen=True, slots=True)
class PauseRequested:
    """Start nothing new; what runs goes on."""


@dataclass(frozen=True, slots=True)
class ResumeRequested:
    """Undo a pause."""


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Start nothing new and stop what runs."""


@dataclass(frozen=True, slots=True)
class RetryRequested:
    """Give failed, cancelled and therefore skipped tasks another chance.

    Without tasks: all that failed. Dependents that were skipped because of them wait again.
    """

    tasks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SkipRequested:
    """Treat a task as succeeded without doing it; the report says so."""

    task: str


Event = (
    RunStarted
    | AttemptSucceeded
    | AttemptFailed
    | LimitObserved
    | GateDecided
    | TimePassed
    | PauseRequested
    | ResumeRequested
    | CancelRequested
    | RetryRequested
    | SkipRequested
)


# --- commands -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartAttempt:
    """Begin this attempt; `parallelism` is what Terraform may use at once."""

    task: str
    attempt: int
    timeout_s: float
    parallelism: int = 10


@dataclass(frozen=True, slots=True)
class CancelAttempt:
    """Stop this attempt; its end still has to be reported."""

    task: str
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class OpenGate:
    """A gate is reached: ask its check, or a person."""

    task: str


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Send `TimePassed` at that time, in seconds on the caller's axis."""

    at: float


@dataclass(frozen=True, slots=True)
class StateChanged:
    """A task's state changed; for observers and the ledger, nothing needs doing."""

    task: str
    state: TaskState
    reason: str = ""
    retry_at: float | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """Several twins failed alike, or a budget is used up: shown once, not per task."""

    message: str
    tasks: tuple[str, ...]
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Finish:
    """The run is over."""

    verdict: Verdict
    regions: Mapping[str, Verdict] = field(default_factory=dict)
    reason: str = ""


Command = StartAttempt | CancelAttempt | OpenGate | WakeAt | StateChanged | Incident | Finish

Outputs = Mapping[str, Any]
"""What a task leaves for its dependents: JSON values, never a secret."""
