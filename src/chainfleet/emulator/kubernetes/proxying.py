"""Requests that go through the API server to a container: the proxy of services and pods, and logs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from .control.owned import is_ready
from .control.services import target_port
from .errors import ApiError, bad_request, not_found
from .kinds import core
from .node.containers import ContainerRun
from .node.kubelet import Kubelet
from .node.program import HttpAnswer, HttpRequest
from .node.watchers import Watchers
from .requests import Target
from .store import Store

Json = dict[str, Any]


class Proxy:
    """Delivers requests to containers."""

    def __init__(self, store: Store, kubelet: Kubelet, watchers: Watchers) -> None:
        self._store = store
        self._kubelet = kubelet
        self._watchers = watchers
        self._turn = 0

    async def deliver(self, where: Target, request: HttpRequest) -> HttpAnswer:
        """Deliver a request to the pod or to a ready pod of the service that a path names.

        Raises:
            ApiError: 404 nothing of that name, 503 no ready endpoint, 502 nothing listens.
        """
        _, name, port = _address(where.name)
        if where.kind.kind == "Service":
            pod, number = self._behind(where.namespace, name, port)
        elif where.kind.kind == "Pod":
            pod, number = self._pod(where.namespace, name, port)
        elif self._store.find("nodes", "", name):
            return self._watchers.kubelet(name, where.rest)
        else:
            raise not_found(where.kind, name)
        run = self._listening(pod, number)
        headers = {**request.headers, "host": f"{pod.get('status', {}).get('podIP', '')}:{number}"}
        path = "/" + where.rest + (f"?{request.path.partition('?')[2]}" if "?" in request.path else "")
        program = run.program if run else None
        passed = HttpRequest(request.method, path, headers, request.body)
        found = None
        if run is not None and program is not None:
            found = self._watchers.answer(pod, run.spec["image"], passed) or await program.http(
                number, passed
            )
        if found is None:
            address = f"{pod.get('status', {}).get('podIP', '')}:{number}"
            raise ApiError(
                503,
                "ServiceUnavailable",
                f"error trying to reach service: dial tcp {address}: connect: connection refused",
            )
        return found

    def _behind(self, namespace: str, name: str, port: str) -> tuple[Json, int]:
        service = self._store.find("services", namespace, name)
        if service is None:
            raise not_found(core("Service"), name)
        ports = service["spec"].get("ports", [])
        chosen = next((p for p in ports if port in ("", str(p["port"]), p.get("name"))), None)
        if chosen is None:
            raise ApiError(503, "ServiceUnavailable", f'no service port "{port}" found for service "{name}"')
        selector = service["spec"].get("selector") or {}
        pods = [
            p
            for p in self._store.all("pods", namespace)
            if selector
            and all((p["metadata"].get("labels") or {}).get(k) == v for k, v in selector.items())
            and (is_ready(p) or service["spec"].get("publishNotReadyAddresses"))
        ]
        if not pods:
            raise ApiError(503, "ServiceUnavailable", f'no endpoints available for service "{name}"')
        self._turn += 1
        return pods[self._turn % len(pods)], target_port(chosen, pods)

    def _pod(self, namespace: str, name: str, port: str) -> tuple[Json, int]:
        pod = self._store.find("pods", namespace, name)
        if pod is None:
            raise not_found(core("Pod"), name)
        if port.isdigit():
            return pod, int(port)
        declared = [d for c in pod["spec"]["containers"] for d in c.get("ports", ())]
        for entry in declared:
            if not port or entry.get("name") == port:
                return pod, int(entry["containerPort"])
        raise bad_request(f'no port "{port}" found for pod "{name}"')

    def _listening(self, pod: Json, port: int) -> ContainerRun | None:
        life = self._kubelet.life(pod["metadata"]["uid"])
        if life is None:
            return None
        for run in life.containers:
            if any(d["containerPort"] == port for d in run.spec.get("ports", ())):
                return run
        return life.containers[0] if life.containers else None

    def log_run(self, where: Target, query: Mapping[str, str]) -> ContainerRun:
        """The container whose log is asked for.

        Raises:
            ApiError: 400 which container isn't clear or it hasn't started, 404 no such pod.
        """
        pod = self._store.find("pods", where.namespace, where.name)
        if pod is None:
            raise not_found(core("Pod"), where.name)
        life = self._kubelet.life(pod["metadata"]["uid"])
        runs = life.containers if life else []
        name = query.get("container")
        if name is None and len(pod["spec"]["containers"]) > 1:
            names = " ".join(c["name"] for c in pod["spec"]["containers"])
            raise bad_request(
                f"a container name must be specified for pod {where.name}, choose one of: [{names}]"
            )
        for run in runs:
            if name in (None, run.spec["name"]):
                if not run.log.lines and "waiting" in run.status()["state"] and not run.restarts:
                    reason = run.status()["state"]["waiting"]["reason"]
                    raise bad_request(
                        f'container "{run.spec["name"]}" in pod "{where.name}" is waiting to start: {reason}'
                    )
                return run
        raise bad_request(f"container {name or ''} is not valid for pod {where.name}")


def log_text(run: ContainerRun, query: Mapping[str, str]) -> bytes:
    """The log as far as asked for."""
    log = run.previous_log if query.get("previous") in ("true", "1") else run.log
    if not log.lines and run.restarts:
        log = run.previous_log
    lines = list(log.lines)
    if tail := query.get("tailLines"):
        lines = lines[-int(tail) :] if int(tail) else []
    return "".join(f"{line}\n" for line in lines).encode()


async def follow_log(run: ContainerRun) -> AsyncIterator[bytes]:
    """New lines as they come, for as long as the client listens."""
    seen = len(run.log.lines)
    while True:
        log = run.log
        await log.wait()
        lines = list(log.lines)
        yield "".join(f"{line}\n" for line in lines[min(seen, len(lines) - 1) :]).encode()
        seen = len(lines)


def _address(name: str) -> tuple[str, str, str]:
    """`[scheme:]name[:port]` → scheme, name, port."""
    parts = name.split(":")
    if len(parts) == 3:
        return parts[0], parts[1], parts[2]
    if len(parts) == 2 and parts[0] in ("http", "https"):
        return parts[0], parts[1], ""
    return "http", parts[0], parts[1] if len(parts) == 2 else ""
