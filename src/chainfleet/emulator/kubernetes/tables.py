"""Tables: the columns that `kubectl get` prints, which the server and not the client works out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from .kinds import Kind

Json = dict[str, Any]
Cells = Callable[[Json], list[Any]]


def _columns(*names: str) -> list[Json]:
    shown = [{"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0}]
    for name in names:
        wide = name.startswith("+")
        shown.append(
            {
                "name": name.lstrip("+"),
                "type": "string",
                "format": "",
                "description": "",
                "priority": int(wide),
            }
        )
    return shown


def _since(timestamp: str, now: float) -> str:
    """A duration as kubectl prints it: `42s`, `7m`, `5h`, `3d`."""
    if not timestamp:
        return "<unknown>"
    seconds = max(0, int(now - datetime.fromisoformat(timestamp).timestamp()))
    for unit, size, above in (("s", 1, 120), ("m", 60, 180 * 60), ("h", 3600, 48 * 3600)):
        if seconds < above:
            return f"{seconds // size}{unit}"
    return f"{seconds // 86400}d"


def _age(obj: Json) -> str:
    return str(obj["metadata"].get("creationTimestamp", ""))


def pod_status(pod: Json) -> str:
    """What `kubectl get pods` shows as STATUS."""
    status = pod.get("status", {})
    shown = str(status.get("reason") or status.get("phase", "Unknown"))
    for container in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        state = container.get("state", {})
        if reason := state.get("waiting", {}).get("reason"):
            shown = reason
        elif "terminated" in state and status.get("phase") not in ("Succeeded",):
            shown = state["terminated"].get("reason", shown)
    return "Terminating" if pod["metadata"].get("deletionTimestamp") else shown


def _pod(pod: Json) -> list[Any]:
    status = pod.get("status", {})
    states = status.get("containerStatuses", [])
    ready = f"{sum(bool(s.get('ready')) for s in states)}/{len(pod['spec'].get('containers', []))}"
    restarts = sum(s.get("restartCount", 0) for s in states)
    node = pod["spec"].get("nodeName", "<none>")
    return [ready, pod_status(pod), restarts, _age(pod), status.get("podIP", "<none>"), node]


def _workload(ready: str) -> Cells:
    return lambda o: [f"{o.get('status', {}).get(ready, 0)}/{o['spec'].get('replicas', 0)}", _age(o)]


def _deployment(obj: Json) -> list[Any]:
    status = obj.get("status", {})
    ready = f"{status.get('readyReplicas', 0)}/{obj['spec'].get('replicas', 0)}"
    return [ready, status.get("updatedReplicas", 0), status.get("availableReplicas", 0), _age(obj)]


def _service(obj: Json) -> list[Any]:
    spec = obj["spec"]
    kind = spec.get("type", "ClusterIP")
    ingress = obj.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    outside = ",".join(i.get("ip", "") for i in ingress) or (
        "<pending>" if kind == "LoadBalancer" else "<none>"
    )
    ports = ",".join(
        f"{p['port']}:{p['nodePort']}/{p['protocol']}" if "nodePort" in p else f"{p['port']}/{p['protocol']}"
        for p in spec.get("ports", ())
    )
    return [kind, spec.get("clusterIP", "None"), outside, ports, _age(obj)]


def _node(obj: Json) -> list[Any]:
    ready = any(
        c["type"] == "Ready" and c["status"] == "True" for c in obj.get("status", {}).get("conditions", ())
    )
    info = obj.get("status", {}).get("nodeInfo", {})
    return ["Ready" if ready else "NotReady", "<none>", _age(obj), info.get("kubeletVersion", "")]


def _claim(obj: Json) -> list[Any]:
    spec, status = obj["spec"], obj.get("status", {})
    size = (status.get("capacity") or {}).get("storage", "")
    modes = ",".join(
        {"ReadWriteOnce": "RWO", "ReadWriteOncePod": "RWOP", "ReadWriteMany": "RWX"}.get(m, m)
        for m in status.get("accessModes", ())
    )
    return [
        status.get("phase", ""),
        spec.get("volumeName", ""),
        size,
        modes,
        spec.get("storageClassName", ""),
        _age(obj),
    ]


def _event(obj: Json) -> list[Any]:
    about = obj.get("involvedObject", {})
    return [
        obj.get("lastTimestamp", ""),
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{about.get('kind', '').lower()}/{about.get('name', '')}",
        obj.get("message", ""),
    ]


def _budget(obj: Json) -> list[Any]:
    spec = obj.get("spec", {})
    allowed = obj.get("status", {}).get("disruptionsAllowed", 0)
    return [spec.get("minAvailable", "N/A"), spec.get("maxUnavailable", "N/A"), allowed, _age(obj)]


def _daemon_set(obj: Json) -> list[Any]:
    s = obj.get("status", {})
    names = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled")
    return [*(s.get(n, 0) for n in names), s.get("numberAvailable", 0), _age(obj)]


_TABLES: dict[str, tuple[list[Json], Cells]] = {
    "Pod": (_columns("Ready", "Status", "Restarts", "Age", "+IP", "+Node"), _pod),
    "StatefulSet": (_columns("Ready", "Age"), _workload("readyReplicas")),
    "Deployment": (_columns("Ready", "Up-to-date", "Available", "Age"), _deployment),
    "ReplicaSet": (
        _columns("Desired", "Current", "Ready", "Age"),
        lambda o: [
            o["spec"].get("replicas", 0),
            o.get("status", {}).get("replicas", 0),
            o.get("status", {}).get("readyReplicas", 0),
            _age(o),
        ],
    ),
    "DaemonSet": (
        _columns("Desired", "Current", "Ready", "Up-to-date", "Available", "Age"),
        _daemon_set,
    ),
    "Service": (_columns("Type", "Cluster-IP", "External-IP", "Port(s)", "Age"), _service),
    "Node": (_columns("Status", "Roles", "Age", "Version"), _node),
    "Namespace": (_columns("Status", "Age"), lambda o: [o.get("status", {}).get("phase", ""), _age(o)]),
    "ConfigMap": (_columns("Data", "Age"), lambda o: [len(o.get("data") or {}), _age(o)]),
    "Secret": (_columns("Type", "Data", "Age"), lambda o: [o.get("type"), len(o.get("data") or {}), _age(o)]),
    "PersistentVolumeClaim": (
        _columns("Status", "Volume", "Capacity", "Access Modes", "StorageClass", "Age"),
        _claim,
    ),
    "Event": (_columns("Last Seen", "Type", "Reason", "Object", "Message"), _event),
    "PodDisruptionBudget": (
        _columns("Min Available", "Max Unavailable", "Allowed Disruptions", "Age"),
        _budget,
    ),
    "StorageClass": (
        _columns("Provisioner", "ReclaimPolicy", "VolumeBindingMode", "Age"),
        lambda o: [o.get("provisioner"), o.get("reclaimPolicy"), o.get("volumeBindingMode"), _age(o)],
    ),
}
_PLAIN: tuple[list[Json], Cells] = (_columns("Age"), lambda o: [_age(o)])


def table(kind: Kind, objects: list[Json], meta: Json, include: str, now: float) -> Json:
    """Objects as a `Table`.

    Args:
        kind: their kind.
        objects: the rows.
        meta: list metadata (resourceVersion, continue).
        include: `None`, `Metadata` or `Object`: what comes with each row.
        now: seconds since 1970, for ages.
    """
    columns, cells = _TABLES.get(kind.kind, _PLAIN)
    times = [i for i, column in enumerate(columns) if column["name"] in ("Age", "Last Seen")]

    def row(obj: Json) -> list[Any]:
        found = [obj["metadata"]["name"], *cells(obj)]
        for index in times:
            found[index] = _since(found[index], now)
        return found

    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": columns,
        "rows": [{"cells": row(o), **_attached(o, include)} for o in objects],
    }


def _attached(obj: Json, include: str) -> Json:
    if include == "None":
        return {}
    if include == "Object":
        return {"object": obj}
    partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
    return {"object": partial}
