"""The commands that look at what the clouds have: room for the fleet, what exists already, what has changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .arguments import EmulatedOpt, EnvFileOpt, FleetArg, JsonOpt, ScaleOpt, StateOpt


def add_inventory(app: typer.Typer) -> None:
    """Add them to the command line."""
    for command, name, options in (
        (usage, "usage", "--junit usage.xml"),
        (import_, "import", "--apply"),
        (drift, "drift", "--json"),
    ):
        app.command(name, epilog=f"Example: chainfleet {name} examples/chain-138.yaml {options}")(command)


def usage(
    fleet: FleetArg,
    state: StateOpt = None,
    all_regions: Annotated[
        bool,
        typer.Option("--all-regions", help="Every region outside the US of the clouds that the fleet is in."),
    ] = False,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write a JUnit report, for pipelines.")
    ] = None,
    emulated: EmulatedOpt = False,
    time_scale: ScaleOpt = None,
    env_file: EnvFileOpt = None,
    json_: JsonOpt = False,
) -> None:
    """Check whether every region has room. Quotas, VM sizes, zones, restrictions; reads only."""
    from chainfleet.runtime.targets import TargetOptions

    from .usage import run_usage

    target = TargetOptions(state, emulated, time_scale, env_file=env_file)
    raise typer.Exit(run_usage(fleet, target, all_regions=all_regions, junit=junit, as_json=json_))


def import_(
    fleet: FleetArg,
    state: StateOpt = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Write the states, where the plan shows imports and nothing else.")
    ] = False,
    only: Annotated[list[str] | None, typer.Option("--only", help="Only this region (repeatable).")] = None,
    emulated: EmulatedOpt = False,
    time_scale: ScaleOpt = None,
    env_file: EnvFileOpt = None,
    json_: JsonOpt = False,
) -> None:
    """Find resources that exist already and take them up. Each is matched, drifted, missing, ambiguous or foreign."""
    from chainfleet.runtime.targets import TargetOptions

    from .inventory import run_import

    target = TargetOptions(state, emulated, time_scale, env_file=env_file)
    raise typer.Exit(run_import(fleet, target, apply=apply, only=only, as_json=json_))


def drift(
    fleet: FleetArg, state: StateOpt = None, env_file: EnvFileOpt = None, json_: JsonOpt = False
) -> None:
    """Compare what was deployed with what the cloud has now. Reads only."""
    from chainfleet.runtime.targets import TargetOptions

    from .inventory import run_drift

    raise typer.Exit(run_drift(fleet, TargetOptions(state, env_file=env_file), as_json=json_))
