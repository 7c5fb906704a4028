"""Runs on workers end as they would on one machine, whoever is killed, frozen, cut off or restarted meanwhile."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from chainfleet.model.fleet import Fleet
from chainfleet.scheduling.planning import make_plan

sys.path.insert(0, str(Path(__file__).parent))

from chaos import Chaos, Count
from lines import Namespaced, why_no_namespaces

pytestmark = pytest.mark.timeout(1800)

LIMIT_S = 900.0
"""Seconds within which it ends in any case; it takes a tenth of that."""


def check(count: Count, folder: Path, fleet: Fleet) -> None:
    """It ended right, and nothing happened twice, at once, or by one who was fenced."""
    tasks = make_plan(fleet, "r1").tasks
    assert count.verdict == "succeeded", count
    assert count.at_once == []
    assert count.repeated == []
    assert count.by_fenced == []
    assert count.effects == sum(1 for task in tasks if task.kind.value == "work")
    world = {path.name for path in (folder / "world").iterdir()} - {"story"}
    assert len(world) == count.effects


@pytest.mark.parametrize(("seed", "shots"), [(1, 0), (2, 14)])
def test_it_ends_right_and_nothing_happens_twice(
    own_postgresql: Any, tmp_path: Path, chain_138: Fleet, seed: int, shots: int
) -> None:
    count = Chaos(own_postgresql, tmp_path, seed=seed).run(shots, within_s=LIMIT_S)
    check(count, tmp_path, chain_138)


def test_a_worker_that_is_cut_off_stops_before_others_begin(
    own_postgresql: Any, tmp_path: Path, chain_138: Fleet
) -> None:
    chaos = Chaos(own_postgresql, tmp_path, seed=3, shots=("aimed cut",))
    count = chaos.run(1, within_s=LIMIT_S)
    assert count.cut_off == 1
    check(count, tmp_path, chain_138)


def test_the_same_with_a_network_that_loses_everything(
    own_postgresql: Any, tmp_path: Path, chain_138: Fleet, network: Any
) -> None:
    with network(True):
        reason = why_no_namespaces()
        if reason:
            pytest.skip(reason)
        lines = [Namespaced(own_postgresql.port) for _ in range(3)]
        own_postgresql.admit("198.51.100.0/24", [line.host for line in lines])
        chaos = Chaos(own_postgresql, tmp_path, seed=4, lines=lines, shots=("aimed cut",))
        count = chaos.run(1, within_s=LIMIT_S)
    assert count.cut_off == 1
    check(count, tmp_path, chain_138)
