"""The planner: a fleet and a mode become one dependency graph over all phases.

Only true dependencies are written down here; `modes.py` adds the edges that a mode wants on top.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from chainfleet.model.besu.quorum import quorum_of
from chainfleet.model.fleet import Ceilings, Fleet, Region
from chainfleet.model.task import (
    Estimate,
    FailureBudget,
    Mode,
    Phase,
    Plan,
    Policy,
    RetryPolicy,
    Task,
    TaskKind,
)

from .estimates import PROFILES
from .limits import ceilings_of, demands_of, make_limits
from .modes import add_mode_edges, order
from .waves import make_waves


@dataclass(frozen=True, slots=True)
class Machine:
    """What of the orchestrating machine the plan may use.

    Attributes:
        memory_mib: for all attempts together.
        terraform_mib: what one Terraform run needs (measured; about 80 for the binary).
        cores: for all attempts together.
        terraform_cores: what one Terraform run takes of a core while it waits for a cloud (measured: 9.4 CPU
            seconds for 48 runs of 5 to 13 s each).
    """

    memory_mib: int = 4096
    terraform_mib: int = 90
    cores: float = 2.0
    terraform_cores: float = 0.04


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the command line changes of the declared policy; None leaves it."""

    mode: Mode | None = None
    waves: tuple[int | str, ...] | None = None
    ceilings: Ceilings | None = None
    approval: bool | None = None


RELEASE = "besu/release/network"
CHAIN = "besu/chain/network"
REGIONS_VERIFIED = "verification/regions/network"
NETWORK_VERIFIED = "verification/network/network"


def make_plan(
    fleet: Fleet, revision: str, *, machine: Machine | None = None, overrides: Overrides | None = None
) -> Plan:
    """Make the plan of a fleet.

    Raises:
        PlanError: waves that don't fit.
    """
    machine, overrides = machine or Machine(), overrides or Overrides()
    deployment = fleet.deployment
    mode = overrides.mode or deployment.mode
    waves = make_waves(
        [r.name for r in fleet.regions], deployment.waves if overrides.waves is None else overrides.waves
    )
    ceilings = ceilings_of(mode, overrides.ceilings or deployment.ceilings)
    tasks = list(_Planner(fleet, machine, waves).tasks())
    retry = RetryPolicy(
        base_s=deployment.retries.base_seconds / deployment.time_scale,
        cap_s=max(0.5, deployment.retries.cap_seconds / deployment.time_scale),
    )
    return Plan(
        fleet=fleet.name,
        revision=revision,
        mode=mode,
        tasks=tuple(order(add_mode_edges(tasks, mode))),
        limits=make_limits(
            ceilings,
            fleet.regions,
            memory_mib=machine.memory_mib,
            cores=machine.cores,
            time_scale=deployment.time_scale,
        ),
        policy=Policy(
            retry=retry,
            budget=FailureBudget(regions=deployment.failed_regions_allowed),
            approval=deployment.approval if overrides.approval is None else overrides.approval,
        ),
        waves=waves,
    )


