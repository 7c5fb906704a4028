"""How we come by a cluster's client: its kubeconfig from ARM, or a context of the operator's own.

Clients are kept per event loop and cluster: attempts come and go, connections stay.
"""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

from chainfleet.drivers import arm, azure
from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.fleet import Region

from .client import Cluster
from .credentials import expiry_of

if TYPE_CHECKING:
    from azure.core import PipelineClient

_API_VERSION = "2025-05-01"
_TIMEOUT_S = 30.0


class Access(Protocol):
    """What reaching clusters takes; an attempt has it, and so has whoever only looks."""

    @property
    def environ(self) -> Mapping[str, str]:
        """Endpoints and credentials."""
        ...

    @property
    def outputs(self) -> Callable[[str], Mapping[str, Any]]:
        """Outputs of a finished task by its id; KeyError if it has none."""
        ...


class Clusters:
    """The clients of one event loop, by cluster."""

    def __init__(self) -> None:
        self._clients: dict[str, Cluster] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._arm = _Arm()

    async def of(self, access: Access, region: Region) -> Cluster:
        """Return the client of a region's cluster.

        Raises:
            TaskFailed: the cluster isn't known yet, or access to it is refused.
        """
        identity = _identity(access, region)
        key = _key(access, identity)
        async with self._locks.setdefault(key, asyncio.Lock()):
            if key not in self._clients:
                config = await self._kubeconfig(access, region, identity)
                self._clients[key] = _connect(region, config)
            return self._clients[key]

    async def forget(self, access: Access, region: Region) -> None:
        """Drop a client whose credentials ran out or whose cluster moved; the next attempt gets a new one."""
        client = self._clients.pop(_key(access, _identity(access, region)), None)
        if client is not None:
            await client.close()

    async def close(self) -> None:
        """Give all connections back."""
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.close()

    async def _kubeconfig(self, access: Access, region: Region, identity: str) -> Mapping[str, Any]:
        if region.cloud == "kubeconfig":
            return _own_kubeconfig(access.environ)
        if region.cloud != "azure":
            return token_kubeconfig(region, access.outputs(f"infrastructure/cluster/{region.name}"))
        return await asyncio.to_thread(self._arm.kubeconfig, dict(access.environ), identity)


_of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Clusters] = WeakKeyDictionary()


def clusters() -> Clusters:
    """Return the clients of the running event loop, shared by all drivers."""
    loop = asyncio.get_running_loop()
    if loop not in _of_loop:
        _of_loop[loop] = Clusters()
    return _of_loop[loop]


class _Arm:
    """Asks ARM for kubeconfigs; its token and connections are shared by all regions."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pipelines: dict[tuple[str, ...], PipelineClient[Any, Any]] = {}

    def kubeconfig(self, environ: Mapping[str, str], cluster_id: str) -> Mapping[str, Any]:
        """Return the kubeconfig of a managed cluster, parsed."""
        import yaml

        azure.load_sdk()
        from azure.core.exceptions import AzureError
        from azure.core.rest import HttpRequest

        what = f"credentials of cluster {cluster_id.rsplit('/', 1)[-1]}"
        # Where Entra groups administer the cluster, the other format asks for a plugin that clients no longer have.
        query = f"api-version={_API_VERSION}&format=exec"
        url = f"{azure.endpoint(environ)}{cluster_id}/listClusterUserCredential?{query}"
        try:
            response = self._pipeline(environ).send_request(HttpRequest("POST", url))
            if response.status_code != 200:
                raise arm.refused(response, what)
            entries = response.json()["kubeconfigs"]
            return dict(yaml.safe_load(base64.b64decode(entries[0]["value"])))
        except AzureError as error:
            raise arm.unreachable(error, what) from error

    def _pipeline(self, environ: Mapping[str, str]) -> PipelineClient[Any, Any]:
        with self._lock:
            identity = tuple(environ.get(name, "") for name in azure.IDENTITY_VARIABLES)
            if identity not in self._pipelines:
                self._pipelines[identity] = arm.pipeline(environ, retries=0)
            return self._pipelines[identity]


def _identity(access: Access, region: Region) -> str:
    if region.cloud == "kubeconfig":
        return f"context:{region.context or ''}"
    try:
        return str(access.outputs(f"infrastructure/cluster/{region.name}")["cluster_id"])
    except KeyError:
        message = f"region {region.name} has no cluster yet"
        raise TaskFailed(
            ErrorClass.CONFIGURATION, message, way_out="deploy its infrastructure first"
        ) from None


def _key(access: Access, identity: str) -> str:
    """What tells clients apart: one process may speak to several clouds, and each has its own clusters."""
    source = access.environ.get("KUBECONFIG", "") if identity.startswith("context:") else ""
    return f"{azure.endpoint(access.environ)} {source} {identity}"


def token_kubeconfig(region: Region, cluster: Mapping[str, Any]) -> Mapping[str, Any]:
    """A kubeconfig whose tokens come from the cloud's own command line, as that command line would write it.

    Args:
        region: in AWS or Google Cloud.
        cluster: outputs of its task `infrastructure/cluster/{region}`.
    """
    plugins: dict[str, list[str]] = {
        "aws": [
            "aws",
            "eks",
            "get-token",
            "--region",
            region.name,
            "--cluster-name",
            cluster["cluster_name"],
        ],
        "gcp": ["gke-gcloud-auth-plugin"],
    }
    command, *arguments = plugins[region.cloud]
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "cluster",
        "contexts": [{"name": "cluster", "context": {"cluster": "cluster", "user": "user"}}],
        "clusters": [
            {
                "name": "cluster",
                "cluster": {
                    "server": cluster["cluster_endpoint"],
                    "certificate-authority-data": cluster["cluster_ca_certificate"],
                },
            }
        ],
        "users": [
            {
                "name": "user",
                "user": {
                    "exec": {
                        "apiVersion": "client.authentication.k8s.io/v1beta1",
                        "command": command,
                        "args": arguments,
                        "interactiveMode": "Never",
                        "provideClusterInfo": region.cloud == "gcp",
                    }
                },
            }
        ],
    }


def _own_kubeconfig(environ: Mapping[str, str]) -> Mapping[str, Any]:
    import yaml

    path = Path(environ.get("KUBECONFIG") or "~/.kube/config").expanduser()
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        message = f"kubeconfig {path} can't be read: {error}"
        raise TaskFailed(ErrorClass.CONFIGURATION, message, way_out="set KUBECONFIG") from error
    return dict(config)


def _connect(region: Region, config: Mapping[str, Any]) -> Cluster:
    import httpx2
    from lightkube import AsyncClient, KubeConfig
    from lightkube.config import client_adapter
    from lightkube.core.exceptions import ConfigError

    from .names import FIELD_MANAGER

    timeout = httpx2.Timeout(_TIMEOUT_S, connect=10)
    try:
        single = KubeConfig.from_dict(dict(config)).get(
            region.context if region.cloud == "kubeconfig" else None
        )
        assert single is not None
        kube = AsyncClient(single, timeout=timeout, lazy=False, field_manager=FIELD_MANAGER, trust_env=False)
        http = client_adapter.AsyncClient(
            single, client_adapter.ConnectionParams(timeout=timeout, trust_env=False)
        )
    except (ConfigError, KeyError, OSError, ValueError) as error:
        message = f"the kubeconfig of {region.name} can't be used: {error}"
        raise TaskFailed(
            ErrorClass.CONFIGURATION,
            message,
            way_out="`kubectl --context NAME get nodes` has to work with the same kubeconfig",
        ) from error
    return Cluster(region.name, single.cluster.server, kube, http, expiry_of(single.user))
