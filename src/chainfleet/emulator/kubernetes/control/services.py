"""Services: load-balancer addresses, endpoints, and the routes that lead to pods from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from ... import background
from ..addresses import PodPort
from ..node.timing import LOAD_BALANCER
from ..store import Change, Key
from ..world import World
from .owned import is_ready

Json = dict[str, Any]

MANAGER = "kube-controller-manager"
CLOUD = "cloud-controller-manager"
PREFIX = "service.beta.kubernetes.io/azure-"
PIP_NAME = PREFIX + "pip-name"
PIP_GROUP = PREFIX + "load-balancer-resource-group"
FIXED = PREFIX + "load-balancer-ipv4"
RETRY_S = 15.0
"""Emulated seconds until an address that isn't there is looked up again."""


class Services:
    """Gives Services their addresses and endpoints."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._balancing: dict[Key, asyncio.Task[None]] = {}

    def keys(self, change: Change) -> Iterable[Key]:
        """A Service concerns itself; a pod concerns the Services that select it."""
        meta = change.obj["metadata"]
        if change.kind_id == "services":
            yield meta["namespace"], meta["name"]
        elif change.kind_id == "pods":
            labels = meta.get("labels") or {}
            for service in self._world.store.all("services", meta["namespace"]):
                selector = service["spec"].get("selector") or {}
                if selector and all(labels.get(k) == v for k, v in selector.items()):
                    yield meta["namespace"], service["metadata"]["name"]

    async def stop(self) -> None:
        """Look for no more addresses."""
        await background.stop(*self._balancing.values())

    def reconcile(self, namespace: str, name: str) -> None:
        """Bring endpoints, load balancer and routes in line."""
        key = (namespace, name)
        live = self._world.store.find("services", namespace, name)
        if live is None:
            if task := self._balancing.pop(key, None):
                task.cancel()
            for kind in ("Endpoints", "EndpointSlice"):
                self._world.objects.drop(kind, namespace, name)
            self._route(namespace, name, {})
            return
        pods = self._pods(live)
        if live["spec"].get("selector"):
            self._endpoints(live, pods)
        balanced = live["spec"].get("type") == "LoadBalancer"
        ingress = live.get("status", {}).get("loadBalancer", {}).get("ingress")
        if balanced and not ingress and key not in self._balancing:
            self._balancing[key] = background.begin(self._balance(key), f"load balancer of {name}")
        elif not balanced and ingress:
            self._world.objects.set_status(live, {"loadBalancer": {}}, CLOUD)
        self._publish(live, pods, ingress if balanced else None)

    def _pods(self, live: Json) -> list[Json]:
        selector = live["spec"].get("selector") or {}
        if not selector:
            return []
        return sorted(
            (
                p
                for p in self._world.store.all("pods", live["metadata"]["namespace"])
                if p.get("status", {}).get("podIP")
                and p["status"].get("phase") == "Running"
                and all((p["metadata"].get("labels") or {}).get(k) == v for k, v in selector.items())
            ),
            key=lambda p: str(p["metadata"]["name"]),
        )

    async def _balance(self, key: Key) -> None:
        """Wait as a cloud's load balancer makes us wait, then set the address."""
        self._about(key, "EnsuringLoadBalancer", "Ensuring load balancer")
        await self._world.clock.sleep(self._world.draw(LOAD_BALANCER))
        while True:
            live = self._world.store.find("services", *key)
            if live is None:
                return
            address, problem = self._address(live)
            if address:
                break
            text = f"Error syncing load balancer: failed to ensure load balancer: {problem}"
            self._about(key, "SyncLoadBalancerFailed", text, kind="Warning")
            await self._world.clock.sleep(RETRY_S)
        self._about(key, "EnsuredLoadBalancer", "Ensured load balancer")
        self._balancing.pop(key, None)
        self._world.objects.set_status(
            live, {"loadBalancer": {"ingress": [{"ip": address, "ipMode": "VIP"}]}}, CLOUD
        )

    def _about(self, key: Key, reason: str, text: str, kind: str = "Normal") -> None:
        live = self._world.store.find("services", *key)
        if live is not None:
            self._world.event(live, reason, text, source="service-controller", kind=kind)

    def _address(self, live: Json) -> tuple[str, str]:
        """The Service's public address, or why it has none."""
        annotations = live["metadata"].get("annotations") or {}
        group = annotations.get(PIP_GROUP, self._world.spec.resource_group)
        name = annotations.get(PIP_NAME)
        if name:
            found = self._world.public.public_ip(resource_group=group, name=name)
            return found or "", f'PublicIPAddress "{name}" not found in resource group "{group}"'
        fixed = annotations.get(FIXED) or live["spec"].get("loadBalancerIP")
        if fixed:
            known = self._world.public.public_ips(resource_group=group)
            private = annotations.get(PREFIX + "load-balancer-internal") == "true"
            if private or fixed in known:
                return fixed, ""
            return "", f'user supplied IP Address {fixed} was not found in resource group "{group}"'
        # Without annotations the cloud makes an address of its own.
        meta = live["metadata"]
        number = sum(meta["uid"].encode()) * 7919 + int(meta["uid"][:6], 16)
        return f"198.51.{100 + number % 2}.{1 + number % 250}", ""

    def _endpoints(self, live: Json, pods: list[Json]) -> None:
        meta, spec = live["metadata"], live["spec"]
        unready_too = bool(spec.get("publishNotReadyAddresses"))
        ready = [p for p in pods if is_ready(p) or unready_too]
        waiting = [p for p in pods if p not in ready]
        ports = [(p, target_port(p, pods)) for p in spec.get("ports", ())]
        subset: Json = {
            "ports": [
                {**({"name": p["name"]} if "name" in p else {}), "port": n, "protocol": p["protocol"]}
                for p, n in ports
            ]
        }
        if ready:
            subset["addresses"] = [_endpoint(p) for p in ready]
        if waiting:
            subset["notReadyAddresses"] = [_endpoint(p) for p in waiting]
        self._write("Endpoints", "v1", meta, {"subsets": [subset] if pods else []})
        self._write(
            "EndpointSlice",
            "discovery.k8s.io/v1",
            {**meta, "labels": {"kubernetes.io/service-name": meta["name"]}},
            {
                "addressType": "IPv4",
                "endpoints": [
                    {
                        "addresses": [p["status"]["podIP"]],
                        "conditions": {"ready": p in ready, "serving": is_ready(p), "terminating": False},
                        "targetRef": _endpoint(p)["targetRef"],
                        "nodeName": p["spec"].get("nodeName"),
                    }
                    for p in pods
                ],
                "ports": [
                    {"name": p.get("name", ""), "port": n, "protocol": p["protocol"]} for p, n in ports
                ],
            },
        )

    def _write(self, kind: str, version: str, meta: Json, parts: Json) -> None:
        store, objects = self._world.store, self._world.objects
        kind_id = "endpoints" if kind == "Endpoints" else "endpointslices.discovery.k8s.io"
        live = store.find(kind_id, meta["namespace"], meta["name"])
        if live is not None:
            objects.change(live, MANAGER, **parts)
            return
        new = {"name": meta["name"], "namespace": meta["namespace"], "labels": dict(meta.get("labels") or {})}
        objects.make(kind, {"apiVersion": version, "kind": kind, "metadata": new, **parts}, MANAGER)

    def _publish(self, live: Json, pods: list[Json], ingress: list[Json] | None) -> None:
        routes: dict[tuple[str, int], tuple[PodPort, ...]] = {}
        open_to_all = bool(live["spec"].get("publishNotReadyAddresses"))
        reachable = [p for p in pods if open_to_all or is_ready(p)]
        for port in live["spec"].get("ports", ()):
            number = target_port(port, pods)
            behind = tuple(PodPort(p["metadata"]["uid"], number) for p in reachable)
            for entry in ingress or ():
                if behind:
                    routes[entry["ip"], port["port"]] = behind
        self._route(live["metadata"]["namespace"], live["metadata"]["name"], routes)

    def _route(self, namespace: str, name: str, routes: dict[tuple[str, int], tuple[PodPort, ...]]) -> None:
        self._world.addresses.publish(self._world.spec.id, f"{namespace}/{name}", routes)


def target_port(port: Json, pods: list[Json]) -> int:
    """The number of the container port behind a Service's port."""
    target = port.get("targetPort", port["port"])
    if isinstance(target, int):
        return target
    for pod in pods:
        for container in pod["spec"]["containers"]:
            for declared in container.get("ports", ()):
                if declared.get("name") == target:
                    return int(declared["containerPort"])
    return int(port["port"])


def _endpoint(pod: Json) -> Json:
    meta = pod["metadata"]
    return {
        "ip": pod["status"]["podIP"],
        "nodeName": pod["spec"].get("nodeName"),
        "targetRef": {
            "kind": "Pod",
            "name": meta["name"],
            "namespace": meta["namespace"],
            "uid": meta["uid"],
        },
    }
