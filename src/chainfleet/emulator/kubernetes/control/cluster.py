"""Namespaces, garbage, disks, nodes and custom resources: what keeps a cluster in order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from ...seams import NodePool
from ..kinds import Kind
from ..store import Change, Key
from ..world import World
from .owned import delete_pod

Json = dict[str, Any]

MANAGER = "kube-controller-manager"
_CRDS = "customresourcedefinitions.apiextensions.k8s.io"


class Namespaces:
    """Furnishes new namespaces and empties those that go."""

    def __init__(self, world: World) -> None:
        self._world = world

    def keys(self, change: Change) -> Iterable[Key]:
        """A namespace concerns itself; what goes from a terminating one concerns it."""
        meta = change.obj["metadata"]
        if change.kind_id == "namespaces":
            yield "", meta["name"]
        elif change.type == "DELETED" and meta.get("namespace"):
            owner = self._world.store.find("namespaces", "", meta["namespace"])
            if owner and owner["metadata"].get("deletionTimestamp"):
                yield "", meta["namespace"]

    def reconcile(self, namespace: str, name: str) -> None:  # noqa: ARG002 - part of the protocol
        """Furnish or empty one namespace."""
        live = self._world.store.find("namespaces", "", name)
        if live is None:
            return
        if live["metadata"].get("deletionTimestamp"):
            if not self._empty(name):
                self._world.objects.drop("Namespace", "", name)
            return
        if live.get("status", {}).get("phase") != "Active":
            self._world.objects.set_status(live, {"phase": "Active"}, MANAGER)
        for kind_id, kind, obj in (
            ("serviceaccounts", "ServiceAccount", {"metadata": {"name": "default", "namespace": name}}),
            ("configmaps", "ConfigMap", _root_certificate(name)),
        ):
            if self._world.store.get(kind_id, name, obj["metadata"]["name"]) is None:
                self._world.objects.make(kind, obj, MANAGER)

    def _empty(self, name: str) -> bool:
        """Remove what can go; returns whether something is still there."""
        store = self._world.store
        left = False
        # Owners go first, so that no controller makes again what has just been removed.
        for kind_id in sorted(store.kinds(), key=lambda k: (k in ("pods", "events"), k)):
            for obj in list(store.all(kind_id, name)):
                meta = obj["metadata"]
                if kind_id == "pods":
                    delete_pod(self._world.objects, obj)
                    left = left or store.get("pods", name, meta["name"]) is not None
                elif meta.get("finalizers"):
                    left = True
                    if not meta.get("deletionTimestamp"):
                        new = {**obj, "metadata": {**meta, "deletionTimestamp": self._world.objects.now()}}
                        store.put(kind_id, new)
                else:
                    store.remove(kind_id, name, meta["name"])
        return left


def _root_certificate(namespace: str) -> Json:
    return {
        "metadata": {"name": "kube-root-ca.crt", "namespace": namespace},
        "data": {"ca.crt": "emulated cluster: see certificate-authority-data in the kubeconfig\n"},
    }


class Garbage:
    """Removes what has lost its last owner."""

    def __init__(self, world: World) -> None:
        self._world = world

    def keys(self, change: Change) -> Iterable[Key]:
        """Whatever is removed may leave orphans."""
        if change.type == "DELETED" and change.kind_id not in ("events", "endpoints"):
            yield "", change.obj["metadata"]["uid"]

    def reconcile(self, namespace: str, name: str) -> None:  # noqa: ARG002 - part of the protocol
        """Remove the dependants of the owner with that uid."""
        store = self._world.store
        for kind_id in store.kinds():
            for obj in list(store.all(kind_id)):
                owners = obj["metadata"].get("ownerReferences") or []
                if not any(o["uid"] == name for o in owners):
                    continue
                rest = [o for o in owners if o["uid"] != name]
                if rest:
                    store.put(kind_id, {**obj, "metadata": {**obj["metadata"], "ownerReferences": rest}})
                elif kind_id == "pods":
                    delete_pod(self._world.objects, obj)
                else:
                    store.remove(kind_id, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


class Disks:
    """Binds claims to volumes."""

    def __init__(self, world: World) -> None:
        self._world = world

    def keys(self, change: Change) -> Iterable[Key]:
        """A claim concerns itself; a pod the claims that wait for it; a removed claim its volume."""
        meta = change.obj["metadata"]
        if change.kind_id == "persistentvolumeclaims":
            yield meta["namespace"], meta["name"]
        elif change.kind_id == "pods":
            for volume in change.obj["spec"].get("volumes", ()):
                if "persistentVolumeClaim" in volume:
                    yield meta["namespace"], volume["persistentVolumeClaim"]["claimName"]
        elif change.kind_id == "storageclasses.storage.k8s.io":
            for claim in self._world.store.all("persistentvolumeclaims"):
                yield claim["metadata"]["namespace"], claim["metadata"]["name"]

    def reconcile(self, namespace: str, name: str) -> None:
        """Provision a volume when the claim's class says that it's time."""
        store, objects = self._world.store, self._world.objects
        claim = store.find("persistentvolumeclaims", namespace, name)
        if claim is None or claim.get("status", {}).get("phase") == "Bound":
            return
        class_name = claim["spec"].get("storageClassName")
        storage = (
            store.find("storageclasses.storage.k8s.io", "", class_name) if class_name else _DEFAULT_CLASS
        )
        if storage is None:
            text = f'storageclass.storage.k8s.io "{class_name}" not found'
            self._world.event(
                claim, "ProvisioningFailed", text, source="persistentvolume-controller", kind="Warning"
            )
            return
        if storage.get("volumeBindingMode") == "WaitForFirstConsumer" and not self._consumed(claim):
            return
        volume = f"pvc-{claim['metadata']['uid']}"
        size = (claim["spec"].get("resources") or {}).get("requests", {}).get("storage", "1Gi")
        if store.get("persistentvolumes", "", volume) is None:
            made = objects.make("PersistentVolume", _volume(volume, claim, storage, size), MANAGER)
            objects.set_status(made, {"phase": "Bound"}, MANAGER)
        claim = objects.change(claim, MANAGER, spec={**claim["spec"], "volumeName": volume})
        modes = claim["spec"].get("accessModes", [])
        objects.set_status(
            claim, {"phase": "Bound", "accessModes": modes, "capacity": {"storage": size}}, MANAGER
        )

    def _consumed(self, claim: Json) -> bool:
        meta = claim["metadata"]
        return any(
            pod["spec"].get("nodeName")
            and any(
                v.get("persistentVolumeClaim", {}).get("claimName") == meta["name"]
                for v in pod["spec"].get("volumes", ())
            )
            for pod in self._world.store.all("pods", meta["namespace"])
        )


_DEFAULT_CLASS: Json = {
    "metadata": {"name": "default"},
    "provisioner": "disk.csi.azure.com",
    "reclaimPolicy": "Delete",
    "volumeBindingMode": "WaitForFirstConsumer",
}


def _volume(name: str, claim: Json, storage: Json, size: str) -> Json:
    meta = claim["metadata"]
    return {
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": size},
            "accessModes": claim["spec"].get("accessModes", []),
            "persistentVolumeReclaimPolicy": storage.get("reclaimPolicy", "Delete"),
            "storageClassName": storage["metadata"]["name"],
            "claimRef": {
                "kind": "PersistentVolumeClaim",
                "apiVersion": "v1",
                "namespace": meta["namespace"],
                "name": meta["name"],
                "uid": meta["uid"],
            },
            "csi": {"driver": storage.get("provisioner", ""), "volumeHandle": f"/disks/{name}"},
        },
    }


class Definitions:
    """Serves the custom resources that definitions declare."""

    def __init__(self, world: World) -> None:
        self._world = world

    def keys(self, change: Change) -> Iterable[Key]:
        """A definition concerns itself."""
        if change.kind_id == _CRDS:
            yield "", change.obj["metadata"]["name"]

    def reconcile(self, namespace: str, name: str) -> None:  # noqa: ARG002 - part of the protocol
        """Serve, or stop serving, one custom resource."""
        kinds = self._world.objects.kinds
        live = self._world.store.find(_CRDS, "", name)
        if live is None:
            plural, _, group = name.partition(".")
            kinds.remove(group, plural)
            for obj in list(self._world.store.all(name)):
                self._world.store.remove(name, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
            return
        register(kinds, live)
        names = live["spec"]["names"]
        now = live["metadata"]["creationTimestamp"]
        conditions = [
            {"type": t, "status": "True", "reason": r, "message": m, "lastTransitionTime": now}
            for t, r, m in (
                ("NamesAccepted", "NoConflicts", "no conflicts found"),
                ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
            )
        ]
        stored = [v["name"] for v in live["spec"]["versions"] if v.get("storage")]
        status = {"conditions": conditions, "acceptedNames": names, "storedVersions": stored}
        self._world.objects.set_status(live, status, "kube-apiserver")


def register(kinds: Any, definition: Json) -> None:
    """Serve a definition's versions; the stored one last, so that it is the one found by kind."""
    spec = definition["spec"]
    names = spec["names"]
    for version in sorted(spec["versions"], key=lambda v: bool(v.get("storage"))):
        if version.get("served"):
            subresources = tuple((version.get("subresources") or {}).keys())
            kinds.add(
                Kind(
                    spec["group"],
                    version["name"],
                    names["kind"],
                    names["plural"],
                    spec["scope"] == "Namespaced",
                    tuple(names.get("shortNames", ())),
                    subresources,
                    tuple(names.get("categories", ())),
                )
            )


