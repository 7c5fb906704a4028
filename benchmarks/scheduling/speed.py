"""A thousand rehearsals of the main job's fleet, on all cores."""

from __future__ import annotations

import resource
import time
from pathlib import Path

from chainfleet.model.fleet_file import load_fleet
from chainfleet.runtime.foresight import all_cores
from chainfleet.scheduling.forecast import Question
from chainfleet.scheduling.forecast.sampling import World, sample

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "chain-138.yaml"


def rehearsals(runs: int = 1000) -> None:
    """Wall and CPU seconds, processes included."""
    fleet = load_fleet(str(EXAMPLE), lambda name: Path(name).read_text(encoding="utf-8"), {}).fleet
    plan = Question(fleet, "benchmark").plan()
    began, cpu = time.perf_counter(), _cpu_s()
    with all_cores() as hands:
        sample(plan, World(), runs=runs, seed=0, map_=hands.map_, pieces=hands.pieces)
    wall, cpu = time.perf_counter() - began, _cpu_s() - cpu
    each = cpu / runs * 1000
    print(
        f"\n{runs:,} rehearsals of 24 regions in {hands.pieces} processes: {wall:.2f} s wall, {cpu:.2f} CPU-s ({each:.1f} ms each)"
    )


def _cpu_s() -> float:
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)
