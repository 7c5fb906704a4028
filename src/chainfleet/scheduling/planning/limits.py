"""The limits that a plan's tasks draw from: ceilings of the mode, the clouds' documented rates, this machine."""

from __future__ import annotations

from chainfleet.model.fleet import Ceilings
from chainfleet.model.task import Demand, Limit, LimitKind, Mode, Phase

from .estimates import Profile

ARM_WRITE = "azure/arm/write"
ARM_READ = "azure/arm/read"
MACHINE_MEMORY = "machine/memory"

# Azure Resource Manager, per subscription and principal: writes 200 burst and 10/s, reads 250 and 25/s
# (learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling, 2025-05-28).
_ARM = {ARM_WRITE: (200.0, 10.0), ARM_READ: (250.0, 25.0)}

_STANDARD = Ceilings(infrastructure=10, kubernetes=6, besu=8, contracts=2, monitoring=6, verification=8)
_SEQUENTIAL = Ceilings(infrastructure=1, kubernetes=1, besu=1, contracts=1, monitoring=1, verification=1)


def ceilings_of(mode: Mode, declared: Ceilings) -> Ceilings:
    """The ceilings a mode works with: those of the old scripts in standard and sequential, else the declared."""
    return {Mode.SEQUENTIAL: _SEQUENTIAL, Mode.STANDARD: _STANDARD}.get(mode, declared)


def slots(phase: Phase) -> str:
    """Name of the concurrency limit of a phase."""
    return f"{phase.value}/slots"


def make_limits(ceilings: Ceilings, *, memory_mib: int, time_scale: float) -> tuple[Limit, ...]:
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
        for name, (burst, rate) in _ARM.items()
    ]
    return (*phases, *rates, Limit(MACHINE_MEMORY, LimitKind.MEMORY, memory_mib))


def demands_of(phase: Phase, profile: Profile, *, terraform_mib: int) -> tuple[Demand, ...]:
    """What one attempt draws."""
    demands = [Demand(slots(phase))]
    if profile.arm_writes:
        demands.append(Demand(ARM_WRITE, profile.arm_writes))
    if profile.arm_reads:
        demands.append(Demand(ARM_READ, profile.arm_reads))
    if phase is Phase.INFRASTRUCTURE:
        demands.append(Demand(MACHINE_MEMORY, terraform_mib))
    return tuple(demands)
