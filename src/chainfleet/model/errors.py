"""Every error chainfleet raises on purpose, and the classes a failed attempt can fall into.

ChainfleetError               shown as one line, no traceback
├── InputError                the operator's input is wrong (exit 2)
│   ├── FleetError            … a fleet file: file, line and column are known
│   └── PlanError             … a plan that can't be run: cycle, unknown task, impossible demand
├── EnvironmentProblem        this machine lacks something (exit 3): a tool, a port, disk, permission
├── LedgerError               the ledger is newer, damaged or of another fleet (exit 4)
├── LeaseLost                 another coordinator runs this environment (exit 5)
└── TaskFailed                one attempt failed; carries its `ErrorClass`
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ErrorClass(StrEnum):
    """What kind of failure an attempt met; the retry policy is chosen by it."""

    THROTTLED = "throttled"
    TRANSIENT = "transient"
    TIMEOUT = "timeout"
    CAPACITY = "capacity"
    QUOTA = "quota"
    CONFLICT = "conflict"
    AUTHORISATION = "authorisation"
    CONFIGURATION = "configuration"
    STATE_LOCK = "state-lock"
    CHAIN_NOT_READY = "chain-not-ready"
    CANCELLED = "cancelled"
    INTERNAL = "internal"

    @property
    def retryable(self) -> bool:
        """Whether trying the same thing again can help without a person changing something."""
        return self not in _FINAL


_FINAL = frozenset(
    {
        ErrorClass.QUOTA,
        ErrorClass.AUTHORISATION,
        ErrorClass.CONFIGURATION,
        ErrorClass.CANCELLED,
        ErrorClass.INTERNAL,
    }
)


class ChainfleetError(Exception):
    """Base of all errors meant for the operator."""

    exit_code = 1

    def __init__(self, message: str, *, way_out: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.way_out = way_out

    def __str__(self) -> str:
        return f"{self.message}\n  way out: {self.way_out}" if self.way_out else self.message


class InputError(ChainfleetError):
    """What the operator gave can't be used."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file; line and column count from 1, and 0 means unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class FleetError(InputError):
    """A fleet file is wrong at a known place."""

    def __init__(self, message: str, *, place: Place, way_out: str = "") -> None:
        super().__init__(f"{place}: {message}", way_out=way_out)
        self.place = place


class PlanError(InputError):
    """A plan can't be run: a cycle, an unknown task, a demand above what a limit ever has."""


class EnvironmentProblem(ChainfleetError):
    """This machine lacks something: a tool, a free port, disk space, a permission."""

    exit_code = 3


class LedgerError(ChainfleetError):
    """The ledger can't be used: written by a newer version, damaged, or of another fleet."""

    exit_code = 4


class LeaseLost(ChainfleetError):
    """Another coordinator holds, or took over, this environment."""

    exit_code = 5


class TaskFailed(ChainfleetError):
    """One attempt of a task failed.

    Args:
        error_class: decides whether and how it is tried again.
        message: one line for the operator.
        retry_after_s: seconds the other side asked us to wait, if it did.
        limit: name of the limit that a throttling belongs to, if known.
        fingerprint: equal for failures with the same cause; twins are compared by it.
    """

    def __init__(
        self,
        error_class: ErrorClass,
        message: str,
        *,
        retry_after_s: float | None = None,
        limit: str | None = None,
        fingerprint: str = "",
        way_out: str = "",
    ) -> None:
        super().__init__(message, way_out=way_out)
        self.error_class = error_class
        self.retry_after_s = retry_after_s
        self.limit = limit
        self.fingerprint = fingerprint or f"{error_class.value}:{message[:80]}"
