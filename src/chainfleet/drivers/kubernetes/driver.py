"""Tasks `kubernetes/base/{region}`: make a cluster fit for validators."""

from __future__ import annotations

from chainfleet.drivers.driver import Attempt, Outcome

from .access import clusters
from .base import base_manifests
from .names import NAMESPACE, Manifest
from .region_task import RegionTask


class KubernetesDriver:
    """Carries out the tasks of phase kubernetes."""

    async def observe(self, attempt: Attempt) -> Outcome | None:
        """Return the outcome if every object is as wanted."""
        task = await RegionTask.of(attempt)
        wanted = _wanted(task)
        async with task.expiring_credentials():
            if not await task.cluster.are_applied(wanted):
                return None
        return Outcome({"namespace": NAMESPACE, "server": task.cluster.server}, changed=False)

    async def change(self, attempt: Attempt) -> Outcome:
        """Apply the objects."""
        task = await RegionTask.of(attempt)
        wanted = _wanted(task)
        async with task.expiring_credentials():
            applied = await task.cluster.apply(wanted, fence=attempt.fence)
        task.log_applied(applied)
        outputs = {"namespace": NAMESPACE, "server": task.cluster.server}
        return Outcome(outputs, changed=bool(applied.changed))

    async def undo(self, attempt: Attempt) -> Outcome:
        """Delete what we made in the cluster; disks that were kept outlive it."""
        task = await RegionTask.of(attempt)
        gone = 0
        for wanted in reversed(base_manifests(attempt.fleet, task.region)):
            attempt.fence()
            metadata = wanted["metadata"]
            gone += await task.cluster.delete(wanted["kind"], metadata["name"], metadata.get("namespace"))
        return Outcome({}, changed=gone > 0)


def _wanted(task: RegionTask) -> list[Manifest]:
    """The objects, with the identity that validators act as where they get their keys from a vault."""
    fleet, identity = task.attempt.fleet, ""
    if fleet.network.node_keys == "vault" and task.region.cloud == "azure":
        identity = str(task.attempt.outputs(f"infrastructure/cluster/{task.region.name}").get("identity_id"))
    return base_manifests(fleet, task.region, identity)


__all__ = ["KubernetesDriver", "clusters"]
