"""How one exact rehearsal grows with the plan: from a thousand tasks to a million, each size in a process of its own."""

from __future__ import annotations

import gc
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve()
SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
PICTURE = HERE.parents[2] / "docs" / "pictures" / "growth.svg"
WAYS = ("the whole engine", "the bare loop", "compiled by numba")


def growth(sizes: tuple[int, ...] = SIZES) -> None:
    """CPU seconds of one rehearsal and the memory of it with its plan, as a table and a picture."""
    sys.path.insert(0, str(HERE.parent))
    from plot import log_log

    print("\nOne exact rehearsal of a layered plan in 120 pools: CPU s (and MiB of its process)\n")
    print(f"| tasks | {' | '.join(WAYS)} | same end |\n| --- | --- | --- | --- | --- |")
    lines: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for size in sizes:
        cells, ends = [], set()
        for way in WAYS:
            found = json.loads(
                subprocess.run(
                    [sys.executable, str(HERE), way, str(size)], capture_output=True, text=True, check=True
                ).stdout
            )
            lines[way].append((size, found["cpu_s"]))
            ends.add(found["makespan"])
            cells.append(f"{found['cpu_s']:.3g} ({found['mib']})")
        print(f"| {size:,} | {' | '.join(cells)} | {'yes' if len(ends) == 1 else 'NO'} |", flush=True)
    PICTURE.parent.mkdir(exist_ok=True)
    title = "CPU seconds of one rehearsal over the number of tasks"
    PICTURE.write_text(log_log(lines, x_label="tasks", y_label="CPU seconds", title=title), encoding="utf-8")


def _one(way: str, size: int) -> None:
    from instances import layered_instance

    from chainfleet.scheduling.blueprint import Blueprint
    from chainfleet.scheduling.forecast import compiled, kernel
    from chainfleet.scheduling.rehearsal import Rehearsing
    from chainfleet.scheduling.world import Faults

    blueprint = Blueprint(layered_instance(size))
    gc.collect()
    gc.freeze()

    def whole() -> int:
        run = Rehearsing(blueprint, sigma=0, faults=Faults(policed=False), traced=False)
        run.run()
        return run.makespan

    run: Callable[[], int] = {
        WAYS[0]: whole,
        WAYS[1]: lambda: kernel.run(blueprint, kernel.lay_out(blueprint), blueprint.durations),
        WAYS[2]: lambda: compiled.makespan(blueprint),
    }[way]
    if way == WAYS[2]:
        run()  # Compiles it, and is not timed.
    began = time.process_time()
    makespan = run()
    took = time.process_time() - began
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"cpu_s": took, "makespan": makespan, "mib": mib}))


if __name__ == "__main__":
    _one(sys.argv[1], int(sys.argv[2]))
