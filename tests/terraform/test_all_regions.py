"""All 24 regions at once, in calm and in a storm."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chainfleet.emulator.client import start
from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.fleet import Fleet

if TYPE_CHECKING:
    from conftest import Workbench

pytestmark = pytest.mark.slow

_PASSING = (ErrorClass.THROTTLED, ErrorClass.CAPACITY, ErrorClass.CONFLICT, ErrorClass.TRANSIENT)


def top_level(workbench: Workbench) -> list[str]:
    inline = ("/subnets/", "/agentPools/", "/securityRules/")
    return [each for each in workbench.resources() if not any(part in each for part in inline)]


async def changed(workbench: Workbench, action: str, region: str, met: Counter[str]) -> None:
    """Change with retries, as the scheduler would."""
    chance = random.Random(region)
    for attempt in range(1, 9):
        try:
            await workbench.change(action, region)
        except TaskFailed as error:
            if error.error_class not in _PASSING:
                raise
            met[error.error_class] += 1
            await asyncio.sleep(max(error.retry_after_s or 0, chance.uniform(0, 0.2 * 2**attempt)))
        else:
            return
    raise AssertionError(f"{action} {region} did not succeed: {met}")


async def make_all(workbench: Workbench) -> Counter[str]:
    met: Counter[str] = Counter()

    async def make(region: str) -> None:
        await changed(workbench, "network", region, met)
        await changed(workbench, "cluster", region, met)

    await asyncio.gather(*(make(region.name) for region in workbench.fleet.regions))
    return met


async def everything_as_it_should_be(workbench: Workbench) -> bool:
    found = await asyncio.gather(
        *(workbench.observe(a, r.name) for r in workbench.fleet.regions for a in ("network", "cluster"))
    )
    return all(outcome is not None and not outcome.changed for outcome in found)


def test_twenty_four_regions_are_made_looked_at_and_removed(workbench: Workbench) -> None:
    async def run() -> None:
        assert not await make_all(workbench)
        assert len(top_level(workbench)) == 24 * 15
        before = workbench.writes()
        assert await everything_as_it_should_be(workbench)
        assert workbench.writes() == before
        for action in ("cluster", "network"):
            await asyncio.gather(*(workbench.undo(action, r.name) for r in workbench.fleet.regions))
        assert workbench.resources() == []

    asyncio.run(run())


def test_in_a_storm_all_are_made_once_and_none_twice(
    workbench: Workbench, chain_138: Fleet, tmp_path: Path
) -> None:
    with start(tmp_path / "cloud", time_scale=300.0, faults="storm", parts="arm,azapi") as cloud:
        stormy = type(workbench)(chain_138, tmp_path / "work", cloud)

        async def run() -> None:
            met = await make_all(stormy)
            assert met[ErrorClass.CAPACITY] >= 2
            assert len(top_level(stormy)) == 24 * 15
            assert await everything_as_it_should_be(stormy)

        asyncio.run(run())
