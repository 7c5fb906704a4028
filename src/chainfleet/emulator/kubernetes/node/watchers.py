"""What watchers of a cluster would tell: node exporter, kube-state-metrics and the kubelet itself.

Names and labels are those of node_exporter 1.5 and newer, kube-state-metrics 2 and Kubernetes 1.34; the
values follow from the cluster's objects, its clock and the faults in force.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...seams import FaultKind
from ..control.owned import is_ready
from ..world import World
from .program import HttpAnswer, HttpRequest

Json = dict[str, Any]
Sample = tuple[str, dict[str, str], float]
"""Name, labels, value."""

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_DISK_USED = 0.2
_GIB = 2**30
_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


class Watchers:
    """Answers for the watchers of one cluster."""

    def __init__(self, world: World) -> None:
        self._world = world

    def answer(self, pod: Json, image: str, request: HttpRequest) -> HttpAnswer | None:
        """What a watcher in a pod answers at `/metrics`; None if it is none or the path is another."""
        if request.path.partition("?")[0] != "/metrics":
            return None
        if "node-exporter" in image:
            return _text(self._node(pod["spec"].get("nodeName", "")))
        if "kube-state-metrics" in image:
            return _text(self._state())
        return None

    def kubelet(self, node: str, path: str) -> HttpAnswer:
        """What a node's kubelet answers."""
        if path == "metrics":
            return _text(self._volumes(node))
        if path == "metrics/resource":
            return _text(self._resources(node))
        return HttpAnswer(404, b"404 page not found\n", "text/plain")

    def skew_s(self, node: str) -> float:
        """How far a node's clock is off, by the faults in force."""
        for resource in (node, "Node"):
            where = {"region": self._world.spec.region, "resource": resource}
            if fault := self._world.faults.strike(FaultKind.CLOCK_SKEW, **where):
                return fault.factor
        return 0.0

    def _node(self, node: str) -> Iterator[Sample]:
        skew = self.skew_s(node)
        yield "node_time_seconds", {}, self._world.wall() + skew
        yield "node_timex_offset_seconds", {}, -skew
        yield "node_timex_sync_status", {}, float(not skew)
        yield "node_timex_maxerror_seconds", {}, 0.01 + abs(skew)
        yield "node_load1", {}, 0.4
        yield "node_memory_MemTotal_bytes", {}, 16.0 * _GIB
        yield "node_memory_MemAvailable_bytes", {}, 9.0 * _GIB

    def _state(self) -> Iterator[Sample]:
        for pod in self._world.store.all("pods", "besu"):
            meta = pod["metadata"]
            where = {"namespace": meta["namespace"], "pod": meta["name"], "uid": meta.get("uid", "")}
            yield "kube_pod_status_ready", {**where, "condition": "true"}, float(is_ready(pod))
            for status in pod.get("status", {}).get("containerStatuses", ()):
                told = {**where, "container": status["name"]}
                yield "kube_pod_container_status_restarts_total", told, float(status.get("restartCount", 0))
        for item in self._world.store.all("statefulsets.apps", "besu"):
            where = {"namespace": "besu", "statefulset": item["metadata"]["name"]}
            ready = (item.get("status") or {}).get("readyReplicas", 0)
            yield "kube_statefulset_replicas", where, float(item["spec"].get("replicas", 1))
            yield "kube_statefulset_status_replicas_ready", where, float(ready)

    def _volumes(self, node: str) -> Iterator[Sample]:
        for pod in self._pods(node):
            for volume in pod["spec"].get("volumes", ()):
                claim = volume.get("persistentVolumeClaim", {}).get("claimName")
                if claim is None:
                    continue
                namespace = pod["metadata"]["namespace"]
                size = self._size(namespace, claim)
                where = {"namespace": namespace, "persistentvolumeclaim": claim}
                yield "kubelet_volume_stats_capacity_bytes", where, size
                yield "kubelet_volume_stats_available_bytes", where, size * (1 - _DISK_USED)

    def _resources(self, node: str) -> Iterator[Sample]:
        for pod in self._pods(node):
            meta, started = pod["metadata"], self._world.clock.now()
            for container in pod["spec"]["containers"]:
                where = {"namespace": meta["namespace"], "pod": meta["name"], "container": container["name"]}
                yield "container_cpu_usage_seconds_total", where, started * 0.2
                yield "container_memory_working_set_bytes", where, 1.2 * _GIB
                yield "container_start_time_seconds", where, self._world.wall() - started

    def _pods(self, node: str) -> list[Json]:
        return [p for p in self._world.store.all("pods") if p["spec"].get("nodeName") == node]

    def _size(self, namespace: str, claim: str) -> float:
        found = self._world.store.find("persistentvolumeclaims", namespace, claim)
        text = str(found["spec"]["resources"]["requests"]["storage"]) if found else "0"
        return float(text[:-2]) * _UNITS[text[-2:]] if text[-2:] in _UNITS else float(text)


def _text(samples: Iterator[Sample]) -> HttpAnswer:
    by_name: dict[str, list[str]] = {}
    for name, labels, value in samples:
        shown = ",".join(f'{key}="{text}"' for key, text in labels.items())
        by_name.setdefault(name, []).append(f"{name}{{{shown}}} {value!r}" if shown else f"{name} {value!r}")
    lines = []
    for name, series in by_name.items():
        kind = "counter" if name.endswith("_total") else "gauge"
        lines += [f"# HELP {name} emulated", f"# TYPE {name} {kind}", *series]
    return HttpAnswer(200, ("\n".join(lines) + "\n").encode(), _TEXT)
