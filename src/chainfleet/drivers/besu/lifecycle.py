"""What is done to a network that lives: restarts and upgrades, votes, stopping and starting a region.

Every step looks first (head age, peers, quorum) and goes no further than the chain can bear. Each
function can be called again after it was interrupted: it looks at what is, not at what it did.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from chainfleet.drivers.kubernetes import names
from chainfleet.drivers.kubernetes.access import Access, clusters
from chainfleet.drivers.kubernetes.client import Cluster, RpcError
from chainfleet.drivers.kubernetes.names import Manifest
from chainfleet.model.besu.extra_data import Codec
from chainfleet.model.besu.quorum import quorum_of, restart_groups, survives
from chainfleet.model.besu.text import read_address
from chainfleet.model.errors import ErrorClass, InputError, TaskFailed
from chainfleet.model.fleet import Fleet

from .node import Node, answered, ask_all
from .observation import ChainStatus, NodeStatus, observe_chain, reachable_nodes
from .pacing import Pace
from .readiness import is_running, until_ready
from .region_tasks import scale

_HEAD_AGE_PERIODS = 3
"""A head older than that many periods means the chain isn't calm enough to take a validator away."""
_CAUGHT_UP_BLOCKS = 2
_READY_WITHIN_S = 900
_BLOCK_WITHIN_PERIODS = 12


@dataclass(frozen=True, slots=True)
class Operation:
    """What every operation needs.

    Attributes:
        fleet: the network.
        access: how clusters are reached.
        log: takes a line for the operator.
        fence: raises LeaseLost when effects are no longer allowed; called before each.
        addresses: address of each validator by its name `region-index`.
        clock: seconds since 1970.
    """

    fleet: Fleet
    access: Access
    log: Callable[[str], None]
    fence: Callable[[], None]
    addresses: Mapping[str, str]
    clock: Callable[[], float] = time.time

    @property
    def pace(self) -> Pace:
        """How fast the other side's time runs."""
        return Pace(self.fleet.deployment.time_scale)

    async def status(self) -> ChainStatus:
        """Look at the whole network."""
        return await observe_chain(self.fleet, self.access, self.clock())


def gate_problem(status: ChainStatus, fleet: Fleet, leaving: int) -> str | None:
    """Return why that many validators must not be taken away now, or None if they may.

    Args:
        status: the network as just seen.
        fleet: for its period.
        leaving: validators about to fall silent for a while.
    """
    interval = fleet.network.empty_block_period_seconds or fleet.network.block_period_seconds
    if len({node.genesis_hash for node in status.nodes if not node.problem}) > 1:
        return "validators have different blocks 0"
    if status.margin < leaving:
        return f"{status.voting} answer; without {leaving} more the quorum of {status.quorum} is lost"
    if status.head_age_s is None or status.head_age_s > _HEAD_AGE_PERIODS * interval:
        return f"the newest block is {status.head_age_s or 0:.0f} s old, blocks come every {interval} s"
    if status.spread > _CAUGHT_UP_BLOCKS:
        return f"heads are {status.spread} blocks apart: somebody still catches up"
    if status.peers_min is not None and status.peers_min < status.quorum - 1:
        return f"a validator has {status.peers_min} peers, {status.quorum - 1} are needed"
    return None


async def rolling_restart(
    operation: Operation, *, outdated_only: bool = True, at_once: int = 1
) -> tuple[str, ...]:
    """Restart validators group by group; return the names of those that were restarted.

    An upgrade is this after `besu/config` applied the new version to every region: StatefulSets are
    `OnDelete`, so nobody restarted by itself.

    Args:
        operation: the network.
        outdated_only: leave those alone that already run what is configured.
        at_once: validators per group; never two of one region, nor two neighbouring proposers.

    Raises:
        TaskFailed: a gate doesn't open in time, or a validator doesn't come back; the rest keeps running.
    """
    region_of = {address: name.rpartition("-")[0] for name, address in operation.addresses.items()}
    name_of = {address: name for name, address in operation.addresses.items()}
    done: list[str] = []
    for group in restart_groups(sorted(region_of), region_of, at_once):
        due = [name_of[a] for a in group if not outdated_only or await _is_outdated(operation, name_of[a])]
        if not due:
            continue
        await _open_gate(operation, len(due))
        await asyncio.gather(*(_restart(operation, name) for name in due))
        await _until_caught_up(operation, due)
        done += due
        operation.log(f"restarted {', '.join(due)}")
    return tuple(done)


