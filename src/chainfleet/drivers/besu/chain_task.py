"""`besu/chain/network`: a quorum of validators with one block 0, and blocks that come."""

from __future__ import annotations

from collections import Counter
from typing import Any

from chainfleet.drivers.driver import Attempt, Outcome
from chainfleet.drivers.kubernetes import names
from chainfleet.drivers.kubernetes.access import clusters
from chainfleet.model.besu.quorum import quorum_of
from chainfleet.model.errors import ErrorClass, TaskFailed

from . import artefacts
from .node import Node, answered, ask_all
from .pacing import Pace

_STALLED = "besu:stalled"


class ChainTask:
    """Waits until the chain lives."""

    async def observe(self, attempt: Attempt) -> Outcome | None:  # noqa: ARG002 - part of the protocol
        """Return None: whether blocks come can only be seen by waiting for one."""
        return None

    async def change(self, attempt: Attempt) -> Outcome:
        """Wait until a quorum reports the right block 0 and its head moves.

        Raises:
            TaskFailed: CHAIN_NOT_READY if that doesn't happen in time; CONFIGURATION on another block 0.
        """
        restarted = False
        try:
            heads = await self._until_alive(attempt)
        except TaskFailed as error:
            if error.fingerprint != _STALLED or not await _is_unborn(attempt):
                raise
            await _restart_all(attempt)
            restarted = True
            heads = await self._until_alive(attempt)
        attempt.log(f"head {max(heads.values())} on {len(heads)} validators")
        wanted = artefacts.required_outputs(attempt, "besu/genesis/network")["genesis_hash"]
        outputs = {"head": max(heads.values()), "genesis_hash": wanted, "validators": len(heads)}
        return Outcome(outputs, changed=restarted)

    async def _until_alive(self, attempt: Attempt) -> dict[str, int]:
        """Wait for a quorum with one block 0, then for a new block on a quorum; return the heads."""
        pace, period = Pace.of(attempt), attempt.fleet.network.block_period_seconds
        patience = min(pace.scaled(30 * period + 60, least=20), attempt.task.timeout_s * 0.2)
        first = await pace.until_answer(lambda: _agreed_heads(attempt), patience)
        attempt.progress(f"{len(first)} validators agree, waiting for a block")

        async def advanced() -> dict[str, int]:
            now = await _agreed_heads(attempt)
            moved = [name for name, head in now.items() if head > first.get(name, head)]
            if len(moved) < quorum_of(attempt.fleet.validator_count).quorum:
                raise _not_ready(f"only {len(moved)} validators have a new block", _STALLED)
            return now

        return await pace.until_answer(advanced, patience)

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
    answers: dict[str, Any] = answered(await ask_all(await nodes_of(attempt), Node.heads))
    strangers = sorted(name for name, (genesis, _) in answers.items() if genesis != wanted)
    if strangers:
        hashes = Counter(genesis for genesis, _ in answers.values())
        message = (
            f"{len(strangers)} validators have another block 0 ({', '.join(strangers[:3])}): {dict(hashes)}"
        )
        raise TaskFailed(
            ErrorClass.CONFIGURATION,
            message,
            fingerprint="besu:genesis-skew",
            way_out="they were started on another network's data: restore their genesis, or empty their volumes and retry",
        )
    if len(answers) < quorum:
        raise _not_ready(f"{len(answers)} validators answer, {quorum} are needed", "besu:no-quorum")
    return {name: head for name, (_, head) in answers.items()}


async def _is_unborn(attempt: Attempt) -> bool:
    """Whether a quorum is up and connected, and yet nobody ever saw a block."""
    heads = await _agreed_heads(attempt)
    return max(heads.values()) == 0


async def _restart_all(attempt: Attempt) -> None:
    """Restart every validator at once, for a chain that never began.

    Who waited long for a quorum sits in a round that lasts as long again (timers double), and those
    that came later can't meet it there; "the quickest method to resume block production is to restart
    all validators" (Besu's documentation). A chain that has blocks is never treated like this.
    """
    nodes = await nodes_of(attempt)
    attempt.log("a quorum is up but the chain never began: restarting all validators to reset round timers")
    attempt.progress("restarting all validators")
    for node in nodes:
        attempt.fence()
        await node.cluster.delete("Pod", f"{names.validator(node.index)}-0", names.NAMESPACE)


def _not_ready(message: str, fingerprint: str) -> TaskFailed:
    return TaskFailed(ErrorClass.CHAIN_NOT_READY, message, fingerprint=fingerprint)
