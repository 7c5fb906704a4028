"""A small Besu network on emulated clusters, made as an operator would make it: objects over HTTPS."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from chainfleet.emulator.besu import BesuWorld
from chainfleet.emulator.chain import find_anvil
from chainfleet.emulator.clock import ScaledClock
from chainfleet.emulator.counters import Counters
from chainfleet.emulator.faults import FaultBook
from chainfleet.emulator.kubernetes import EmulatedClusters
from chainfleet.emulator.kubernetes.addresses import AddressBook
from chainfleet.emulator.seams import ClusterEndpoint, ClusterSpec, NodePool
from chainfleet.emulator.tls import Authority
from chainfleet.model.besu.extra_data import genesis_extra_data
from chainfleet.model.besu.genesis_block import genesis_block
from chainfleet.model.besu.identity import PrivateKey

Json = dict[str, Any]

REGIONS = ("northeurope", "westeurope")
PER_REGION = 2


class Addresses:
    """Public addresses as ARM would have them: one per region and validator."""

    def public_ip(self, *, resource_group: str, name: str) -> str | None:
        region = REGIONS.index(resource_group.removeprefix("t-"))
        return f"20.0.{region}.{10 + int(name.rpartition('-')[2])}" if "-validator-" in name else None

    def public_ips(self, *, resource_group: str) -> list[str]:
        return [
            self.public_ip(resource_group=resource_group, name=f"t-validator-{i}") or "" for i in range(4)
        ]


class Network:
    """Clusters, keys, genesis and everything a driver would make of them."""

    def __init__(self, folder: Path, *, scale: float = 300.0, per_region: int = PER_REGION) -> None:
        self.folder = folder
        self.per_region = per_region
        self.clock = ScaledClock(scale)
        self.faults = FaultBook(self.clock.now, changed=lambda: None)
        self.counters = Counters()
        self.authority = Authority(folder)
        self.book = AddressBook()
        start = time.time()
        self.wall: Callable[[], float] = lambda: start + self.clock.now()
        self.besu = BesuWorld(
            clock=self.clock,
            addresses=self.book,
            anvil=find_anvil(os.environ),
            folder=folder,
            wall=self.wall,
        )
        self.clusters = EmulatedClusters(
            clock=self.clock,
            faults=self.faults,
            public=Addresses(),
            tls=self.authority,
            traffic=self.counters,
            programs=self.besu.program,
            addresses=self.book,
        )
        self.keys = {
            (r, i): PrivateKey((1000 + 100 * n + i).to_bytes(32, "big"))
            for n, r in enumerate(REGIONS)
            for i in range(per_region)
        }
        self.endpoints: dict[str, ClusterEndpoint] = {}
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        context = self._trust()
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))
        for region in REGIONS:
            spec = ClusterSpec(f"/clusters/{region}", "aks", region, f"t-{region}", "1.34")
            self.endpoints[region] = await self.clusters.open(spec)
            await self.clusters.set_nodes(spec.id, {"validators": NodePool(2)})

    def _trust(self) -> Any:
        import ssl

        return ssl.create_default_context(cadata=self.authority.ca_pem)

    async def close(self) -> None:
        if self._session:
            await self._session.close()
        await self.clusters.stop()
        await self.besu.stop()

    def genesis(self, **config: Any) -> Json:
        addresses = sorted(k.address() for k in self.keys.values())
        return {
            "config": {
                "chainId": 138,
                "londonBlock": 0,
                "shanghaiTime": 0,
                "cancunTime": 0,
                "zeroBaseFee": True,
                "qbft": {"blockperiodseconds": 5, "requesttimeoutseconds": 10, "epochlength": 30000},
                **config,
            },
            "nonce": "0x0",
            "timestamp": "0x58ee40ba",
            "gasLimit": "0x1c9c380",
            "difficulty": "0x1",
            "baseFeePerGas": "0x0",
            "mixHash": "0x63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365",
            "coinbase": "0x" + "0" * 40,
            "extraData": "0x" + genesis_extra_data(addresses).hex(),
            "alloc": {"0x00000000000000000000000000000000000000aa": {"balance": "0x10"}},
        }

    def genesis_hash(self) -> str:
        return genesis_block(self.genesis()).hash

    def ip(self, region: str, index: int) -> str:
        return f"20.0.{REGIONS.index(region)}.{10 + index}"

    def enodes(self) -> list[str]:
        return [f"enode://{k.public_key().hex()}@{self.ip(r, i)}:30303" for (r, i), k in self.keys.items()]

    async def call(self, region: str, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """One request to a cluster's API; returns (status, parsed body)."""
        assert self._session is not None
        endpoint = self.endpoints[region]
        headers = {"Authorization": f"Bearer {endpoint.token}", "Content-Type": "application/json", **headers}
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        async with self._session.request(
            method, endpoint.server + path, data=data, headers=headers
        ) as answer:
            text = await answer.read()
            try:
                return answer.status, json.loads(text)
            except ValueError:
                return answer.status, text.decode()

    async def apply(self, region: str, obj: Json) -> Json:
        group, _, version = obj["apiVersion"].rpartition("/")
        plural = {"StatefulSet": "statefulsets", "Service": "services", "ConfigMap": "configmaps"}.get(
            obj["kind"], obj["kind"].lower() + "s"
        )
        root = f"/apis/{group}/{version}" if group else "/api/v1"
        space = f"/namespaces/{obj['metadata']['namespace']}" if "namespace" in obj["metadata"] else ""
        path = f"{root}{space}/{plural}/{obj['metadata']['name']}?fieldManager=test&force=true"
        status, found = await self.call(
            region, "PATCH", path, obj, **{"Content-Type": "application/apply-patch+yaml"}
        )
        assert status < 300, found
        return found

    def config(self, region: str, index: int, **changes: Any) -> str:
        values: Json = {
            "genesis-file": "/etc/besu/genesis/genesis.json",
            "data-path": "/data/besu",
            "node-private-key-file": "/secrets/nodekey",
            "identity": f"{region}-v{index}",
            "p2p-host": self.ip(region, index),
            "p2p-port": 30303,
            "static-nodes-file": "/etc/besu/peers/static-nodes.json",
            "discovery-enabled": False,
            "rpc-http-enabled": True,
            "rpc-http-host": "0.0.0.0",
            "rpc-http-api": ["ETH", "NET", "WEB3", "QBFT", "ADMIN", "TXPOOL"],
            "host-allowlist": ["*"],
            "metrics-enabled": True,
            "metrics-host": "0.0.0.0",
            "min-gas-price": 0,
            **changes,
        }
        return "".join(f"{k}={json.dumps(v)}\n" for k, v in values.items() if v is not None)

    async def prepare(self, *, genesis: Json | None = None) -> None:
        """Namespace, genesis and peers in every region."""
        for region in REGIONS:
            await self.apply(region, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "besu"}})
            for name, key, value in (
                ("besu-genesis", "genesis.json", genesis or self.genesis()),
                ("besu-peers", "static-nodes.json", self.enodes()),
            ):
                await self.config_map(region, name, {key: json.dumps(value)})

    async def config_map(self, region: str, name: str, data: Json) -> None:
        meta = {"name": name, "namespace": "besu"}
        await self.apply(region, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})

    async def validator(self, region: str, index: int, *, key: str | None = None, **options: Any) -> None:
        """Everything of one validator, running."""
        name = f"validator-{index}"
        meta = {"namespace": "besu"}
        await self.config_map(
            region, f"{name}-config", {"config.toml": self.config(region, index, **options)}
        )
        secret = {"nodekey": self.keys[region, index].key_file_text() if key is None else key}
        await self.apply(
            region,
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": f"{name}-key", **meta},
                "stringData": secret,
            },
        )
        for service in services(name, f"t-{region}", f"t-validator-{index}"):
            await self.apply(region, service)
        await self.apply(region, stateful_set(name))

    async def all_validators(self) -> None:
        for region, index in self.keys:
            await self.validator(region, index)

    async def rpc(self, region: str, index: int, method: str, *params: Any) -> Any:
        """A JSON-RPC call through the cluster's service proxy; the result or the error object."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        path = f"/api/v1/namespaces/besu/services/validator-{index}:8545/proxy/"
        status, found = await self.call(region, "POST", path, body)
        if status != 200:
            return found
        return found.get("result", found.get("error"))

    async def until(self, what: Callable[[], Any], seconds: float = 60.0) -> Any:
        """Wait until an async condition holds; returns what it gave."""
        end = asyncio.get_running_loop().time() + seconds
        while True:
            found = await what()
            if found:
                return found
            assert asyncio.get_running_loop().time() < end, f"it never came about: {what}"
            await asyncio.sleep(0.05)

    async def pod(self, region: str, index: int) -> Json:
        status, found = await self.call(region, "GET", f"/api/v1/namespaces/besu/pods/validator-{index}-0")
        return found if status == 200 else {}

    async def container(self, region: str, index: int) -> Json:
        statuses = (await self.pod(region, index)).get("status", {}).get("containerStatuses") or [{}]
        return statuses[0]

    async def log(self, region: str, index: int) -> str:
        _, found = await self.call(region, "GET", f"/api/v1/namespaces/besu/pods/validator-{index}-0/log")
        return found if isinstance(found, str) else str(found)

    async def all_ready(self) -> bool:
        ready = []
        for region, index in self.keys:
            ready.append((await self.container(region, index)).get("ready", False))
        return all(ready)

    async def head(self, region: str = REGIONS[0], index: int = 0) -> int:
        found = await self.rpc(region, index, "eth_blockNumber")
        return int(found, 16) if isinstance(found, str) else -1


def services(name: str, group: str, address: str) -> list[Json]:
    selector = {"app": name}
    prefix = "service.beta.kubernetes.io/azure-"
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": "besu"},
            "spec": {
                "selector": selector,
                "ports": [{"name": "rpc", "port": 8545}, {"name": "metrics", "port": 9545}],
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": f"{name}-p2p",
                "namespace": "besu",
                "annotations": {
                    f"{prefix}pip-name": address,
                    f"{prefix}load-balancer-resource-group": group,
                },
            },
            "spec": {
                "type": "LoadBalancer",
                "selector": selector,
                "publishNotReadyAddresses": True,
                "ports": [{"name": "p2p", "port": 30303}],
            },
        },
    ]


def stateful_set(name: str, *, replicas: int = 1) -> Json:
    def config_map(volume: str, source: str) -> Json:
        return {"name": volume, "configMap": {"name": source}}

    probe = {"httpGet": {"path": "/readiness?minPeers=1", "port": 8545}, "periodSeconds": 10}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name, "namespace": "besu"},
        "spec": {
            "replicas": replicas,
            "serviceName": name,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "containers": [
                        {
                            "name": "besu",
                            "image": "hyperledger/besu:26.8.0",
                            "args": ["--config-file=/etc/besu/config/config.toml"],
                            "ports": [{"containerPort": p} for p in (30303, 8545, 9545)],
                            "startupProbe": {
                                "httpGet": {"path": "/liveness", "port": 8545},
                                "failureThreshold": 60,
                            },
                            "readinessProbe": probe,
                            "volumeMounts": [
                                {"name": "data", "mountPath": "/data"},
                                {"name": "config", "mountPath": "/etc/besu/config"},
                                {"name": "genesis", "mountPath": "/etc/besu/genesis"},
                                {"name": "peers", "mountPath": "/etc/besu/peers"},
                                {"name": "key", "mountPath": "/secrets"},
                            ],
                        }
                    ],
                    "volumes": [
                        config_map("config", f"{name}-config"),
                        config_map("genesis", "besu-genesis"),
                        config_map("peers", "besu-peers"),
                        {"name": "key", "secret": {"secretName": f"{name}-key"}},
                    ],
                },
            },
            "volumeClaimTemplates": [
                {
                    "metadata": {"name": "data"},
                    "spec": {
                        "accessModes": ["ReadWriteOnce"],
                        "storageClassName": "managed-csi-premium",
                        "resources": {"requests": {"storage": "8Gi"}},
                    },
                }
            ],
        },
    }
