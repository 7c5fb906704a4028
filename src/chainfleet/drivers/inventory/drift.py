"""What has changed behind our back: every region's states compared with what the cloud has. Reads only."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from chainfleet.drivers.terraform.reality import Reality
from chainfleet.drivers.terraform.roots import STATES
from chainfleet.drivers.terraform.states import read_state
from chainfleet.model.errors import TaskFailed
from chainfleet.model.fleet import Fleet


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
    names = [region.name for region in fleet.regions if region.cloud == "azure"]
    found = await asyncio.gather(*(_of_region(reality, workspace / "terraform" / name) for name in names))
    return dict(zip(names, found, strict=True))


async def _of_region(reality: Reality, folder: Path) -> list[str] | None:
    lines: list[str] = []
    states = sorted(path for name in STATES for path in folder.glob(f"*/{name}"))
    if not states:
        return None
    for path in states:
        try:
            state = read_state(path)
            if state is None:
                continue
            lines += [f"{path.parent.name}: {line}" for line in await reality.differences(state.resources)]
        except ValueError as error:
            lines.append(f"{path.parent.name}: the state can't be read: {error}")
        except TaskFailed as error:
            lines.append(f"{path.parent.name}: not compared: {error.message}")
    return lines
