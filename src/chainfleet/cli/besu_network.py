"""The `chainfleet besu` commands that look at, or work on, a network that lives."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from chainfleet.drivers.besu.lifecycle import (
    Operation,
    restart_stalled,
    rolling_restart,
    start_region,
    stop_region,
    validator_set,
    vote,
)
from chainfleet.drivers.besu.observation import ChainStatus, observe_chain
from chainfleet.drivers.kubernetes import clusters
from chainfleet.model.errors import InputError
from chainfleet.model.fleet import Fleet
from chainfleet.runtime.holding import holding
from chainfleet.runtime.looking import Outputs, recorded_outputs
from chainfleet.runtime.operations import Environment, open_environment, scaled, task_environ
from chainfleet.runtime.state import StateFolder
from chainfleet.runtime.targets import Target, TargetOptions, load, open_target

from .output import write

if TYPE_CHECKING:
    from chainfleet.drivers.besu.keys import Validator

Result = TypeVar("Result")
KEYS = "besu/keys/network"


@dataclass(frozen=True, slots=True)
class Sight:
    """What reaching the clusters takes."""

    environ: Mapping[str, str]
    outputs: Callable[[str], Mapping[str, Any]]


def run_chain(path: Path, target: TargetOptions, *, as_json: bool) -> int:
    """Show what the network says of itself; exit code 6 where something is wrong.

    Reads only, so it takes no lease and works beside a running deployment.
    """
    state = _deployed(path, target)
    with open_target(target, state) as cloud:
        fleet = scaled(load(path, cloud.environ).fleet, cloud.time_scale)
        outputs = recorded_outputs(state, fleet.name)
        status = asyncio.run(look(fleet, state, outputs, cloud))
    if as_json:
        typer.echo(json.dumps(status.to_json()))
    else:
        _print(status)
    return 0 if status.healthy else 6


async def look(fleet: Fleet, state: StateFolder, outputs: Outputs, cloud: Target) -> ChainStatus:
    """What the network says of itself, by what tasks have left behind and by the keys that were ever made."""
    environ = task_environ(cloud.environ)
    rows = [asdict(validator) for validator in all_validators(state, environ)]
    known = {**outputs, KEYS: {"validators": rows}} if rows else outputs
    return await _closing(observe_chain(fleet, Sight(environ, known.__getitem__), _clock(cloud)()))


def all_validators(state: StateFolder, environ: Mapping[str, str]) -> tuple[Validator, ...]:
    """Whom there are keys for in the workspace, in the fleet or not; empty where they lie elsewhere."""
    from chainfleet.drivers.besu.keys import KeyStore

    return KeyStore.of(state.workspace, environ).validators()


def run_restart(path: Path, target: TargetOptions, *, everybody: bool, at_once: int) -> int:
    """Restart validators in turn; those that already run what is configured only if asked for."""

    async def restart(operation: Operation) -> tuple[str, ...]:
        return await rolling_restart(operation, outdated_only=not everybody, at_once=at_once)

    done = _on_network(path, target, restart)
    typer.echo(f"restarted {len(done)} validators" if done else "all run what is configured")
    return 0


def run_restart_stalled(path: Path, target: TargetOptions) -> int:
    """Restart all validators of a chain that stands still."""
    done = _on_network(path, target, restart_stalled)
    typer.echo(f"restarted {len(done)} validators, blocks come")
    return 0


def run_vote(path: Path, target: TargetOptions, address: str, *, add: bool) -> int:
    """Vote a validator in or out."""

    async def cast(operation: Operation) -> tuple[str, ...]:
        return await vote(operation, address, add=add)

    after = _on_network(path, target, cast)
    typer.echo(f"{len(after)} validators")
    return 0


def run_scale(path: Path, target: TargetOptions, region: str, *, up: bool) -> int:
    """Start or stop a region's validators."""

    async def scale(operation: Operation) -> int:
        return await (start_region if up else stop_region)(operation, region)

    changed = _on_network(path, target, scale)
    typer.echo(f"{'started' if up else 'stopped'} {changed} validators of {region}")
    return 0


