"""The controllers' queue: a mistake with one object is told, and the others are reconciled all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from chainfleet.emulator import background
from chainfleet.emulator.clock import ScaledClock
from chainfleet.emulator.kubernetes.control.manager import Manager
from chainfleet.emulator.kubernetes.store import Change, Key
from chainfleet.emulator.kubernetes.world import World


class Clumsy:
    """Stumbles over one object, once."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.again = asyncio.Event()

    def keys(self, change: Change) -> Iterable[Key]:
        return ()

    def reconcile(self, namespace: str, name: str) -> None:
        self.seen.append(name)
        if name == "odd" and self.seen.count("odd") == 1:
            raise KeyError("spec")
        if name == "odd":
            self.again.set()


def test_a_mistake_with_one_object_keeps_nothing_from_the_others(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        clumsy = Clumsy()
        manager = Manager(cast(World, SimpleNamespace(clock=ScaledClock(1000.0))), [clumsy])
        for name in ("one", "odd", "two"):
            manager.enqueue(0, ("default", name))
        async with asyncio.timeout(60):
            await clumsy.again.wait()
        assert clumsy.seen == ["one", "odd", "two", "odd"]
        await manager.stop()

    asyncio.run(run())
    assert "KeyError: 'spec'" in caplog.text


def test_a_task_in_the_background_does_not_end_unnoticed(caplog: pytest.LogCaptureFixture) -> None:
    async def fails() -> Any:
        raise ValueError("mine")

    async def run() -> None:
        await asyncio.wait({background.begin(fails(), "the work")})
        cancelled = background.begin(asyncio.sleep(60), "another")
        await background.stop(None, cancelled)
        assert cancelled.cancelled()

    asyncio.run(run())
    assert [record.message for record in caplog.records] == ["the work ended: ValueError('mine')"]


def test_a_cancellation_that_comes_together_with_the_event_is_not_lost() -> None:
    async def run() -> None:
        event = asyncio.Event()
        waiting = asyncio.create_task(background.within(60, event))
        await asyncio.sleep(0)
        event.set()
        await background.stop(waiting)
        assert waiting.cancelled()
        assert not await background.within(0.01, asyncio.Event())
        assert await background.within(None, event)

    asyncio.run(run())
