"""The commands that look at what the clouds have: room for the fleet, what exists already, what has changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .arguments import EmulatedOpt, EnvFileOpt, FleetArg, JsonOpt, ScaleOpt, StateOpt


def add_inventory(app: typer.Typer) -> None:
    """Add them to the command line."""
    for command, example in ((usage, "usage examples/chain-138.yaml"),):
        app.command(epilog=f"Example: chainfleet {example}")(command)


def usage(
    fleet: FleetArg,
    state: StateOpt = None,
    all_regions: Annotated[
        bool, typer.Option("--all-regions", help="Every region outside the US, not only the fleet's.")
    ] = False,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write a JUnit report, for pipelines.")
    ] = None,
    emulated: EmulatedOpt = False,
    time_scale: ScaleOpt = None,
    env_file: EnvFileOpt = None,
    json_: JsonOpt = False,
) -> None:
    """Check whether every region has room: quotas, VM sizes, zones, restrictions. Reads only."""
    from .options import TargetOptions
    from .usage import run_usage

    target = TargetOptions(state, emulated, time_scale, env_file=env_file)
    raise typer.Exit(run_usage(fleet, target, all_regions=all_regions, junit=junit, as_json=json_))
