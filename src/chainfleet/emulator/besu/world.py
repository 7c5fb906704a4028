"""The emulated Besu world: all nodes, their chains, keys and disks; what runs in Besu containers."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from aiohttp import web

from chainfleet.model.besu.extra_data import Vote
from chainfleet.model.besu.identity import PrivateKey

from .. import background
from ..kubernetes.addresses import AddressBook
from ..kubernetes.node.program import (
    Container,
    HttpAnswer,
    HttpRequest,
    PodIdentity,
    Program,
    Service,
)
from ..seams import Clock, Dirty, FaultKind, Faults
from . import metrics, saving
from .chain import QbftChain
from .evm import Evm
from .filters import Filters
from .genesis import Genesis
from .network import Network, Node
from .process import BesuProcess, Disk

Json = dict[str, Any]

IMAGE = "hyperledger/besu"
CLOCK_BOUND_S = 1.0
"""How far in the future a header may be (TimestampBoundedByFutureParameter)."""
TICK_REAL_S = 2.0
"""Real seconds after which due blocks are made even if nobody asks, so that catching up is never long."""


class BesuWorld:
    """Runs Besu in containers (its `program` is the clusters' `programs`); implements `seams.Durable`.

    Args:
        clock: emulated time.
        anvil: anvil's executable.
        folder: where chains are kept.
        wall: the emulated time of day in seconds since 1970.
        seed: of all durations.
        changed: told when the state wants to be kept.
        addresses: routes into the clusters, to be shared with them.
        faults: what goes wrong; of these it looks at clocks.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        anvil: Path,
        folder: Path,
        wall: Callable[[], float],
        seed: int = 0,
        changed: Dirty | None = None,
        addresses: AddressBook | None = None,
        faults: Faults | None = None,
    ) -> None:
        self._faults = faults
        self.addresses = addresses or AddressBook()
        self.clock = clock
        self.wall = wall
        self.rng = random.Random(f"besu:{seed}")  # noqa: S311 - durations, repeatable
        self.network = Network(clock, self.addresses, self.rng, wall)
        self.keyring: dict[str, PrivateKey] = {}
        self.disks: dict[str, Disk] = {}
        self.generated_keys: dict[str, str] = {}
        self.filters: Filters = Filters()
        self._anvil = anvil
        self._folder = folder
        self._changed: Callable[[], None] = changed or (lambda: None)
        self._chains: dict[str, QbftChain] = {}
        self._saved: dict[str, Json] = {}
        self._ports: dict[str, tuple[int, str]] = {}
        self._calls: Counter[str] = Counter()
        self._failed = 0
        self._ticker: asyncio.Task[None] | None = None

    def program(self, container: Container) -> Program:
        """What runs in a container: Besu in Besu's image, nothing in particular in others."""
        return BesuProcess(self, container) if IMAGE in container.image else Service(container)

    async def chain(self, genesis: Genesis) -> QbftChain:
        """The chain of a genesis; the first node that asks starts its EVM."""
        if genesis.hash not in self._chains:
            chain = QbftChain(
                genesis,
                Evm(self._anvil, genesis, self._folder),
                wall=self.wall,
                time_scale=self.clock.time_scale,
                ballot=self._ballot,
                changed=self._changed,
                punctual=self._punctual,
            )
            if saved := self._saved.pop(genesis.hash, None):
                saving.restore(chain, saved)
            self._chains[genesis.hash] = chain
        if self._ticker is None:
            self._ticker = background.begin(self._tick(), "blocks that nobody asks for")
        chain = self._chains[genesis.hash]
        await chain.ready()
        return chain

    def _ballot(self, address: str) -> Vote | None:
        for node in self.network.nodes():
            if node.address == address and node.ballots:
                return node.ballot()
        return None

    def _punctual(self, address: str) -> bool:
        """Whether a validator's clock is right to within what headers are allowed to be ahead."""
        if self._faults is None:
            return True
        node = next((n for n in self.network.nodes() if n.address == address), None)
        if node is None:
            return True
        region = node.name.partition("/")[0]
        fault = self._faults.strike(FaultKind.CLOCK_SKEW, region=region, resource="Node")
        return fault is None or fault.factor <= CLOCK_BOUND_S

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_REAL_S)
            for chain in self._chains.values():
                if chain.producing:
                    chain.advance()
                    self._changed()

    def sign(self, address: str, digest: bytes) -> bytes:
        """A validator's seal: r, s, v.

        Raises:
            KeyError: its node never ran here.
        """
        import coincurve

        key = coincurve.PrivateKey(self.keyring[address].secret)
        return key.sign_recoverable(digest, hasher=None)

    def count(self, method: str, *, failed: bool) -> None:
        """Count an answered JSON-RPC call."""
        self._calls[method] += 1
        self._failed += failed

    def metrics(self, node: Node, request: HttpRequest) -> HttpAnswer:
        """Answer on a node's metrics port."""
        if not node.options.allows(request.headers.get("host", "")):
            return HttpAnswer(403, b'{"message":"Host not authorized."}')
        if request.path.partition("?")[0] not in ("/metrics", "/"):
            return HttpAnswer(404, b"", "text/plain")
        uptime = self.wall() - node.since
        body = metrics.text(node, uptime_s=uptime, requests=self._calls.total(), errors=self._failed)
        return HttpAnswer(200, body.encode(), "text/plain; version=0.0.4; charset=utf-8")

    async def listen(self, identity: PodIdentity, process: BesuProcess) -> Listener:
        """Open the node's own loopback port, beside the way through its cluster."""
        listener = Listener(process)
        name = f"{identity.region}/{identity.workload}"
        await listener.start()
        self._ports[name] = (listener.port, identity.uid)
        return listener

    def endpoints(self) -> dict[str, str]:
        """`region/validator-0` → JSON-RPC address on loopback, of the nodes that run."""
        running = {n.uid for n in self.network.nodes()}
        return {
            name: f"http://127.0.0.1:{port}" for name, (port, uid) in self._ports.items() if uid in running
        }

    def stats(self) -> Json:
        """Figures: nodes, peers, chains, calls."""
        nodes = self.network.nodes()
        chains = []
        for chain in self._chains.values():
            mine = [n for n in nodes if n.chain is chain]
            chains.append(
                {
                    "chain_id": chain.genesis.chain_id,
                    "genesis_hash": chain.genesis.hash,
                    "head": chain.advance().number,
                    "producing": chain.producing,
                    "validators": len(chain.validators),
                    "validators_up": sum(n.address in chain.validators for n in mine),
                    "nodes": len(mine),
                    "peers_min": min((len(n.peers) for n in mine), default=0),
                    "peers_max": max((len(n.peers) for n in mine), default=0),
                    "transactions": sum(map(len, chain.bodies.transactions.values())),
                    "round": 0 if chain.producing or not mine else chain.round_of(min(n.since for n in mine)),
                }
            )
        return {
            "chains": chains,
            "calls": dict(self._calls),
            "calls_failed": self._failed,
            "endpoints": self.endpoints(),
        }

    async def stop(self) -> None:
        """Stop all chains; their state is kept."""
        await background.stop(self._ticker)
        self.network.stop()
        await asyncio.gather(*(chain.stop() for chain in self._chains.values()))

    def dump(self) -> object:
        """State as JSON values; holds the node keys, as the clusters' Secrets do."""
        chains = {**self._saved, **{h: saving.save(c) for h, c in self._chains.items()}}
        heads = {node.uid: node.head for node in self.network.nodes()}
        return {
            "chains": chains,
            "disks": {place: [d.genesis, d.head] for place, d in self.disks.items()},
            "generated_keys": self.generated_keys,
            "keys": [k.secret.hex() for k in self.keyring.values()],
            "heads": heads,
        }

    def load(self, state: object) -> None:
        """Take up a state that `dump` gave."""
        found = cast("Json", state)
        self._saved = dict(found["chains"])
        self.disks = {place: Disk(genesis, head) for place, (genesis, head) in found["disks"].items()}
        self.generated_keys = dict(found["generated_keys"])
        keys = [PrivateKey(bytes.fromhex(secret)) for secret in found["keys"]]
        self.keyring = {key.address(): key for key in keys}


class Listener:
    """A node's JSON-RPC on a loopback port of its own."""

    def __init__(self, process: BesuProcess) -> None:
        self._process = process
        self._web = web.Server(self._handle, access_log=None)
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._web, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
        await self._web.shutdown(0.1)

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        node = self._process.node
        if node is None:
            return web.Response(status=503)
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        headers["host"] = "localhost"
        passed = HttpRequest(request.method, request.path_qs, headers, body)
        found = await self._process.http(node.options.rpc_port, passed)
        if found is None:
            return web.Response(status=503)
        return web.Response(
            status=found.status, body=found.body, headers={"Content-Type": found.content_type}
        )
