"""The `chainfleet` command. Bodies are imported when a command runs, so that `--help` stays quick."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chainfleet import __version__

from .arguments import (
    AllowDestroyOpt,
    ApprovalOpt,
    CeilingOpt,
    EmulatedOpt,
    EnvFileOpt,
    FaultsOpt,
    FleetArg,
    FromOpt,
    JsonOpt,
    LeaseOpt,
    LeavingOpt,
    LedgerOpt,
    MainnetOpt,
    ModeOpt,
    OnlyOpt,
    PlainOpt,
    PoolOpt,
    PrivateOpt,
    RunOpt,
    ScaleOpt,
    SkipOpt,
    StateOpt,
    WavesOpt,
    YesOpt,
)
from .besu import app as besu
from .foresight_commands import add_foresight
from .inventory_commands import add_inventory
from .oracle import app as oracle
from .output import guarded
from .portal_command import add_portal
from .steering_commands import add_steering
from .words import CommandLine
from .worker_command import add_worker

if TYPE_CHECKING:
    from chainfleet.runtime.targets import TargetOptions

app = CommandLine(
    name="chainfleet",
    help="Deploys one Hyperledger Besu QBFT network to many cloud regions at once.\n\n"
    "Example: chainfleet deploy examples/chain-138.yaml --emulated --yes",
    no_args_is_help=True,
    context_settings={"help_option_names": ["--help", "-h"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 all well, 1 failed, 2 wrong input, 3 this machine lacks something, 4 ledger unusable, "
    "5 another process runs this environment, 6 ended degraded, 130 cancelled.",
)


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"chainfleet {__version__}")
        raise typer.Exit


@app.callback()
def chainfleet(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_tell_version, help="Print the version.")
    ] = False,
) -> None:
    """Take what stands before the command's name."""


@app.command(epilog="Example: chainfleet init --name my-chain --regions 24 > fleet.yaml")
def init(
    name: Annotated[str, typer.Option("--name", help="Name of the fleet.")] = "my-chain",
    chain_id: Annotated[int, typer.Option("--chain-id", help="Chain id.")] = 1138,
    regions: Annotated[int, typer.Option("--regions", help="How many of the recommended regions.")] = 24,
) -> None:
    """Print a fleet file to start from."""
    from .declare import print_new_fleet

    print_new_fleet(name, chain_id, regions)


@app.command(epilog="Example: chainfleet schema > fleet.schema.json")
def schema() -> None:
    """Print the JSON Schema of the fleet file, for editors."""
    from .declare import print_schema

    print_schema()


@app.command(epilog="Example: chainfleet check examples/chain-138.yaml")
def check(fleet: FleetArg, json_: JsonOpt = False) -> None:
    """Check a fleet: its file, the chain's rules, this machine."""
    from .declare import run_check

    raise typer.Exit(run_check(fleet, as_json=json_))


@app.command(epilog="Example: chainfleet plan examples/chain-138.yaml --mode max --waves 8,16")
def plan(
    fleet: FleetArg,
    mode: ModeOpt = None,
    waves: WavesOpt = None,
    only: OnlyOpt = None,
    skip: SkipOpt = None,
    from_: FromOpt = None,
    ceiling: CeilingOpt = None,
    json_: JsonOpt = False,
) -> None:
    """Show what would be done, in which order, and under which limits. Changes nothing."""
    from chainfleet.runtime.targets import PolicyOptions

    from .declare import run_plan

    run_plan(fleet, PolicyOptions(mode, waves, only, skip, from_, ceiling), as_json=json_)


@app.command(epilog="Example: chainfleet render examples/chain-138.yaml --output manifests/")
def render(
    fleet: FleetArg,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder to write to, one folder per region.")
    ] = Path("rendered"),
    state: StateOpt = None,
    json_: JsonOpt = False,
) -> None:
    """Write every region's Kubernetes objects as YAML, for GitOps."""
    from .declare import run_render

    run_render(fleet, output, state, as_json=json_)