class _Planner:
    """Builds the tasks of one fleet; kept as a class because every method needs the same four things."""

    def __init__(self, fleet: Fleet, machine: Machine, waves: tuple[tuple[str, ...], ...]) -> None:
        self._fleet = fleet
        self._machine = machine
        self._wave_of = {name: index for index, wave in enumerate(waves) for name in wave}
        self._waves = waves
        self._quorum = quorum_of(fleet.validator_count).quorum

    def tasks(self) -> Iterable[Task]:
        """All tasks with their true dependencies."""
        carriers = [region for region in self._fleet.regions if self._fleet.validators_of(region)]
        yield self._task("besu/keys/network")
        yield self._task("besu/genesis/network", needs=("besu/keys/network",))
        for region in self._fleet.regions:
            yield from self._foundation(region)
        yield from self._bring_up(carriers)
        yield from self._contracts()
        for region in self._fleet.regions:
            yield from self._watch(region)
        yield from self._verify_network()

    def _foundation(self, region: Region) -> Iterable[Task]:
        """Network, cluster and the cluster's base objects."""
        name = region.name
        base_needs: tuple[str, ...] = ()
        if region.cloud != "kubeconfig":
            yield self._task(f"infrastructure/network/{name}", region=region)
            yield self._task(
                f"infrastructure/cluster/{name}", region=region, needs=(f"infrastructure/network/{name}",)
            )
            base_needs = (f"infrastructure/cluster/{name}",)
        yield self._task(f"kubernetes/base/{name}", region=region, needs=base_needs)

    def _bring_up(self, carriers: list[Region]) -> Iterable[Task]:
        """Peer list, node configuration, the release of all validators together, and the living chain."""
        networks = tuple(f"infrastructure/network/{r.name}" for r in carriers if r.cloud != "kubeconfig")
        # A region without addresses must not hold up the others: wait for all to be over, ask for a quorum of them.
        outside = sum(self._fleet.validators_of(r) for r in carriers if r.cloud == "kubeconfig")
        yield self._task("besu/addresses/network", kind=TaskKind.BARRIER, needs=networks, after=networks,
                         at_least=max(0, self._quorum - outside))  # fmt: skip
        yield self._task("besu/peers/network", needs=("besu/keys/network", "besu/addresses/network"))
        artefacts = ("besu/genesis/network", "besu/peers/network")
        for region in carriers:
            needs = (f"kubernetes/base/{region.name}", *artefacts)
            yield self._task(f"besu/config/{region.name}", region=region, needs=needs)
        configs = tuple(f"besu/config/{region.name}" for region in carriers)
        # Round timers double without bound, so nobody starts before a quorum can (Besu: T·2^round).
        yield self._task(RELEASE, kind=TaskKind.BARRIER, needs=configs, at_least=self._quorum)
        starts = []
        for region in carriers:
            for task in self._starts(region):
                starts.append(task.id)
                yield task
        yield from self._gates()
        yield self._task(CHAIN, needs=tuple(starts), at_least=self._quorum)

    def _starts(self, region: Region) -> Iterable[Task]:
        needs: tuple[str, ...] = (f"besu/config/{region.name}", RELEASE)
        wave = self._wave_of.get(region.name)
        if wave:
            needs = (*needs, gate_of(wave - 1))
        for index in range(self._fleet.validators_of(region)):
            labels = {"validator": str(index)}
            task = self._task(f"besu/start/{region.name}-{index}", region=region, needs=needs)
            yield replace(task, weight=1, labels=labels)

    def _gates(self) -> Iterable[Task]:
        """Between two waves stands a gate: the wave's validators are up on this revision's genesis."""
        for index, wave in enumerate(self._waves[:-1]):
            regions = [region for region in self._fleet.regions if region.name in wave]
            starts = tuple(
                f"besu/start/{r.name}-{i}" for r in regions for i in range(self._fleet.validators_of(r))
            )
            yield self._task(gate_of(index), kind=TaskKind.GATE, after=starts)

    def _contracts(self) -> Iterable[Task]:
        for chain in self._fleet.contracts.chains:
            needs = (CHAIN,) if chain.rpc_url is None else ()
            yield self._task(f"contracts/deploy/{chain.name}", needs=needs)
            yield self._task(f"contracts/round/{chain.name}", needs=(f"contracts/deploy/{chain.name}",))

    def _watch(self, region: Region) -> Iterable[Task]:
        """Monitoring and verification of one region."""
        needs = [CHAIN, *(task.id for task in self._starts(region))]
        if self._fleet.monitoring.enabled:
            install = f"monitoring/install/{region.name}"
            yield self._task(install, region=region, needs=(f"kubernetes/base/{region.name}",))
            needs.append(install)
        yield self._task(f"verification/region/{region.name}", region=region, needs=tuple(needs))

    def _verify_network(self) -> Iterable[Task]:
        regions = {
            f"verification/region/{region.name}": self._fleet.validators_of(region)
            for region in self._fleet.regions
        }
        # A region without validators is waited for, and counts for no quorum of them.
        carriers = tuple(name for name, validators in regions.items() if validators)
        yield self._task(
            REGIONS_VERIFIED,
            kind=TaskKind.BARRIER,
            needs=carriers,
            after=tuple(regions),
            at_least=self._quorum,
        )
        rounds = tuple(f"contracts/round/{chain.name}" for chain in self._fleet.contracts.chains)
        yield self._task(NETWORK_VERIFIED, needs=(CHAIN, REGIONS_VERIFIED, *rounds))

    def _sharing(self, region: Region | None) -> int:
        """How many regions share one Terraform with this one."""
        terraform = self._fleet.deployment.terraform
        grouped = terraform.layout == "grouped" and region is not None and region.cloud == "azure"
        return terraform.regions_per_root if grouped else 1

    def _task(
        self,
        task_id: str,
        *,
        kind: TaskKind = TaskKind.WORK,
        region: Region | None = None,
        needs: tuple[str, ...] = (),
        after: tuple[str, ...] = (),
        at_least: int | None = None,
    ) -> Task:
        phase = Phase(task_id.split("/", 1)[0])
        base = Task(id=task_id, phase=phase, kind=kind, needs=needs, after=after, at_least=at_least)
        if region is not None:
            validators = self._fleet.validators_of(region)
            base = replace(
                base, region=region.name, wave=self._wave_of.get(region.name), weight=max(1, validators)
            )
        if kind is not TaskKind.WORK:
            return replace(base, estimate=Estimate(0.0, 0.0), timeout_s=86_400.0)
        action = task_id.rsplit("/", 1)[0]
        profile = PROFILES[action]
        scale = self._fleet.deployment.time_scale
        return replace(
            base,
            twins=action if region else "",
            demands=demands_of(
                phase,
                profile,
                region,
                terraform_mib=max(1, self._machine.terraform_mib // self._sharing(region)),
                terraform_cores=self._machine.terraform_cores / self._sharing(region),
            ),
            estimate=Estimate(profile.estimate.median_s / scale, profile.estimate.sigma),
            # An emulated cloud is faster than its users' own processes: never below two minutes.
            timeout_s=max(120.0, profile.timeout_s / scale) if scale > 1 else profile.timeout_s,
            max_attempts=self._fleet.deployment.retries.attempts,
            adoptable=profile.adoptable,
        )


def gate_of(wave: int) -> str:
    """Id of the gate that follows a wave (waves count from 0, gates are named from 1)."""
    return f"besu/gate/wave-{wave + 1}"