async def restart_stalled(operation: Operation) -> tuple[str, ...]:
    """Restart all validators at once, and wait for a block; return the names of those that were restarted.

    For a chain that stands still although a quorum is up: round timers double without bound, those who waited
    longest are rounds ahead of the others, and only a restart of all lets them begin anew together.

    Raises:
        InputError: too few answer for a block, or blocks come.
        TaskFailed: a validator doesn't come back, or no block comes.
    """
    before = await operation.status()
    if before.margin < 0:
        raise InputError(
            f"{before.voting} validators answer, {before.quorum} are needed: a restart brings none back",
            way_out="bring regions back first: `chainfleet besu start FLEET REGION`",
        )
    period = (
        operation.fleet.network.empty_block_period_seconds or operation.fleet.network.block_period_seconds
    )
    patience = operation.pace.scaled(_BLOCK_WITHIN_PERIODS * period, least=5)

    async def advanced() -> int:
        head = (await operation.status()).head or 0
        if head <= (before.head or 0):
            raise _not_ready(f"the head stands at {head}", "besu:stalled")
        return head

    operation.log(f"looking whether block {before.head} gets a successor")
    with suppress(TaskFailed):
        head = await operation.pace.until_answer(advanced, patience)
        raise InputError(
            f"blocks come: block {head} after block {before.head}",
            way_out="`chainfleet besu restart FLEET` restarts validators in turn",
        )
    names = tuple(node.name for node in before.nodes if not node.problem)
    operation.log(f"restarting all {len(names)} at once")
    await asyncio.gather(*(_restart(operation, name) for name in names))
    head = await operation.pace.until_answer(advanced, operation.pace.scaled(_READY_WITHIN_S, least=30))
    operation.log(f"block {head}")
    return names


async def stop_region(operation: Operation, region: str) -> int:
    """Stop a region's validators; return how many ran.

    Raises:
        InputError: the rest of the network could not go on without it.
        TaskFailed: the chain isn't calm enough now.
    """
    fleet = operation.fleet
    placement = {r.name: fleet.validators_of(r) for r in fleet.regions}
    if region not in placement:
        raise InputError(
            f"the fleet has no region {region}",
            way_out="name one of the fleet's regions: `chainfleet plan FLEET` lists them",
        )
    if not survives(placement, [region]):
        message = f"without {region} the chain stops: {quorum_of(fleet.validator_count).quorum} are needed"
        raise InputError(
            message,
            way_out="start others first, or wait until they caught up: `chainfleet status FLEET --live`",
        )
    await _open_gate(operation, placement[region])
    return await _scale_region(operation, region, 0)


async def start_region(operation: Operation, region: str) -> int:
    """Start a region's validators and wait until they caught up; return how many were stopped."""
    fleet = operation.fleet
    started = await _scale_region(operation, region, 1)
    cluster = await _cluster(operation, region)
    count = fleet.validators_of(fleet.region(region))
    patience = operation.pace.scaled(_READY_WITHIN_S, least=30)
    await asyncio.gather(*(until_ready(cluster, index, operation.pace, patience) for index in range(count)))
    await _until_caught_up(operation, [f"{region}-{index}" for index in range(count)])
    return started


