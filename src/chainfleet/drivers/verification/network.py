"""`verification/network/network`: one chain, advancing, with every validator and the contracts on it."""

from __future__ import annotations

from typing import Any

from chainfleet.drivers.besu.artefacts import validators
from chainfleet.drivers.besu.chain_task import nodes_of
from chainfleet.drivers.besu.node import Node, answered, ask_all
from chainfleet.drivers.besu.pacing import Pace
from chainfleet.drivers.driver import Attempt, Outcome
from chainfleet.model.besu.extra_data import Codec, decode_extra_data
from chainfleet.model.besu.quorum import quorum_of
from chainfleet.model.besu.text import read_hex
from chainfleet.model.errors import ErrorClass, TaskFailed

from .contracts import verify_contracts
from .region import NodeView, check_peers, check_view, view_of

_BLOCKS_LOOKED_AT = 10


async def verify_network(attempt: Attempt) -> Outcome:
    """Look until the network is as it should be, and see a block come.

    Raises:
        TaskFailed: CHAIN_NOT_READY if it isn't in time, CONFIGURATION if it never will be.
    """
    pace, network = Pace.of(attempt), attempt.fleet.network
    patience = pace.scaled(180, least=10)
    nodes = await nodes_of(attempt)
    views = await pace.until_answer(lambda: _look(attempt, nodes), patience)
    before = max(view.head for view in views)
    witness = next(node for node in nodes if node.name == max(views, key=lambda view: view.head).name)

    async def next_block() -> int:
        head = await witness.head()
        if head <= before:
            message = f"the head stands still at {before}"
            raise TaskFailed(ErrorClass.CHAIN_NOT_READY, message, fingerprint="verification:stalled")
        return head

    attempt.progress(f"{len(views)} validators agree, waiting for a block")
    head = await pace.until_answer(next_block, pace.scaled(12 * network.block_period_seconds, least=10))
    peers = [view.peers for view in views]
    outputs: dict[str, Any] = {
        "validators": attempt.fleet.validator_count,
        "ready": len(views),
        "quorum": quorum_of(len(views[0].validators)).quorum,
        "head_before": before,
        "head": head,
        "peers_min": min(peers),
        "peers_max": max(peers),
        "rounds": await recent_rounds(witness, head, Codec.of(network.consensus)),
        **await verify_contracts(attempt),
    }
    return Outcome(outputs, changed=False)


async def recent_rounds(node: Node, head: int, codec: Codec) -> list[int]:
    """Return the rounds that sealed the newest blocks, oldest first; a rising one is early trouble."""
    blocks = await node.blocks(max(1, head - _BLOCKS_LOOKED_AT + 1), head)
    return [decode_extra_data(read_hex(block["extraData"], "extraData"), codec).round for block in blocks]


async def _look(attempt: Attempt, nodes: list[Node]) -> list[NodeView]:
    answers = await ask_all(nodes, view_of)
    views: list[NodeView] = list(answered(answers).values())
    quorum = quorum_of(attempt.fleet.validator_count).quorum
    if len(views) < quorum:
        silent = sorted(set(answers) - {view.name for view in views})
        message = f"{len(views)} validators answer, {quorum} are needed; silent: {', '.join(silent[:5])}"
        raise TaskFailed(ErrorClass.CHAIN_NOT_READY, message, fingerprint="verification:no-quorum")
    for view in views:
        check_view(attempt, view)
        check_peers(view, len(views) - 1)
    if len({view.validators for view in views}) > 1:
        message = "validators disagree about the set of validators"
        raise TaskFailed(ErrorClass.CHAIN_NOT_READY, message, fingerprint="verification:validator-set")
    _refuse_strangers(attempt, views[0])
    return views


def _refuse_strangers(attempt: Attempt, view: NodeView) -> None:
    """Raise TaskFailed where somebody votes that the fleet doesn't declare: a region that was only taken out of the file."""
    strangers = sorted(set(view.validators) - {v.address for v in validators(attempt)})
    if not strangers:
        return
    message = f"{len(strangers)} vote that the fleet doesn't declare, e.g. {strangers[0]}: they count for the quorum"
    way_out = f"put their region back, or vote them out: `chainfleet besu vote FLEET {strangers[0]} --drop`"
    raise TaskFailed(ErrorClass.CONFIGURATION, message, fingerprint="verification:strangers", way_out=way_out)
