"""Tasks `monitoring/install/{region}`: a Prometheus in every cluster that knows what to look for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chainfleet.drivers.driver import Attempt, Outcome
from chainfleet.drivers.kubernetes.names import MONITORING_NAMESPACE, Manifest
from chainfleet.drivers.kubernetes.region_task import RegionTask

from .manifests import NAME, monitoring_manifests


class MonitoringDriver:
    """Carries out the tasks of phase monitoring."""

    async def observe(self, attempt: Attempt) -> Outcome | None:
        """Return the outcome if every object is as wanted and Prometheus is ready."""
        task = await RegionTask.of(attempt)
        wanted = monitoring_manifests(attempt.fleet, task.region)
        async with task.expiring_credentials():
            if not await task.cluster.are_applied(wanted):
                return None
            live = await task.cluster.get("StatefulSet", NAME, MONITORING_NAMESPACE)
        return Outcome(_outputs(wanted), changed=False) if is_ready(live) else None

    async def change(self, attempt: Attempt) -> Outcome:
        """Apply the objects and wait until Prometheus is ready."""
        task = await RegionTask.of(attempt)
        wanted = monitoring_manifests(attempt.fleet, task.region)
        async with task.expiring_credentials():
            applied = await task.cluster.apply(wanted, fence=attempt.fence)
            task.log_applied(applied)
            attempt.progress("waiting for Prometheus")
            patience = attempt.task.timeout_s * 0.8
            await task.cluster.wait_for("StatefulSet", NAME, MONITORING_NAMESPACE, is_ready, patience)
        return Outcome(_outputs(wanted), changed=bool(applied.changed))

    async def undo(self, attempt: Attempt) -> Outcome:
        """Delete the objects; the namespace goes last and takes the rest along."""
        task = await RegionTask.of(attempt)
        gone = 0
        for item in reversed(monitoring_manifests(attempt.fleet, task.region)):
            attempt.fence()
            metadata = item["metadata"]
            gone += await task.cluster.delete(item["kind"], metadata["name"], metadata.get("namespace"))
        return Outcome({}, changed=gone > 0)


def is_ready(live: Mapping[str, Any] | None) -> bool:
    """Whether a StatefulSet has all its replicas ready."""
    if live is None:
        return False
    status = live.get("status") or {}
    return bool(status.get("readyReplicas", 0) >= live["spec"].get("replicas", 1))


def _outputs(manifests: Sequence[Manifest]) -> dict[str, Any]:
    return {"objects": len(manifests)}
