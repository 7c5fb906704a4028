"""What many tests share: the example fleet."""

from __future__ import annotations

from pathlib import Path

import pytest

from chainfleet.model.fleet import Fleet
from chainfleet.model.fleet_file import LoadedFleet, load_fleet

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "chain-138.yaml"


@pytest.fixture(scope="session")
def chain_138_loaded() -> LoadedFleet:
    return load_fleet(str(EXAMPLE), lambda name: Path(name).read_text(encoding="utf-8"), {})


@pytest.fixture(scope="session")
def chain_138(chain_138_loaded: LoadedFleet) -> Fleet:
    return chain_138_loaded.fleet
