"""Tasks `monitoring/install/{region}`: in every cluster, watchers that know what to look for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from chainfleet.drivers.driver import Attempt, Outcome
from chainfleet.drivers.kubernetes.names import MONITORING_NAMESPACE, Manifest
from chainfleet.drivers.kubernetes.region_task import RegionTask
from chainfleet.model.errors import ErrorClass, TaskFailed

from .manifests import WORKLOADS, credentials, monitoring_manifests, references
from .workloads import CREDENTIALS


class MonitoringDriver:
    """Carries out the tasks of phase monitoring."""

    async def observe(self, attempt: Attempt) -> Outcome | None:
        """Return the outcome if every object is as wanted and all watchers are ready."""
        task = await RegionTask.of(attempt)
        wanted = [*monitoring_manifests(attempt.fleet, task.region), *_secrets(task)]
        async with task.expiring_credentials():
            if not await task.cluster.are_applied(wanted):
                return None
            live = await task.cluster.live(_workloads(wanted))
        ready = len(live) == len(_workloads(wanted)) and all(is_ready(item) for item in live.values())
        return Outcome(_outputs(wanted), changed=False) if ready else None

    async def change(self, attempt: Attempt) -> Outcome:
        """Apply the objects and wait until all watchers are ready."""
        task = await RegionTask.of(attempt)
        namespace, *rest = monitoring_manifests(attempt.fleet, task.region)
        wanted = [namespace, *_secrets(task), *rest]
        async with task.expiring_credentials():
            await _require_secrets(task)
            applied = await task.cluster.apply(wanted, fence=attempt.fence)
            task.log_applied(applied)
            attempt.progress("waiting for the watchers")
            patience = attempt.task.timeout_s * 0.8
            await asyncio.gather(
                *(
                    task.cluster.wait_for(
                        item["kind"], item["metadata"]["name"], MONITORING_NAMESPACE, is_ready, patience
                    )
                    for item in _workloads(wanted)
                )
            )
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
    """Whether a workload has all its pods ready."""
    if live is None:
        return False
    status = live.get("status") or {}
    if "replicas" in live["spec"]:
        return bool(status.get("readyReplicas", 0) >= live["spec"]["replicas"])
    wanted = status.get("desiredNumberScheduled")
    return wanted is not None and bool(status.get("numberReady", 0) >= wanted)


def _secrets(task: RegionTask) -> list[Manifest]:
    """The Secret with what this process's environment holds of what the fleet refers to."""
    environ = task.attempt.environ
    known = {key: environ[name] for key, name in _names(task).items() if environ.get(name)}
    return [credentials(task.attempt.fleet, task.region, known)] if known else []


async def _require_secrets(task: RegionTask) -> None:
    """Whatever isn't in this process's environment must be in the cluster already.

    Raises:
        TaskFailed: CONFIGURATION, naming variable and Secret.
    """
    missing = {key: name for key, name in _names(task).items() if not task.attempt.environ.get(name)}
    if not missing:
        return
    live = await task.cluster.get("Secret", CREDENTIALS, MONITORING_NAMESPACE)
    there = (live or {}).get("data") or {}
    for key, name in missing.items():
        if key not in there:
            message = f"${{{name}}} is not set, and Secret {CREDENTIALS} of {task.region.name} has no `{key}`"
            way_out = f"set {name}, or make the Secret in namespace {MONITORING_NAMESPACE}"
            raise TaskFailed(
                ErrorClass.CONFIGURATION, message, way_out=way_out, fingerprint="monitoring:secret"
            )


def _names(task: RegionTask) -> dict[str, str]:
    return {key: reference[2:-1] for key, reference in references(task.attempt.fleet).items()}


def _workloads(manifests: Sequence[Manifest]) -> list[Manifest]:
    return [item for item in manifests if item["kind"] in WORKLOADS]


def _outputs(manifests: Sequence[Manifest]) -> dict[str, Any]:
    return {"objects": len(manifests)}