@app.command(epilog="Example: chainfleet deploy examples/chain-138.yaml --emulated --yes")
def deploy(
    fleet: FleetArg,
    mode: ModeOpt = None,
    waves: WavesOpt = None,
    only: OnlyOpt = None,
    skip: SkipOpt = None,
    from_: FromOpt = None,
    ceiling: CeilingOpt = None,
    approval: ApprovalOpt = False,
    state: StateOpt = None,
    ledger: LedgerOpt = None,
    lease: LeaseOpt = None,
    pool: PoolOpt = None,
    private_clusters: PrivateOpt = False,
    emulated: EmulatedOpt = False,
    time_scale: ScaleOpt = None,
    faults: FaultsOpt = None,
    env_file: EnvFileOpt = None,
    allow_mainnet: MainnetOpt = False,
    allow_destroy: AllowDestroyOpt = False,
    run: RunOpt = None,
    yes: YesOpt = False,
    plain: PlainOpt = False,
    json_: JsonOpt = False,
) -> None:
    """Deploy the fleet; what is already right is left as it is."""
    from chainfleet.runtime.targets import PolicyOptions, TargetOptions

    from .deploy import run_deploy

    target = TargetOptions(
        state,
        emulated,
        time_scale,
        faults,
        env_file,
        allow_mainnet,
        allow_destroy,
        ledger,
        pool,
        private_clusters,
        lease,
    )
    policy = PolicyOptions(mode, waves, only, skip, from_, ceiling, approval)
    raise typer.Exit(run_deploy(fleet, target, policy, run=run, yes=yes, plain=plain, as_json=json_))


def _where(
    state: Path | None,
    env_file: Path | None,
    ledger: str | None,
    pools: list[str] | None,
    private_clusters: bool,
    lease_s: float | None,
) -> TargetOptions:
    """Where an environment is that was deployed before; which cloud, it remembers itself."""
    from chainfleet.runtime.targets import TargetOptions

    return TargetOptions(
        state,
        env_file=env_file,
        ledger=ledger,
        pools=pools,
        private_clusters=private_clusters,
        lease_s=lease_s,
    )


@app.command(epilog="Example: chainfleet resume examples/chain-138.yaml")
def resume(
    fleet: FleetArg,
    state: StateOpt = None,
    ledger: LedgerOpt = None,
    lease: LeaseOpt = None,
    pool: PoolOpt = None,
    private_clusters: PrivateOpt = False,
    env_file: EnvFileOpt = None,
    standby: Annotated[
        bool, typer.Option("--standby", help="Wait until the coordinator is gone, and take over then.")
    ] = False,
    plain: PlainOpt = False,
    json_: JsonOpt = False,
) -> None:
    """Go on with a run that was stopped or killed."""
    from .deploy import run_resume, run_standby

    target = _where(state, env_file, ledger, pool, private_clusters, lease)
    if standby:
        raise typer.Exit(run_standby(fleet, target, plain=plain, as_json=json_))
    raise typer.Exit(run_resume(fleet, target, retry=None, plain=plain, as_json=json_))


@app.command(epilog="Example: chainfleet retry examples/chain-138.yaml northeurope")
def retry(
    fleet: FleetArg,
    what: Annotated[
        list[str] | None,
        typer.Argument(help="Phase, region or task pattern; all that failed if left out."),
    ] = None,
    state: StateOpt = None,
    ledger: LedgerOpt = None,
    lease: LeaseOpt = None,
    pool: PoolOpt = None,
    private_clusters: PrivateOpt = False,
    env_file: EnvFileOpt = None,
    plain: PlainOpt = False,
    json_: JsonOpt = False,
) -> None:
    """Try again what failed in the last run, and what waited for it."""
    from .deploy import run_resume

    target = _where(state, env_file, ledger, pool, private_clusters, lease)
    raise typer.Exit(run_resume(fleet, target, retry=what or [], plain=plain, as_json=json_))


