"""`chainfleet status`: how a run stands, read from the ledger; works beside a running deployment."""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from math import inf
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
from .output import write
from .summary import NETWORK, OUTDATED, failure_lines, network_outdated
from .views import SHORT, SYMBOLS


def run_status(path: Path, target: TargetOptions, run: str | None, *, as_json: bool) -> int:
    """Print the state of a run; returns 0, or 1 if something failed in it."""
    fleet = load(path).fleet
    folder = target.state_folder(fleet.name)
    view = read_run(folder, fleet.name, run)
    document = status_document(view)
    # What waits for a worker is neither late nor on its way to an end.
    known = view.finish is None and not view.missing_workers
    found = outlook_of_run(folder, fleet.name, view.run) if known else None
    document["outlook"] = outlook_document(*found) if found else None
    document["holder"] = holder_of(folder.ledger)
    document["left_behind"] = list(forgotten_regions(folder, fleet))
    if as_json:
        typer.echo(json.dumps(document, indent=1))
    else:
        _print(document, view)
        for line in forgotten_lines(document["left_behind"], path):
            write(line)
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
    write(f"{document['run']}: {document['verdict']} after {document['elapsed_s']} s ({tasks})")
    for line in _matrix(document["regions"]):
        write(line)
    _print_outlook(document["outlook"])
    for gate in document["gates"]:
        write(f"⏸ {gate['gate']} waits for a person: {gate['found']}; `chainfleet approve FLEET` decides")
    for line in document["missing_workers"]:
        write(f"⏸ {line}")
    for line, way_out in failure_lines(document["failed"]):
        write(f"✖ {line}")
        if way_out:
            write(f"  way out: {way_out}")
    network = document["network"]
    if document["network_outdated"]:
        write(f"network: {OUTDATED}")
    elif network:
        peers = f"peers {network['peers_min']} to {network['peers_max']}"
        write(
            f"network: {network['ready']} of {network['validators']} validators ready, head {network['head']}, {peers}"
        )
    for line in _next(document, view):
        write(line)


def _matrix(regions: dict[str, dict[str, str]]) -> Iterator[str]:
    """A line for each region, a column for each phase; on a terminal too narrow for their names, by shorter ones."""
    phases = [phase for phase in Phase if any(phase.value in row for row in regions.values())]
    width = max(map(len, ("region", *regions)))
    heads = {phase: phase.value for phase in phases}
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else inf
    if width + sum(2 + len(head) for head in heads.values()) > room:
        heads = {phase: SHORT[phase] for phase in phases}
    yield f"{'region':<{width}}" + "".join(f"  {head}" for head in heads.values())
    for region, row in regions.items():
        cells = (
            (SYMBOLS[TaskState(row[phase])] if phase in row else "", len(head))
            for phase, head in heads.items()
        )
        yield (f"{region:<{width}}" + "".join(f"  {cell:^{wide}}" for cell, wide in cells)).rstrip()


def _next(document: dict[str, Any], view: RunView) -> Iterator[str]:
    """What to do now, if anything."""
    if view.finish is None and document["holder"] is not None:
        yield f"{document['holder']} runs it"
    elif view.finish is None:
        yield "not finished, and no process runs it: `chainfleet resume FLEET` goes on"
    elif view.finish.verdict is Verdict.CANCELLED:
        yield "`chainfleet resume FLEET` goes on from here"
    elif document["failed"]:
        yield "`chainfleet retry FLEET` tries again what failed"


def _print_outlook(outlook: dict[str, Any] | None) -> None:
    if outlook is None:
        return
    ends = Interval(outlook["low_s"], outlook["p50_s"], outlook["high_s"])
    write(f"ends at {ends.text()} from its start, 8 of 10 times in that range")
    for line in late_lines([Straggler(**late) for late in outlook["stragglers"]]).values():
        write(f"late: {line}")
