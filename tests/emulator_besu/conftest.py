"""Fixtures: a Besu network of four validators in two regions, running or about to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from chainfleet.emulator.chain import find_anvil
from chainfleet.model.errors import EnvironmentProblem

sys.path.insert(0, str(Path(__file__).parent))

from besu_network import Network

Open = Callable[..., AbstractAsyncContextManager[Network]]


@pytest.fixture(autouse=True)
def _needs_anvil() -> None:
    try:
        find_anvil(os.environ)
    except EnvironmentProblem as problem:
        pytest.skip(str(problem))


@pytest.fixture
def network(tmp_path: Path) -> Open:
    """Opens a network: `async with network() as net`; with `start=True` all validators run."""

    @contextlib.asynccontextmanager
    async def opened(*, start: bool = False, **options: Any) -> AsyncIterator[Network]:
        net = Network(tmp_path, **options)
        try:
            await net.open()
            await net.prepare()
            if start:
                await net.all_validators()
                await net.until(net.all_ready)
            yield net
        finally:
            await net.close()

    return opened


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Runs a test's coroutine."""
    return asyncio.run
