"""What the network says of itself right now: per validator, per region and as a whole.

A library call for `chainfleet status`, the portal and the gates of every later change. It only reads.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from chainfleet.drivers.kubernetes.access import Access, clusters
from chainfleet.drivers.kubernetes.client import RpcError
from chainfleet.model.besu.extra_data import Codec, ExtraData, decode_extra_data
from chainfleet.model.besu.quorum import quorum_of
from chainfleet.model.besu.text import read_hex
from chainfleet.model.errors import InputError, TaskFailed
from chainfleet.model.fleet import Fleet

from .node import CHAIN_ID, GENESIS, LATEST, PEERS, Node, read_hash

_BLOCKS = 20
"""Recent blocks whose rounds are looked at."""
_SPREAD_ALLOWED = 2
_PERIODS_UNTIL_STALLED = 12
_LATE_SHARE = 0.1
"""Share of recent blocks that may need a second round without anything being wrong: the first block always may."""


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One validator; figures are None where it doesn't answer.

    Attributes:
        region: name of its region.
        index: which of the region's validators.
        problem: why it doesn't answer; empty if it does.
        chain_id: of `eth_chainId`.
        genesis_hash: hash of its block 0.
        head: number of its newest block.
        head_age_s: seconds since that block's timestamp.
        peers: how many it is connected to.
        round: round that sealed its newest block.
        version: what it says it is.
    """

    region: str
    index: int
    problem: str = ""
    chain_id: int | None = None
    genesis_hash: str | None = None
    head: int | None = None
    head_age_s: float | None = None
    peers: int | None = None
    round: int | None = None
    version: str | None = None

    @property
    def name(self) -> str:
        """`region-index`, as tasks name it."""
        return f"{self.region}-{self.index}"


@dataclass(frozen=True, slots=True)
class RegionStatus:
    """One region's validators together.

    Attributes:
        region: its name.
        validators: declared.
        answering: of these.
        head: highest block; None if nobody answers.
        head_age_s: age of the newest block, in seconds.
        peers_min: fewest peers of any.
    """

    region: str
    validators: int
    answering: int
    head: int | None
    head_age_s: float | None
    peers_min: int | None


@dataclass(frozen=True, slots=True)
class ChainStatus:
    """The network as a whole.

    Attributes:
        validators: declared by the fleet.
        answering: of these.
        voting: of those that answer, how many are in the chain's own set of validators.
        quorum: needed for a block, by the chain's own set; by the fleet where nobody tells the set.
        margin: voting validators that may still fall silent.
        genesis_hash: the one that most report.
        head: highest block.
        head_age_s: age of the newest block, in seconds.
        spread: blocks between the highest and the lowest head.
        peers_min: fewest peers of any validator.
        validator_set: who validates the newest block, ascending.
        strangers: of these, whom the fleet doesn't declare: they are waited for, and nobody here looks after them.
        rounds: rounds that sealed the recent blocks, oldest first.
        seals_min: fewest seals on any of those.
        silent: proposers without a block among the last 100 (of `getSignerMetrics`).
        pending_votes: votes under way, address → whether it is to be added.
        regions: per region.
        nodes: per validator.
        problems: what is wrong, in words; empty is well.
    """

    validators: int
    answering: int
    voting: int
    quorum: int
    margin: int
    genesis_hash: str | None
    head: int | None
    head_age_s: float | None
    spread: int
    peers_min: int | None
    validator_set: tuple[str, ...]
    strangers: tuple[str, ...]
    rounds: tuple[int, ...]
    seals_min: int | None
    silent: tuple[str, ...]
    pending_votes: Mapping[str, bool]
    regions: tuple[RegionStatus, ...]
    nodes: tuple[NodeStatus, ...]
    problems: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {**asdict(self), "healthy": self.healthy}


