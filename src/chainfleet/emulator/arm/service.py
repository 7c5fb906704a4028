"""The emulated ARM as one part: what the process starts, stops and keeps."""

from __future__ import annotations

import json
import logging
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from chainfleet.emulator.clock import ScaledClock
from chainfleet.emulator.seams import Clusters, Dirty, Faults, Traffic
from chainfleet.emulator.serving import Server

from .addresses import AddressPool
from .catalogue import Catalogue
from .compute import CLUSTER, Quotas
from .credentials import Credentials
from .durations import Dice
from .engine import Engine
from .gateway import Gateway
from .identity import Directory
from .kinds_containers import cluster_spec, tell_nodes
from .locations import load_locations
from .login import Login
from .resources import SUCCEEDED, Resource, Store
from .routing import Router
from .subscription import Subscription
from .vault_gateway import VaultGateway
from .vaults import KeyVaults
from .world import World

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listeners:
    """The sockets of ARM, its authority host and its key vaults, bound before anything else is started."""

    arm: socket.socket
    login: socket.socket
    vault: socket.socket

    @property
    def endpoint(self) -> str:
        """ARM's address, with a slash at its end."""
        return _address(self.arm)

    @property
    def ports(self) -> dict[str, int]:
        """Their ports, by name."""
        named = {"arm": self.arm, "login": self.login, "vault": self.vault}
        return {name: listener.getsockname()[1] for name, listener in named.items()}

    @property
    def authority(self) -> str:
        """The authority host's address, with a slash at its end."""
        return _address(self.login)

    @property
    def vaults(self) -> str:
        """Address of the key vaults' data plane, with a slash at its end."""
        return _address(self.vault)


def _address(listener: socket.socket) -> str:
    return f"https://127.0.0.1:{listener.getsockname()[1]}/"


class Arm:
    """ARM, its authority host and its key vaults; implements `seams.Durable`.

    Args:
        directory: tenant, principals and tokens.
        store: made before, since the Kubernetes side looks addresses up in it.
        clusters: the Kubernetes side.
        vaults: made before, since pods mount secrets from them.
        seed: of the durations.
        changed: called after every change, so that the state is kept.
    """

    def __init__(
        self,
        *,
        directory: Directory,
        store: Store,
        clock: ScaledClock,
        faults: Faults,
        traffic: Traffic,
        clusters: Clusters,
        vaults: KeyVaults,
        seed: int,
        changed: Dirty,
    ) -> None:
        catalogue, locations = Catalogue(), load_locations()
        catalogue.show_in(store)
        self.world = World(
            store=store,
            clock=clock,
            faults=faults,
            dice=Dice(seed),
            addresses=AddressPool(store),
            quotas=Quotas(store),
            directory=directory,
            clusters=clusters,
            endpoints={},
            vaults=vaults,
            deleted_vaults={},
        )
        self._engine = Engine(self.world, clock, catalogue, locations, changed)
        self._subscription = Subscription(self.world, catalogue, locations, self._engine.operations)
        router = Router(
            self._engine,
            self._subscription,
            Credentials(self.world.endpoints.get),
            time_scale=clock.time_scale,
        )
        self._gateway = Gateway(router, directory, clock, faults, traffic)
        self._login = Login(directory, traffic)
        self._vaults = VaultGateway(vaults, directory, clock, faults, traffic)
        self._servers: list[Server] = []

    async def start(self, tls: ssl.SSLContext, listeners: Listeners) -> None:
        """Start answering, and let interrupted operations go on."""
        self._gateway.authority = self._vaults.authority = listeners.authority
        self._login.vaults = listeners.vaults
        self._servers = [
            await Server.start(self._login.handle, tls=tls, listener=listeners.login),
            await Server.start(self._gateway.handle, tls=tls, listener=listeners.arm),
            await Server.start(self._vaults.handle, tls=tls, listener=listeners.vault),
        ]
        self._engine.operations.resume()

    async def reopen_clusters(self) -> None:
        """Let the clusters of a resumed state answer again."""
        for cluster in self.world.store.of_type(CLUSTER):
            if cluster.state == SUCCEEDED or (cluster.busy and cluster.state == "Updating"):
                self.world.endpoints[cluster.key] = await self.world.clusters.open(cluster_spec(cluster))
                await tell_nodes(cluster, self.world)

    async def stop(self) -> None:
        """Stop answering; operations in progress stay so in the state."""
        for server in self._servers:
            await server.stop()
        await self._engine.operations.stop()

    @property
    def pending(self) -> int:
        """How many operations are in progress."""
        return self._engine.operations.pending

    def resources(self) -> list[dict[str, object]]:
        """All resources as they are answered."""
        return [self.world.store.body(resource) for resource in self.world.store]

    def resource(self, key: str) -> Resource | None:
        """One resource by its id in lower case."""
        return self.world.store.get(key)

    def dump(self) -> object:
        """State as JSON values."""
        return json.loads(self.dump_json())

    def dump_json(self) -> str:
        """State as JSON text: `dump` for the state keeper, which calls it twice a second."""
        rest = {
            "deleted_vaults": self.world.deleted_vaults,
            "registered": sorted(self._subscription.registered),
            "quotas": self.world.quotas.overrides,
        }
        resources, operations = self.world.store.dump_json(), self._engine.operations.dump_json()
        vaults = self.world.vaults.dump_json()
        return f'{{"resources":{resources},"operations":{operations},"vaults":{vaults},{json.dumps(rest)[1:]}'

    def load(self, state: object) -> None:
        """Take up a state that `dump` gave."""
        if not isinstance(state, Mapping):
            raise TypeError("state of ARM isn't an object")
        self.world.store.load(state["resources"])
        self._engine.operations.load(state["operations"])
        self.world.deleted_vaults.update(state["deleted_vaults"])
        self.world.vaults.load(state.get("vaults", {}))
        self._subscription.registered = set(state["registered"])
        self.world.quotas.overrides.update(state["quotas"])
