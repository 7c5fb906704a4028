"""All emulated clusters: opened and closed by ARM, kept over a restart."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, cast

from .. import background
from ..seams import (
    Clock,
    ClusterEndpoint,
    ClusterSpec,
    Dirty,
    Faults,
    NodePool,
    PublicAddresses,
    SecretVaults,
    Tls,
    Traffic,
)
from .addresses import AddressBook
from .cluster import Cluster
from .kinds import Kinds
from .node.kubelet import DOWN_POLL_S
from .node.mounting import SecretMounts
from .node.program import Programs, Service
from .server import ClusterServer
from .store import Store
from .world import World
from .writing import Objects

Json = dict[str, Any]


class EmulatedClusters:
    """Implements `seams.Clusters` and `seams.Durable`.

    Args:
        clock: emulated time.
        faults: what goes wrong.
        public: ARM's public IP addresses.
        vaults: ARM's key vaults; without them nodes have no provider for their secrets.
        tls: the emulator's certificate authority.
        traffic: counts requests and changes.
        programs: what runs in containers; without one, containers just run.
        addresses: routes between clusters, shared with programs that dial.
        seed: of all durations.
        changed: told when the state wants to be kept.
        wall: seconds since 1970, for timestamps in metadata.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        faults: Faults,
        public: PublicAddresses,
        vaults: SecretVaults | None = None,
        tls: Tls,
        traffic: Traffic,
        programs: Programs = Service,
        addresses: AddressBook | None = None,
        seed: int = 0,
        changed: Dirty | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._faults = faults
        self._public = public
        self._vaults = vaults
        self._tls = tls
        self._traffic = traffic
        self._programs = programs
        self._addresses = addresses or AddressBook()
        self._seed = seed
        self._changed: Callable[[], None] = changed or (lambda: None)
        self._wall = wall
        self._clusters: dict[str, tuple[Cluster, ClusterServer]] = {}
        self._loaded: dict[str, Json] = {}
        self._opening: dict[str, asyncio.Lock] = {}
        self._watcher: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open again the clusters that `load` brought."""
        for state in list(self._loaded.values()):
            await self.open(ClusterSpec(**state["spec"]))

    async def open(self, spec: ClusterSpec) -> ClusterEndpoint:
        """Start answering for that cluster (idempotent: the same id gives the same endpoint)."""
        async with self._opening.setdefault(spec.id, asyncio.Lock()):
            if spec.id not in self._clusters:
                await self._open(spec)
        if self._watcher is None:
            self._watcher = background.begin(self._watch_faults(), "watch over faults")
        return self.endpoint(spec.id)

    def endpoint(self, cluster_id: str) -> ClusterEndpoint:
        """Where a cluster answers.

        Raises:
            KeyError: it isn't open.
        """
        cluster, server = self._clusters[cluster_id]
        return ClusterEndpoint(f"https://127.0.0.1:{server.port}", self._tls.ca_pem, cluster.token)

    async def _open(self, spec: ClusterSpec) -> None:
        state = self._loaded.pop(spec.id, None)
        rng = random.Random(f"{self._seed}:{spec.id}")  # noqa: S311 - durations and names, repeatable
        store = Store()
        if state:
            store.load(state["store"])
        # Uids must differ between lives of the emulator, durations must not.
        objects = Objects(store, Kinds(), self._wall, random.Random(secrets.randbits(64)))  # noqa: S311 - names, not secrets
        world = World(
            spec,
            objects,
            self._clock,
            self._faults,
            self._public,
            self._addresses,
            self._programs,
            SecretMounts(spec.id, store, self._vaults),
            rng,
            self._wall,
        )
        cluster = Cluster(world, state["token"] if state else secrets.token_urlsafe(32))
        server = ClusterServer(cluster, self._tls.server_context(), self._traffic)
        await server.start(state["port"] if state else 0)
        self._clusters[spec.id] = (cluster, server)
        store.listen(lambda _: self._changed())
        cluster.start()
        self._changed()

    async def close(self, cluster_id: str) -> None:
        """Stop answering and forget its objects."""
        self._loaded.pop(cluster_id, None)
        if found := self._clusters.pop(cluster_id, None):
            cluster, server = found
            await server.stop()
            await cluster.stop()
            self._changed()

    async def set_nodes(self, cluster_id: str, pools: Mapping[str, NodePool]) -> None:
        """Tell how many nodes each node pool has."""
        self._clusters[cluster_id][0].set_nodes(pools)

    async def stop(self) -> None:
        """Stop all clusters; their objects stay for `dump`."""
        await background.stop(self._watcher)
        self._watcher = None
        for cluster, server in self._clusters.values():
            await server.stop()
            await cluster.stop()

    def faults_changed(self) -> None:
        """Look at once whether a new fault takes running pods down."""
        for cluster, _ in self._clusters.values():
            cluster.kubelet.strike_down()

    async def _watch_faults(self) -> None:
        while True:
            await asyncio.sleep(DOWN_POLL_S)
            self.faults_changed()

    def stats(self) -> Json:
        """Figures per cluster: requests, writes that changed something, objects, pods."""
        return {cluster_id: _figures(cluster) for cluster_id, (cluster, _) in self._clusters.items()}

    def dump(self) -> object:
        """State as JSON values."""
        return json.loads(self.dump_json())

    def dump_json(self) -> str:
        """State as JSON text: `dump` for the state keeper, which calls it twice a second."""
        states = {cluster_id: json.dumps(state) for cluster_id, state in self._loaded.items()}
        for cluster_id, (cluster, server) in self._clusters.items():
            head = {"spec": asdict(cluster.spec), "token": cluster.token, "port": server.port}
            states[cluster_id] = f'{json.dumps(head)[:-1]},"store":{cluster.world.store.dump_json()}}}'
        texts = (f"{json.dumps(cluster_id)}:{text}" for cluster_id, text in states.items())
        return f'{{"clusters":{{{",".join(texts)}}}}}'

    def load(self, state: object) -> None:
        """Take up a state that `dump` gave; `start` opens the clusters."""
        self._loaded = dict(cast("Json", state)["clusters"])


def _figures(cluster: Cluster) -> Json:
    counters = cluster.world.objects.counters
    store = cluster.world.store
    return {
        "region": cluster.spec.region,
        "requests": counters.requests,
        "changes": counters.changes,
        "refused": counters.refused,
        "by_verb": dict(counters.by_verb),
        "objects": {kind: len(store.items(kind)) for kind in store.kinds()},
        "pods_running": sum(p.get("status", {}).get("phase") == "Running" for p in store.all("pods")),
    }
