"""What has changed behind our back: every region's states compared with what the cloud has. Reads only."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from chainfleet.drivers.terraform.grouped import group_name, is_grouped
from chainfleet.drivers.terraform.reality import Reality
from chainfleet.drivers.terraform.roots import STATES
from chainfleet.drivers.terraform.states import read_state
from chainfleet.model.errors import TaskFailed
from chainfleet.model.fleet import Fleet, Region


async def find_drift(
    fleet: Fleet, workspace: Path, environ: Mapping[str, str]
) -> dict[str, list[str] | None]:
    """Differences by region, one line each; None for a region that was never deployed from here.

    Args:
        fleet: the resolved fleet.
        workspace: folder of the environment.
        environ: endpoint and credentials.
    """
    reality = Reality(environ)
    regions = [region for region in fleet.regions if region.cloud == "azure"]
    found = await asyncio.gather(
        *(_of_region(reality, workspace / "terraform" / _folder(fleet, region), region) for region in regions)
    )
    return {region.name: lines for region, lines in zip(regions, found, strict=True)}


def _folder(fleet: Fleet, region: Region) -> str:
    return group_name(fleet, region) if is_grouped(fleet, region) else region.name


async def _of_region(reality: Reality, folder: Path, region: Region) -> list[str] | None:
    lines: list[str] = []
    held_at_all = False
    states = sorted(path for name in STATES for path in folder.glob(f"*/{name}"))
    if not states:
        return None
    for path in states:
        try:
            state = read_state(path)
            if state is None:
                continue
            # In a shared root a region's resources carry its module's name; in its own root none has a module.
            other = tuple(
                each
                for each in state.resources
                if each.address.startswith("module.")
                and not each.address.startswith(f"module.{region.name}.")
            )
            mine = tuple(each for each in state.resources if each not in other)
            held_at_all = held_at_all or bool(mine)
            lines += [f"{path.parent.name}: {line}" for line in await reality.differences(mine)]
        except ValueError as error:
            lines.append(f"{path.parent.name}: the state can't be read: {error}")
        except TaskFailed as error:
            lines.append(f"{path.parent.name}: not compared: {error.message}")
    return lines if held_at_all or lines else None
