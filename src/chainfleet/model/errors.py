"""Every error chainfleet raises on purpose, and the classes a failed attempt can fall into.

ChainfleetError               shown as one line, no traceback
├── InputError                the operator's input is wrong (exit 2)
│   ├── FleetError            … a fleet file: file, line and column are known
│   └── PlanError             … a plan that can't be run: cycle, unknown task, impossible demand
├── EnvironmentProblem        this machine lacks something (exit 3): a tool, a port, disk, permission
│   └── LedgerAway            … the ledger's database does not answer
├── LedgerError               the ledger is newer, damaged or of another fleet (exit 4)
├── LeaseLost                 another coordinator runs this environment (exit 5)
│   └── LeaseUnconfirmed      … or may by now: the database can't be asked (exit 3)
└── TaskFailed                one attempt failed; carries its `ErrorClass`
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class ExitCode(IntEnum):
    """What a command's exit code means; scripts may rely on them, they do not change."""

    WELL = 0
    """All well."""
    FAILED = 1
    """Failed. Read the cause, then `chainfleet retry`."""
    WRONG_INPUT = 2
    """Wrong input: fleet file, option, confirmation. The error names the place and the way out."""
    MACHINE_LACKS = 3
    """This machine lacks something: a tool, a port, disk, permission. The error says how to get it."""
    LEDGER_UNUSABLE = 4
    """The ledger can't be used: newer, damaged, of another fleet. Give another `--state`, or restore it."""
    BUSY = 5
    """Another process runs this environment. Wait for it, or stop it."""
    DEGRADED = 6
    """Ended degraded: the network is up, some regions failed. `chainfleet retry`."""
    CANCELLED = 130
    """Cancelled. `chainfleet resume` goes on from there."""


class ErrorClass(StrEnum):
    """What kind of failure an attempt met; the retry policy is chosen by it."""

    THROTTLED = "throttled"
    """The other side asked for patience (HTTP 429). Waits as long as it says, lowers the limit that it belongs to; nothing to do."""
    TRANSIENT = "transient"
    """Something passed by: a dropped connection, a 5xx. Tried again by itself; look at the network if it stays."""
    TIMEOUT = "timeout"
    """The attempt took longer than its task allows and was stopped. Tried again; if it stays, the attempt's log says where it hung."""
    CAPACITY = "capacity"
    """The cloud has no room of that kind at the moment. Tried again; if it stays, choose another size or region: `chainfleet usage`."""
    QUOTA = "quota"
    """The account may not have so much. Ask the cloud for more: `chainfleet usage` names quota, amount and region; then `chainfleet retry`."""
    CONFLICT = "conflict"
    """Somebody else changed the same thing at the same time. Looked at anew and tried again."""
    AUTHORISATION = "authorisation"
    """The identity may not do that. Grant the role that the message names, then `chainfleet retry`."""
    CONFIGURATION = "configuration"
    """What was asked for can't be made: a wrong name, version or value. Mend the fleet file, then `chainfleet deploy`."""
    STATE_LOCK = "state-lock"
    """Another process holds the Terraform state. Tried again until it is free; a lock that nobody holds any more is taken away."""
    CHAIN_NOT_READY = "chain-not-ready"
    """The chain does not answer or makes no block yet. Tried again; if it stays: `chainfleet status --live`."""
    CANCELLED = "cancelled"
    """Stopped because the run was. `chainfleet resume` goes on."""
    INTERNAL = "internal"
    """A mistake of chainfleet: its log has the traceback. Report it."""

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

    exit_code: ExitCode = ExitCode.FAILED

    def __init__(self, message: str, *, way_out: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.way_out = way_out

    def __str__(self) -> str:
        return f"{self.message}\n  way out: {self.way_out}" if self.way_out else self.message


class InputError(ChainfleetError):
    """What the operator gave can't be used."""

    exit_code = ExitCode.WRONG_INPUT


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

    exit_code = ExitCode.MACHINE_LACKS


class LedgerAway(EnvironmentProblem):
    """The database that holds the ledger can't be reached, or does not answer."""


class LedgerError(ChainfleetError):
    """The ledger can't be used: written by a newer version, damaged, or of another fleet."""

    exit_code = ExitCode.LEDGER_UNUSABLE


class LeaseLost(ChainfleetError):
    """Another coordinator holds, or took over, this environment."""

    exit_code = ExitCode.BUSY


class LeaseUnconfirmed(LeaseLost):
    """Whether another coordinator runs this environment can't be asked, so nothing may be done."""

    exit_code = ExitCode.MACHINE_LACKS


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
