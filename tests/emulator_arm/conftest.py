"""An emulated ARM of its own process, and a plain HTTP client for it."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import pytest

from chainfleet.emulator.client import Running, start

VERSION = "2024-05-01"
_names = count(1)


@dataclass
class Cloud:
    """One running emulator and a signed-in client."""

    running: Running
    http: httpx2.Client
    token: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, running: Running) -> Cloud:
        context = ssl.create_default_context(cafile=running.environment["SSL_CERT_FILE"])
        cloud = cls(running, httpx2.Client(verify=context, timeout=30, trust_env=False))
        cloud.token = cloud.sign_in().json()["access_token"]
        cloud.headers = {"Authorization": f"Bearer {cloud.token}"}
        return cloud

    @property
    def env(self) -> Any:
        return self.running.environment

    @property
    def base(self) -> str:
        return str(self.env["ARM_RESOURCE_MANAGER_ENDPOINT"]).rstrip("/")

    @property
    def sub(self) -> str:
        return f"/subscriptions/{self.env['ARM_SUBSCRIPTION_ID']}"

    def sign_in(self, **changes: str) -> httpx2.Response:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.env["ARM_CLIENT_ID"],
            "client_secret": self.env["ARM_CLIENT_SECRET"],
            "scope": "https://management.azure.com/.default",
            **changes,
        }
        tenant = form.pop("tenant", self.env["ARM_TENANT_ID"])
        authority = self.env["ARM_ACTIVE_DIRECTORY_AUTHORITY_HOST"]
        return self.http.post(f"{authority}{tenant}/oauth2/v2.0/token", data=form)

    def call(
        self, verb: str, path: str, body: Any = None, version: str | None = VERSION, **query: str
    ) -> Any:
        url = path if path.startswith("https") else self.base + path
        params = {**({"api-version": version} if version and "api-version" not in url else {}), **query}
        return self.http.request(verb, url, json=body, headers=self.headers, params=params or None)

    def finish(self, response: httpx2.Response) -> dict[str, Any]:
        """Follow an answer's operation to its end and return the last document."""
        place = response.headers.get("Azure-AsyncOperation")
        assert place, response.text
        for _ in range(400):
            document: dict[str, Any] = self.call("GET", place).json()
            assert "status" in document, (place, document)
            if document["status"] != "InProgress":
                return document
            time.sleep(0.02)
        raise AssertionError("the operation doesn't end")

    def made(self, path: str, body: Any, version: str = VERSION) -> dict[str, Any]:
        """PUT and wait until the resource is there."""
        response = self.call("PUT", path, body, version)
        assert response.status_code in (200, 201), response.text
        if "Azure-AsyncOperation" in response.headers:
            assert self.finish(response)["status"] == "Succeeded"
        return self.settled(path)

    def settled(self, path: str) -> dict[str, Any]:
        for _ in range(400):
            body: dict[str, Any] = self.call("GET", path).json()
            if body["properties"].get("provisioningState", "Succeeded") in ("Succeeded", "Failed"):
                return body
            time.sleep(0.02)
        raise AssertionError("the resource isn't settled")

    def group(self, location: str = "northeurope") -> str:
        """Make a resource group with a name of its own; returns its id."""
        path = f"{self.sub}/resourceGroups/group-{next(_names)}"
        assert self.call("PUT", path, {"location": location}).status_code == 201
        return path

    def changes(self) -> int:
        return int(self.running.control("/stats")["changes"]["total"])

    def close(self) -> None:
        self.http.close()


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """An emulated ARM in which an hour passes in less than two seconds."""
    with start(tmp_path_factory.mktemp("cloud") / "state", 2000, parts="arm") as running:
        cloud = Cloud.of(running)
        yield cloud
        cloud.close()


@pytest.fixture(scope="session")
def slow_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """An emulated ARM slow enough to be looked at while it works: 20 times reality."""
    with start(tmp_path_factory.mktemp("slow") / "state", 20, parts="arm") as running:
        cloud = Cloud.of(running)
        yield cloud
        cloud.close()


@pytest.fixture(scope="session")
def true_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """An emulated ARM as fast as the real one."""
    with start(tmp_path_factory.mktemp("true") / "state", 1, parts="arm") as running:
        cloud = Cloud.of(running)
        yield cloud
        cloud.close()


@pytest.fixture
def start_cloud(tmp_path: Path) -> Iterator[Callable[..., Cloud]]:
    """Starts further emulators, by default all in one state folder."""
    clouds: list[Cloud] = []

    def begin(time_scale: float = 2000, folder: str = "state", **options: Any) -> Cloud:
        cloud = Cloud.of(start(tmp_path / folder, time_scale, parts="arm", **options))
        clouds.append(cloud)
        return cloud

    yield begin
    for cloud in clouds:
        cloud.close()
        cloud.running.stop()


@pytest.fixture
def fault(cloud: Cloud) -> Iterator[Callable[..., None]]:
    """Puts faults in force for one test."""

    def add(kind: str, **values: Any) -> None:
        cloud.running.control("/faults", "POST", {"kind": kind, **values})

    yield add
    cloud.running.control("/faults", "DELETE")


@pytest.fixture(scope="session")
def bodies() -> dict[str, Any]:
    """Bodies of the resource types that fleets use, as their modules write them."""
    return {
        "vnet": {
            "location": "northeurope",
            "properties": {
                "addressSpace": {"addressPrefixes": ["10.7.0.0/16"]},
                "subnets": [
                    {"name": "nodes", "properties": {"addressPrefix": "10.7.0.0/18"}},
                    {"name": "pods", "properties": {"addressPrefix": "10.7.128.0/17"}},
                ],
            },
        },
        "ip": {
            "location": "northeurope",
            "sku": {"name": "Standard", "tier": "Regional"},
            "properties": {"publicIPAllocationMethod": "Static", "publicIPAddressVersion": "IPv4"},
        },
        "aks": {
            "location": "northeurope",
            "identity": {"type": "SystemAssigned"},
            "sku": {"name": "Base", "tier": "Standard"},
            "properties": {
                "kubernetesVersion": "1.34",
                "dnsPrefix": "fleet",
                "oidcIssuerProfile": {"enabled": True},
                "agentPoolProfiles": [
                    {"name": "system", "mode": "System", "count": 1, "vmSize": "Standard_D4s_v5"},
                    {"name": "validators", "mode": "User", "count": 2, "vmSize": "Standard_D4s_v5"},
                ],
            },
        },
        "vault": {
            "location": "northeurope",
            "properties": {
                "tenantId": "00000000-0000-0000-0000-000000000000",
                "sku": {"family": "A", "name": "standard"},
                "enableRbacAuthorization": True,
            },
        },
    }
