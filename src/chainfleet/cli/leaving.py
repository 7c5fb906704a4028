"""Regions that leave a fleet: what is said where one was only taken out of the file, and what must be true before one goes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

from chainfleet.model.errors import InputError
from chainfleet.model.fleet import Fleet
from chainfleet.runtime.looking import recorded_outputs
from chainfleet.runtime.operations import forgotten_regions, task_environ
from chainfleet.runtime.state import StateFolder
from chainfleet.runtime.targets import Target


def forgotten_lines(gone: Sequence[str], path: Path) -> Iterator[str]:
    """What an operator must know of regions that were deployed and are not in the file any more."""
    if gone:
        yield (
            f"warning: deployed from here and no more in {path}: {', '.join(gone)}. What was made there goes on running "
            "and costing, and its validators go on counting"
        )
        yield f"  way out: {_way_out(gone)}"


def refuse_leftovers(state: StateFolder, fleet: Fleet, path: Path) -> None:
    """Refuse to take a fleet down as long as that would leave regions standing; raises InputError."""
    gone = forgotten_regions(state, fleet)
    if gone:
        message = f"deployed from here and no more in {path}: {', '.join(gone)}; they would be left standing"
        raise InputError(message, way_out="put them back into the file, and destroy all together")


def require_regions(fleet: Fleet, names: Sequence[str]) -> None:
    """Refuse names that are no regions of the fleet; raises InputError."""
    known = [region.name for region in fleet.regions]
    for name in names:
        if name not in known:
            raise InputError(f"--only {name}: no such region", way_out=f"one of {', '.join(known)}")


def require_voted_out(fleet: Fleet, state: StateFolder, cloud: Target, names: Sequence[str]) -> None:
    """Refuse to take regions away whose validators the chain still counts; raises InputError.

    Where no validator answers at all there is no chain that could be harmed.
    """
    from .besu_network import all_validators, look

    status = asyncio.run(look(fleet, state, recorded_outputs(state, fleet.name), cloud))
    theirs = [v for v in all_validators(state, task_environ(cloud.environ)) if v.region in names]
    voting = [v.address for v in theirs if v.address in status.validator_set]
    if voting:
        raise InputError(
            f"{len(voting)} validators of {', '.join(names)} vote still: without them the quorum is thinner, and blocks wait",
            way_out="; ".join(f"`chainfleet besu vote FLEET {address} --drop`" for address in voting),
        )


def _way_out(gone: Sequence[str]) -> str:
    only = " ".join(f"--only {name}" for name in gone)
    return (
        "put them back into the file, vote their validators out (`chainfleet besu vote FLEET ADDRESS --drop`), "
        f"`chainfleet destroy FLEET {only}`, and take them out then"
    )
