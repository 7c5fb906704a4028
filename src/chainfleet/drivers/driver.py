"""The seam between the runtime and the drivers: what an attempt is given and what it must answer.

A driver reads the outside world in `observe` and changes it in `change`. Both are idempotent:
`change` on a world that is already right changes nothing and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from chainfleet.model.event import LimitObserved
    from chainfleet.model.fleet import Fleet
    from chainfleet.model.task import Task


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt that ended well leaves behind.

    Attributes:
        outputs: JSON values for dependents and reports; never a secret.
        changed: whether anything outside was changed.
    """

    outputs: Mapping[str, Any] = field(default_factory=dict)
    changed: bool = True


@dataclass(frozen=True, slots=True)
class Attempt:
    """Everything an attempt may use.

    Attributes:
        task: what to do.
        number: which attempt of the task this is, counted from 1.
        fleet: the resolved fleet.
        workspace: folder of this environment; drivers keep theirs under `workspace / <technology>`.
        log_file: this attempt's own log; `log` appends a line to it.
        parallelism: how many calls at once a tool may make (Terraform's `-parallelism`).
        environ: the process environment that tools and clients are to use (endpoints, credentials).
        outputs: outputs of a finished task by its id; KeyError if it has none.
        log: append one line to the attempt's log.
        fence: raises LeaseLost when this attempt no longer may have effects; call before each effect.
        observed: tell the scheduler what was learned about a limit.
        progress: a short text for the live view.
    """

    task: Task
    number: int
    fleet: Fleet
    workspace: Path
    log_file: Path
    parallelism: int
    environ: Mapping[str, str]
    outputs: Callable[[str], Mapping[str, Any]]
    log: Callable[[str], None]
    fence: Callable[[], None]
    observed: Callable[[LimitObserved], None]
    progress: Callable[[str], None]


class Driver(Protocol):
    """Carries out the tasks of one technology.

    `chainfleet.model.errors.TaskFailed` is the only error an attempt should raise; anything else is
    reported as `internal` and never retried. Attempts are cancelled through asyncio cancellation:
    child processes must be gone when `change` returns or raises.
    """

    async def observe(self, attempt: Attempt) -> Outcome | None:
        """Read only: the outcome if the world already is as the task wants it, else None."""
        ...

    async def change(self, attempt: Attempt) -> Outcome:
        """Bring the world to what the task wants."""
        ...

    async def undo(self, attempt: Attempt) -> Outcome:
        """Remove what `change` made, for `destroy`."""
        ...
