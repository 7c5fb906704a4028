"""The peer-to-peer network of the emulated world: who is connected to whom, and what follows for the chains.

Every node dials the enodes of its static list. A dialled address leads through the clusters' load
balancers to a pod; a connection comes about if the node in that pod has the key that the enode names, and
both have the same block 0 and network id. Connections are kept as bit masks, so that looking for
connected groups among 48 nodes is a few dozen operations.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from chainfleet.model.besu.enode import Enode
from chainfleet.model.besu.extra_data import Vote
from chainfleet.model.besu.identity import PrivateKey

from ..kubernetes.addresses import AddressBook, PodPort
from ..seams import Clock
from .chain import QbftChain
from .options import NodeOptions

DIAL_S = (0.5, 2.0)
"""Emulated seconds that a first connection takes."""
RETRY_S = 60.0
"""Emulated seconds between attempts at a static peer that didn't answer (Besu's maintained connections)."""


@dataclass(eq=False, slots=True)
class Node:
    """A running Besu node.

    Attributes:
        uid: its pod's uid.
        name: `region-workload`, for people.
        key: its node key.
        options: what it was told.
        chain: the chain of its genesis.
        network_id: of its P2P network.
        static: enodes that it dials.
        since: when it came up, in seconds of the emulated time of day.
        peers: nodes that it's connected to.
        outbound: those of them that it dialled.
        frozen: head while it doesn't follow the chain.
        following: whether new blocks reach it.
        ballots: votes that it casts when it proposes.
        changed: told when its peers change.
    """

    uid: str
    name: str
    key: PrivateKey
    options: NodeOptions
    chain: QbftChain
    network_id: int
    static: list[Enode]
    since: float
    changed: Callable[[], None]
    public_key: str = ""
    address: str = ""
    bit: int = 0
    frozen: int = 0
    following: bool = False
    peers: dict[str, Node] = field(default_factory=dict)
    outbound: set[str] = field(default_factory=set)
    ballots: dict[str, bool] = field(default_factory=dict)

    @property
    def head(self) -> int:
        """Number of the newest block that it has."""
        return self.chain.advance().number if self.following else self.frozen

    def ballot(self) -> Vote | None:
        """The vote that it would cast now: the first that would still change something."""
        for recipient, add in self.ballots.items():
            if (recipient in self.chain.validators) is not add:
                return Vote(recipient, add)
        return None


class Network:
    """All running nodes and their connections.

    Args:
        clock: emulated time.
        addresses: routes into the clusters.
        rng: for the time that dialling takes.
        wall: the emulated time of day.
    """

    def __init__(
        self, clock: Clock, addresses: AddressBook, rng: random.Random, wall: Callable[[], float]
    ) -> None:
        self._clock = clock
        self._addresses = addresses
        self._rng = rng
        self._wall = wall
        self._nodes: dict[str, Node] = {}
        self._by_key: dict[str, Node] = {}
        self._wanted_by: dict[str, set[str]] = {}
        self._links: dict[str, int] = {}
        self._unsettled: set[QbftChain] = set()
        self._timers: set[asyncio.TimerHandle] = set()
        self._next_bit = 0
        addresses.listen(self._rerouted)

    def nodes(self) -> list[Node]:
        """All running nodes."""
        return list(self._nodes.values())

    def add(self, node: Node) -> None:
        """A node came up: it dials, and others find it."""
        node.public_key = node.key.public_key().hex()
        node.address = node.key.address()
        node.bit = 1 << self._next_bit
        self._next_bit += 1
        self._nodes[node.uid] = node
        self._by_key[node.public_key] = node
        for enode in node.static:
            self._wanted_by.setdefault(enode.node_id, set()).add(node.uid)
        self._settle(node.chain)
        self._later(self._rng.uniform(*DIAL_S), node.uid)

    def remove(self, node: Node) -> None:
        """A node went down."""
        node.frozen = node.head
        node.following = False
        if self._nodes.pop(node.uid, None) is None:
            return
        if self._by_key.get(node.public_key) is node:
            del self._by_key[node.public_key]
        for enode in node.static:
            self._wanted_by.get(enode.node_id, set()).discard(node.uid)
        for peer in list(node.peers.values()):
            self._disconnect(node, peer)
        self._settle(node.chain)

    def dial(self, node: Node, enode: Enode) -> None:
        """Add a static peer at run time (`admin_addPeer`)."""
        if all(known.node_id != enode.node_id for known in node.static):
            node.static.append(enode)
            self._wanted_by.setdefault(enode.node_id, set()).add(node.uid)
        self._later(self._rng.uniform(*DIAL_S), node.uid)

    def hang_up(self, node: Node, enode: Enode) -> None:
        """Remove a static peer at run time (`admin_removePeer`)."""
        node.static = [known for known in node.static if known.node_id != enode.node_id]
        self._wanted_by.get(enode.node_id, set()).discard(node.uid)
        if peer := node.peers.get(enode.node_id):
            self._disconnect(node, peer)

    def stop(self) -> None:
        """Dial no more."""
        for timer in self._timers:
            timer.cancel()

    def _later(self, delay_s: float, uid: str) -> None:
        loop = asyncio.get_running_loop()

        def run() -> None:
            self._timers.discard(handle)
            if node := self._nodes.get(uid):
                self._connect(node)

        handle = loop.call_later(delay_s / self._clock.time_scale, run)
        self._timers.add(handle)

    def _rerouted(self, uids: frozenset[str]) -> None:
        """Routes to pods changed: lost ones at once, new ones when somebody tries again."""
        for uid in uids:
            node = self._nodes.get(uid)
            if node is None:
                continue
            for peer in list(node.peers.values()):
                if not self._holds(node, peer):
                    self._disconnect(node, peer)
            self._later(self._rng.uniform(0, RETRY_S), uid)

    def _connect(self, node: Node) -> None:
        """Try all connections that this node or others want with it."""
        for enode in node.static:
            other = self._by_key.get(enode.node_id)
            if other is not None and other is not node and self._reaches(node, other, enode):
                self._link(node, other)
        for uid in list(self._wanted_by.get(node.public_key, ())):
            other = self._nodes.get(uid)
            if other is None or other is node:
                continue
            for enode in other.static:
                if enode.node_id == node.public_key and self._reaches(other, node, enode):
                    self._link(other, node)

    def _reaches(self, dialler: Node, other: Node, enode: Enode) -> bool:
        options = other.options
        if (enode.host, enode.tcp) != (options.p2p_host, options.p2p_port):
            return False
        if dialler.chain is not other.chain or dialler.network_id != other.network_id:
            return False
        behind = self._addresses.pods_at(enode.host, enode.tcp or 0)
        return PodPort(other.uid, options.p2p_port) in behind

    def _holds(self, one: Node, other: Node) -> bool:
        """Whether a connection still has a way: each was dialled by one side."""
        for dialler, dialled in ((one, other), (other, one)):
            if dialled.public_key in dialler.outbound:
                enodes = [e for e in dialler.static if e.node_id == dialled.public_key]
                if any(self._reaches(dialler, dialled, e) for e in enodes):
                    return True
        return False

    def _link(self, dialler: Node, other: Node) -> None:
        dialler.outbound.add(other.public_key)
        if other.public_key in dialler.peers:
            return
        dialler.peers[other.public_key] = other
        other.peers[dialler.public_key] = dialler
        self._links[dialler.uid] = self._links.get(dialler.uid, 0) | other.bit
        self._links[other.uid] = self._links.get(other.uid, 0) | dialler.bit
        self._touched(dialler, other)

    def _disconnect(self, one: Node, other: Node) -> None:
        for mine, theirs in ((one, other), (other, one)):
            mine.peers.pop(theirs.public_key, None)
            mine.outbound.discard(theirs.public_key)
            self._links[mine.uid] = self._links.get(mine.uid, 0) & ~theirs.bit
        self._touched(one, other)

    def _touched(self, *nodes: Node) -> None:
        for node in nodes:
            node.changed()
            self._settle(node.chain)

    def _settle(self, chain: QbftChain) -> None:
        """Look at a chain's connections again, once for all changes of this moment."""
        if not self._unsettled:
            asyncio.get_running_loop().call_soon(self._settle_all)
        self._unsettled.add(chain)

    def _settle_all(self) -> None:
        chains, self._unsettled = self._unsettled, set()
        for chain in chains:
            self._regroup(chain, [n for n in self._nodes.values() if n.chain is chain])

    def _regroup(self, chain: QbftChain, nodes: list[Node]) -> None:
        """Give the chain its crew: the largest connected group; the others stand still."""
        now = self._wall()
        chain.advance()
        groups = self._groups(nodes)

        def members(group: list[Node]) -> int:
            return sum(n.address in chain.validators for n in group)

        largest = max(groups, key=lambda g: (members(g), len(g)), default=[])
        chain.set_crew({n.address: n.since for n in largest}, now)
        for group in groups:
            producing = group is largest and chain.producing
            height = chain.head.number if producing else max(n.head for n in group)
            for node in group:
                node.frozen = height
                node.following = producing

    def _groups(self, nodes: Iterable[Node]) -> list[list[Node]]:
        """The connected groups of nodes."""
        by_bit = {n.bit: n for n in nodes}
        left = sum(by_bit)
        groups = []
        while left:
            reached = frontier = left & -left
            while frontier:
                bit = frontier & -frontier
                frontier ^= bit
                fresh = self._links.get(by_bit[bit].uid, 0) & left & ~reached
                reached |= fresh
                frontier |= fresh
            left &= ~reached
            groups.append([n for b, n in by_bit.items() if b & reached])
        return groups
