"""The commands that steer a run from another terminal, and those that look into its log."""

from __future__ import annotations

from typing import Annotated

import typer

from .arguments import FleetArg, JsonOpt, ReasonOpt, RunArg, StateOpt


def add_steering(app: typer.Typer) -> None:
    """Add them to the command line."""
    for command, example in (
        (pause, "pause examples/chain-138.yaml"),
        (drain, "drain examples/chain-138.yaml"),
        (cancel, "cancel examples/chain-138.yaml"),
        (approve, "approve examples/chain-138.yaml besu/gate/wave-1"),
        (skip, "skip examples/chain-138.yaml monitoring/install/uksouth"),
        (replay, "replay examples/chain-138.yaml"),
        (export, "export examples/chain-138.yaml > run.jsonl"),
    ):
        app.command(epilog=f"Example: chainfleet {example}")(command)


def pause(fleet: FleetArg, state: StateOpt = None, reason: ReasonOpt = "") -> None:
    """Let the running deployment start nothing new. `resume` lets it go on."""
    from .steering import run_pause

    run_pause(fleet, state, reason)


def drain(fleet: FleetArg, state: StateOpt = None) -> None:
    """Let the running deployment end what runs and stop. `resume` goes on from there."""
    from .steering import run_drain

    run_drain(fleet, state)


def cancel(fleet: FleetArg, state: StateOpt = None, reason: ReasonOpt = "") -> None:
    """Let the running deployment stop what runs, now. `resume` goes on from there."""
    from .steering import run_cancel

    run_cancel(fleet, state, reason)


def approve(
    fleet: FleetArg,
    gate: Annotated[
        str | None, typer.Argument(metavar="[GATE]", help="The gate; may be left out where one waits.")
    ] = None,
    refuse: Annotated[bool, typer.Option("--refuse", help="Refuse it: later waves are skipped.")] = False,
    state: StateOpt = None,
    reason: ReasonOpt = "",
) -> None:
    """Decide a gate between two waves that waits for a person. Gates wait with `deploy --approval`."""
    from .steering import run_approve

    run_approve(fleet, state, gate, reason, refuse=refuse)


def skip(
    fleet: FleetArg,
    task: Annotated[str, typer.Argument(help="Id of the task to take for done.")],
    state: StateOpt = None,
) -> None:
    """Let the running deployment take a task for done. The report says so."""
    from .steering import run_skip

    run_skip(fleet, state, task)


def replay(fleet: FleetArg, run: RunArg = None, state: StateOpt = None, json_: JsonOpt = False) -> None:
    """Decide a recorded run anew from its log. Every decision must come out the same."""
    from .steering import run_replay

    run_replay(fleet, state, run, as_json=json_)


def export(fleet: FleetArg, run: RunArg = None, state: StateOpt = None) -> None:
    """Print a run's log, one JSON document a line."""
    from .steering import run_export

    run_export(fleet, state, run)
