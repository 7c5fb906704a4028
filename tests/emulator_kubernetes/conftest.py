"""An emulated cluster in a thread of its own, for real clients in processes and threads beside it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from chainfleet.emulator.clock import ScaledClock
from chainfleet.emulator.counters import Counters
from chainfleet.emulator.faults import FaultBook
from chainfleet.emulator.kubernetes import EmulatedClusters
from chainfleet.emulator.seams import ClusterEndpoint, ClusterSpec, NodePool
from chainfleet.emulator.tls import Authority

Json = dict[str, Any]

ID = (
    "/subscriptions/s/resourceGroups/t-northeurope/providers/Microsoft.ContainerService/managedClusters/t-aks"
)


class OneAddress:
    """ARM's public addresses: there's one, `t-validator-0`, and `late` appears when told."""

    def __init__(self) -> None:
        self.known = {"t-validator-0": "20.1.2.3"}

    def public_ip(self, *, resource_group: str, name: str) -> str | None:
        return self.known.get(name) if resource_group == "t-northeurope" else None

    def public_ips(self, *, resource_group: str) -> list[str]:
        return list(self.known.values())


@dataclass
class Served:
    """A cluster that serves, and the ways to it."""

    loop: asyncio.AbstractEventLoop
    clusters: EmulatedClusters
    endpoint: ClusterEndpoint
    faults: FaultBook
    addresses: OneAddress
    kubeconfig: Path
    http: httpx2.Client

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run something on the cluster's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def kubectl(self, *arguments: str, stdin: str = "", ok: bool = True) -> str:
        """Run the real kubectl; returns what it printed, errors too."""
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.kubeconfig.parent)}
        done = subprocess.run(
            ["kubectl", "--kubeconfig", str(self.kubeconfig), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            env=environ,
            timeout=60,
        )
        output = done.stdout + done.stderr
        assert (done.returncode == 0) is ok, output
        return output

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        """One plain request."""
        content = None if body is None else json.dumps(body)
        return self.http.request(method, path, content=content, headers=headers)

    def apply(self, path: str, body: Json, manager: str = "one", **query: str) -> httpx2.Response:
        """Server-side apply of one object."""
        asked = "&".join(f"{k}={v}" for k, v in {"fieldManager": manager, **query}.items())
        return self.call("PATCH", f"{path}?{asked}", body, **{"content-type": "application/apply-patch+yaml"})

    def until(self, condition: Any, seconds: float = 60.0) -> Any:
        """Wait until a condition holds; returns what it gave."""
        end = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < end, "it never came about"
            time.sleep(0.02)
        return found

    def get(self, path: str) -> Json:
        """An object or list that must be there."""
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def namespace(self) -> str:
        """A fresh namespace."""
        name = f"n-{uuid4().hex[:8]}"
        made = self.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        assert made.status_code == 201, made.text
        return name

    def changes(self) -> int:
        """Writes that changed something, so far."""
        return int(self.clusters.stats()[ID]["changes"])


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("cluster")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    clock = ScaledClock(300)
    faults = FaultBook(clock.now, changed=lambda: None)
    addresses = OneAddress()

    async def open_cluster() -> tuple[EmulatedClusters, ClusterEndpoint]:
        made = EmulatedClusters(
            clock=clock, faults=faults, public=addresses, tls=Authority(folder), traffic=Counters()
        )
        endpoint = await made.open(ClusterSpec(ID, "t-aks", "northeurope", "t-northeurope", "1.34"))
        await made.set_nodes(
            ID, {"validators": NodePool(2, {"pool": "v"}, ("only=v:NoSchedule",)), "system": NodePool(1)}
        )
        return made, endpoint

    clusters, endpoint = asyncio.run_coroutine_threadsafe(open_cluster(), loop).result(30)
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(json.dumps(_kubeconfig(endpoint)))
    context = ssl.create_default_context(cadata=endpoint.ca_pem)
    headers = {"authorization": f"Bearer {endpoint.token}", "content-type": "application/json"}
    with httpx2.Client(
        base_url=endpoint.server, verify=context, headers=headers, timeout=30, trust_env=False
    ) as http:
        yield Served(loop, clusters, endpoint, faults, addresses, kubeconfig, http)
    asyncio.run_coroutine_threadsafe(clusters.stop(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture
def kubectl(served: Served) -> Any:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl isn't on PATH")
    return served.kubectl


def _kubeconfig(endpoint: ClusterEndpoint) -> Json:
    authority = base64.b64encode(endpoint.ca_pem.encode()).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "c", "cluster": {"server": endpoint.server, "certificate-authority-data": authority}}
        ],
        "users": [{"name": "u", "user": {"token": endpoint.token}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
