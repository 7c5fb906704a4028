"""The limits that a plan's tasks draw from: ceilings of the mode, the clouds' documented rates, this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chainfleet.model.fleet import Ceilings, Region
from chainfleet.model.task import Demand, Limit, LimitKind, Mode, Phase

from .estimates import Profile

ARM_WRITE = "azure/arm/write"
ARM_READ = "azure/arm/read"
MACHINE_MEMORY = "machine/memory"

MACHINE_CPU = "machine/cpu"

# Azure Resource Manager, per subscription and principal: writes 200 burst and 10/s, reads 250 and 25/s
# (learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling, 2025-05-28).
_ARM = {ARM_WRITE: (200.0, 10.0), ARM_READ: (250.0, 25.0)}

# What providers allow in each region, as burst and refill per second.
# Azure: network PUT and DELETE 1,000 in 5 minutes (same page); AKS "all other APIs" 60 and 1/s per subscription
# (azure-aks-docs quotas-skus-regions, 2026-08-03). EC2 mutating calls 50 and 5/s (ec2-api-throttling).
_IN_REGION: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "azure": {"network": (1000.0, 1000 / 300), "containerservice": (60.0, 1.0)},
    "aws": {"ec2": (50.0, 5.0)},
}
# Google's quotas are per project, all regions together: 600 calls a minute (GKE API, age of the page uncertain).
_GCP_WRITE = "gcp/api/write"
_GCP = (600.0, 10.0)

_STANDARD = Ceilings(infrastructure=10, kubernetes=6, besu=8, contracts=2, monitoring=6, verification=8)
_SEQUENTIAL = Ceilings(infrastructure=1, kubernetes=1, besu=1, contracts=1, monitoring=1, verification=1)


def ceilings_of(mode: Mode, declared: Ceilings) -> Ceilings:
    """The ceilings a mode works with: those of the old scripts in standard and sequential, else the declared."""
    return {Mode.SEQUENTIAL: _SEQUENTIAL, Mode.STANDARD: _STANDARD}.get(mode, declared)


def slots(phase: Phase) -> str:
    """Name of the concurrency limit of a phase."""
    return f"{phase.value}/slots"


def provider_limit(cloud: str, provider: str, region: str) -> str:
    """Name of the limit on what a resource provider takes of writes in a region."""
    return f"{cloud}/{provider}/{region}/write"


def make_limits(
    ceilings: Ceilings, regions: Sequence[Region], *, memory_mib: int, cores: float, time_scale: float
) -> tuple[Limit, ...]:
    """Every limit of a plan; rates are per real second, so a faster emulated cloud refills faster."""
    phases = [
        Limit(
            slots(phase),
            LimitKind.CONCURRENCY,
            getattr(ceilings, phase.value),
            adaptive=phase is Phase.INFRASTRUCTURE,
        )
        for phase in Phase
    ]
    rates = [
        Limit(name, LimitKind.TOKENS, burst, rate_per_s=rate * time_scale, adaptive=True)
        for name, (burst, rate) in _rates(regions).items()
    ]
    machine = (
        Limit(MACHINE_MEMORY, LimitKind.MEMORY, memory_mib),
        Limit(MACHINE_CPU, LimitKind.CONCURRENCY, cores),
    )
    return (*phases, *rates, *machine)


def _rates(regions: Sequence[Region]) -> dict[str, tuple[float, float]]:
    clouds = {region.cloud for region in regions}
    rates = dict(_ARM) if "azure" in clouds else {}
    if "gcp" in clouds:
        rates[_GCP_WRITE] = _GCP
    for region in regions:
        for provider, rate in _IN_REGION.get(region.cloud, {}).items():
            rates[provider_limit(region.cloud, provider, region.name)] = rate
    return rates


def demands_of(
    phase: Phase, profile: Profile, region: Region | None, *, terraform_mib: int, terraform_cores: float
) -> tuple[Demand, ...]:
    """What one attempt draws."""
    demands = [Demand(slots(phase))]
    if region is not None:
        demands += _calls(profile, region)
    if phase is Phase.INFRASTRUCTURE:
        demands += [Demand(MACHINE_MEMORY, terraform_mib), Demand(MACHINE_CPU, terraform_cores)]
    return tuple(demands)


def _calls(profile: Profile, region: Region) -> list[Demand]:
    """Calls to the region's cloud: all of Azure's go through its Resource Manager, most on to a provider."""
    writes = sum(profile.writes.values())
    if region.cloud == "azure":
        shared = [(ARM_WRITE, writes), (ARM_READ, profile.reads)]
        shared += [
            (provider_limit("azure", name, region.name), number)
            for name, number in profile.writes.items()
            if name in _IN_REGION["azure"]
        ]
    elif region.cloud == "aws":
        shared = [(provider_limit("aws", "ec2", region.name), writes)]
    else:
        shared = [(_GCP_WRITE, writes)] if region.cloud == "gcp" else []
    return [Demand(name, amount) for name, amount in shared if amount]
