"""Asks a deployment that runs in another process for something, and looks into the logs of runs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import typer

from chainfleet.ledger.mailbox import Ask, Request
from chainfleet.ledger.replay import replay
from chainfleet.model.errors import InputError
from chainfleet.model.event import (
    CancelRequested,
    Event,
    GateDecided,
    PauseRequested,
    SkipRequested,
    TaskState,
)
from chainfleet.runtime.asking import ask, whoami
from chainfleet.runtime.operations import read_records, read_run
from chainfleet.runtime.state import StateFolder
from chainfleet.runtime.targets import TargetOptions, load
from chainfleet.scheduling.planning.selection import matches

from .output import write


def run_pause(path: Path, state: Path | None, reason: str) -> None:
    """Pause the deployment that runs."""
    who = _ask(path, state, PauseRequested(), reason)
    _say("starts nothing new; `chainfleet resume FLEET` lets it go on", who)


def run_drain(path: Path, state: Path | None) -> None:
    """Let the deployment that runs end what it has begun, and stop."""
    folder, name = _folder(path, state)
    _say("ends what runs and stops then", ask(folder, name, Request(Ask.DRAIN)))


def run_cancel(path: Path, state: Path | None, reason: str) -> None:
    """Cancel the deployment that runs."""
    _say("stops what runs", _ask(path, state, CancelRequested(), reason))


def run_approve(path: Path, state: Path | None, gate: str | None, reason: str, *, refuse: bool) -> None:
    """Decide a gate that waits for a person."""
    folder, name = _folder(path, state)
    view = read_run(folder, name)
    waiting = [task for task, stands in view.states.items() if stands is TaskState.AT_GATE]
    chosen = gate or (waiting[0] if len(waiting) == 1 else "")
    if chosen not in waiting:
        what = f"gate {chosen} doesn't wait" if chosen else f"{len(waiting)} gates wait"
        raise InputError(f"{what} in run {view.run}", way_out=f"waiting: {', '.join(waiting) or 'none'}")
    decided = GateDecided(chosen, approved=not refuse, by=whoami(), reason=reason)
    _say(f"{'refuses' if refuse else 'passes'} {chosen}", _ask(path, state, decided, reason))


def run_skip(path: Path, state: Path | None, task: str) -> None:
    """Take a task for done."""
    folder, name = _folder(path, state)
    plan = read_run(folder, name).plan
    if plan is None or all(known.id != task for known in plan.tasks):
        near = [known.id for known in plan.tasks if matches(known, task)] if plan else []
        way_out = (
            f"one at a time, e.g. {near[0]}" if near else "see `chainfleet plan FLEET --json` for the ids"
        )
        raise InputError(f"the run has no task `{task}`", way_out=way_out)
    _say(f"takes {task} for done", _ask(path, state, SkipRequested(task)))


def run_replay(path: Path, state: Path | None, run: str | None, *, as_json: bool) -> None:
    """Replay a run and say what was compared."""
    folder, name = _folder(path, state)
    with read_records(folder, name, run) as (found, records):
        replayed = replay(records)
    if as_json:
        typer.echo(json.dumps({"run": found, "equal": True, **asdict(replayed)}))
        return
    processes = "one process" if replayed.processes == 1 else f"{replayed.processes} processes"
    typer.echo(
        f"{found}: {replayed.events} events of {processes} replayed, all {replayed.decisions} decisions equal"
    )


def run_export(path: Path, state: Path | None, run: str | None) -> None:
    """Print a run's records."""
    folder, name = _folder(path, state)
    with read_records(folder, name, run) as (_, records):
        for record in records:
            typer.echo(json.dumps({**asdict(record), "body": json.loads(record.body)}))


def tell_running(folder: StateFolder, fleet: str, event: Event) -> str | None:
    """Hand an event to whoever runs this environment; None if nobody does."""
    return ask(folder, fleet, Request(Ask.EVENT, event), needed=False)


def _ask(path: Path, state: Path | None, event: Event, reason: str = "") -> str | None:
    folder, name = _folder(path, state)
    return ask(folder, name, Request(Ask.EVENT, event), reason=reason)


def _folder(path: Path, state: Path | None) -> tuple[StateFolder, str]:
    name = load(path).fleet.name
    return TargetOptions(state).state_folder(name), name


def _say(what: str, who: str | None) -> None:
    write(f"{who} {what}")
