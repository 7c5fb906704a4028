"""One Besu process in a container: start, run, answer, end; with Besu's messages in its log."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chainfleet.model.besu.enode import Enode, parse_static_peer
from chainfleet.model.besu.identity import PrivateKey, read_key_file
from chainfleet.model.errors import InputError

from ..kubernetes.node.program import Container, HttpAnswer, HttpRequest
from ..kubernetes.node.timing import Span
from .chain import QbftChain
from .genesis import Genesis, read_genesis
from .http import answer_http
from .network import Node
from .options import NodeOptions, StartError, read_options

if TYPE_CHECKING:
    from .world import BesuWorld

START = Span(20, 40)
"""JVM, database and network, until HTTP answers."""
REFUSE_S = 3.0
"""A configuration error shows this soon."""
_ANY_HOST = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound


@dataclass(slots=True)
class Disk:
    """What a data directory holds: the chain it belongs to and how far it was synced."""

    genesis: str
    head: int


class BesuProcess:
    """Implements the container seam's `Program`.

    Args:
        world: all nodes and chains.
        container: where it runs.
    """

    def __init__(self, world: BesuWorld, container: Container) -> None:
        self._world = world
        self._container = container
        self.node: Node | None = None

    async def run(self) -> int:
        """Run until stopped; a configuration that Besu refuses ends it with code 1."""
        log = self._container.log
        try:
            options = read_options(
                self._container.image,
                self._container.command,
                self._container.environment,
                self._container.files,
            )
            genesis = read_genesis(self._container.files.read(options.genesis_file), options.genesis_file)
            key = self._key(options)
            disk = self._disk(options, genesis)
            static = self._static_nodes(options)
        except StartError as refused:
            log.write(str(refused))
            await self._container.clock.sleep(REFUSE_S)
            return 1
        log.write(f"Starting Besu; version: besu/v{options.version}/linux-x86_64/openjdk-java-25")
        if not genesis.validators:
            log.write("WARN  Genesis block contains no signers - chain will not progress.")
        chain = await self._world.chain(genesis)
        if not self._container.resumed:
            await self._container.clock.sleep(START.draw(self._world.rng))
        return await self._serve(options, genesis, key, disk, chain, static)

    async def _serve(
        self,
        options: NodeOptions,
        genesis: Genesis,
        key: PrivateKey,
        disk: Disk,
        chain: QbftChain,
        static: list[Enode],
    ) -> int:
        identity = self._container.identity
        node = Node(
            uid=identity.uid,
            name=f"{identity.region}/{identity.workload}",
            key=key,
            options=options,
            chain=chain,
            network_id=genesis.chain_id if options.network_id is None else options.network_id,
            static=static,
            since=self._world.wall(),
            changed=self._container.changed,
            frozen=disk.head,
        )
        self._world.network.add(node)
        self._world.keyring[node.address] = key
        self.node = node
        self._container.log.write(f"Node address {node.address}")
        self._container.log.write(
            f"Enode URL enode://{node.public_key}@{options.p2p_host}:{options.p2p_port}"
        )
        self._container.log.write("Ethereum main loop is up.")
        listener = await self._world.listen(identity, self)
        self._container.changed()
        try:
            await asyncio.Event().wait()
        finally:
            self.node = None
            self._world.network.remove(node)
            disk.head = node.frozen
            await listener.stop()
        return 0

    async def http(self, port: int, request: HttpRequest) -> HttpAnswer | None:
        """Answer on the JSON-RPC or the metrics port, if it's up and reachable from outside the pod."""
        node = self.node
        if node is None:
            return None
        options = node.options
        if port == options.rpc_port and options.rpc_enabled and options.rpc_host in self._outside():
            return await answer_http(self._world, node, request)
        if (
            port == options.metrics_port
            and options.metrics_enabled
            and options.metrics_host in self._outside()
        ):
            return self._world.metrics(node, request)
        return None

    def _outside(self) -> tuple[str, ...]:
        return (*_ANY_HOST, self._container.identity.ip)

    def _key(self, options: NodeOptions) -> PrivateKey:
        """The node key; Besu makes one where the file is missing, which a validator rarely survives."""
        path = options.key_file or f"{options.data_path.rstrip('/')}/key"
        found = self._container.files.read(path)
        if found is not None:
            try:
                return read_key_file(found.decode("utf-8", "replace"), path)
            except InputError:
                raise StartError("Supplied file does not contain valid keyPair pair.") from None
        if not self._container.files.writable(path):
            raise StartError(f"Cannot store generated private key: {path} (Read-only file system)")
        place = self._container.files.disk(path)
        if place not in self._world.generated_keys:
            secret = random.SystemRandom().getrandbits(255) + 1
            self._world.generated_keys[place] = secret.to_bytes(32, "big").hex()
            self._container.log.write(f"Generated new secp256k1 public key and stored it to {path}")
        return PrivateKey(bytes.fromhex(self._world.generated_keys[place]))

    def _disk(self, options: NodeOptions, genesis: Genesis) -> Disk:
        place = self._container.files.disk(options.data_path)
        disk = self._world.disks.setdefault(place, Disk(genesis.hash, 0))
        if disk.genesis != genesis.hash:
            raise StartError(
                f"Supplied genesis block does not match chain data stored in {options.data_path}.\n"
                "Please specify a different data directory with --data-path or specify the original genesis "
                "file with --genesis-file."
            )
        return disk

    def _static_nodes(self, options: NodeOptions) -> list[Enode]:
        path = options.static_nodes_file or f"{options.data_path.rstrip('/')}/static-nodes.json"
        found = self._container.files.read(path)
        if found is None:
            self._container.log.write(
                f"StaticNodes file {path} does not exist, no static connections will be created."
            )
            return []
        return read_static_nodes(found)


def read_static_nodes(text: bytes) -> list[Enode]:
    """The enodes of a `static-nodes.json`.

    Raises:
        StartError: it's no JSON list of enodes.
    """
    try:
        listed = json.loads(text) if text.strip() else []
        return [parse_static_peer(url) for url in listed]
    except (ValueError, TypeError) as problem:
        raise StartError(f"Unable to read static nodes: {problem}") from None
    except InputError as problem:
        raise StartError(f"Unable to read static nodes: {problem.message}") from None
