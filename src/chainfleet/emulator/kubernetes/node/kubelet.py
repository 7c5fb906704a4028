"""All pods of a cluster: which live, where they are placed, and what wakes them."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address
from typing import Any

from ..selectors import matches
from ..store import Change
from ..world import World
from .pods import PodLife

Json = dict[str, Any]

POD_NETWORK = int(IPv4Address("10.244.0.0"))
_WAKING = frozenset(
    {
        "nodes",
        "configmaps",
        "secrets",
        "persistentvolumeclaims",
        "secretproviderclasses.secrets-store.csi.x-k8s.io",
    }
)
DOWN_POLL_S = 0.5
"""Real seconds between looks at faults that take running pods down."""


class Kubelet:
    """The nodes' side of a cluster."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lives: dict[str, PodLife] = {}
        self._images: set[tuple[str, str]] = set()
        self._next_address = 4

    def start(self) -> None:
        """Take up the pods that are there (after a restart of the emulator)."""
        for pod in list(self._world.store.all("pods")):
            status = pod.get("status", {})
            if status.get("podIP"):
                self._next_address = max(
                    self._next_address, int(IPv4Address(status["podIP"])) - POD_NETWORK + 1
                )
            for container in pod["spec"]["containers"]:
                if status.get("podIP"):
                    self._images.add((pod["spec"].get("nodeName", ""), container["image"]))
            if status.get("phase") not in ("Succeeded", "Failed"):
                self._begin(pod)
            if pod["metadata"].get("deletionTimestamp"):
                self._lives[pod["metadata"]["uid"]].terminate()

    async def stop(self) -> None:
        """Stop all pods without changing their objects."""
        lives = list(self._lives.values())
        for life in lives:
            life.cancel()
        await asyncio.gather(*(life.stopped() for life in lives))
        self._lives.clear()

    def life(self, uid: str) -> PodLife | None:
        """The life of a pod."""
        return self._lives.get(uid)

    def lives(self) -> list[PodLife]:
        """All of them."""
        return list(self._lives.values())

    def note(self, change: Change) -> None:
        """React to a change of an object."""
        if change.kind_id == "pods":
            self._note_pod(change)
        elif change.kind_id in _WAKING:
            for life in self._lives.values():
                life.wake()

    def _note_pod(self, change: Change) -> None:
        uid = change.obj["metadata"]["uid"]
        if change.type == "ADDED":
            self._begin(change.obj)
        elif change.type == "DELETED":
            if life := self._lives.pop(uid, None):
                life.cancel()
        elif change.obj["metadata"].get("deletionTimestamp") and (life := self._lives.get(uid)):
            life.terminate()

    def _begin(self, pod: Json) -> None:
        self._lives[pod["metadata"]["uid"]] = PodLife(
            self._world, pod, place=self._place, pulled=self._pull, address=self._address
        )

    def strike_down(self) -> None:
        """Kill containers that a fault takes down."""
        for life in self._lives.values():
            for run in life.containers:
                if run.running and run.program is not None and run.struck_down():
                    run.kill()

    def _address(self) -> str:
        self._next_address += 1
        return str(IPv4Address(POD_NETWORK + self._next_address))

    def _pull(self, node: str, image: str) -> bool:
        have = (node, image) in self._images
        self._images.add((node, image))
        return have

    def _place(self, pod: Json) -> str | None:
        """The fitting node with the fewest pods."""
        load: dict[str, int] = {}
        for other in self._world.store.all("pods"):
            node = other["spec"].get("nodeName", "")
            load[node] = load.get(node, 0) + 1
        fitting = [
            n["metadata"]["name"]
            for n in self._world.store.all("nodes")
            if _fits(pod, n) and not self._repelled(pod, n["metadata"]["name"])
        ]
        return min(fitting, key=lambda name: (load.get(name, 0), name), default=None)

    def _repelled(self, pod: Json, node: str) -> bool:
        """Whether required anti-affinity over host names keeps a pod from a node."""
        rules = (pod["spec"].get("affinity") or {}).get("podAntiAffinity") or {}
        namespace = pod["metadata"]["namespace"]
        for rule in rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ():
            if rule.get("topologyKey") != "kubernetes.io/hostname":
                continue
            for other in self._world.store.all("pods", namespace):
                here = other["spec"].get("nodeName") == node and other is not pod
                if here and matches(rule.get("labelSelector"), other["metadata"].get("labels") or {}):
                    return True
        return False


def _fits(pod: Json, node: Json) -> bool:
    labels = node["metadata"].get("labels") or {}
    if any(labels.get(k) != v for k, v in (pod["spec"].get("nodeSelector") or {}).items()):
        return False
    if node["spec"].get("unschedulable"):
        return False
    taints = [t for t in node["spec"].get("taints") or () if t["effect"] != "PreferNoSchedule"]
    return all(_tolerated(pod, taint) for taint in taints)


def _tolerated(pod: Json, taint: Json) -> bool:
    for toleration in pod["spec"].get("tolerations") or ():
        if toleration.get("effect") not in (None, "", taint["effect"]):
            continue
        key, operator = toleration.get("key"), toleration.get("operator", "Equal")
        if operator == "Exists" and key in (None, "", taint["key"]):
            return True
        if key == taint["key"] and toleration.get("value", "") == taint.get("value", ""):
            return True
    return False
