"""DaemonSets, Jobs and disruption budgets."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from .. import selectors
from ..store import Change, Key
from ..world import World
from .owned import controller_of, delete_pod, is_active, is_ready, owned, pod_from, template_hash

Json = dict[str, Any]

MANAGER = "kube-controller-manager"
_HASH = "controller-revision-hash"


class DaemonSets:
    """One pod per node."""

    def __init__(self, world: World) -> None:
        self._world = world

    def keys(self, change: Change) -> Iterable[Key]:
        """A set concerns itself, a node all sets, a pod the set that manages it."""
        meta = change.obj["metadata"]
        if change.kind_id == "daemonsets.apps":
            yield meta["namespace"], meta["name"]
        elif change.kind_id == "nodes":
            for obj in self._world.store.all("daemonsets.apps"):
                yield obj["metadata"]["namespace"], obj["metadata"]["name"]
        elif change.kind_id == "pods" and (owner := controller_of(change.obj, "DaemonSet")):
            yield meta["namespace"], owner["name"]

    def reconcile(self, namespace: str, name: str) -> None:
        """Give every node its pod, of the current template."""
        live = self._world.store.find("daemonsets.apps", namespace, name)
        if live is None or live["metadata"].get("deletionTimestamp"):
            return
        digest = template_hash(live["spec"]["template"])
        nodes = [n["metadata"]["name"] for n in self._world.store.all("nodes")]
        by_node = {
            p["spec"].get("nodeName"): p for p in owned(self._world.store, "pods", live) if is_active(p)
        }
        for node, pod in by_node.items():
            if node not in nodes or pod["metadata"]["labels"].get(_HASH) != digest:
                delete_pod(self._world.objects, pod)
        for node in nodes:
            if node not in by_node:
                pod = pod_from(
                    live["spec"]["template"], live, {_HASH: digest, "pod-template-generation": "1"}
                )
                pod["metadata"]["generateName"] = f"{name}-"
                pod["spec"]["nodeName"] = node
                self._world.objects.make("Pod", pod, MANAGER)
        self._report(live, len(nodes), digest)

    def _report(self, live: Json, wanted: int, digest: str) -> None:
        pods = [p for p in owned(self._world.store, "pods", live) if is_active(p)]
        ready = sum(map(is_ready, pods))
        status = {
            "observedGeneration": live["metadata"].get("generation", 1),
            "desiredNumberScheduled": wanted,
            "currentNumberScheduled": len(pods),
            "updatedNumberScheduled": sum(p["metadata"]["labels"].get(_HASH) == digest for p in pods),
            "numberReady": ready,
            "numberAvailable": ready,
            "numberMisscheduled": 0,
        }
        if wanted > ready:
            status["numberUnavailable"] = wanted - ready
        self._world.objects.set_status(live, status, MANAGER)


class Jobs:
    """Runs pods until enough have succeeded."""

    def __init__(self, world: World) -> None:
        self._world = world

    def keys(self, change: Change) -> Iterable[Key]:
        """A job concerns itself; a pod concerns the job that manages it."""
        meta = change.obj["metadata"]
        if change.kind_id == "jobs.batch":
            yield meta["namespace"], meta["name"]
        elif change.kind_id == "pods" and (owner := controller_of(change.obj, "Job")):
            yield meta["namespace"], owner["name"]

    def reconcile(self, namespace: str, name: str) -> None:
        """Start what is missing, and tell when it's done."""
        live = self._world.store.find("jobs.batch", namespace, name)
        if live is None or live["metadata"].get("deletionTimestamp") or live["spec"].get("suspend"):
            return
        pods = owned(self._world.store, "pods", live)
        ended = [p.get("status", {}).get("phase") for p in pods]
        good, bad = ended.count("Succeeded"), ended.count("Failed")
        active = [p for p in pods if is_active(p)]
        wanted = live["spec"]["completions"]
        over = good >= wanted or bad > live["spec"]["backoffLimit"]
        missing = 0 if over else min(live["spec"]["parallelism"], wanted - good) - len(active)
        for _ in range(missing):
            pod = pod_from(live["spec"]["template"], live, {})
            pod["metadata"]["generateName"] = f"{name}-"
            active.append(self._world.objects.make("Pod", pod, MANAGER))
        self._report(live, len(active), good, bad, over=over)

    def _report(self, live: Json, active: int, good: int, bad: int, *, over: bool) -> None:
        old = live.get("status") or {}
        now = self._world.objects.now()
        status: Json = {"startTime": old.get("startTime", now), "ready": 0, "terminating": 0}
        counts = {"active": active, "succeeded": good, "failed": bad}
        status |= {name: number for name, number in counts.items() if number}
        if over:
            kind = "Complete" if good >= live["spec"]["completions"] else "Failed"
            status["conditions"] = old.get("conditions") or [
                {"type": kind, "status": "True", "lastProbeTime": now, "lastTransitionTime": now}
            ]
            if kind == "Complete":
                status["completionTime"] = old.get("completionTime", now)
        self._world.objects.set_status(live, status, MANAGER)


class Budgets:
    """Counts how many pods may be evicted."""

    def __init__(self, world: World) -> None:
        self._world = world

    def keys(self, change: Change) -> Iterable[Key]:
        """A budget concerns itself; a pod concerns the budgets of its namespace."""
        meta = change.obj["metadata"]
        if change.kind_id == "poddisruptionbudgets.policy":
            yield meta["namespace"], meta["name"]
        elif change.kind_id == "pods":
            for obj in self._world.store.all("poddisruptionbudgets.policy", meta["namespace"]):
                yield meta["namespace"], obj["metadata"]["name"]

    def reconcile(self, namespace: str, name: str) -> None:
        """Count healthy pods against the budget."""
        live = self._world.store.find("poddisruptionbudgets.policy", namespace, name)
        if live is None:
            return
        spec = live.get("spec", {})
        pods = [
            p
            for p in self._world.store.all("pods", namespace)
            if is_active(p) and selectors.matches(spec.get("selector"), p["metadata"].get("labels") or {})
        ]
        healthy = sum(map(is_ready, pods))
        if "minAvailable" in spec:
            desired = _count(spec["minAvailable"], len(pods))
        else:
            desired = len(pods) - _count(spec.get("maxUnavailable", 0), len(pods))
        status = {
            "observedGeneration": live["metadata"].get("generation", 1),
            "currentHealthy": healthy,
            "desiredHealthy": max(0, desired),
            "expectedPods": len(pods),
            "disruptionsAllowed": max(0, healthy - max(0, desired)),
        }
        self._world.objects.set_status(live, status, MANAGER)


def _count(value: int | str, total: int) -> int:
    if isinstance(value, int):
        return value
    return math.ceil(total * int(value.removesuffix("%")) / 100)
