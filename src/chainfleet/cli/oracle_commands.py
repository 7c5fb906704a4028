"""What the commands of `chainfleet oracle` do."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from chainfleet.drivers.contracts.abi import abi_of
from chainfleet.drivers.contracts.addresses import Record
from chainfleet.drivers.contracts.artefacts import ORACLE_WITH_CCIP
from chainfleet.drivers.contracts.ccip import CcipCarrier
from chainfleet.drivers.contracts.locks import exclusive
from chainfleet.drivers.contracts.metrics import Metrics
from chainfleet.drivers.contracts.relay import Carrier, Feed, Policy, Relayer, keep_going
from chainfleet.drivers.contracts.roles import grant_relayer
from chainfleet.drivers.contracts.session import (
    Session,
    folder_of,
    open_chain,
    open_session,
    spec_of,
    still_there,
)
from chainfleet.drivers.driver import Attempt
from chainfleet.model.errors import InputError, LeaseLost, TaskFailed
from chainfleet.model.fleet import Fleet
from chainfleet.runtime.looking import looking_attempt, recorded_outputs
from chainfleet.runtime.operations import scaled, task_environ
from chainfleet.runtime.state import StateFolder
from chainfleet.runtime.targets import TargetOptions, load, open_target

from .looking import say, stop_on_signals, until_stopped


@dataclass(frozen=True, slots=True)
class RelayOptions:
    """What `relay` was asked for; see the command's help."""

    source: str
    target: str
    key: str | None
    first_round: int
    interval_s: float
    settle_s: float
    metrics_port: int | None
    ccip_selector: int | None
    once: bool

    @property
    def policy(self) -> Policy:
        """How rounds are carried."""
        return Policy(self.interval_s, self.settle_s, self.first_round)


def run_relay(path: Path, where: TargetOptions, options: RelayOptions) -> None:
    """Relay until interrupted, or once."""
    if options.source == options.target:
        raise InputError("a chain can't be relayed to itself", way_out="name two chains of the fleet")
    _run(path, where, lambda fleet, state, environ: _relay(fleet, state, environ, options))


def run_grant(path: Path, where: TargetOptions, chain: str, account: str, key: str | None) -> None:
    """Make an account a relayer."""
    from eth_utils.address import is_address, to_checksum_address

    if not is_address(account):
        raise InputError(f"{account} is no address", way_out="an address is 0x and 40 hex digits")

    async def work(fleet: Fleet, state: StateFolder, environ: Mapping[str, str]) -> None:
        async with open_session(_attempt(fleet, state, environ, chain), key=key) as session:
            changed = await grant_relayer(
                session, (await _deployed(session)).address, to_checksum_address(account)
            )
            typer.echo(f"{account} is a relayer on {chain}" + ("" if changed else " already"))

    _run(path, where, work)


def _run(path: Path, where: TargetOptions, work: Any) -> None:
    declared = load(path)
    state = where.state_folder(declared.fleet.name)
    with open_target(where, state) as cloud:
        fleet = scaled(load(path, cloud.environ).fleet, cloud.time_scale)
        job: Coroutine[Any, Any, None] = work(fleet, state, task_environ(cloud.environ))
        asyncio.run(job)


async def _relay(fleet: Fleet, state: StateFolder, environ: Mapping[str, str], options: RelayOptions) -> None:
    metrics = Metrics(time.time)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(_only_one(state.prepare().workspace, options))
        if options.metrics_port is not None:
            port = await stack.enter_async_context(metrics.served(options.metrics_port))
            typer.echo(f"metrics: http://127.0.0.1:{port}/metrics")
        make = _relayer if options.ccip_selector is None else _ccip_carrier
        carrier = await make(stack, fleet, state, environ, options, metrics)
        await carrier.check()
        if options.once:
            say(f"done: {await carrier.step()} rounds")
            return
        stop = stop_on_signals()
        await keep_going(
            carrier,
            policy=options.policy,
            metrics=metrics,
            random=random.random,
            log=say,
            stopped=stop.is_set,
            sleep=lambda seconds: until_stopped(stop, seconds),
        )


async def _relayer(
    stack: AsyncExitStack,
    fleet: Fleet,
    state: StateFolder,
    environ: Mapping[str, str],
    options: RelayOptions,
    metrics: Metrics,
) -> Carrier:
    """Submits to the target chain under the relayer's role."""
    attempt = _attempt(fleet, state, environ, options.target)
    target = await stack.enter_async_context(open_session(attempt, key=options.key))
    source = await stack.enter_async_context(_source(fleet, state, environ, options.source, target))
    there = await _deployed(target)
    feed = Feed(target.chain, there.address, abi_of(there.contract))
    return Relayer(source, feed, target.sender, policy=options.policy, metrics=metrics, log=say)


async def _ccip_carrier(
    stack: AsyncExitStack,
    fleet: Fleet,
    state: StateFolder,
    environ: Mapping[str, str],
    options: RelayOptions,
    metrics: Metrics,
) -> Carrier:
    """Sends from the source chain through its CCIP router."""
    attempt = _attempt(fleet, state, environ, options.source)
    source = await stack.enter_async_context(open_session(attempt, key=options.key))
    there = await _deployed(source)
    if there.contract != ORACLE_WITH_CCIP:
        message = f"the contract on {options.source} doesn't speak CCIP: no router was configured there"
        raise InputError(message, way_out="relay without --ccip-selector")
    assert options.ccip_selector is not None
    feed = Feed(source.chain, there.address, abi_of(ORACLE_WITH_CCIP), source.spec.confirmations)
    return CcipCarrier(
        feed, options.ccip_selector, source.sender, policy=options.policy, metrics=metrics, log=say
    )


@asynccontextmanager
async def _source(
    fleet: Fleet, state: StateFolder, environ: Mapping[str, str], name: str, target: Session
) -> AsyncIterator[Feed]:
    spec = spec_of(fleet, name)
    async with open_chain(_attempt(fleet, state, environ, name), spec) as (chain, _):
        record = await still_there(chain, target.book.of(name, spec.chain_id))
        if record is None:
            raise _nothing_deployed(name)
        yield Feed(chain, record.address, abi_of(record.contract), spec.confirmations)


@asynccontextmanager
async def _only_one(workspace: Path, options: RelayOptions) -> AsyncIterator[None]:
    lock = folder_of(workspace) / f"relay-{options.source}-{options.target}.lock"
    try:
        scope = exclusive(lock, timeout_s=0.2)
        await scope.__aenter__()
    except TaskFailed:
        message = f"another relayer from {options.source} to {options.target} runs on this state folder"
        raise LeaseLost(message, way_out="wait until it ends, or stop it") from None
    try:
        yield
    finally:
        await scope.__aexit__(None, None, None)


def _attempt(fleet: Fleet, state: StateFolder, environ: Mapping[str, str], chain: str) -> Attempt:
    outputs = recorded_outputs(state, fleet.name)
    return looking_attempt(fleet, state.workspace, environ, outputs, f"contracts/relay/{chain}", say)


async def _deployed(session: Session) -> Record:
    record = await session.deployed()
    if record is None:
        raise _nothing_deployed(session.spec.name)
    return record


def _nothing_deployed(chain: str) -> InputError:
    return InputError(f"no contract is known on {chain}", way_out="deploy the fleet first")
