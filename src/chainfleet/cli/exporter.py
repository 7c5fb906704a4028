"""`chainfleet exporter`: looks at the network again and again and serves what it sees as Prometheus metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import typer

from chainfleet.drivers.driver import Attempt
from chainfleet.drivers.kubernetes import clusters
from chainfleet.drivers.monitoring.exporter import ChainCollector
from chainfleet.drivers.monitoring.exporter.collector import Sources
from chainfleet.drivers.monitoring.exporter.expiry import expiries_of
from chainfleet.drivers.monitoring.exporter.judging import Expected
from chainfleet.drivers.monitoring.exporter.oracles import Oracles
from chainfleet.drivers.monitoring.exporter.sampling import validators_of
from chainfleet.drivers.scraping import exposition, served
from chainfleet.ledger.database import Postgres
from chainfleet.model.besu.extra_data import Codec
from chainfleet.model.errors import ChainfleetError, EnvironmentProblem, InputError
from chainfleet.model.fleet import Fleet
from chainfleet.runtime.looking import looking_attempt, recorded_outputs
from chainfleet.runtime.state import StateFolder
from chainfleet.runtime.targets import TargetOptions

from .looking import say, stop_on_signals, until_stopped, with_environment

_IDENTITY = ("besu/keys/network", "besu/genesis/network")
"""Tasks whose outputs say which network it is."""
_LEDGER_EVERY_S = 15.0
"""How often a ledger in a database, which has no time of its last change, is read anew."""
_ONCE_PATIENCE_S = 30.0
"""Seconds that a validator has with `--once`: nobody looks again in a moment, and late is not down."""
_STALE_LOOKS = 4
"""Looks that may fail to come before `/healthz` says so."""


@dataclass(frozen=True, slots=True)
class ExporterOptions:
    """What `exporter` was asked for; see the command's help."""

    listen: str
    interval_s: float | None
    once: bool

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.listen.rpartition(":")
        if not port.isdigit() or int(port) > 65535:
            raise InputError(f"--listen {self.listen}: no address", way_out="HOST:PORT, e.g. 127.0.0.1:9606")
        return host.strip("[]") or "127.0.0.1", int(port)


def run_exporter(path: Path, where: TargetOptions, options: ExporterOptions) -> None:
    """Serve metrics until interrupted, or print them once."""
    options.address  # noqa: B018 - a wrong address is told before a cloud is reached
    with_environment(path, where, partial(_export, options))


def collector_of(attempt: Attempt, *, feeds_every_s: float = 30.0) -> ChainCollector:
    """Return a collector for the fleet of an attempt."""
    fleet, oracles = attempt.fleet, Oracles(attempt)
    addresses = _addresses(attempt)
    return ChainCollector(
        expected=Expected(
            chain_id=fleet.network.chain_id,
            genesis_hash=str(_outputs(attempt, "besu/genesis/network").get("genesis_hash", "")).lower(),
            validators=frozenset(addresses.values()),
            placement={region.name: fleet.validators_of(region) for region in fleet.regions},
        ),
        sources=Sources(
            validators=validators_of(fleet, attempt),
            addresses=addresses,
            read_feeds=oracles.read,
            read_expiries=lambda: expiries_of(fleet, attempt),
        ),
        codec=Codec.of(fleet.network.consensus),
        period_s=fleet.network.block_period_seconds,
        heartbeat_s=fleet.contracts.oracle.heartbeat_seconds,
        wall=time.time,
        monotonic=time.monotonic,
        feeds_every_s=feeds_every_s,
    )


@dataclass(slots=True)
class _Exporter:
    """The collector of an environment, kept up with what deployments beside it record."""

    fleet: Fleet
    state: StateFolder
    environ: Mapping[str, str]
    outputs: dict[str, Mapping[str, Any]] = field(init=False)
    collector: ChainCollector = field(init=False)
    _stamp: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        self._stamp = self._ledger_stamp()
        self.outputs = dict(recorded_outputs(self.state, self.fleet.name))
        if not self.outputs:
            message = f"{self.state.root} knows of nothing that was deployed"
            raise InputError(message, way_out="`chainfleet deploy FLEET`, or name its folder with --state")
        self.collector = self._new_collector()

    def keep_up(self) -> None:
        """Take note of what was recorded since; another genesis or other validators begin a new count."""
        stamp = self._ledger_stamp()
        if stamp == self._stamp:
            return
        self._stamp, before = stamp, [self.outputs.get(task) for task in _IDENTITY]
        self.outputs.update(recorded_outputs(self.state, self.fleet.name))
        if before != [self.outputs.get(task) for task in _IDENTITY]:
            self.collector = self._new_collector()

    def healthy(self, interval_s: float) -> bool:
        """Whether the network was looked at lately."""
        seen = self.collector.collected_at
        return seen is not None and time.time() - seen <= _STALE_LOOKS * interval_s

    def _new_collector(self) -> ChainCollector:
        log = partial(typer.echo, err=True)
        task = "monitoring/exporter/network"
        attempt = looking_attempt(self.fleet, self.state.workspace, self.environ, self.outputs, task, log)
        return collector_of(attempt)

    def _ledger_stamp(self) -> tuple[float, ...]:
        database = self.state.ledger
        if isinstance(database, Postgres):
            return (time.time() // _LEDGER_EVERY_S,)
        files = (database, database.with_name(f"{database.name}-wal"))
        return tuple(map(_changed_at, files))


def _changed_at(file: Path) -> float:
    """When a file was written last, in seconds since 1970; 0 where there is none: SQLite removes its log when it is done."""
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0


async def _export(
    options: ExporterOptions, fleet: Fleet, state: StateFolder, environ: Mapping[str, str]
) -> None:
    exporter = _Exporter(fleet, state, environ)
    stop = stop_on_signals()
    try:
        if options.once:
            exporter.collector.patience_s = _ONCE_PATIENCE_S
            await exporter.collector.look()
            typer.echo(exposition(exporter.collector)[0].decode(), nl=False)
            return
        interval = options.interval_s or fleet.monitoring.scrape_interval_seconds
        await _serve(exporter, options, interval, stop)
    finally:
        await clusters().close()


async def _serve(
    exporter: _Exporter, options: ExporterOptions, interval_s: float, stop: asyncio.Event
) -> None:
    host, port = options.address
    async with AsyncExitStack() as stack:
        try:
            scope = served(
                lambda accept: exposition(exporter.collector, accept),
                port,
                host=host,
                healthy=lambda: exporter.healthy(interval_s),
            )
            port = await stack.enter_async_context(scope)
        except OSError as error:
            message = f"can't listen on {options.listen}: {error.strerror or error}"
            raise EnvironmentProblem(message, way_out="give another address with --listen") from None
        count = len(exporter.collector.sources.validators)
        say(f"metrics of {count} validators: http://{host}:{port}/metrics")
        while not stop.is_set():
            began = time.monotonic()
            try:
                exporter.keep_up()
            except ChainfleetError as error:
                # What was recorded before still holds; a database that is away must not blind the watch over the chain.
                say(f"the ledger can't be read: {error.message}")
            await exporter.collector.look()
            await until_stopped(stop, max(0.0, interval_s - (time.monotonic() - began)))


def _addresses(attempt: Attempt) -> dict[str, str]:
    rows = _outputs(attempt, "besu/keys/network").get("validators", ())
    return {f"{row['region']}-{row['index']}": str(row["address"]).lower() for row in rows}


def _outputs(attempt: Attempt, task: str) -> Mapping[str, Any]:
    try:
        return attempt.outputs(task)
    except KeyError:
        return {}
