"""`chainfleet status`: how a run stands, read from the ledger; works beside a running deployment."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import typer

from chainfleet.ledger.lease import holder_of
from chainfleet.ledger.projection import RunView
from chainfleet.model.event import TaskState, Verdict
from chainfleet.model.task import Phase
from chainfleet.runtime.foresight import outlook_of_run
from chainfleet.runtime.gates import decide_gate
from chainfleet.runtime.operations import failed_tasks, forgotten_regions, read_run
from chainfleet.runtime.targets import TargetOptions, load
from chainfleet.scheduling.forecast.outlook import Interval, Straggler, late_lines, outlook_document

from .leaving import forgotten_lines
from .summary import NETWORK, OUTDATED, failure_lines, network_outdated
from .views import SYMBOLS


def run_status(path: Path, target: TargetOptions, run: str | None, *, as_json: bool) -> int:
    """Print the state of a run; returns 0, or 1 if something failed in it."""
    fleet = load(path).fleet
    folder = target.state_folder(fleet.name)
    view = read_run(folder, fleet.name, run)
    document = status_document(view)
    found = None if view.finish else outlook_of_run(folder, fleet.name, view.run)
    document["outlook"] = outlook_document(*found) if found else None
    document["holder"] = holder_of(folder.ledger)
    document["left_behind"] = list(forgotten_regions(folder, fleet))
    if as_json:
        typer.echo(json.dumps(document, indent=1))
    else:
        _print(document, view)
        for line in forgotten_lines(document["left_behind"], path):
            typer.echo(line)
    return 1 if document["failed"] else 0


def status_document(view: RunView) -> dict[str, Any]:
    """A run as JSON values."""
    assert view.plan is not None
    regions: dict[str, dict[str, str]] = {}
    for region in sorted({task.region for task in view.plan.tasks if task.region}):
        for phase in Phase:
            states = [view.states[t.id] for t in view.plan.tasks if t.region == region and t.phase is phase]
            if states:
                regions.setdefault(region, {})[phase.value] = worst(states).value
    verdict = view.finish.verdict.value if view.finish else "unfinished"
    return {
        "run": view.run,
        "fleet": view.plan.fleet,
        "mode": view.plan.mode.value,
        "verdict": verdict,
        "elapsed_s": round(view.last, 1),
        "tasks": dict(Counter(state.value for state in view.states.values())),
        "retries": view.retries,
        "throttled": view.throttled,
        "regions": regions,
        "failed": [{"task": task.id, "cause": cause} for task, cause in failed_tasks(view)],
        "gates": gates_waiting(view),
        "incidents": view.incidents,
        "missing_workers": view.missing_workers,
        "network": dict(view.outputs.get(NETWORK, {})),
        "network_outdated": network_outdated(view),
    }


_ORDER = (
    TaskState.FAILED,
    TaskState.CANCELLED,
    TaskState.SKIPPED,
    TaskState.BACKING_OFF,
    TaskState.AT_GATE,
    TaskState.RUNNING,
    TaskState.READY,
    TaskState.WAITING,
    TaskState.SUCCEEDED,
)


def gates_waiting(view: RunView) -> list[dict[str, str]]:
    """Gates that wait for a person, each with what the check of its wave finds now."""
    assert view.plan is not None
    waiting = [task for task in view.plan.tasks if view.states.get(task.id) is TaskState.AT_GATE]
    return [{"gate": gate.id, "found": decide_gate(gate, view).reason} for gate in waiting]


def worst(states: list[TaskState]) -> TaskState:
    """What an operator must know first of several tasks."""
    return min(states, key=_ORDER.index)


def _print(document: dict[str, Any], view: RunView) -> None:
    tasks = ", ".join(f"{count} {state}" for state, count in document["tasks"].items())
    typer.echo(f"{document['run']}: {document['verdict']} after {document['elapsed_s']} s ({tasks})")
    phases = [
        phase.value for phase in Phase if any(phase.value in row for row in document["regions"].values())
    ]
    width = max(map(len, ("region", *document["regions"])))
    typer.echo(f"{'region':<{width}}" + "".join(f"  {phase}" for phase in phases))
    for region, row in document["regions"].items():
        cells = ((SYMBOLS[TaskState(row[phase])] if phase in row else "", len(phase)) for phase in phases)
        line = f"{region:<{width}}" + "".join(f"  {cell:^{wide}}" for cell, wide in cells)
        typer.echo(line.rstrip())
    _print_outlook(document["outlook"])
    for gate in document["gates"]:
        typer.echo(f"⏸ {gate['gate']} waits for a person: {gate['found']}; `chainfleet approve` decides")
    for line in document["missing_workers"]:
        typer.echo(f"⏸ {line}")
    for line, way_out in failure_lines(document["failed"]):
        typer.echo(f"✖ {line}")
        if way_out:
            typer.echo(f"  way out: {way_out}")
    network = document["network"]
    if document["network_outdated"]:
        typer.echo(f"network: {OUTDATED}")
    elif network:
        peers = f"peers {network['peers_min']} to {network['peers_max']}"
        typer.echo(
            f"network: {network['ready']} of {network['validators']} validators ready, head {network['head']}, {peers}"
        )
    typer.echo(_next(document, view), nl=False)


def _next(document: dict[str, Any], view: RunView) -> str:
    """What to do now, as a line of its own; empty where that is nothing."""
    if view.finish is None:
        holder = document["holder"]
        if holder is not None:
            return f"{holder} runs it\n"
        return "not finished, and no process runs it: `chainfleet resume` goes on\n"
    if view.finish.verdict is Verdict.CANCELLED:
        return "`chainfleet resume` goes on from here\n"
    return "`chainfleet retry` tries again what failed\n" if document["failed"] else ""


def _print_outlook(outlook: dict[str, Any] | None) -> None:
    if outlook is None:
        return
    ends = Interval(outlook["low_s"], outlook["p50_s"], outlook["high_s"])
    typer.echo(f"ends at {ends.text()} from its start, 8 of 10 times in that range")
    for line in late_lines([Straggler(**late) for late in outlook["stragglers"]]).values():
        typer.echo(f"late: {line}")