def run_import_key(path: Path, target: TargetOptions, region: str, index: int, file: Path) -> Validator:
    """Take over an existing node key for a validator that has none yet."""
    import os

    from chainfleet.drivers.besu.files import read_text
    from chainfleet.drivers.besu.keys import KeyStore, validators_of
    from chainfleet.model.besu.identity import read_key_file

    fleet = load(path).fleet
    if (region, index) not in validators_of(fleet):
        raise InputError(
            f"the fleet has no validator {region}-{index}",
            way_out="`chainfleet status FLEET --live` lists them",
        )
    text = read_text(file)
    if text is None:
        raise InputError(f"there is no file {file}", way_out="check the path")
    workspace = target.state_folder(fleet.name).prepare().workspace
    return KeyStore.of(workspace, os.environ).add(region, index, read_key_file(text, str(file)))


def run_retire_key(path: Path, target: TargetOptions, region: str, index: int) -> Validator:
    """Put the key of a validator away that no longer validates."""
    from chainfleet.drivers.besu.keys import KeyStore

    async def retire(operation: Operation) -> Validator:
        address = operation.addresses.get(f"{region}-{index}")
        if address is not None and address in await validator_set(operation):
            raise InputError(
                f"{address} validates still: without its key it would be missed",
                way_out=f"vote it out first: `chainfleet besu vote FLEET {address} --drop`",
            )
        operation.fence()
        workspace = target.state_folder(operation.fleet.name).workspace
        return KeyStore.of(workspace, operation.access.environ).retire(region, index)

    return _on_network(path, target, retire)


def _deployed(path: Path, target: TargetOptions) -> StateFolder:
    """The state folder of a fleet that was deployed."""
    state = target.state_folder(load(path).fleet.name)
    if not state.ledger.exists():
        raise InputError(
            f"{state.root} has no ledger: nothing was deployed from here", way_out="deploy first"
        )
    return state


def _clock(cloud: Target) -> Callable[[], float]:
    """Where the cloud's time is not ours, the age of a block can't be told; that blocks come, can."""
    return time.time if cloud.time_scale == 1 else lambda: 0.0


def _on_network(path: Path, target: TargetOptions, work: Callable[[Operation], Awaitable[Result]]) -> Result:
    state = _deployed(path, target)
    with open_target(target, state) as cloud:
        fleet = scaled(load(path, cloud.environ).fleet, cloud.time_scale)
        with open_environment(fleet, state, task_environ(cloud.environ)) as environment:
            operation = _operation(fleet, environment, _clock(cloud))
            return asyncio.run(holding(environment.lease, _closing(work(operation))))


async def _closing(work: Awaitable[Result]) -> Result:
    try:
        return await work
    finally:
        await clusters().close()


def _operation(fleet: Fleet, environment: Environment, clock: Callable[[], float]) -> Operation:
    keys = environment.outputs.get(KEYS)
    if keys is None:
        raise InputError("this network has no keys yet", way_out="deploy first")

    return Operation(
        fleet=fleet,
        access=Sight(environment.environ, environment.outputs.__getitem__),
        log=partial(write, err=True),
        fence=environment.lease.check,
        addresses={f"{row['region']}-{row['index']}": row["address"] for row in keys["validators"]},
        clock=clock,
    )


def _print(status: ChainStatus) -> None:
    voting = "" if status.voting == status.answering else f"{status.voting} of them vote, "
    typer.echo(
        f"validators  {status.answering} of {status.validators} answer, {voting}quorum {status.quorum}, "
        f"margin {status.margin}, peers {status.peers_min} at least"
    )
    typer.echo(f"head        block {status.head}, {status.head_age_s or 0:.0f} s old, spread {status.spread}")
    typer.echo(f"genesis     {status.genesis_hash}")
    rounds = f"{sum(map(bool, status.rounds))} of {len(status.rounds)} recent blocks needed more than one"
    seals = "" if status.seals_min is None else f"; {status.seals_min} seals at least"
    typer.echo(f"rounds      {rounds}{seals}")
    for region in status.regions:
        head = "-" if region.head is None else region.head
        typer.echo(f"  {region.region:<20} {region.answering}/{region.validators}  head {head}")
    for problem in status.problems:
        write(f"problem     {problem}")
