"""Runs on workers end as they would on one machine, whoever is killed, frozen or restarted meanwhile."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from chainfleet.model.fleet import Fleet
from chainfleet.scheduling.planning import make_plan


def _chaos() -> ModuleType:
    spec = importlib.util.spec_from_file_location("chaos", Path(__file__).with_name("chaos.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["chaos"] = module
    spec.loader.exec_module(module)
    return module


chaos = _chaos()


@pytest.mark.parametrize(("seed", "shots"), [(1, 0), (2, 14)])
def test_it_ends_right_and_nothing_happens_twice(
    own_postgresql: Any, tmp_path: Path, chain_138: Fleet, seed: int, shots: int
) -> None:
    count = chaos.Chaos(own_postgresql, tmp_path, seed=seed).run(shots, within_s=200)
    gates = [task for task in make_plan(chain_138, "r1").tasks if task.kind.value != "work"]
    assert count.verdict == "succeeded", count
    assert count.at_once == []
    assert count.repeated == []
    assert count.by_fenced == []
    assert count.effects == len(make_plan(chain_138, "r1").tasks) - len(gates)
    world = {path.name for path in (tmp_path / "world").iterdir()} - {"story"}
    assert len(world) == count.effects
