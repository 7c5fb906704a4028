"""What a forecast is asked, and the plans that it makes for the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from chainfleet.model.errors import InputError
from chainfleet.model.fleet import Fleet
from chainfleet.model.task import Estimate, Mode, Plan

from ..blueprint import Blueprint
from ..planning import Machine, Overrides, Selection, make_plan, select
from ..world import Faults, Processors
from .faults import named_faults
from .learned import Learned
from .profiles import with_durations
from .sampling import Map, World

CPU_S: Mapping[str, float] = {"infrastructure/network": 5.0, "infrastructure/cluster": 10.0}
"""CPU seconds of one Terraform run with a large provider: about 5 to load its schema, per command (measured
with the AWS provider, whose schema is of the size of Azure's); a cluster's root is planned and applied."""

MOST_RUNS = 100_000


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a forecast.

    Attributes:
        fleet, revision: what is to be deployed.
        mode: how; the fleet's own mode where None.
        runs: rehearsals.
        seed: of everything random.
        faults: name of a fault profile, or the faults themselves.
        profile: durations by action; None takes the planner's, with `learned` on top.
        learned: what is known of this environment.
        overrides, selection: what the command line changes of the declared policy.
        machine: memory of the orchestrating machine.
        cores: of that machine; 0 where attempts do not get into each other's way.
    """

    fleet: Fleet
    revision: str
    mode: Mode | None = None
    runs: int = 1000
    seed: int = 0
    faults: str | Faults = "none"
    profile: Mapping[str, Estimate] | None = None
    learned: Learned = field(default_factory=lambda: Learned(()))
    overrides: Overrides = field(default_factory=Overrides)
    selection: Selection = field(default_factory=Selection)
    machine: Machine = field(default_factory=Machine)
    cores: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.runs <= MOST_RUNS:
            raise InputError(f"{self.runs} rehearsals can't be", way_out=f"give 1 to {MOST_RUNS:,}")
        if self.cores < 0:
            raise InputError(f"a machine with {self.cores} cores can't be", way_out="give 0 or more")

    def plan(self) -> Plan:
        """The plan to rehearse; raises PlanError or InputError."""
        overrides = self.overrides if self.mode is None else replace(self.overrides, mode=self.mode)
        plan = make_plan(self.fleet, self.revision, machine=self.machine, overrides=overrides)
        if self.profile is not None:
            plan = with_durations(plan, self.profile, self.fleet.deployment.time_scale)
        else:
            plan = self.learned.applied(plan)
        return select(plan, self.selection)

    def world(self, blueprint: Blueprint) -> World:
        """What goes wrong; raises InputError if that does not fit the plan."""
        faults = self.faults if isinstance(self.faults, Faults) else named_faults(self.faults, blueprint)
        faults.check(blueprint)
        cpu_s = CPU_S if self.cores else {}
        common = 0.0 if self.profile is not None else self.learned.common
        return World(faults, Processors(self.cores, cpu_s), common=common)


@dataclass(frozen=True, slots=True)
class Hands:
    """Who carries the rehearsals out: `map_` takes `pieces` batches at once."""

    map_: Map = map
    pieces: int = 1
