"""Looking at a deployed network without running a plan: what tasks left behind, and an attempt outside any run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from chainfleet.drivers.driver import Attempt
from chainfleet.ledger.outputs import all_outputs
from chainfleet.ledger.store import Ledger
from chainfleet.model.fleet import Fleet
from chainfleet.model.task import Phase, Task

from .state import StateFolder

Outputs = Mapping[str, Mapping[str, Any]]
"""Outputs of finished tasks, by task id."""


def recorded_outputs(state: StateFolder, fleet: str) -> dict[str, Mapping[str, Any]]:
    """What tasks left behind; the clusters are found by it."""
    if not state.ledger.exists():
        return {}
    ledger = Ledger(state.ledger, fleet)
    try:
        return all_outputs(ledger)
    finally:
        ledger.close()


def looking_attempt(
    fleet: Fleet,
    workspace: Path,
    environ: Mapping[str, str],
    outputs: Outputs,
    task: str,
    log: Callable[[str], None],
) -> Attempt:
    """An attempt outside any run, for drivers' code that wants one."""
    return Attempt(
        task=Task(task, Phase(task.partition("/")[0])),
        number=1,
        fleet=fleet,
        workspace=workspace,
        log_file=workspace.parent / f"{task.split('/')[1]}.log",
        parallelism=1,
        environ=environ,
        outputs=outputs.__getitem__,
        log=log,
        fence=lambda: None,
        observed=lambda _: None,
        progress=lambda _: None,
    )
