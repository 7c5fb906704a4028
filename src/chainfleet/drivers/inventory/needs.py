"""What a region of a fleet takes from a cloud's quotas, and where else it could go. Pure: nothing is asked here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from math import asin, cos, radians, sin, sqrt

from chainfleet.model.fleet import Fleet, Region
from chainfleet.model.region import REGION_SETS, RegionFacts, known_regions, region_set

EARTH_RADIUS_KM = 6371.0
"""Mean radius (IUGG)."""


NODE_DISK_GIB = 64
"""Disk of a node, as `terraform/aws/region` and `terraform/gcp/region` make it."""


VAULT_SECRETS = "key vault's secrets"
"""What the check is called whether node keys can be put into a region's vault: a right, no room."""


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


def pools_of(fleet: Fleet, cloud: str) -> tuple[Pool, ...]:
    """The node pools that the modules make in every region of a cloud."""
    settings = fleet.clouds.settings_of(cloud)
    return (
        Pool("system", settings.system_vm_size, settings.system_nodes),
        Pool("validators", settings.validator_vm_size, settings.validator_nodes),
    )


def node_disk_gib(pools: Iterable[Pool]) -> int:
    """Size of the nodes' own disks in AWS and Google Cloud."""
    return sum(pool.nodes for pool in pools) * NODE_DISK_GIB


def azure_counts(fleet: Fleet, region: Region) -> Mapping[str, int]:
    """How much of each counted quota one region takes, by Azure's name of the quota.

    Addresses: one for each validator and one to dial out. Each pool is a scale set. AKS adds a security group
    of its own. Premium disks: one for each validator's data; the nodes' own disks are premium too.
    """
    validators = fleet.validators_of(region)
    nodes = sum(pool.nodes for pool in pools_of(fleet, "azure"))
    return {
        "StandardSkuPublicIpAddresses": validators + 1,
        "PublicIPAddresses": validators + 1,
        "StandardSkuLoadBalancers": 1,
        "VirtualNetworks": 1,
        "NetworkSecurityGroups": 2,
        "virtualMachineScaleSets": len(pools_of(fleet, "azure")),
        "PremiumDiskCount": validators + nodes,
        "managedClusters": 1,
    }


def judge(needed: int, used: int, limit: int, *, spare: int = 0) -> Verdict:
    """Whether what is needed still fits, and whether `spare` more would."""
    if used + needed > limit:
        return Verdict.SHORT
    return Verdict.OK if used + needed + spare <= limit else Verdict.TIGHT


def standing(checks: Iterable[Check]) -> list[Check]:
    """The same checks for a region in which the fleet stands already: nothing more is needed."""
    return [replace(check, needed=0, verdict=Verdict.OK, way_out="") for check in checks]


def substitutes(cloud: str, region: str, taken: Iterable[str]) -> list[str]:
    """Regions of the same cloud that could take a region's place, best first: same continent, then the nearest.

    Azure's are those of the reserve list; the other clouds' are all that are known outside the United States.
    """
    known = known_regions(cloud)
    if region not in known:
        return []
    here = known[region]
    names = set(region_set(REGION_SETS[1]) if cloud == "azure" else known) - set(taken)
    free = sorted(
        (known[name] for name in names),
        key=lambda there: (there.continent != here.continent, distance_km(here, there), there.name),
    )
    return [there.name for there in free]


def distance_km(here: RegionFacts, there: RegionFacts) -> float:
    """Great-circle distance between two regions in kilometres (haversine)."""
    a, b = radians(here.latitude), radians(there.latitude)
    half = sin((b - a) / 2) ** 2
    half += cos(a) * cos(b) * sin(radians(there.longitude - here.longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * asin(sqrt(half))
