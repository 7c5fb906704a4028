"""The commands that look ahead: `rehearse` and `forecast`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .arguments import CeilingOpt, FleetArg, FromOpt, JsonOpt, OnlyOpt, SkipOpt, StateOpt, WavesOpt


def add_foresight(app: typer.Typer) -> None:
    """Add them to the command line."""
    app.command(epilog="Example: chainfleet rehearse examples/chain-138.yaml --mode all --profile strategy")(
        rehearse
    )
    app.command(epilog="Example: chainfleet forecast examples/chain-138.yaml")(forecast)


def rehearse(
    fleet: FleetArg,
    mode: Annotated[
        str | None, typer.Option("--mode", help="sequential, standard, max, ultra, or all to compare them.")
    ] = None,
    runs: Annotated[int, typer.Option("--runs", help="Rehearsals of each mode.")] = 1000,
    faults: Annotated[
        str,
        typer.Option(
            "--faults",
            help="none, flaky, throttled, no-capacity, lost-region, slow-region, lost-worker, people, storm, "
            "or a YAML file.",
        ),
    ] = "none",
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            help="Durations: published, strategy, or a YAML file; learned ones where there are any by default.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", help="Of everything random: the same seed, the same answer.")
    ] = 0,
    memory: Annotated[
        int, typer.Option("--memory", metavar="MIB", help="Memory that Terraform may use on the machine.")
    ] = 4096,
    cores: Annotated[
        int, typer.Option("--cores", help="Cores of the machine that runs Terraform; 0 for plenty.")
    ] = 0,
    tune: Annotated[
        bool, typer.Option("--tune", help="Search for the ceilings and waves with the best P90.")
    ] = False,
    risk: Annotated[
        float, typer.Option("--risk", help="How likely a tuned run may end degraded, 0 to 1.")
    ] = 0.05,
    exposed: Annotated[
        float, typer.Option("--exposed", help="Share of the validators that may be in one wave, 0 to 1.")
    ] = 1.0,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page with Gantt and distribution.")
    ] = None,
    waves: WavesOpt = None,
    only: OnlyOpt = None,
    skip: SkipOpt = None,
    from_: FromOpt = None,
    ceiling: CeilingOpt = None,
    state: StateOpt = None,
    json_: JsonOpt = False,
) -> None:
    """Rehearse a deployment: when it ends, what decides that. Nothing is made; it says what to change, too."""
    from chainfleet.runtime.targets import PolicyOptions

    from .foresight import RehearseOptions, run_rehearse

    policy = PolicyOptions(None if mode == "all" else mode, waves, only, skip, from_, ceiling)
    options = RehearseOptions(
        every_mode=mode == "all",
        runs=runs,
        faults=faults,
        profile=profile,
        seed=seed,
        memory_mib=memory,
        cores=cores,
        risk=(risk, exposed) if tune else None,
        html=html,
        state=state,
    )
    run_rehearse(fleet, policy, options, as_json=json_)


def forecast(fleet: FleetArg, state: StateOpt = None, json_: JsonOpt = False) -> None:
    """When the deployment that runs will end, or the next one would."""
    from .foresight import run_forecast

    run_forecast(fleet, state, as_json=json_)
