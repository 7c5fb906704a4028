"""What a region of a fleet takes from a cloud's quotas, and where else it could go. Pure: nothing is asked here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import asin, cos, radians, sin, sqrt

from chainfleet.model.fleet import Fleet, Region
from chainfleet.model.region import REGION_SETS, RegionFacts, azure_regions, region_set

EARTH_RADIUS_KM = 6371.0
"""Mean radius (IUGG)."""


class Verdict(StrEnum):
    """What a check came to."""

    OK = "ok"
    TIGHT = "tight"
    """Enough to deploy, but not for one node more while pools are upgraded."""
    SHORT = "short"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"

    @property
    def stops(self) -> bool:
        """Whether a deployment of that region would fail."""
        return self in (Verdict.SHORT, Verdict.UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a region needs.

    Attributes:
        region: its name.
        what: for people, e.g. `vCPUs, standardDSv5Family`.
        quota: the cloud's name of the quota; empty if it is none.
        needed: how much is still needed; what exists of the fleet is not counted again.
        used: how much is used now; None if not told.
        limit: how much there is; None if not told.
        verdict: what it comes to.
        way_out: what to do about it.
    """

    region: str
    what: str
    quota: str = ""
    needed: int = 0
    used: int | None = None
    limit: int | None = None
    verdict: Verdict = Verdict.UNKNOWN
    way_out: str = ""


@dataclass(frozen=True, slots=True)
class Pool:
    """A node pool: how many nodes of which size."""

    name: str
    size: str
    nodes: int


def azure_pools(fleet: Fleet) -> tuple[Pool, ...]:
    """The node pools that `terraform/azure/region` makes in every region."""
    azure = fleet.clouds.azure
    return (
        Pool("system", azure.system_vm_size, azure.system_nodes),
        Pool("validators", azure.validator_vm_size, azure.validator_nodes),
    )


def azure_counts(fleet: Fleet, region: Region) -> Mapping[str, int]:
    """How much of each counted quota one region takes, by Azure's name of the quota.

    Addresses: one for each validator and one to dial out. Each pool is a scale set. AKS adds a security group
    of its own. Premium disks: one for each validator's data; the nodes' own disks are premium too.
    """
    validators = fleet.validators_of(region)
    nodes = sum(pool.nodes for pool in azure_pools(fleet))
    return {
        "StandardSkuPublicIpAddresses": validators + 1,
        "PublicIPAddresses": validators + 1,
        "StandardSkuLoadBalancers": 1,
        "VirtualNetworks": 1,
        "NetworkSecurityGroups": 2,
        "virtualMachineScaleSets": len(azure_pools(fleet)),
        "PremiumDiskCount": validators + nodes,
        "managedClusters": 1,
    }


def judge(needed: int, used: int, limit: int, *, spare: int = 0) -> Verdict:
    """Whether what is needed still fits, and whether `spare` more would."""
    if used + needed > limit:
        return Verdict.SHORT
    return Verdict.OK if used + needed + spare <= limit else Verdict.TIGHT


def substitutes(region: str, taken: Iterable[str]) -> list[str]:
    """Reserve regions that could take a region's place, best first: same continent, then the nearest."""
    facts = azure_regions()
    here = facts[region]
    free = [facts[name] for name in region_set(REGION_SETS[1]) if name not in set(taken)]
    free.sort(key=lambda there: (there.continent != here.continent, distance_km(here, there), there.name))
    return [there.name for there in free]


def distance_km(here: RegionFacts, there: RegionFacts) -> float:
    """Great-circle distance between two regions in kilometres (haversine)."""
    a, b = radians(here.latitude), radians(there.latitude)
    half = sin((b - a) / 2) ** 2
    half += cos(a) * cos(b) * sin(radians(there.longitude - here.longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * asin(sqrt(half))
