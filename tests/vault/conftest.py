"""An emulated cloud for all tests here, and a region with a vault of its own for each."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chainfleet.emulator.client import Running, start

sys.path.insert(0, str(Path(__file__).parent))

from vault_region import TIME_SCALE, VaultRegion


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with start(tmp_path_factory.mktemp("cloud"), time_scale=TIME_SCALE, parts="arm,kubernetes") as running:
        yield running


@pytest.fixture
def region(cloud: Running, tmp_path: Path) -> Iterator[VaultRegion]:
    made = VaultRegion(cloud, tmp_path)
    made.make()
    yield made
    made.http.close()
    cloud.control("/faults", "DELETE")
