"""VM sizes, quotas and usages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .bodies import value_at

if TYPE_CHECKING:
    from .resources import Resource, Store

CLUSTER = "Microsoft.ContainerService/managedClusters"
POOL = f"{CLUSTER}/agentPools"


@dataclass(frozen=True, slots=True)
class Size:
    """A VM size."""

    name: str
    family: str
    vcpus: int
    memory_gib: int


def _series(family: str, pattern: str, per_vcpu: int, vcpus: tuple[int, ...]) -> list[Size]:
    return [Size(pattern.format(n), family, n, n * per_vcpu) for n in vcpus]


_COMMON = (2, 4, 8, 16, 32, 48, 64, 96)
SIZES: dict[str, Size] = {
    size.name.lower(): size
    for size in [
        *_series("standardBsv2Family", "Standard_B{}s_v2", 4, (2, 4, 8, 16, 32)),
        *_series("standardDSv3Family", "Standard_D{}s_v3", 4, (2, 4, 8, 16, 32, 48, 64)),
        *_series("standardDSv4Family", "Standard_D{}s_v4", 4, _COMMON[:7]),
        *_series("standardDDSv5Family", "Standard_D{}ds_v5", 4, _COMMON),
        *_series("standardDSv5Family", "Standard_D{}s_v5", 4, _COMMON),
        *_series("standardDASv5Family", "Standard_D{}as_v5", 4, _COMMON),
        *_series("standardDSv6Family", "Standard_D{}s_v6", 4, _COMMON),
        *_series("standardESv5Family", "Standard_E{}s_v5", 8, _COMMON),
        *_series("standardFSv2Family", "Standard_F{}s_v2", 2, _COMMON[:7]),
    ]
}

DEFAULT_LIMITS: Mapping[str, int] = {
    # Defaults of an Enterprise Agreement subscription (subscription limits page, 2026-08-04).
    "cores": 350,
    "family": 350,
    "virtualMachineScaleSets": 2500,
    "VirtualNetworks": 1000,
    "NetworkSecurityGroups": 5000,
    "StandardSkuPublicIpAddresses": 1000,
    "PublicIPAddresses": 1000,
    "StandardSkuLoadBalancers": 1000,
    # Managed clusters per subscription and region: from a third party's file, not verified.
    "managedClusters": 100,
}


class Quotas:
    """Limits per region and what is used of them.

    Args:
        store: usage is counted from the resources there are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.overrides: dict[str, dict[str, int]] = {}

    def limit(self, region: str, name: str) -> int:
        """The limit of a quota in a region; a VM family's own limit falls back to that of all families."""
        own = self.overrides.get(region, {})
        if name in own:
            return own[name]
        everywhere = self.overrides.get("*", {})
        if name in everywhere:
            return everywhere[name]
        return DEFAULT_LIMITS.get(name, DEFAULT_LIMITS["family"])

    def pools(self, region: str) -> list[Resource]:
        """Node pools in a region."""
        return [r for r in self._store.of_type(POOL) if _region(r, self._store) == region]

    def cores(self, region: str, family: str = "", *, without: str = "") -> int:
        """How many vCPUs the node pools of a region use; `without` is the key of a pool to leave out."""
        used = 0
        for pool in self.pools(region):
            size = SIZES.get(str(value_at(pool.desired, "properties.vmSize")).lower())
            if size and pool.key != without and family in ("", size.family):
                used += size.vcpus * int(value_at(pool.desired, "properties.count") or 0)
        return used

    def count(self, region: str, kind: str) -> int:
        """Resources of a type in a region."""
        return sum(1 for r in self._store.of_type(kind) if r.location == region)

    def compute_usages(self, region: str) -> list[dict[str, Any]]:
        """What `Microsoft.Compute/locations/{region}/usages` lists."""
        families = sorted({size.family for size in SIZES.values()})
        rows = [
            self._usage(region, "cores", "Total Regional vCPUs", self.cores(region)),
            self._usage(
                region, "virtualMachineScaleSets", "Virtual Machine Scale Sets", len(self.pools(region))
            ),
        ]
        for family in families:
            label = f"{family.removesuffix('Family').removeprefix('standard')} Family vCPUs"
            rows.append(self._usage(region, family, f"Standard {label}", self.cores(region, family)))
        return rows

    def network_usages(self, region: str) -> list[dict[str, Any]]:
        """What `Microsoft.Network/locations/{region}/usages` lists."""
        addresses = self.count(region, "Microsoft.Network/publicIPAddresses")
        clusters = self.count(region, CLUSTER)
        counts = {
            "VirtualNetworks": ("Virtual Networks", self.count(region, "Microsoft.Network/virtualNetworks")),
            "NetworkSecurityGroups": (
                "Network Security Groups",
                self.count(region, "Microsoft.Network/networkSecurityGroups"),
            ),
            # Each cluster's outbound load balancer brings one address of its own.
            "PublicIPAddresses": ("Public IP Addresses", addresses + clusters),
            "StandardSkuPublicIpAddresses": ("Public IPv4 Addresses - Standard", addresses + clusters),
            "StandardSkuLoadBalancers": ("Standard Sku Load Balancers", clusters),
        }
        return [self._usage(region, name, label, used) for name, (label, used) in counts.items()]

    def cluster_usages(self, region: str) -> list[dict[str, Any]]:
        """What `Microsoft.ContainerService/locations/{region}/usages` lists."""
        return [self._usage(region, "managedClusters", "Managed Clusters", self.count(region, CLUSTER))]

    def _usage(self, region: str, name: str, label: str, used: int) -> dict[str, Any]:
        return {
            "unit": "Count",
            "currentValue": used,
            "limit": self.limit(region, name),
            "name": {"value": name, "localizedValue": label},
        }


def _region(pool: Resource, store: Store) -> str:
    cluster = store.get(pool.id.parent)
    return cluster.location if cluster else ""


def sku_rows(region: str, *, zones: int, restricted: bool) -> list[dict[str, Any]]:
    """What `Microsoft.Compute/skus` lists for a region.

    Args:
        region: its name.
        zones: how many availability zones it has.
        restricted: whether the subscription has no access to it.
    """
    numbers = [str(zone) for zone in range(1, zones + 1)]
    restrictions = [
        {
            "type": "Location",
            "values": [region],
            "restrictionInfo": {"locations": [region]},
            "reasonCode": "NotAvailableForSubscription",
        }
    ]
    return [
        {
            "resourceType": "virtualMachines",
            "name": size.name,
            "tier": "Standard",
            "size": size.name.removeprefix("Standard_"),
            "family": size.family,
            "locations": [region],
            "locationInfo": [{"location": region, "zones": numbers, "zoneDetails": []}],
            "capabilities": [
                {"name": "vCPUs", "value": str(size.vcpus)},
                {"name": "MemoryGB", "value": str(size.memory_gib)},
                {"name": "PremiumIO", "value": "True"},
                {"name": "AcceleratedNetworkingEnabled", "value": "True"},
            ],
            "restrictions": restrictions if restricted else [],
        }
        for size in SIZES.values()
    ]