def set_nodes(world: World, pools: Mapping[str, NodePool]) -> None:
    """Make the cluster have the nodes of these pools, and no others."""
    store = world.store
    digest = f"{int(hashlib.sha256(world.spec.id.encode()).hexdigest()[:8], 16) % 10**8:08d}"
    wanted = {
        f"aks-{pool}-{digest}-vmss{index:06x}": (pool, index)
        for pool, asked in pools.items()
        for index in range(asked.count)
    }
    for node in list(store.all("nodes")):
        name = node["metadata"]["name"]
        if name not in wanted:
            for pod in list(store.all("pods")):
                if pod["spec"].get("nodeName") == name:
                    delete_pod(world.objects, pod)
            store.remove("nodes", "", name)
    for name, (pool, index) in wanted.items():
        wanted_node = _node(world, name, pool, index, pools[pool])
        live = store.find("nodes", "", name)
        if live is None:
            live = world.objects.make("Node", wanted_node, "aks-node-controller")
            world.objects.set_status(live, _node_status(world, index), "kubelet")
        elif live["spec"].get("taints") != wanted_node["spec"].get("taints"):
            world.objects.change(live, "aks-node-controller", spec=wanted_node["spec"])


def _taint(text: str) -> Json:
    """Read `key=value:Effect`."""
    pair, _, effect = text.rpartition(":")
    key, _, value = pair.partition("=")
    return {"key": key, "effect": effect, **({"value": value} if value else {})}