async def vote(operation: Operation, address: str, *, add: bool) -> tuple[str, ...]:
    """Have validators vote to add or drop one; return the set of validators afterwards.

    N/2 + 1 must vote, and each vote travels in a block its voter proposes. Votes live in memory and
    are taken back in the end, so that they don't strike again in a later epoch.

    Raises:
        InputError: the set would become too small.
        TaskFailed: CHAIN_NOT_READY if too few can vote or the set doesn't change in time.
    """
    target = read_address(address, "address")
    prefix = "qbft" if Codec.of(operation.fleet.network.consensus) is Codec.QBFT else "ibft"
    nodes, _ = await reachable_nodes(operation.fleet, operation.access)
    current = await _validator_set(nodes)
    if (target in current) == add:
        operation.log(f"{target} is {'a' if add else 'no'} validator already")
        return current
    if not add and len(current) <= 4:
        raise InputError(
            f"of {len(current)} validators none can be dropped: 3 can't bear a fault", way_out="add one first"
        )
    voters = await _voters(operation, nodes, current)
    operation.fence()
    try:
        await _propose(voters, f"{prefix}_proposeValidatorVote", target, add)
        operation.log(f"{len(voters)} validators vote to {'add' if add else 'drop'} {target}")
        return await _until_set_changed(operation, nodes, target, add=add, size=len(current))
    finally:
        silent = await _propose(voters, f"{prefix}_discardValidatorVote", target)
        if silent:
            operation.log(
                f"{', '.join(silent)} can't be told to take the vote on {target} back: restart them, "
                "or they cast it again in a later epoch"
            )


async def validator_set(operation: Operation) -> tuple[str, ...]:
    """Return who validates now, as most of the validators that answer say.

    Raises:
        TaskFailed: CHAIN_NOT_READY if nobody answers.
    """
    nodes, _ = await reachable_nodes(operation.fleet, operation.access)
    return await _validator_set(nodes)


async def _open_gate(operation: Operation, leaving: int) -> None:
    """Wait until the chain is calm and seen to advance."""
    first = (await operation.status()).head

    async def calm() -> None:
        status = await operation.status()
        problem = gate_problem(status, operation.fleet, leaving)
        if problem is None and (status.head or 0) <= (first or 0):
            problem = f"the head stands at {status.head}"
        if problem is not None:
            raise _not_ready(f"the gate stays shut: {problem}", "besu:gate")

    await operation.pace.until_answer(calm, operation.pace.scaled(300, least=10))


async def _is_outdated(operation: Operation, name: str) -> bool:
    """Whether a validator's pod runs an older revision than is configured."""
    region, _, index = name.rpartition("-")
    cluster = await _cluster(operation, region)
    stateful_set = names.validator(int(index))
    live = await cluster.get("StatefulSet", stateful_set, names.NAMESPACE)
    pod = await cluster.get("Pod", f"{stateful_set}-0", names.NAMESPACE)
    if live is None or pod is None:
        return False
    wanted = (live.get("status") or {}).get("updateRevision")
    return bool(wanted) and (pod["metadata"].get("labels") or {}).get("controller-revision-hash") != wanted


async def _restart(operation: Operation, name: str) -> None:
    region, _, index = name.rpartition("-")
    cluster = await _cluster(operation, region)
    pod_name = f"{names.validator(int(index))}-0"
    before = await cluster.get("Pod", pod_name, names.NAMESPACE)
    operation.fence()
    # Never forced: two pods on one key would sign two blocks at one height.
    await cluster.delete("Pod", pod_name, names.NAMESPACE)
    uid = (before or {"metadata": {}})["metadata"].get("uid")

    def replaced(pod: Manifest | None) -> bool:
        return pod is not None and pod["metadata"].get("uid") != uid

    patience = operation.pace.scaled(_READY_WITHIN_S, least=30)
    await cluster.wait_for("Pod", pod_name, names.NAMESPACE, replaced, patience)
    await until_ready(cluster, int(index), operation.pace, patience)


