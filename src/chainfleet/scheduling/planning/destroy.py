"""The plan that takes a fleet down: only what a driver can undo, in the reverse order."""

from __future__ import annotations

from dataclasses import replace

from chainfleet.model.fleet import Fleet
from chainfleet.model.task import Mode, Phase, Plan, Task

from .modes import order

_OF_THE_NETWORK = ("besu/genesis/network", "besu/peers/network")
"""What the workspace holds of the network as a whole. It goes last: while a region stands, it may be needed."""
_IN_CLUSTER = ("kubernetes/base", "besu/config", "monitoring/install")


def make_destroy_plan(plan: Plan, fleet: Fleet) -> Plan:
    """Reverse the plan of a fleet.

    A cluster that we made goes with everything in it; in a cluster that was there before, only our objects go. With all
    regions gone the genesis goes as well, so that the next network of that name may have another.
    """
    kept = {task.id: task for task in plan.tasks if _undoable(task, fleet)}
    successors: dict[str, list[str]] = {task_id: [] for task_id in kept}
    for task in plan.tasks:
        for need in task.needs:
            if task.id in kept and need in kept:
                successors[need].append(task.id)
    for task_id in kept.keys() & set(_OF_THE_NETWORK):
        successors[task_id] = [other for other in kept if other not in _OF_THE_NETWORK]
    tasks = [
        replace(task, needs=tuple(successors[task.id]), after=(), at_least=None, wave=None, twins="")
        for task in kept.values()
    ]
    return replace(plan, tasks=tuple(order(tasks)), mode=Mode.ULTRA, waves=())


def _undoable(task: Task, fleet: Fleet) -> bool:
    if task.region is None:
        return task.id in _OF_THE_NETWORK
    if fleet.region(task.region).cloud == "kubeconfig":
        return task.id.rsplit("/", 1)[0] in _IN_CLUSTER
    return task.phase is Phase.INFRASTRUCTURE