def _node(world: World, name: str, pool: str, index: int, asked: NodePool) -> Json:
    region = world.spec.region
    labels = {
        "agentpool": pool,
        "kubernetes.azure.com/agentpool": pool,
        "kubernetes.azure.com/mode": "system",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/region": region,
        "topology.kubernetes.io/zone": f"{region}-{index % 3 + 1}",
        **asked.labels,
    }
    spec: Json = {"providerID": f"azure:///{name}"}
    if asked.taints:
        spec["taints"] = [_taint(text) for text in asked.taints]
    return {"metadata": {"name": name, "labels": labels}, "spec": spec}


def _node_status(world: World, index: int) -> Json:
    resources = {"cpu": "4", "memory": "16Gi", "pods": "110", "ephemeral-storage": "128Gi"}
    now = world.objects.now()
    version = world.spec.kubernetes_version
    return {
        "capacity": resources,
        "allocatable": resources,
        "addresses": [{"type": "InternalIP", "address": f"10.224.0.{4 + index}"}],
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "KubeletReady",
                "message": "kubelet is posting ready status",
                "lastHeartbeatTime": now,
                "lastTransitionTime": now,
            }
        ],
        "nodeInfo": {
            "kubeletVersion": f"v{version}" if version.count(".") > 1 else f"v{version}.2",
            "operatingSystem": "linux",
            "architecture": "amd64",
            "osImage": "Ubuntu 22.04.5 LTS",
            "containerRuntimeVersion": "containerd://1.7",
            "kernelVersion": "5.15",
            "bootID": "",
            "kubeProxyVersion": "",
            "machineID": "",
            "systemUUID": "",
        },
    }