@app.command(epilog="Example: chainfleet verify examples/chain-138.yaml")
def verify(
    fleet: FleetArg,
    state: StateOpt = None,
    ledger: LedgerOpt = None,
    lease: LeaseOpt = None,
    pool: PoolOpt = None,
    private_clusters: PrivateOpt = False,
    env_file: EnvFileOpt = None,
    run: RunOpt = None,
    plain: PlainOpt = False,
    json_: JsonOpt = False,
) -> None:
    """Verify every region and the network as a whole; reads only."""
    from .deploy import run_verify

    target = _where(state, env_file, ledger, pool, private_clusters, lease)
    raise typer.Exit(run_verify(fleet, target, run=run, plain=plain, as_json=json_))


@app.command(epilog="Example: chainfleet destroy examples/chain-138.yaml")
def destroy(
    fleet: FleetArg,
    state: StateOpt = None,
    ledger: LedgerOpt = None,
    lease: LeaseOpt = None,
    pool: PoolOpt = None,
    private_clusters: PrivateOpt = False,
    env_file: EnvFileOpt = None,
    confirm: Annotated[
        str | None, typer.Option("--confirm", help="The fleet's name, instead of being asked.")
    ] = None,
    only: LeavingOpt = None,
    run: RunOpt = None,
    plain: PlainOpt = False,
    json_: JsonOpt = False,
) -> None:
    """Take the fleet down, or a region for good, in reverse order."""
    from .deploy import run_destroy

    target = _where(state, env_file, ledger, pool, private_clusters, lease)
    code = run_destroy(fleet, target, only=only or (), run=run, confirm=confirm, plain=plain, as_json=json_)
    raise typer.Exit(code)


@app.command(epilog="Example: chainfleet status examples/chain-138.yaml")
def status(
    fleet: FleetArg,
    state: StateOpt = None,
    ledger: LedgerOpt = None,
    run: Annotated[
        str | None, typer.Option("--run", help="Name of the run; the last one by default.")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Ask the network itself instead of the ledger.")
    ] = False,
    env_file: EnvFileOpt = None,
    json_: JsonOpt = False,
) -> None:
    """Show how a run stands, or with --live how the network stands."""
    from chainfleet.runtime.targets import TargetOptions

    if live:
        from .besu_network import run_chain

        raise typer.Exit(
            run_chain(fleet, TargetOptions(state, env_file=env_file, ledger=ledger), as_json=json_)
        )
    from .status import run_status

    raise typer.Exit(run_status(fleet, TargetOptions(state, ledger=ledger), run, as_json=json_))


@app.command(epilog="Example: chainfleet exporter examples/chain-138.yaml --listen 127.0.0.1:9606")
def exporter(
    fleet: FleetArg,
    listen: Annotated[
        str,
        typer.Option(
            "--listen", metavar="HOST:PORT", help="Where to serve; loopback unless you say otherwise."
        ),
    ] = "127.0.0.1:9606",
    interval: Annotated[
        float | None,
        typer.Option(
            "--interval", min=0.2, help="Seconds between two looks; the fleet's scrape interval by default."
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Look once, print the metrics and end.")] = False,
    state: StateOpt = None,
    env_file: EnvFileOpt = None,
) -> None:
    """Serve quorum, agreement and oracles to Prometheus; reads only."""
    from chainfleet.runtime.targets import TargetOptions

    from .exporter import ExporterOptions, run_exporter

    run_exporter(fleet, TargetOptions(state, env_file=env_file), ExporterOptions(listen, interval, once))


@app.command(epilog="Example: chainfleet emulator --state /tmp/cloud --time-scale 60")
def emulator(
    state: Annotated[
        Path, typer.Option("--state", metavar="DIR", help="Folder of the emulated cloud.")
    ] = Path(".chainfleet/emulator"),
    time_scale: ScaleOpt = None,
    faults: FaultsOpt = None,
) -> None:
    """Run the emulated cloud in the foreground. ARM, Kubernetes, Besu and Mainnet are on loopback."""
    from .deploy import run_emulator

    raise typer.Exit(run_emulator(state, time_scale, faults))


add_foresight(app)
add_steering(app)
add_inventory(app)
add_portal(app)
add_worker(app)
app.add_typer(besu, name="besu")
app.add_typer(oracle, name="oracle")


def main() -> None:
    """Entry point."""
    guarded(app)


if __name__ == "__main__":
    main()
