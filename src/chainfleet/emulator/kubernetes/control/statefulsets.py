"""StatefulSets: ordered pods with their own disks, revisions, rolling updates, and the status that tells."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from ..store import Change, Key
from ..world import World
from .owned import controller_of, delete_pod, is_active, is_ready, owned, pod_from, reference, template_hash

Json = dict[str, Any]

MANAGER = "kube-controller-manager"
REVISION = "controller-revision-hash"
_ID = "statefulsets.apps"


class StatefulSets:
    """The StatefulSet controller of one cluster."""

    def __init__(self, world: World) -> None:
        self._world = world

    def keys(self, change: Change) -> Iterable[Key]:
        """A set concerns itself; a pod concerns the set that manages it."""
        meta = change.obj["metadata"]
        if change.kind_id == _ID:
            yield meta["namespace"], meta["name"]
        elif change.kind_id == "pods" and (owner := controller_of(change.obj, "StatefulSet")):
            yield meta["namespace"], owner["name"]

    def reconcile(self, namespace: str, name: str) -> None:
        """Create, replace or remove at most what the set's policy allows now."""
        live = self._world.store.find(_ID, namespace, name)
        if live is None or live["metadata"].get("deletionTimestamp"):
            return
        update = self._revision(live)
        pods = {p["metadata"]["name"]: p for p in owned(self._world.store, "pods", live)}
        self._act(live, pods, update)
        pods = {p["metadata"]["name"]: p for p in owned(self._world.store, "pods", live)}
        self._report(live, pods, update)

    def _act(self, live: Json, pods: dict[str, Json], update: str) -> None:
        wanted = self._names(live)
        ordered = live["spec"]["podManagementPolicy"] == "OrderedReady"
        for name in wanted:
            pod = pods.get(name)
            if pod is not None and pod.get("status", {}).get("phase") in ("Failed", "Succeeded"):
                self._world.objects.drop("Pod", pod["metadata"]["namespace"], name)
                pod = None
            if pod is None:
                self._create(live, name, update)
                if ordered:
                    return
            elif ordered and not is_ready(pod) and not _broken(pod, update):
                return
        extra = [p for n, p in sorted(pods.items(), key=lambda e: _ordinal(e[0])) if n not in wanted]
        for pod in reversed(extra):
            if not pod["metadata"].get("deletionTimestamp"):
                self._remove(live, pod)
            if ordered:
                return
        self._roll(live, [pods[n] for n in wanted if n in pods], update)

    def _roll(self, live: Json, pods: list[Json], update: str) -> None:
        """Replace one outdated pod, the last one first; the next when it's ready again."""
        strategy = live["spec"]["updateStrategy"]
        if strategy["type"] != "RollingUpdate":
            return
        partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
        for pod in reversed(pods):
            if _ordinal(pod["metadata"]["name"]) < partition:
                return
            if pod["metadata"]["labels"].get(REVISION) != update:
                if not pod["metadata"].get("deletionTimestamp"):
                    self._remove(live, pod)
                return
            if not is_ready(pod):
                return

    def _names(self, live: Json) -> list[str]:
        start = (live["spec"].get("ordinals") or {}).get("start", 0)
        return [f"{live['metadata']['name']}-{start + i}" for i in range(live["spec"].get("replicas", 1))]

    def _create(self, live: Json, name: str, update: str) -> None:
        labels = {
            REVISION: update,
            "statefulset.kubernetes.io/pod-name": name,
            "apps.kubernetes.io/pod-index": str(_ordinal(name)),
        }
        pod = pod_from(live["spec"]["template"], live, labels)
        pod["metadata"]["name"] = name
        pod["metadata"]["generateName"] = f"{live['metadata']['name']}-"
        spec = pod["spec"]
        spec["hostname"] = name
        if live["spec"].get("serviceName"):
            spec["subdomain"] = live["spec"]["serviceName"]
        volumes = [v for v in spec.get("volumes", ()) if v["name"] not in self._claim_names(live)]
        for template in live["spec"].get("volumeClaimTemplates", ()):
            claim = f"{template['metadata']['name']}-{name}"
            self._claim(live, template, claim)
            source = {"claimName": claim}
            volumes.insert(0, {"name": template["metadata"]["name"], "persistentVolumeClaim": source})
        if volumes:
            spec["volumes"] = volumes
        self._world.objects.make("Pod", pod, MANAGER)
        text = f"create Pod {name} in StatefulSet {live['metadata']['name']} successful"
        self._world.event(live, "SuccessfulCreate", text, source="statefulset-controller")

    def _claim_names(self, live: Json) -> set[str]:
        return {t["metadata"]["name"] for t in live["spec"].get("volumeClaimTemplates", ())}

    def _claim(self, live: Json, template: Json, name: str) -> None:
        namespace = live["metadata"]["namespace"]
        if self._world.store.get("persistentvolumeclaims", namespace, name):
            return
        labels = {**(live["spec"]["selector"].get("matchLabels") or {})}
        labels |= template["metadata"].get("labels") or {}
        claim: Json = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": copy.deepcopy(template["spec"]),
        }
        if live["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete":
            claim["metadata"]["ownerReferences"] = [reference(live)]
        self._world.objects.make("PersistentVolumeClaim", claim, MANAGER)

    def _remove(self, live: Json, pod: Json) -> None:
        name = pod["metadata"]["name"]
        delete_pod(self._world.objects, pod)
        text = f"delete Pod {name} in StatefulSet {live['metadata']['name']} successful"
        self._world.event(live, "SuccessfulDelete", text, source="statefulset-controller")

    def _revision(self, live: Json) -> str:
        """The name of the current template's ControllerRevision, which is made where missing."""
        meta = live["metadata"]
        name = f"{meta['name']}-{template_hash(live['spec']['template'])}"
        store = self._world.store
        if store.get("controllerrevisions.apps", meta["namespace"], name) is None:
            known = owned(store, "controllerrevisions.apps", live)
            self._world.objects.make(
                "ControllerRevision",
                {
                    "metadata": {
                        "name": name,
                        "namespace": meta["namespace"],
                        "labels": dict(live["spec"]["template"]["metadata"].get("labels") or {}),
                        "ownerReferences": [reference(live)],
                    },
                    "revision": 1 + max((r["revision"] for r in known), default=0),
                    "data": {"spec": {"template": live["spec"]["template"]}},
                },
                MANAGER,
            )
        return name

    def _report(self, live: Json, pods: dict[str, Json], update: str) -> None:
        counted = [p for p in pods.values() if p["metadata"]["name"]]
        active = [p for p in counted if is_active(p)]
        ready = [p for p in counted if is_ready(p)]
        updated = [p for p in active if p["metadata"]["labels"].get(REVISION) == update]
        old = live.get("status") or {}
        current = old.get("currentRevision") or update
        if len(updated) == live["spec"].get("replicas", 1) and len(updated) == len(counted):
            current = update
        status: Json = {
            "observedGeneration": live["metadata"].get("generation", 1),
            "replicas": len(counted),
            "currentRevision": current,
            "updateRevision": update,
            "collisionCount": 0,
            "availableReplicas": len(ready),
        }
        for name, number in (
            ("readyReplicas", len(ready)),
            ("updatedReplicas", len(updated)),
            ("currentReplicas", sum(p["metadata"]["labels"].get(REVISION) == current for p in active)),
        ):
            if number:
                status[name] = number
        self._world.objects.set_status(live, status, MANAGER)


def _ordinal(name: str) -> int:
    tail = name.rpartition("-")[2]
    return int(tail) if tail.isdigit() else -1


def _broken(pod: Json, update: str) -> bool:
    """Whether an outdated pod can't become ready, so that a roll-out may replace it."""
    return bool(pod["metadata"]["labels"].get(REVISION) != update)
