"""`chainfleet oracle`: the relayer between two chains, and its role."""

from __future__ import annotations

from typing import Annotated

import typer

from .arguments import EmulatedOpt, EnvFileOpt, FleetArg, MainnetOpt, StateOpt
from .words import CommandLine

app = CommandLine(help="The oracle's relayer between chains.", no_args_is_help=True, rich_markup_mode=None)


@app.command(
    epilog="Example: chainfleet oracle relay fleet.yaml --from mainnet --to chain-138 --metrics-port 9464"
)
def relay(
    fleet: FleetArg,
    source: Annotated[str, typer.Option("--from", help="Chain that rounds are read from.")],
    target: Annotated[str, typer.Option("--to", help="Chain that they are submitted to.")],
    key: Annotated[
        str | None,
        typer.Option(
            "--key", help="${VARIABLE} or keystore:FILE; default: the deployer of the target chain."
        ),
    ] = None,
    first_round: Annotated[
        int, typer.Option("--from-round", min=1, help="Leave out rounds before this one.")
    ] = 1,
    interval_s: Annotated[
        float, typer.Option("--interval", min=0.05, help="Seconds between two looks at the source.")
    ] = 2.0,
    settle_s: Annotated[
        float, typer.Option("--settle", min=0, help="Seconds to wait for an answer that may still change.")
    ] = 30.0,
    metrics_port: Annotated[
        int | None,
        typer.Option("--metrics-port", help="Loopback port for Prometheus; 0 takes a free one."),
    ] = None,
    ccip_selector: Annotated[
        int | None,
        typer.Option("--ccip-selector", help="Send by CCIP to this chain selector instead of relaying."),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Relay what is there and end.")] = False,
    state: StateOpt = None,
    emulated: EmulatedOpt = False,
    env_file: EnvFileOpt = None,
    allow_mainnet: MainnetOpt = False,
) -> None:
    """Carry answered rounds to another chain, under the relayer's role.

    This is a relayer that you trust, not CCIP: who holds its key decides what the target chain is told. It
    goes on from the target's latest round, however it ended before, and never submits a round twice.

    Where the source has a CCIP router and a lane to the target, --ccip-selector sends through it instead; the key
    then is one with the sender's role on the source chain, and pays the fees.
    """
    from chainfleet.runtime.targets import TargetOptions

    from .oracle_commands import RelayOptions, run_relay

    where = TargetOptions(state=state, emulated=emulated, env_file=env_file, allow_mainnet=allow_mainnet)
    options = RelayOptions(
        source, target, key, first_round, interval_s, settle_s, metrics_port, ccip_selector, once
    )
    run_relay(fleet, where, options)


@app.command(epilog="Example: chainfleet oracle grant fleet.yaml --chain chain-138 --account 0x…")
def grant(
    fleet: FleetArg,
    chain: Annotated[str, typer.Option("--chain", help="Chain of the contract.")],
    account: Annotated[str, typer.Option("--account", help="Who is to be a relayer there.")],
    key: Annotated[
        str | None,
        typer.Option(
            "--key", help="${VARIABLE} or keystore:FILE of the admin; default: the chain's deployer."
        ),
    ] = None,
    state: StateOpt = None,
    emulated: EmulatedOpt = False,
    env_file: EnvFileOpt = None,
    allow_mainnet: MainnetOpt = False,
) -> None:
    """Make an account a relayer. The key has to be the contract's admin's."""
    from chainfleet.runtime.targets import TargetOptions

    from .oracle_commands import run_grant

    where = TargetOptions(state=state, emulated=emulated, env_file=env_file, allow_mainnet=allow_mainnet)
    run_grant(fleet, where, chain, account, key)
