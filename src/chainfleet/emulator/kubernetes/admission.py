"""What the API server adds to and demands of an object by looking at others: names, addresses, classes."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

from .errors import ApiError, forbidden, not_found
from .kinds import Kind, core
from .store import Store
from .validation import refuse

Json = dict[str, Any]

SERVICE_NETWORK = int(IPv4Address("10.0.0.0"))
FIRST_NODE_PORT = 30000
_BUILT_IN_CLASSES = {"system-node-critical": 2000001000, "system-cluster-critical": 2000000000}


def prepare(store: Store, kind: Kind, new: Json, live: Json | None) -> None:
    """Before defaults: allocate what only the server can choose."""
    if kind.kind == "Service":
        _allocate(store, new, live)
    elif kind.kind == "Pod" and live is None:
        _resolve_priority(store, kind, new)


def admit(store: Store, kind: Kind, new: Json, live: Json | None) -> None:
    """After defaults: refuse what refers to things that aren't there.

    Raises:
        ApiError: 403 or 404.
    """
    if live is not None:
        return
    meta = new["metadata"]
    if kind.namespaced:
        namespace = store.find("namespaces", "", meta["namespace"])
        if namespace is None:
            raise not_found(core("Namespace"), meta["namespace"])
        if namespace["metadata"].get("deletionTimestamp"):
            raise forbidden(
                kind,
                meta["name"],
                f"unable to create new content in namespace {meta['namespace']} because "
                "it is being terminated",
            )
    if kind.kind == "Pod":
        account = new["spec"].get("serviceAccountName", "default")
        if store.find("serviceaccounts", meta["namespace"], account) is None:
            raise forbidden(
                kind,
                meta["name"],
                f"error looking up service account {meta['namespace']}/{account}: "
                f'serviceaccount "{account}" not found',
            )


def _resolve_priority(store: Store, kind: Kind, new: Json) -> None:
    name = new["spec"].get("priorityClassName")
    if not name:
        new["spec"].setdefault("priority", 0)
        return
    found = store.find("priorityclasses.scheduling.k8s.io", "", name)
    if found is None and name not in _BUILT_IN_CLASSES:
        raise forbidden(kind, new["metadata"]["name"], f"no PriorityClass with name {name} was found")
    new["spec"]["priority"] = found["value"] if found else _BUILT_IN_CLASSES[name]


def _allocate(store: Store, new: Json, live: Json | None) -> None:
    spec = new.setdefault("spec", {})
    if spec.get("type") == "ExternalName":
        return
    old = (live or {}).get("spec", {})
    if old.get("clusterIP") and "clusterIP" not in spec:
        spec["clusterIP"], spec["clusterIPs"] = old["clusterIP"], old["clusterIPs"]
    if not spec.get("clusterIP"):
        spec["clusterIP"] = _free_address(store)
    spec.setdefault("clusterIPs", [spec["clusterIP"]])
    if spec.get("type") in ("NodePort", "LoadBalancer") and spec.get("allocateLoadBalancerNodePorts", True):
        before = {(p["port"], p.get("protocol", "TCP")): p.get("nodePort") for p in old.get("ports", ())}
        used = {p.get("nodePort") for s in store.all("services") for p in s["spec"].get("ports", ())}
        for port in spec.get("ports", ()):
            if "nodePort" not in port:
                kept = before.get((port["port"], port.get("protocol", "TCP")))
                port["nodePort"] = kept or next(p for p in range(FIRST_NODE_PORT, 32768) if p not in used)
                used.add(port["nodePort"])


def _free_address(store: Store) -> str:
    used = {s["spec"].get("clusterIP") for s in store.all("services")}
    for offset in range(10, 65536):
        address = str(IPv4Address(SERVICE_NETWORK + offset))
        if address not in used:
            return address
    raise ApiError(500, "InternalError", "failed to allocate a serviceIP: range is full")


def refuse_reserved(kind: Kind, name: str) -> None:
    """Namespaces that a cluster can't live without.

    Raises:
        ApiError: 403.
    """
    if kind.kind == "Namespace" and name in ("default", "kube-system", "kube-public", "kube-node-lease"):
        raise forbidden(kind, name, "this namespace may not be deleted")


__all__ = ["admit", "prepare", "refuse", "refuse_reserved"]
