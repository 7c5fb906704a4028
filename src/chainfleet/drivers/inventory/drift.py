"""What has changed behind our back: every region's states compared with what the cloud has. Reads only."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from chainfleet.drivers.driver import Attempt
from chainfleet.drivers.terraform.drifting import differences
from chainfleet.drivers.terraform.grouped import group_name, is_grouped
from chainfleet.drivers.terraform.reality import Reality
from chainfleet.drivers.terraform.roots import STATES, root_as_written
from chainfleet.drivers.terraform.runner import Runner
from chainfleet.drivers.terraform.states import read_state
from chainfleet.model.errors import TaskFailed
from chainfleet.model.fleet import Fleet, Region
from chainfleet.model.task import Phase, Task

CONCURRENT = 4
"""Regions that Terraform compares at once: each takes a core while its provider starts."""


async def find_drift(
    fleet: Fleet, workspace: Path, environ: Mapping[str, str]
) -> dict[str, list[str] | None]:
    """Differences by region, one line each; None for a region that was never deployed from here.

    Args:
        fleet: the resolved fleet.
        workspace: folder of the environment.
        environ: endpoint and credentials.
    """
    reality, runner, gate = Reality(environ), Runner(), asyncio.Semaphore(CONCURRENT)
    regions = [region for region in fleet.regions if region.cloud != "kubeconfig"]

    async def of(region: Region) -> list[str] | None:
        if region.cloud == "azure":
            folder = workspace / "terraform" / _folder(fleet, region)
            return await _of_region(reality, folder, region)
        async with gate:
            return await _by_plan(runner, fleet, region, workspace, environ)

    found = await asyncio.gather(*(of(region) for region in regions))
    return {region.name: lines for region, lines in zip(regions, found, strict=True)}


async def _by_plan(
    runner: Runner, fleet: Fleet, region: Region, workspace: Path, environ: Mapping[str, str]
) -> list[str] | None:
    """AWS and Google Cloud: their providers read every resource back, so Terraform itself compares."""
    lines: list[str] = []
    found = False
    for action in ("network", "cluster"):
        attempt = _reading(fleet, f"infrastructure/{action}/{region.name}", region, workspace, environ)
        root = root_as_written(attempt)
        if not root.state.exists():
            continue
        found = True
        try:
            lines += [f"{root.folder.name}: {line}" for line in await differences(runner, attempt, root)]
        except TaskFailed as error:
            lines.append(f"{root.folder.name}: not compared: {error.message}")
    return lines if found else None


def _reading(fleet: Fleet, task: str, region: Region, workspace: Path, environ: Mapping[str, str]) -> Attempt:
    """An attempt that nobody schedules, for what only reads."""

    def nothing(*_: object) -> None:
        """Nobody listens."""

    return Attempt(
        task=Task(task, Phase.INFRASTRUCTURE, region=region.name),
        number=1,
        fleet=fleet,
        workspace=workspace,
        log_file=workspace / "drift.log",
        parallelism=10,
        environ=environ,
        outputs=lambda _: {},
        log=nothing,
        fence=nothing,
        observed=nothing,
        progress=nothing,
    )


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
