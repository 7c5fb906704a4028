"""Judges the gate between two waves: the wave's validators must be up on *this* revision's genesis block.

Health without revision would be a race: a validator that still runs an older genesis looks just as healthy.
"""

from __future__ import annotations

from chainfleet.ledger.projection import RunView
from chainfleet.model.event import GateDecided, TaskState
from chainfleet.model.task import Task


def decide_gate(gate: Task, view: RunView) -> GateDecided:
    """Open the gate if more than two thirds of the wave's validators started and all agree on the genesis block.

    A region that failed alone does not hold up the rollout: it is reported, retried and repaired on its own.
    """
    starts = [task for task in gate.after if task.startswith("besu/start/")]
    started = [task for task in starts if view.states.get(task) is TaskState.SUCCEEDED]
    wanted = view.outputs.get("besu/genesis/network", {}).get("genesis_hash")
    strange = [
        task for task in started if wanted and view.outputs.get(task, {}).get("genesis_hash") != wanted
    ]
    needed = len(starts) * 2 // 3 + 1
    if strange:
        return GateDecided(
            gate.id, False, by="check", reason=f"another genesis block on {', '.join(strange[:3])}"
        )
    if len(started) < min(needed, len(starts)):
        reason = f"{len(started)} of {len(starts)} validators of the wave are up, {needed} are needed"
        return GateDecided(gate.id, False, by="check", reason=reason)
    return GateDecided(gate.id, True, by="check", reason=f"{len(started)} of {len(starts)} validators are up")
