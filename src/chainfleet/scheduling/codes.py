"""Task states as small integers, so that a million of them are a million bytes."""

from __future__ import annotations

from chainfleet.model.event import TaskState

WAITING, READY, RUNNING, BACKING_OFF, AT_GATE, SUCCEEDED, FAILED, SKIPPED, CANCELLED, WAIVED = range(10)
"""`WAIVED` is skipped by an operator's request: dependents take it for succeeded."""

STATES = 10
"""How many codes there are."""

NAMES: tuple[TaskState, ...] = (
    TaskState.WAITING,
    TaskState.READY,
    TaskState.RUNNING,
    TaskState.BACKING_OFF,
    TaskState.AT_GATE,
    TaskState.SUCCEEDED,
    TaskState.FAILED,
    TaskState.SKIPPED,
    TaskState.CANCELLED,
    TaskState.SKIPPED,
)
"""The public state of each code."""

CODES: dict[TaskState, int] = {state: code for code, state in enumerate(NAMES[:9])}
"""The code of each public state; `SKIPPED` means skipped because of a failure."""


def is_over(code: int) -> bool:
    """Whether nothing more happens to a task in that state unless somebody retries it."""
    return code >= SUCCEEDED


def is_met(code: int) -> bool:
    """Whether a dependent may count the task as succeeded."""
    return code in (SUCCEEDED, WAIVED)
