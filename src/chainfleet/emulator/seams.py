"""The seams inside the emulated cloud: what its parts may ask of each other, and nothing more.

ARM, Kubernetes, Besu and the chains are separate foreign systems that meet only here.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Clock(Protocol):
    """Emulated time: `time_scale` emulated seconds pass in one real second."""

    @property
    def time_scale(self) -> float:
        """Emulated seconds per real second."""
        ...

    def now(self) -> float:
        """Emulated seconds since the emulator's epoch (monotonic)."""
        ...

    async def sleep(self, emulated_s: float) -> None:
        """Wait that many emulated seconds."""
        ...


class FaultKind(StrEnum):
    """What can be made to go wrong."""

    THROTTLE = "throttle"
    SERVER_ERROR = "server-error"
    SLOW = "slow"
    CAPACITY = "capacity"
    QUOTA = "quota"
    CONFLICT = "conflict"
    LOST_CONNECTION = "lost-connection"
    POD_CRASH = "pod-crash"
    VALIDATOR_DOWN = "validator-down"
    REGION_DOWN = "region-down"
    CLOCK_SKEW = "clock-skew"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault that is in force.

    Attributes:
        kind: what goes wrong.
        region: where; "*" is everywhere.
        resource: ARM type (lower case), Kubernetes kind or validator (`northeurope-0`); "*" is any.
        verb: HTTP method in upper case; "*" is any.
        until_s: emulated seconds since start at which it ends; None is until removed.
        count: how many times it still strikes; None is always.
        share: the part of the calls it strikes, 0 to 1.
        factor: how much slower, for `slow`; seconds that nodes' clocks are off, for `clock-skew`.
    """

    kind: FaultKind
    region: str = "*"
    resource: str = "*"
    verb: str = "*"
    until_s: float | None = None
    count: int | None = None
    share: float = 1.0
    factor: float = 3.0


class Faults(Protocol):
    """The faults in force."""

    def strike(self, kind: FaultKind, *, region: str, resource: str, verb: str = "*") -> Fault | None:
        """Return the fault that strikes this call, if one does, and count it."""
        ...


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """What ARM tells the Kubernetes side when a managed cluster has been made.

    Attributes:
        id: ARM id of the managed cluster.
        name: its name.
        region: name of its region.
        resource_group: where its public IP addresses live.
        kubernetes_version: e.g. `1.34`.
    """

    id: str
    name: str
    region: str
    resource_group: str
    kubernetes_version: str


@dataclass(frozen=True, slots=True)
class ClusterEndpoint:
    """Where a cluster's API answers."""

    server: str
    ca_pem: str
    token: str


@dataclass(frozen=True, slots=True)
class NodePool:
    """A pool of equal nodes.

    Attributes:
        count: how many.
        labels: on every node.
        taints: on every node, as ARM writes them: `key=value:Effect`.
    """

    count: int
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[str] = ()


class Clusters(Protocol):
    """The Kubernetes side, as ARM sees it. Implemented in `emulator.kubernetes`."""

    async def open(self, spec: ClusterSpec) -> ClusterEndpoint:
        """Start answering for that cluster (idempotent: the same id gives the same endpoint)."""
        ...

    async def close(self, cluster_id: str) -> None:
        """Stop answering and forget its objects."""
        ...

    async def set_nodes(self, cluster_id: str, pools: Mapping[str, NodePool]) -> None:
        """Tell which nodes each node pool has."""
        ...


class PublicAddresses(Protocol):
    """The ARM side, as Kubernetes sees it. Implemented in `emulator.arm`."""

    def public_ip(self, *, resource_group: str, name: str) -> str | None:
        """The address of a public IP resource, or None if it doesn't exist."""
        ...

    def public_ips(self, *, resource_group: str) -> Sequence[str]:
        """All addresses in a resource group."""
        ...


class SecretRefused(Exception):
    """A secret isn't handed out; the text says why."""


@dataclass(frozen=True, slots=True)
class SecretWanted:
    """A secret that a pod mounts.

    Attributes:
        cluster: ARM id of the pod's cluster.
        subject: its service account, as `system:serviceaccount:NAMESPACE:NAME`.
        tenant: the tenant that it signs in to.
        client: client id of the identity that it acts as.
        vault: name of the key vault.
        name: of the secret.
        version: of the secret; the newest where empty.
    """

    cluster: str
    subject: str
    tenant: str
    client: str
    vault: str
    name: str
    version: str = ""


class SecretVaults(Protocol):
    """The key vaults, as the nodes see them. Implemented in `emulator.arm`."""

    def secret(self, wanted: SecretWanted) -> str:
        """The secret's value.

        Raises:
            SecretRefused: it isn't there, or that identity may not read it.
        """
        ...


class Durable(Protocol):
    """A part whose state survives a restart of the emulator."""

    def dump(self) -> object:
        """Its state as JSON values."""
        ...

    def load(self, state: object) -> None:
        """Take up a state that `dump` gave."""
        ...


class Traffic(Protocol):
    """Counts what was asked of the emulated cloud and what that changed; shown by the control API."""

    def request(self, *, system: str, verb: str, kind: str, region: str, status: int) -> None:
        """Count one answered request; `system` is `arm`, `vault`, `kubernetes` or `chain`."""
        ...

    def change(self, *, system: str, verb: str, kind: str, region: str) -> None:
        """Count one request that changed something (a write that was a no-op doesn't count)."""
        ...


class Tls(Protocol):
    """The emulator's own certificate authority."""

    @property
    def ca_pem(self) -> str:
        """The authority's certificate, for clients."""
        ...

    def server_context(self) -> ssl.SSLContext:
        """A context for servers on 127.0.0.1 and localhost (one object, shared by all servers)."""
        ...


class Dirty(Protocol):
    """Tells the state keeper that a durable part has changed and wants to be written soon."""

    def __call__(self) -> None:
        """Cheap: sets a flag; the write follows within about half a second and is coalesced."""
        ...
