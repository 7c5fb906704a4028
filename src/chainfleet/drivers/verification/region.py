"""`verification/region/{region}`: is this region's part of the network as it should be, right now?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from chainfleet.drivers.besu.artefacts import outputs_or_none, required_outputs, validators
from chainfleet.drivers.besu.key_places import leftovers
from chainfleet.drivers.besu.node import (
    CHAIN_ID,
    GENESIS,
    HEAD,
    PEERS,
    VALIDATORS,
    Node,
    read_hash,
    validator_set,
)
from chainfleet.drivers.besu.pacing import Pace
from chainfleet.drivers.besu.readiness import is_running
from chainfleet.drivers.besu.vault import NodeKeys, vault_of
from chainfleet.drivers.driver import Attempt, Outcome
from chainfleet.drivers.kubernetes import RpcError, names
from chainfleet.drivers.kubernetes.region_task import RegionTask
from chainfleet.drivers.monitoring.conditions import outdated, problem_of, readings_of
from chainfleet.model.errors import ErrorClass, TaskFailed


@dataclass(frozen=True, slots=True)
class NodeView:
    """What one validator says.

    Attributes:
        name: `region-index`.
        genesis_hash: hash of its block 0.
        head: number of its newest block.
        peers: how many it is connected to.
        chain_id: of `eth_chainId`.
        validators: addresses that validate its newest block, ascending.
    """

    name: str
    genesis_hash: str
    head: int
    peers: int
    chain_id: int
    validators: tuple[str, ...]


async def view_of(node: Node) -> NodeView:
    """Ask one validator everything that verification compares."""
    calls = (GENESIS, HEAD, PEERS, CHAIN_ID, *VALIDATORS)
    genesis, *numbers, qbft, ibft = await node.ask(*calls)
    refused = next((answer for answer in (genesis, *numbers) if isinstance(answer, RpcError)), None)
    if refused is not None:
        raise TaskFailed(ErrorClass.CHAIN_NOT_READY, f"{node.name}: {refused}")
    head, peers, chain_id = (int(str(answer), 16) for answer in numbers)
    try:
        found = validator_set((qbft, ibft), node.name)
    except RpcError as error:
        raise TaskFailed(ErrorClass.CHAIN_NOT_READY, f"{node.name}: {error}") from error
    return NodeView(node.name, read_hash(genesis, node.name), head, peers, chain_id, found)


def expected_peers(attempt: Attempt) -> int:
    """Return the peers every validator should have: all others that were started."""
    started = 0
    for region in attempt.fleet.regions:
        for index in range(attempt.fleet.validators_of(region)):
            started += outputs_or_none(attempt, f"besu/start/{region.name}-{index}") is not None
    return max(0, started - 1)


def check_view(attempt: Attempt, view: NodeView) -> None:
    """Raise TaskFailed where a validator disagrees with what was deployed (this never passes by waiting)."""
    wanted = str(required_outputs(attempt, "besu/genesis/network")["genesis_hash"])
    if view.genesis_hash != wanted:
        raise _wrong(f"{view.name} has genesis {view.genesis_hash}, the network has {wanted}")
    if view.chain_id != attempt.fleet.network.chain_id:
        raise _wrong(f"{view.name} is on chain {view.chain_id}, not {attempt.fleet.network.chain_id}")
    missing = {v.address for v in validators(attempt)} - set(view.validators)
    if missing:
        raise _wrong(
            f"{view.name} does not count {len(missing)} of ours as validators, e.g. {min(missing)}",
            way_out=f"vote them in: `chainfleet besu vote FLEET {min(missing)} --add`",
        )


def check_peers(view: NodeView, expected: int) -> None:
    """Raise TaskFailed where a validator has fewer peers than it should (it may yet find them)."""
    if view.peers < expected:
        raise _later(f"{view.name} has {view.peers} peers of {expected}", "verification:peers")


async def check_keys(task: RegionTask, keys: NodeKeys) -> None:
    """Raise TaskFailed where a region's vault, or a Secret beside it, doesn't hold what the fleet says."""
    vault = vault_of(task.attempt, task.region)
    if vault is None:
        return
    held = await keys.versions(task.attempt, task.region, vault)
    wrong = [index for index, version in held.items() if version is None]
    if wrong:
        secret = names.key_secret(wrong[0])
        raise _wrong(
            f"vault {vault.name} of {task.region.name} doesn't hold the key of {task.region.name}-{wrong[0]} "
            f"as the newest version of {secret}",
            way_out=f"`chainfleet deploy FLEET` puts it there; az keyvault secret list-versions --name {secret} "
            f"--vault-name {vault.name} tells since when",
        )
    left = await leftovers(task)
    if left.free or left.needed:
        raise _wrong(
            f"Secret {(left.needed + left.free)[0]} in {task.region.name} still holds a node key",
            way_out="`chainfleet besu restart FLEET` lets validators take it from the vault; then `chainfleet deploy FLEET`",
        )


async def verify_region(attempt: Attempt, keys: NodeKeys) -> Outcome:
    """Look until the region is as it should be.

    Raises:
        TaskFailed: CHAIN_NOT_READY if it isn't in time, CONFIGURATION if it never will be.
    """
    task, pace = await RegionTask.of(attempt), Pace.of(attempt)
    async with task.expiring_credentials():
        await check_keys(task, keys)
    count = attempt.fleet.validators_of(task.region)

    async def look() -> list[NodeView]:
        async with task.expiring_credentials():
            sets = await task.cluster.list_objects("StatefulSet", names.NAMESPACE, names.VALIDATOR_SELECTOR)
            ready = sum(is_running(item) for item in sets)
            if ready < count:
                raise _later(
                    f"{ready} of {count} validators of {task.region.name} are ready", "verification:ready"
                )
            nodes = _nodes(task, count)
            views = await asyncio.gather(*(view_of(node) for node in nodes))
            await asyncio.gather(*(_check_metrics(attempt, node) for node in nodes))
        for view in views:
            check_view(attempt, view)
            check_peers(view, expected_peers(attempt))
        return views

    # Besu tries static peers again every 60 s: three of those rounds are enough.
    views = await pace.until_answer(look, pace.scaled(180, least=10))
    return Outcome(_outputs(views), changed=False)


async def _check_metrics(attempt: Attempt, node: Node) -> None:
    """Ask a validator's own metrics what the alerts ask them; raise TaskFailed where one would fire."""
    port = attempt.fleet.network.metrics_port
    text = await node.cluster.fetch(names.NAMESPACE, names.validator(node.index), port, "/metrics")
    try:
        readings = readings_of(text)
    except ValueError as error:
        raise _later(f"{node.name}: its metrics can't be read: {error}", "verification:metrics") from error
    if (other := outdated(attempt.fleet, readings)) is not None:
        raise TaskFailed(
            ErrorClass.CONFIGURATION,
            f"{node.name}: {other}",
            way_out="`chainfleet besu restart FLEET` lets validators run what is configured",
            fingerprint="verification:version",
        )
    problem = problem_of(attempt.fleet, readings, expected_peers(attempt))
    if problem is not None:
        raise _later(f"{node.name}: {problem}", "verification:metrics")


def _nodes(task: RegionTask, count: int) -> list[Node]:
    port = task.attempt.fleet.network.rpc_port
    return [Node(task.cluster, task.region.name, index, port) for index in range(count)]


def _outputs(views: list[NodeView]) -> dict[str, Any]:
    return {
        "validators_ready": len(views),
        "peers_min": min((view.peers for view in views), default=0),
        "genesis_hash": views[0].genesis_hash if views else "",
        "head": max((view.head for view in views), default=0),
    }


_LOOK = "`chainfleet status FLEET --live` shows the nodes; mend what is wrong, then `chainfleet verify FLEET`"


def _wrong(message: str, way_out: str = _LOOK) -> TaskFailed:
    return TaskFailed(ErrorClass.CONFIGURATION, message, way_out=way_out)


def _later(message: str, fingerprint: str) -> TaskFailed:
    return TaskFailed(ErrorClass.CHAIN_NOT_READY, message, fingerprint=fingerprint)
