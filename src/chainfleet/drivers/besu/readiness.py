"""Waiting for a validator's pod, and telling why it doesn't come."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from chainfleet.drivers.kubernetes import names
from chainfleet.drivers.kubernetes.client import Cluster
from chainfleet.model.errors import ErrorClass, TaskFailed

from .pacing import Pace

_LOOK_EVERY_S = 60
"""How long nothing may happen before the pod itself is looked at."""
_RESTARTS_ARE_A_LOOP = 3
_Container = tuple[str, str]
"""A container: its pod's uid and its name."""
_BAD_IMAGE = ("ImagePullBackOff", "ErrImagePull", "InvalidImageName", "CreateContainerConfigError")


def is_running(live: Mapping[str, Any] | None) -> bool:
    """Whether a validator's StatefulSet wants one pod and has it ready."""
    if live is None:
        return False
    status = live.get("status") or {}
    generation = live["metadata"].get("generation", 0)
    return bool(
        live["spec"].get("replicas") == 1
        and status.get("readyReplicas") == 1
        and status.get("observedGeneration", generation) >= generation
    )


async def until_ready(cluster: Cluster, index: int, pace: Pace, timeout_s: float) -> None:
    """Watch a validator's StatefulSet until its pod is ready.

    A pod that crashed before is given the next try that its node grants it, minutes later maybe: what made it crash
    may have been put right.

    Raises:
        TaskFailed: what keeps the pod from becoming ready, as far as it shows; TIMEOUT if it doesn't.
    """
    deadline = time.monotonic() + timeout_s
    name = names.validator(index)
    before = _restarts(await cluster.get("Pod", f"{name}-0", names.NAMESPACE))
    while True:
        left = deadline - time.monotonic()
        try:
            slice_s = min(left, pace.scaled(_LOOK_EVERY_S, least=2))
            await cluster.wait_for("StatefulSet", name, names.NAMESPACE, is_running, max(0.1, slice_s))
            return
        except TaskFailed as error:
            if error.error_class is not ErrorClass.TIMEOUT:
                raise
            pod = await cluster.get("Pod", f"{name}-0", names.NAMESPACE)
            late = time.monotonic() >= deadline
            trouble = pod_trouble(pod, f"{name} in {cluster.name}", {} if late else before)
            if trouble is not None:
                raise trouble from error
            if late:
                raise await _late(cluster, name, pod, timeout_s) from error


async def _late(cluster: Cluster, name: str, pod: Mapping[str, Any] | None, timeout_s: float) -> TaskFailed:
    """What to say of a pod that didn't come in time. A mount may yet succeed: rights take minutes to arrive."""
    message = f"{name} in {cluster.name} isn't ready after {timeout_s:.0f} s"
    uid = (pod or {"metadata": {}})["metadata"].get("uid")
    events = await cluster.list_objects("Event", names.NAMESPACE) if _is_pending(pod) else []
    refused = [
        e for e in events if e.get("reason") == "FailedMount" and e["involvedObject"].get("uid") == uid
    ]
    if not refused:
        return TaskFailed(ErrorClass.TIMEOUT, message, fingerprint="besu:not-ready")
    newest = max(refused, key=lambda event: str(event.get("lastTimestamp") or ""))
    return TaskFailed(
        ErrorClass.TIMEOUT,
        f"{message}: {newest['message']}",
        fingerprint="besu:not-mounted",
        way_out="`kubectl -n besu describe pod` tells more; a role that was assigned just now takes up to ten minutes",
    )


def _is_pending(pod: Mapping[str, Any] | None) -> bool:
    return bool(pod) and ((pod or {}).get("status") or {}).get("phase") == "Pending"


def _restarts(pod: Mapping[str, Any] | None) -> dict[_Container, int]:
    """How often each container of a pod was restarted."""
    return {key: state.get("restartCount", 0) for key, state in _containers(pod)}


def _containers(pod: Mapping[str, Any] | None) -> list[tuple[_Container, Mapping[str, Any]]]:
    """What a pod says of its containers, those that run first at the beginning."""
    found = pod or {"metadata": {}}
    status, uid = found.get("status") or {}, found["metadata"].get("uid", "")
    states = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return [((uid, state.get("name", "container")), state) for state in states]


def pod_trouble(
    pod: Mapping[str, Any] | None, name: str, before: Mapping[_Container, int]
) -> TaskFailed | None:
    """Return why a pod won't become ready by waiting, or None if it may.

    Args:
        pod: as its cluster has it; None where it has none.
        name: of the validator, for people.
        before: how often its containers had been restarted when the waiting began.
    """
    status: Mapping[str, Any] = (pod or {}).get("status") or {}
    for key, state in _containers(pod):
        trouble = _container_trouble(state, name, before.get(key, 0))
        if trouble is not None:
            return trouble
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
            message = f"{name} finds no node: {condition.get('message', '')}"
            return TaskFailed(ErrorClass.CAPACITY, message, fingerprint="besu:unschedulable")
    return None


def _container_trouble(state: Mapping[str, Any], name: str, before: int) -> TaskFailed | None:
    waiting = (state.get("state") or {}).get("waiting") or {}
    reason, detail = waiting.get("reason", ""), waiting.get("message", "")
    if reason in _BAD_IMAGE:
        message = f"{name}: {reason} {detail}".rstrip()
        return TaskFailed(
            ErrorClass.CONFIGURATION,
            message,
            fingerprint=f"besu:{reason}",
            way_out="check network.image and network.besu_version, and that the clusters may pull from that registry",
        )
    restarts = state.get("restartCount", 0)
    if reason == "CrashLoopBackOff" and restarts >= _RESTARTS_ARE_A_LOOP and restarts > before:
        ended = (state.get("lastState") or {}).get("terminated") or {}
        why = ended.get("message") or ended.get("reason") or detail
        container, code = state.get("name", "container"), ended.get("exitCode", "?")
        message = f"{name}: {container} crashes again and again, exit code {code}"
        text = f"{message} ({why})" if why else message
        return TaskFailed(ErrorClass.CHAIN_NOT_READY, text, fingerprint="besu:crash-loop")
    return None