async def observe_chain(fleet: Fleet, access: Access, now: float) -> ChainStatus:
    """Ask every validator, and one of them about the chain.

    Args:
        fleet: who should be there.
        access: how clusters are reached; an attempt will do.
        now: seconds since 1970, to tell the age of blocks.
    """
    nodes, unreachable = await reachable_nodes(fleet, access)
    codec = Codec.of(fleet.network.consensus)
    seen = await asyncio.gather(*(_node_status(node, codec, now) for node in nodes))
    statuses = tuple(sorted((*seen, *unreachable), key=lambda status: (status.region, status.index)))
    answering = [status for status in statuses if not status.problem]
    witness = _witness(nodes, answering)
    view = _View() if witness is None else await _chain_view(witness, codec)
    return _summary(fleet, statuses, answering, view, _addresses(access))


def _addresses(access: Access) -> dict[str, str]:
    """Address of each validator by its name; empty where no keys were made by that ledger."""
    try:
        rows = access.outputs("besu/keys/network")["validators"]
    except KeyError:
        return {}
    return {f"{row['region']}-{row['index']}": row["address"] for row in rows}


async def reachable_nodes(fleet: Fleet, access: Access) -> tuple[list[Node], list[NodeStatus]]:
    """Return the validators that can be asked, and those whose cluster can't be reached."""
    found: list[Node] = []
    missing: list[NodeStatus] = []
    for region in fleet.regions:
        indices = range(fleet.validators_of(region))
        try:
            cluster = await clusters().of(access, region)
        except TaskFailed as error:
            missing += [NodeStatus(region.name, index, problem=error.message) for index in indices]
            continue
        found += [Node(cluster, region.name, index, fleet.network.rpc_port) for index in indices]
    return found, missing


@dataclass(frozen=True, slots=True)
class _View:
    """What one validator says of the chain."""

    validators: tuple[str, ...] = ()
    blocks: tuple[ExtraData, ...] = ()
    silent: tuple[str, ...] = ()
    votes: Mapping[str, bool] | None = None


async def _node_status(node: Node, codec: Codec, now: float) -> NodeStatus:
    try:
        answers = await node.ask(LATEST, GENESIS, CHAIN_ID, PEERS, ("web3_clientVersion", ()))
        refused = next((answer for answer in answers if isinstance(answer, RpcError)), None)
        if refused is not None:
            raise refused
        block, genesis, chain_id, peers, version = answers
        return NodeStatus(
            region=node.region,
            index=node.index,
            chain_id=int(str(chain_id), 16),
            genesis_hash=read_hash(genesis, node.name),
            head=int(block["number"], 16),
            head_age_s=max(0.0, now - int(block["timestamp"], 16)),
            peers=int(str(peers), 16),
            round=_extra(block, codec).round,
            version=str(version),
        )
    except (TaskFailed, RpcError, InputError) as error:
        return NodeStatus(node.region, node.index, problem=str(error).splitlines()[0])


def _witness(nodes: Sequence[Node], answering: Sequence[NodeStatus]) -> Node | None:
    if not answering:
        return None
    best = max(answering, key=lambda status: status.head or 0).name
    return next(node for node in nodes if node.name == best)


async def _chain_view(node: Node, codec: Codec) -> _View:
    try:
        head = await node.head()
        # Block 1 waited for a quorum to come up: its round says nothing of today.
        blocks = await node.blocks(max(2, head - _BLOCKS + 1), head)
        prefix = "qbft" if codec is Codec.QBFT else "ibft"
        metrics = await node.call(f"{prefix}_getSignerMetrics")
        votes = await node.call(f"{prefix}_getPendingVotes")
        validators = await node.validators()
    except (TaskFailed, RpcError):
        return _View()
    proposed = {str(m["address"]).lower() for m in metrics if int(str(m["proposedBlockCount"]), 16) > 0}
    # Before everybody had a turn, silence means nothing.
    silent = tuple(a for a in validators if a not in proposed) if head >= 2 * len(validators) else ()
    return _View(validators, tuple(_extra(block, codec) for block in blocks), silent, dict(votes or {}))


def _extra(block: Mapping[str, Any], codec: Codec) -> ExtraData:
    return decode_extra_data(read_hex(block["extraData"], "extraData"), codec)


