"""A network that lives: emulated clusters with emulated Besu in them, brought up by our drivers."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "kubernetes"))

from cluster_harness import ROOT, EmulatedRegions

from chainfleet.drivers.besu import BesuDriver
from chainfleet.drivers.kubernetes import KubernetesDriver

NAMES = ("alpha", "beta", "gamma")
NETWORK_TASKS = ("besu/keys/network", "besu/genesis/network", "besu/peers/network")


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    from chainfleet.emulator.tls import Authority

    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def configured(tmp_path, authority):
    """`async with configured() as world`: three regions, all objects applied, nobody started."""
    import os

    from chainfleet.emulator.chain.anvil import find_anvil
    from chainfleet.model.errors import EnvironmentProblem

    try:
        find_anvil(os.environ, ROOT)
    except EnvironmentProblem as problem:
        pytest.skip(str(problem))

    @asynccontextmanager
    async def build(names=NAMES, **kwargs):
        async with EmulatedRegions(tmp_path, authority, names=names, besu=True, **kwargs) as world:
            for task in NETWORK_TASKS:
                await world.run(BesuDriver(), task)
            for kind, driver in (("kubernetes/base", KubernetesDriver()), ("besu/config", BesuDriver())):
                await asyncio.gather(*(world.run(driver, f"{kind}/{name}") for name in names))
            yield world

    return build


@pytest.fixture
def living(configured):
    """`async with living() as world`: the same, with all validators up and blocks coming."""

    @asynccontextmanager
    async def build(**kwargs):
        async with configured(**kwargs) as world:
            regions = [region.name for region in world.fleet.regions]
            starts = [f"besu/start/{name}-{index}" for name in regions for index in (0, 1)]
            await asyncio.gather(*(world.run(BesuDriver(), task) for task in starts))
            await world.run(BesuDriver(), "besu/chain/network")
            yield world

    return build
