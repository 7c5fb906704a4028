"""All that the parts of one emulated cluster share."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..seams import Clock, ClusterSpec, FaultKind, Faults, PublicAddresses
from .addresses import AddressBook
from .node.mounting import SecretMounts
from .node.program import Programs
from .node.timing import Span
from .store import Store
from .writing import Objects

Json = dict[str, Any]

EVENTS_KEPT = 500


@dataclass(slots=True)
class World:
    """One cluster, seen from inside.

    Attributes:
        spec: what ARM asked for.
        objects: all writes.
        clock: emulated time.
        faults: what goes wrong.
        public: ARM's public IP addresses.
        addresses: routes between clusters.
        programs: what runs in containers.
        mounts: secrets from key vaults.
        rng: for durations and names.
        wall: seconds since 1970.
    """

    spec: ClusterSpec
    objects: Objects
    clock: Clock
    faults: Faults
    public: PublicAddresses
    addresses: AddressBook
    programs: Programs
    mounts: SecretMounts
    rng: random.Random
    wall: Callable[[], float]
    _events: list[str] = field(default_factory=list)

    @property
    def store(self) -> Store:
        """The cluster's objects."""
        return self.objects.store

    def draw(self, span: Span) -> float:
        """A duration in emulated seconds, longer while a fault slows the region's pods."""
        slow = self.faults.strike(FaultKind.SLOW, region=self.spec.region, resource="Pod")
        return span.draw(self.rng, slow.factor if slow else 1.0)

    def event(self, about: Json, reason: str, message: str, *, source: str, kind: str = "Normal") -> None:
        """Record an `Event` about an object; repeating it raises its count."""
        meta = about["metadata"]
        namespace = meta.get("namespace", "default")
        for obj in self.store.all("events", namespace):
            same = obj["involvedObject"].get("uid") == meta.get("uid")
            if same and obj["reason"] == reason and obj["message"] == message:
                new = {**obj, "count": obj["count"] + 1, "lastTimestamp": self.objects.now()}
                self.store.put("events", {**new, "metadata": dict(obj["metadata"])})
                return
        self._new_event(about, namespace, reason, message, source, kind)

    def _new_event(
        self, about: Json, namespace: str, reason: str, message: str, source: str, kind: str
    ) -> None:
        now = self.objects.now()
        meta = about["metadata"]
        name = f"{meta['name']}.{self.rng.getrandbits(64):016x}"
        self.store.put(
            "events",
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {
                    "name": name,
                    "namespace": namespace,
                    "uid": self.objects.new_uid(),
                    "creationTimestamp": now,
                },
                "involvedObject": {
                    "apiVersion": about["apiVersion"],
                    "kind": about["kind"],
                    "name": meta["name"],
                    "namespace": namespace,
                    "uid": meta.get("uid", ""),
                    "resourceVersion": meta.get("resourceVersion", ""),
                },
                "reason": reason,
                "message": message,
                "type": kind,
                "source": {"component": source},
                "reportingComponent": source,
                "reportingInstance": "",
                "firstTimestamp": now,
                "lastTimestamp": now,
                "count": 1,
            },
        )
        self._events.append(f"{namespace}/{name}")
        if len(self._events) > EVENTS_KEPT:
            old_namespace, _, old_name = self._events.pop(0).partition("/")
            self.store.remove("events", old_namespace, old_name)
