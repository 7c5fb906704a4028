"""Probes: what a kubelet asks a container before it calls it started and ready."""

from __future__ import annotations

from typing import Any

from .program import HttpRequest, Program

Json = dict[str, Any]


def port_number(container: Json, port: int | str) -> int | None:
    """A port's number, by itself or by its name in the container's spec."""
    if isinstance(port, int):
        return port
    if port.isdigit():
        return int(port)
    for declared in container.get("ports", ()):
        if declared.get("name") == port:
            return int(declared["containerPort"])
    return None


async def passes(probe: Json, container: Json, program: Program, pod_ip: str) -> bool:
    """Whether one probe succeeds now."""
    if action := probe.get("httpGet"):
        port = port_number(container, action["port"])
        if port is None:
            return False
        headers = {"host": action.get("host") or f"{pod_ip}:{port}", "user-agent": "kube-probe/1.34"}
        headers |= {h["name"].lower(): h["value"] for h in action.get("httpHeaders", ())}
        answer = await program.http(port, HttpRequest("GET", action.get("path", "/"), headers))
        return answer is not None and 200 <= answer.status < 400
    if action := probe.get("tcpSocket"):
        port = port_number(container, action["port"])
        return port is not None and await program.http(port, HttpRequest("GET", "/")) is not None
    return True  # exec and grpc: the emulated process has nothing to run, its being up is the answer