def _summary(
    fleet: Fleet,
    statuses: tuple[NodeStatus, ...],
    answering: Sequence[NodeStatus],
    view: _View,
    addresses: Mapping[str, str],
) -> ChainStatus:
    # Votes decide who counts, not the fleet file: a region that was taken out of it is waited for all the same.
    known = addresses if view.validators else {}
    voting = [s for s in answering if not known or known.get(s.name) in view.validators]
    rule = quorum_of(max(1, len(view.validators) or fleet.validator_count))
    ours = {known[status.name] for status in statuses if status.name in known}
    hashes = Counter(status.genesis_hash for status in answering)
    heads = [status.head or 0 for status in answering]
    seals = [len(block.seals) for block in view.blocks]
    status = ChainStatus(
        validators=fleet.validator_count,
        answering=len(answering),
        voting=len(voting),
        quorum=rule.quorum,
        margin=len(voting) - rule.quorum,
        genesis_hash=hashes.most_common(1)[0][0] if hashes else None,
        head=max(heads, default=None),
        head_age_s=min((s.head_age_s or 0.0 for s in answering), default=None),
        spread=max(heads) - min(heads) if heads else 0,
        peers_min=min((s.peers or 0 for s in answering), default=None),
        validator_set=view.validators,
        strangers=tuple(a for a in view.validators if a not in ours) if ours else (),
        rounds=tuple(block.round for block in view.blocks),
        seals_min=min(seals, default=None),
        silent=view.silent,
        pending_votes=view.votes or {},
        regions=tuple(_region(fleet, region.name, statuses) for region in fleet.regions),
        nodes=statuses,
        problems=(),
    )
    return _with_problems(fleet, status, hashes)


def _region(fleet: Fleet, name: str, statuses: Sequence[NodeStatus]) -> RegionStatus:
    answering = [s for s in statuses if s.region == name and not s.problem]
    return RegionStatus(
        region=name,
        validators=fleet.validators_of(fleet.region(name)),
        answering=len(answering),
        head=max((s.head or 0 for s in answering), default=None),
        head_age_s=min((s.head_age_s or 0.0 for s in answering), default=None),
        peers_min=min((s.peers or 0 for s in answering), default=None),
    )


def _with_problems(fleet: Fleet, status: ChainStatus, hashes: Counter[str | None]) -> ChainStatus:
    network, found = fleet.network, []
    if status.margin < 0:
        found.append(f"{status.voting} validators answer, {status.quorum} are needed")
    elif status.answering < status.validators:
        missing = status.validators - status.answering
        found.append("1 validator doesn't answer" if missing == 1 else f"{missing} validators don't answer")
    if status.strangers:
        named = ", ".join(status.strangers[:3])
        found.append(f"{len(status.strangers)} vote that the fleet doesn't declare ({named})")
    if len(hashes) > 1:
        found.append(f"validators have {len(hashes)} different blocks 0")
    wrong = [s.name for s in status.nodes if s.chain_id not in (None, network.chain_id)]
    if wrong:
        found.append(f"{', '.join(wrong)} are on another chain than {network.chain_id}")
    interval = network.empty_block_period_seconds or network.block_period_seconds
    if status.head_age_s is not None and status.head_age_s > _PERIODS_UNTIL_STALLED * interval:
        found.append(f"the newest block is {status.head_age_s:.0f} s old")
    if status.spread > _SPREAD_ALLOWED:
        found.append(f"heads are {status.spread} blocks apart")
    late = sum(1 for number in status.rounds if number)
    if late > len(status.rounds) * _LATE_SHARE:
        found.append(f"{late} of the last {len(status.rounds)} blocks needed more than one round")
    if status.silent:
        found.append(f"{len(status.silent)} validators propose no blocks")
    if status.peers_min is not None and status.peers_min < status.answering - 1:
        found.append(f"a validator has {status.peers_min} peers of {status.answering - 1}")
    return replace(status, problems=tuple(found))
