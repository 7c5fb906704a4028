"""One chain during one attempt: checked, with the key, the journal and the address book that belong to it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from chainfleet.drivers.driver import Attempt
from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.fleet import Chain as ChainSpec
from chainfleet.model.fleet import Fleet
from chainfleet.model.variables import Variable

from .addresses import AddressBook, Record
from .chain import MAINNET, Chain
from .fleet_rpc import FleetJsonRpc
from .journal import Journal
from .rpc import HttpJsonRpc, JsonRpc
from .signer import Signer, load_signer
from .transactions import Pace, Sender

ALLOW_MAINNET = Variable.ALLOW_MAINNET
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_MINUTE_S = 60.0
_FASTEST_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Session:
    """What an attempt works with.

    Attributes:
        spec: the chain in the fleet.
        chain: the chain itself; its id has been checked.
        genesis: hash of its block 0.
        signer: the deployer.
        sender: sends the deployer's transactions.
        book: the environment's address book.
    """

    spec: ChainSpec
    chain: Chain
    genesis: str
    signer: Signer
    sender: Sender
    book: AddressBook

    async def deployed(self) -> Record | None:
        """What the address book knows of and the chain has; None if either doesn't."""
        return await still_there(self.chain, self.book.of(self.spec.name, self.chain.chain_id))


@asynccontextmanager
async def open_chain(attempt: Attempt, spec: ChainSpec) -> AsyncIterator[tuple[Chain, str]]:
    """Connect to a chain for reading; gives it and the hash of its genesis block.

    Raises:
        TaskFailed: it can't be reached, or is another chain than was meant.
    """
    rpc = node_of(attempt, spec)
    try:
        chain = Chain(rpc, spec.name, spec.chain_id, free=_free(attempt.fleet, spec))
        yield chain, await chain.check_identity()
    finally:
        await rpc.close()


@asynccontextmanager
async def open_session(attempt: Attempt, *, key: str | None = None) -> AsyncIterator[Session]:
    """Connect to the chain of an attempt's task, for sending.

    Args:
        attempt: its task's subject is the chain's name.
        key: reference to the key that signs; the chain's deployer where not given.

    Raises:
        TaskFailed: the chain, its id, the key or the permission isn't what it has to be.
    """
    spec = spec_of(attempt.fleet, attempt.task.subject)
    async with open_chain(attempt, spec) as (chain, genesis):
        signer = load_signer(key or spec.deployer, attempt.environ, attempt.workspace)
        check_mainnet(spec, signer, attempt.environ)
        folder = folder_of(attempt.workspace)
        sender = Sender(
            chain,
            signer,
            Journal(folder / f"{spec.name}.journal.jsonl", genesis),
            lock_of(folder, spec.chain_id, signer.address),
            pace=pace(spec, attempt.fleet),
            fence=attempt.fence,
            log=attempt.log,
        )
        yield Session(spec, chain, genesis, signer, sender, AddressBook(folder / "addresses.json"))


async def still_there(chain: Chain, record: Record | None) -> Record | None:
    """The record, if its contract is on the chain; a chain that was made anew has nothing at its address."""
    return record if record is not None and await chain.code(record.address) else None


def spec_of(fleet: Fleet, name: str) -> ChainSpec:
    """Return a chain of the fleet by its name."""
    for spec in fleet.contracts.chains:
        if spec.name == name:
            return spec
    known = ", ".join(spec.name for spec in fleet.contracts.chains) or "none"
    raise TaskFailed(
        ErrorClass.CONFIGURATION,
        f"the fleet has no chain `{name}`; it has {known}",
        way_out="name one of these",
    )


def folder_of(workspace: Path) -> Path:
    """Where the driver keeps its files."""
    return workspace / "contracts"


def lock_of(folder: Path, chain_id: int, account: str) -> Path:
    """The file that serialises users of one key on one chain."""
    return folder / f"{chain_id}-{account.lower()}.lock"


def url_of(spec: ChainSpec, environ: Mapping[str, str]) -> str:
    """Return a chain's address with its references resolved."""
    missing: list[str] = []

    def value(match: re.Match[str]) -> str:
        if not environ.get(match.group(1)):
            missing.append(match.group(1))
        return environ.get(match.group(1), "")

    url = _REFERENCE.sub(value, spec.rpc_url or "")
    if missing or not url.startswith(("http://", "https://")):
        reason = f"${missing[0]} is not set" if missing else "rpc_url is no http or https address"
        raise TaskFailed(
            ErrorClass.CONFIGURATION, f"chain {spec.name}: {reason}", way_out="set it to a JSON-RPC address"
        )
    return url


def check_mainnet(spec: ChainSpec, signer: Signer, environ: Mapping[str, str]) -> None:
    """Refuse Ethereum Mainnet unless it was allowed, and development keys there in any case."""
    if spec.chain_id != MAINNET:
        return
    if signer.well_known:
        message = f"{signer.address} is a well-known development account; it is refused on Ethereum Mainnet"
        raise TaskFailed(
            ErrorClass.CONFIGURATION, message, way_out="use a key of your own", fingerprint="mainnet:key"
        )
    if environ.get(ALLOW_MAINNET) != "1":
        message = f"chain {spec.name} is Ethereum Mainnet (chain id 1), where transactions cost real money"
        way_out = f"pass --allow-mainnet (or set {ALLOW_MAINNET}=1)"
        raise TaskFailed(
            ErrorClass.AUTHORISATION, message, way_out=way_out, fingerprint="mainnet:not-allowed"
        )


def pace(spec: ChainSpec, fleet: Fleet) -> Pace:
    """How waiting for a chain's blocks goes; scaled where the chain is an emulated one."""
    scale = fleet.deployment.time_scale
    own = spec.rpc_url is None
    usual = min(1.0, fleet.network.block_period_seconds / 4) if own else 1.0
    return Pace(
        poll_s=max(_FASTEST_POLL_S, usual / scale),
        confirmations=spec.confirmations,
        bump_after_s=None if own else max(10.0, 1.5 * _MINUTE_S / scale),
    )


def _free(fleet: Fleet, spec: ChainSpec) -> bool:
    own = spec.rpc_url is None or spec.chain_id == fleet.network.chain_id
    return own and fleet.network.zero_base_fee


def node_of(attempt: Attempt, spec: ChainSpec) -> JsonRpc:
    """Return what answers for a chain; whoever takes it closes it.

    Raises:
        TaskFailed: CONFIGURATION, its address isn't known.
    """
    if spec.rpc_url is None:
        return FleetJsonRpc(attempt)
    return HttpJsonRpc(url_of(spec, attempt.environ), f"chain {spec.name}", attempt.environ)
