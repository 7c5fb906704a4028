"""What resource types may use: the store, time, addresses, clusters, quotas and identities."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .compute import Quotas
from .durations import Dice
from .resources import Resource, Store

if TYPE_CHECKING:
    from chainfleet.emulator.seams import Clock, ClusterEndpoint, Clusters, Faults

    from .addresses import AddressPool
    from .identity import Directory
    from .vaults import KeyVaults


@dataclass(slots=True)
class World:
    """Everything that a resource type may ask for.

    Attributes:
        clusters: the Kubernetes side.
        endpoints: where the clusters' APIs answer, by key of the managed cluster.
        vaults: what lies in the key vaults.
        deleted_vaults: key vaults that are deleted but not purged, by name: their last body.
    """

    store: Store
    clock: Clock
    faults: Faults
    dice: Dice
    addresses: AddressPool
    quotas: Quotas
    directory: Directory
    clusters: Clusters
    endpoints: dict[str, ClusterEndpoint]
    vaults: KeyVaults
    deleted_vaults: dict[str, dict[str, object]]

    def uuid(self, *what: object) -> str:
        """An id that stays the same for the same thing in the same emulated cloud."""
        return str(uuid.uuid5(self.directory.namespace, "/".join(map(str, what))))

    def by_id(self, text: object) -> Resource | None:
        """The resource with that id in any case, or None."""
        return self.store.get(text.lower()) if isinstance(text, str) else None
