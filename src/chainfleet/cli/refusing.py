"""What must be true before a command begins anything; each refuses with the way out."""

from __future__ import annotations

import os

from chainfleet.ledger.database import Postgres
from chainfleet.model.errors import InputError
from chainfleet.model.fleet import Fleet
from chainfleet.model.fleet_file import LoadedFleet
from chainfleet.model.task import Phase, Plan
from chainfleet.runtime.state import StateFolder
from chainfleet.runtime.targets import TargetOptions, place_of


def refuse_unsafe(loaded: LoadedFleet) -> None:
    """A fleet that breaks the chain's rules is not deployed; warnings are for `check`."""
    from chainfleet.drivers.besu.check import check_network

    errors = [finding for finding in check_network(loaded.fleet) if finding.severity == "error"]
    if errors:
        place = place_of(loaded, errors[0].place)
        raise InputError(f"{place}: {errors[0].message}", way_out="`chainfleet check FLEET` lists everything")


def refuse_faults(target: TargetOptions, fleet: Fleet) -> None:
    """Faults that can't strike are a mistake: who asked for them would take the fleet for stronger than it is."""
    if target.faults is not None:
        from chainfleet.emulator.profiles import require_regions

        require_regions(target.faults, [region.name for region in fleet.regions])


def require_tools(plan: Plan) -> None:
    """Refuse to begin what this machine can't finish: the first regions would be half done."""
    if makes_infrastructure(plan):
        from chainfleet.drivers.terraform import check_tool

        check_tool(os.environ)


def makes_infrastructure(plan: Plan) -> bool:
    """Whether anything of the plan is Terraform's."""
    return any(task.phase is Phase.INFRASTRUCTURE for task in plan.tasks)


def require_database(options: TargetOptions, state: StateFolder) -> None:
    """Refuse workers without a database that they and this process share, before anything is begun."""
    if options.pools and not isinstance(state.ledger, Postgres):
        raise InputError("workers need the ledger in PostgreSQL", way_out="give --ledger postgresql://...")
