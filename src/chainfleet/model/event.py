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
    """The run begins, or is resumed."""

    done: Mapping[str, TaskState] = field(default_factory=dict)
    """Tasks that were over before, with their states."""
    attempts: Mapping[str, int] = field(default_factory=dict)
    """How many attempts each task has used, so that numbering goes on."""
    waived: tuple[str, ...] = ()
    """Tasks among `done` that an operator asked to skip: dependents take them for succeeded."""
    shared: tuple[str, ...] = ()
    """Token buckets that this run shares with others: it draws only what `TokensGranted` brings."""


@dataclass(frozen=True, slots=True)
class AttemptSucceeded:
    """An attempt ended well."""

    task: str
    """Id of the task."""
    attempt: int
    """Number of the attempt, counted from 1."""
    changed: bool = True
    """Whether anything was changed; false where all was right already."""


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """An attempt ended badly."""

    task: str
    """Id of the task."""
    attempt: int
    """Number of the attempt, counted from 1."""
    error_class: ErrorClass
    """Decides whether and how it is tried again."""
    message: str
    """One line for the operator."""
    fingerprint: str = ""
    """Equal for failures with the same cause; twins are compared by it."""
    retry_after_s: float | None = None
    """Seconds that the other side asked to wait; they gate the whole limit."""
    limit: str | None = None
    """Limit that a throttling belongs to."""


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
    """Name of the limit."""
    remaining: float | None = None
    throttled: int = 0
    retry_after_s: float | None = None
    calls: int = 0


@dataclass(frozen=True, slots=True)
class TokensGranted:
    """Of a limit that is shared with other runs so many tokens are this run's to draw."""

    limit: str
    """Name of the limit."""
    tokens: float = 0.0
    """Granted; negative where some went back to the others."""
    closed_s: float = 0.0
    """Seconds that a Retry-After, whoever met it, keeps the limit closed."""
    pace: float = 1.0
    """Share of the documented rate that all runs together draw at present."""
    left: float = 0.0
    """Tokens that nobody has been granted yet."""


@dataclass(frozen=True, slots=True)
class GateDecided:
    """A gate was opened or refused, by a check or by a person."""

    task: str
    """Id of the gate."""
    approved: bool
    """Whether it was opened."""
    by: str = ""
    """Who decided; empty where a check did."""
    reason: str = ""
    """What the check found, or why the person decided so."""


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

    Dependents that were skipped because of them wait again.
    """

    tasks: tuple[str, ...] = ()
    """Ids; all that failed where empty."""


@dataclass(frozen=True, slots=True)
class SkipRequested:
    """Treat a task as succeeded without doing it; the report says so."""

    task: str
    """Id of the task."""


Event = (
    RunStarted
    | AttemptSucceeded
    | AttemptFailed
    | LimitObserved
    | TokensGranted
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
    """Begin this attempt."""

    task: str
    """Id of the task."""
    attempt: int
    """Number of the attempt, counted from 1."""
    timeout_s: float
    """Seconds after which it is stopped."""
    parallelism: int = 10
    """What Terraform may do at once."""


@dataclass(frozen=True, slots=True)
class CancelAttempt:
    """Stop this attempt; its end still has to be reported."""

    task: str
    """Id of the task."""
    attempt: int
    """Number of the attempt, counted from 1."""
    reason: str
    """Why."""


@dataclass(frozen=True, slots=True)
class OpenGate:
    """A gate is reached: ask its check, or a person."""

    task: str
    """Id of the gate."""


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Send `TimePassed` at that time."""

    at: float
    """Seconds on the caller's axis."""


@dataclass(frozen=True, slots=True)
class StateChanged:
    """A task's state changed; for observers and the ledger, nothing needs doing."""

    task: str
    """Id of the task."""
    state: TaskState
    """Where it stands now."""
    reason: str = ""
    """Why, where that isn't plain."""
    retry_at: float | None = None
    """When it is tried again, in seconds on the run's axis."""


@dataclass(frozen=True, slots=True)
class Incident:
    """Several twins failed alike, or a budget is used up: shown once, not per task."""

    message: str
    """One line for the operator."""
    tasks: tuple[str, ...]
    """Ids of the tasks that it is about."""
    fingerprint: str = ""
    """Of their common failure."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The run is over."""

    verdict: Verdict
    """How the run ended."""
    regions: Mapping[str, Verdict] = field(default_factory=dict)
    """How each region ended."""
    reason: str = ""
    """How many tasks ended how."""


Command = StartAttempt | CancelAttempt | OpenGate | WakeAt | StateChanged | Incident | Finish

Outputs = Mapping[str, Any]
"""What a task leaves for its dependents: JSON values, never a secret."""
