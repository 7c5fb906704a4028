"""Several regions in one root: applied together, failing apart, tried again alone."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

import pytest

from chainfleet.drivers.driver import Outcome
from chainfleet.drivers.terraform import TerraformDriver
from chainfleet.drivers.terraform.batching import Batch
from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.fleet import TerraformLayout

if TYPE_CHECKING:
    from conftest import Workbench

THREE = ("northeurope", "westeurope", "uksouth")


@pytest.fixture
def grouped(workbench: Workbench) -> Workbench:
    layout = TerraformLayout(layout="grouped", regions_per_root=3)
    deployment = workbench.fleet.deployment.model_copy(update={"terraform": layout})
    workbench.fleet = workbench.fleet.model_copy(update={"deployment": deployment})
    return workbench


async def all_of(
    workbench: Workbench, action: str, names: tuple[str, ...] = THREE
) -> list[Outcome | BaseException]:
    return list(
        await asyncio.gather(*(workbench.change(action, name) for name in names), return_exceptions=True)
    )


def applies(workbench: Workbench) -> list[str]:
    """Command lines that applied something."""
    return [line for line in workbench.log if ": apply " in line and "-destroy" not in line]


def test_regions_that_come_together_are_applied_together(grouped: Workbench) -> None:
    async def run() -> None:
        first = await all_of(grouped, "network")
        assert len(applies(grouped)) == 1
        assert all(isinstance(each, Outcome) and each.changed for each in first)
        ips = [each.outputs["public_ips"] for each in first if isinstance(each, Outcome)]
        assert len({ip for of_region in ips for ip in of_region}) == 6
        await all_of(grouped, "cluster")
        assert len(applies(grouped)) == 2
        for action in ("network", "cluster"):
            for name in THREE:
                assert await grouped.observe(action, name) is not None
        assert sum(each.endswith("-aks") for each in grouped.resources()) == 3
        writes = grouped.writes()
        again = await all_of(grouped, "cluster")
        assert not any(isinstance(each, Outcome) and each.changed for each in again)
        assert grouped.writes() == writes

    asyncio.run(run())


def test_a_region_that_fails_fails_alone_and_is_tried_again_alone(grouped: Workbench) -> None:
    async def run() -> None:
        grouped.fault(
            kind="capacity", region="uksouth", verb="PUT", resource="microsoft.network/virtualnetworks"
        )
        good, also, bad = await all_of(grouped, "network")
        assert isinstance(good, Outcome)
        assert isinstance(also, Outcome)
        assert isinstance(bad, TaskFailed)
        assert bad.error_class is ErrorClass.CAPACITY
        assert await grouped.observe("network", "northeurope") is not None
        assert await grouped.observe("network", "uksouth") is None
        grouped.cloud.control("/faults", "DELETE")
        grouped.log.clear()
        assert (await grouped.change("network", "uksouth")).changed
        planned = [line for line in grouped.log if ": plan " in line]
        assert planned
        assert all("-target=module.uksouth" in line and "northeurope" not in line for line in planned)

    asyncio.run(run())


def test_what_a_lost_state_left_behind_is_taken_up(grouped: Workbench) -> None:
    async def run() -> None:
        await all_of(grouped, "network")
        before = grouped.resources()
        shutil.rmtree(grouped.workspace / "terraform")
        grouped.driver = TerraformDriver()
        results = await all_of(grouped, "network")
        assert all(isinstance(each, Outcome) for each in results), results
        assert grouped.resources() == before

    asyncio.run(run())


def test_one_region_is_destroyed_and_the_others_stay(grouped: Workbench) -> None:
    async def run() -> None:
        await all_of(grouped, "network")
        assert (await grouped.undo("network", "uksouth")).changed
        assert {each.split("-")[-1].split("/")[0] for each in grouped.resources()} != set()
        assert not any("uksouth" in each for each in grouped.resources())
        assert await grouped.observe("network", "northeurope") is not None
        assert not (await grouped.undo("network", "uksouth")).changed
        results = await asyncio.gather(*(grouped.undo("network", name) for name in THREE))
        assert [each.changed for each in results] == [True, True, False]
        assert grouped.resources() == []

    asyncio.run(run())


def test_a_cancelled_attempt_leaves_the_others_to_go_on(grouped: Workbench) -> None:
    async def run() -> None:
        tasks = [asyncio.create_task(grouped.change("network", name)) for name in THREE]
        async with asyncio.timeout(60):
            while True:
                await asyncio.sleep(0.02)
                if applies(grouped):
                    break
        tasks[2].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(each) for each in results] == [Outcome, Outcome, asyncio.CancelledError]

    asyncio.run(run())


def test_when_nobody_is_left_the_work_ends_too() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def work(items: list[int]) -> list[int | Exception]:
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        return list(items)

    async def run() -> None:
        batch: Batch[int, int] = Batch(work, 0.0)
        tasks = [asyncio.create_task(batch.join(number)) for number in (1, 2)]
        await began.wait()
        tasks[0].cancel()
        await asyncio.sleep(0.01)
        assert not ended.is_set()
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert ended.is_set()

    asyncio.run(run())


def test_who_joins_while_the_last_batch_is_being_stopped_goes_on_with_the_next() -> None:
    began, stopping, stopped = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work(items: list[int]) -> list[int | Exception]:
        if items == [1]:
            began.set()
            try:
                await asyncio.sleep(60)
            finally:
                stopping.set()
                await stopped.wait()
        return list(items)

    async def run() -> None:
        batch: Batch[int, int] = Batch(work, 0.0)
        first = asyncio.create_task(batch.join(1))
        await began.wait()
        first.cancel()
        await stopping.wait()
        second = asyncio.create_task(batch.join(2))
        await asyncio.sleep(0)
        stopped.set()
        assert await second == 2
        assert (await asyncio.gather(first, return_exceptions=True))[0].__class__ is asyncio.CancelledError

    asyncio.run(run())


def test_an_error_of_the_work_reaches_everybody_and_the_next_batch_goes_on() -> None:
    calls: list[list[int]] = []

    async def work(items: list[int]) -> list[int | Exception]:
        calls.append(items)
        if len(calls) == 1:
            raise ValueError("no")
        return [item * 2 if item != 3 else TaskFailed(ErrorClass.QUOTA, "three") for item in items]

    async def run() -> None:
        batch: Batch[int, int] = Batch(work, 0.0)
        first = await asyncio.gather(batch.join(1), batch.join(2), return_exceptions=True)
        assert [type(each) for each in first] == [ValueError, ValueError]
        second = await asyncio.gather(batch.join(2), batch.join(3), return_exceptions=True)
        assert second[0] == 4
        assert isinstance(second[1], TaskFailed)
        assert calls == [[1, 2], [2, 3]]

    asyncio.run(run())
