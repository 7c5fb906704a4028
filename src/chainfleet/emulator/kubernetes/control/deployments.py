"""Deployments and ReplicaSets: a new set per template, scaled up while the old ones go down."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from ..store import Change, Key
from ..world import World
from .owned import controller_of, delete_pod, is_active, is_ready, owned, pod_from, reference, template_hash

Json = dict[str, Any]

MANAGER = "kube-controller-manager"
HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"


class ReplicaSets:
    """Keeps a number of equal pods."""

    def __init__(self, world: World) -> None:
        self._world = world

    def keys(self, change: Change) -> Iterable[Key]:
        """A set concerns itself; a pod concerns the set that manages it."""
        meta = change.obj["metadata"]
        if change.kind_id == "replicasets.apps":
            yield meta["namespace"], meta["name"]
        elif change.kind_id == "pods" and (owner := controller_of(change.obj, "ReplicaSet")):
            yield meta["namespace"], owner["name"]

    def reconcile(self, namespace: str, name: str) -> None:
        """Make or remove pods until their number is right."""
        live = self._world.store.find("replicasets.apps", namespace, name)
        if live is None or live["metadata"].get("deletionTimestamp"):
            return
        pods = [p for p in owned(self._world.store, "pods", live) if is_active(p)]
        wanted = live["spec"].get("replicas", 1)
        for _ in range(wanted - len(pods)):
            pod = pod_from(live["spec"]["template"], live, {})
            pod["metadata"]["generateName"] = f"{name}-"
            self._world.objects.make("Pod", pod, MANAGER)
        for pod in sorted(pods, key=is_ready)[: max(0, len(pods) - wanted)]:
            delete_pod(self._world.objects, pod)
        self._report(live)

    def _report(self, live: Json) -> None:
        pods = [p for p in owned(self._world.store, "pods", live) if is_active(p)]
        ready = sum(map(is_ready, pods))
        status: Json = {
            "replicas": len(pods),
            "fullyLabeledReplicas": len(pods),
            "observedGeneration": live["metadata"].get("generation", 1),
        }
        if ready:
            status |= {"readyReplicas": ready, "availableReplicas": ready}
        self._world.objects.set_status(live, status, MANAGER)


class Deployments:
    """Rolls templates out through ReplicaSets."""

    def __init__(self, world: World) -> None:
        self._world = world

    def keys(self, change: Change) -> Iterable[Key]:
        """A deployment concerns itself; a ReplicaSet concerns the deployment that manages it."""
        meta = change.obj["metadata"]
        if change.kind_id == "deployments.apps":
            yield meta["namespace"], meta["name"]
        elif change.kind_id == "replicasets.apps" and (owner := controller_of(change.obj)):
            yield meta["namespace"], owner["name"]

    def reconcile(self, namespace: str, name: str) -> None:
        """Scale the current set up and, as its pods get ready, the old ones down."""
        live = self._world.store.find("deployments.apps", namespace, name)
        if live is None or live["metadata"].get("deletionTimestamp"):
            return
        wanted = live["spec"].get("replicas", 1)
        current = self._current(live)
        if current["spec"]["replicas"] != wanted:
            current = self._scale(current, wanted)
        ready = current.get("status", {}).get("readyReplicas", 0)
        recreate = live["spec"]["strategy"]["type"] == "Recreate"
        for old in owned(self._world.store, "replicasets.apps", live):
            if old["metadata"]["uid"] != current["metadata"]["uid"] and old["spec"].get("replicas"):
                keep = 0 if recreate else max(0, wanted - ready)
                if keep < old["spec"]["replicas"]:
                    self._scale(old, keep)
        self._report(live, current)

    def _scale(self, replica_set: Json, replicas: int) -> Json:
        spec = {**replica_set["spec"], "replicas": replicas}
        return self._world.objects.change(replica_set, MANAGER, spec=spec)

    def _current(self, live: Json) -> Json:
        meta = live["metadata"]
        digest = template_hash(live["spec"]["template"])
        name = f"{meta['name']}-{digest}"
        found = self._world.store.find("replicasets.apps", meta["namespace"], name)
        if found is not None:
            return found
        known = owned(self._world.store, "replicasets.apps", live)
        template = copy.deepcopy(live["spec"]["template"])
        template["metadata"].setdefault("labels", {})[HASH] = digest
        selector = copy.deepcopy(live["spec"]["selector"])
        selector.setdefault("matchLabels", {})[HASH] = digest
        made = {
            "metadata": {
                "name": name,
                "namespace": meta["namespace"],
                "labels": dict(template["metadata"]["labels"]),
                "annotations": {REVISION: str(len(known) + 1)},
                "ownerReferences": [reference(live)],
            },
            "spec": {"replicas": 0, "selector": selector, "template": template},
        }
        return self._world.objects.make("ReplicaSet", made, MANAGER)

    def _report(self, live: Json, current: Json) -> None:
        sets = owned(self._world.store, "replicasets.apps", live)
        total = sum(s.get("status", {}).get("replicas", 0) for s in sets)
        ready = sum(s.get("status", {}).get("readyReplicas", 0) for s in sets)
        current = next((s for s in sets if s["metadata"]["uid"] == current["metadata"]["uid"]), current)
        updated = current.get("status", {}).get("replicas", 0)
        wanted = live["spec"].get("replicas", 1)
        status: Json = {"observedGeneration": live["metadata"].get("generation", 1)}
        counts = {
            "replicas": total,
            "updatedReplicas": updated,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "unavailableReplicas": max(0, wanted - ready),
        }
        status |= {name: number for name, number in counts.items() if number}
        status["conditions"] = self._conditions(
            live, available=ready >= wanted, complete=updated == wanted == ready == total
        )
        self._world.objects.set_status(live, status, MANAGER)

    def _conditions(self, live: Json, *, available: bool, complete: bool) -> list[Json]:
        old = {c["type"]: c for c in live.get("status", {}).get("conditions", ())}
        now = self._world.objects.now()
        found = []
        for kind, met, reason in (
            (
                "Available",
                available,
                "MinimumReplicasAvailable" if available else "MinimumReplicasUnavailable",
            ),
            ("Progressing", True, "NewReplicaSetAvailable" if complete else "ReplicaSetUpdated"),
        ):
            status = "True" if met else "False"
            known = old.get(kind, {})
            if known.get("status") == status and known.get("reason") == reason:
                found.append(known)
            else:
                found.append(
                    {
                        "type": kind,
                        "status": status,
                        "reason": reason,
                        "message": f"Deployment is {'complete' if complete else 'progressing'}.",
                        "lastUpdateTime": now,
                        "lastTransitionTime": now,
                    }
                )
        return found