async def _until_caught_up(operation: Operation, due: Sequence[str]) -> None:
    async def caught_up() -> None:
        status = await operation.status()
        behind = [node.name for node in status.nodes if node.name in due and _is_behind(node, status)]
        if behind:
            raise _not_ready(f"{', '.join(behind)} have not caught up", "besu:behind")

    await operation.pace.until_answer(caught_up, operation.pace.scaled(_READY_WITHIN_S, least=30))


def _is_behind(node: NodeStatus, status: ChainStatus) -> bool:
    if node.problem or node.head is None or node.genesis_hash != status.genesis_hash:
        return True
    return (status.head or 0) - node.head > _CAUGHT_UP_BLOCKS or (node.peers or 0) < status.quorum - 1


async def _scale_region(operation: Operation, region: str, replicas: int) -> int:
    cluster = await _cluster(operation, region)
    changed = 0
    for index in range(operation.fleet.validators_of(operation.fleet.region(region))):
        changed += await scale(cluster, index, replicas, operation)
        if replicas == 0:
            patience = operation.pace.scaled(_READY_WITHIN_S, least=30)
            name = names.validator(index)
            await cluster.wait_for("StatefulSet", name, names.NAMESPACE, _is_stopped, patience)
    return changed


def _is_stopped(live: Manifest | None) -> bool:
    return live is None or (not is_running(live) and not (live.get("status") or {}).get("replicas"))


async def _cluster(operation: Operation, region: str) -> Cluster:
    return await clusters().of(operation.access, operation.fleet.region(region))


async def _validator_set(nodes: Sequence[Node]) -> tuple[str, ...]:
    answers = answered(await ask_all(nodes, Node.validators))
    if not answers:
        raise _not_ready("no validator answers", "besu:no-answer")
    sets = sorted(set(answers.values()), key=lambda found: sum(a == found for a in answers.values()))
    largest: tuple[str, ...] = sets[-1]
    return largest


async def _voters(operation: Operation, nodes: Sequence[Node], current: Sequence[str]) -> list[Node]:
    """Return just enough validators that answer: everybody's vote would do, N/2 + 1 suffice."""
    needed = quorum_of(len(current)).votes
    heads = answered(await ask_all(nodes, Node.head))
    able = [n for n in nodes if n.name in heads and operation.addresses.get(n.name) in current]
    if len(able) < needed:
        raise _not_ready(f"{len(able)} validators can vote, {needed} must", "besu:votes")
    return able[:needed]


async def _propose(voters: Sequence[Node], method: str, *params: object) -> list[str]:
    """Tell voters what to propose; returns the names of those that did not answer."""

    async def send(node: Node) -> object:
        return await node.call(method, *params)

    answers = await ask_all(voters, send)
    refused = [a for a in answers.values() if isinstance(a, RpcError)]
    if refused:
        raise TaskFailed(
            ErrorClass.CONFIGURATION,
            f"{method}: {refused[0]}",
            way_out="the nodes' logs say why; `chainfleet status FLEET --live` shows them",
        )
    return [name for name in answers if name not in answered(answers)]


async def _until_set_changed(
    operation: Operation, nodes: Sequence[Node], target: str, *, add: bool, size: int
) -> tuple[str, ...]:
    async def changed() -> tuple[str, ...]:
        found = await _validator_set(nodes)
        if (target in found) != add:
            raise _not_ready(f"the vote on {target} is still under way", "besu:vote")
        return found

    # Every voter has to propose once, and may have to wait for a whole round of all validators.
    period = operation.fleet.network.block_period_seconds
    patience = (2 * size + _BLOCK_WITHIN_PERIODS) * period
    return await operation.pace.until_answer(changed, operation.pace.scaled(patience, least=20))


def _not_ready(message: str, fingerprint: str) -> TaskFailed:
    return TaskFailed(ErrorClass.CHAIN_NOT_READY, message, fingerprint=fingerprint)
