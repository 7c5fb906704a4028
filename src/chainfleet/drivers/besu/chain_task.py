"""`besu/chain/network`: a quorum of validators with one block 0, and blocks that come."""

from __future__ import annotations

from collections import Counter
from typing import Any

from chainfleet.drivers.driver import Attempt, Outcome
from chainfleet.drivers.kubernetes.access import clusters
from chainfleet.model.besu.quorum import quorum_of
from chainfleet.model.errors import ErrorClass, TaskFailed

from . import artefacts
from .node import Node, answered, ask_all
from .pacing import Pace


class ChainTask:
    """Waits until the chain lives."""

    async def observe(self, attempt: Attempt) -> Outcome | None:  # noqa: ARG002 - part of the protocol
        """Return None: whether blocks come can only be seen by waiting for one."""
        return None

    async def change(self, attempt: Attempt) -> Outcome:
        """Wait until a quorum reports the right block 0 and its head moves; changes nothing.

        Raises:
            TaskFailed: CHAIN_NOT_READY if that doesn't happen in time; CONFIGURATION on another block 0.
        """
        pace, network = Pace.of(attempt), attempt.fleet.network
        patience = pace.scaled(30 * network.block_period_seconds + 60, least=20)
        first = await pace.until_answer(lambda: _agreed_heads(attempt), patience)
        attempt.progress(f"{len(first)} validators agree, waiting for a block")

        async def advanced() -> dict[str, int]:
            now = await _agreed_heads(attempt)
            moved = [name for name, head in now.items() if head > first.get(name, head)]
            if len(moved) < quorum_of(attempt.fleet.validator_count).quorum:
                raise _not_ready(f"only {len(moved)} validators have a new block", "besu:stalled")
            return now

        heads = await pace.until_answer(advanced, patience)
        attempt.log(f"head {max(heads.values())} on {len(heads)} validators")
        wanted = artefacts.required_outputs(attempt, "besu/genesis/network")["genesis_hash"]
        outputs = {"head": max(heads.values()), "genesis_hash": wanted, "validators": len(heads)}
        return Outcome(outputs, changed=False)

    async def undo(self, attempt: Attempt) -> Outcome:  # noqa: ARG002 - part of the protocol
        """Nothing was made."""
        return Outcome({}, changed=False)


async def nodes_of(attempt: Attempt) -> list[Node]:
    """Return the validators whose clusters can be reached by now."""
    found = []
    for region in attempt.fleet.regions:
        if not attempt.fleet.validators_of(region):
            continue
        try:
            cluster = await clusters().of(attempt, region)
        except TaskFailed as error:
            attempt.log(f"{region.name} can't be asked: {error}")
            continue
        port = attempt.fleet.network.rpc_port
        found += [
            Node(cluster, region.name, index, port) for index in range(attempt.fleet.validators_of(region))
        ]
    return found


async def _agreed_heads(attempt: Attempt) -> dict[str, int]:
    """Return the head of every validator that answers; they all have the right block 0."""
    wanted = artefacts.required_outputs(attempt, "besu/genesis/network")["genesis_hash"]
    quorum = quorum_of(attempt.fleet.validator_count).quorum

    async def look(node: Node) -> tuple[str, int]:
        return await node.genesis_hash(), await node.head()

    answers: dict[str, Any] = answered(await ask_all(await nodes_of(attempt), look))
    strangers = sorted(name for name, (genesis, _) in answers.items() if genesis != wanted)
    if strangers:
        hashes = Counter(genesis for genesis, _ in answers.values())
        message = (
            f"{len(strangers)} validators have another block 0 ({', '.join(strangers[:3])}): {dict(hashes)}"
        )
        raise TaskFailed(ErrorClass.CONFIGURATION, message, fingerprint="besu:genesis-skew")
    if len(answers) < quorum:
        raise _not_ready(f"{len(answers)} validators answer, {quorum} are needed", "besu:no-quorum")
    return {name: head for name, (_, head) in answers.items()}


def _not_ready(message: str, fingerprint: str) -> TaskFailed:
    return TaskFailed(ErrorClass.CHAIN_NOT_READY, message, fingerprint=fingerprint)
