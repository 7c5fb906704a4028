"""Does the net hold? Plants one bug at a time in a copy of the sources and lets the simulation find it.

python benchmarks/planted_bugs.py [--seeds 400]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HUNT = """
import sys, tempfile
from functools import partial
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from simulated_books import Files, Memory
from simulated_referee import Foul
from simulated_world import World
for seed in range(int(sys.argv[2])):
    try:
        with tempfile.TemporaryDirectory() as folder:
            real = partial(Files, seed=seed, folder=Path(folder))
            World(seed, real if sys.argv[3] == "ledger" else Memory).run()
    except Foul as foul:
        print(foul)
        raise SystemExit(1)
"""


@dataclass(frozen=True)
class Bug:
    name: str
    file: str
    right: str
    wrong: str


BUGS = (
    Bug("an ended attempt keeps what it held", "scheduling/admission", "            meter.give(amount)\n", ""),
    Bug("a failed attempt keeps what it held", "scheduling/attempts",
        '    """The running attempt of a task ended badly."""\n    _give_back(engine, task)\n',
        '    """The running attempt of a task ended badly."""\n    del engine.running[task]\n'),
    Bug("Retry-After does not close the bucket", "scheduling/tokens", "if retry_after is not None:", "if retry_after is None and retry_after:"),
    Bug("Retry-After does not close the slots", "scheduling/slots", "if retry_after is not None:", "if retry_after is None and retry_after:"),
    Bug("Retry-After is no bound for the task itself", "scheduling/retry", "return asked + mix(", "return mix("),
    Bug("a bucket holds twice its burst", "scheduling/tokens", "+ ceil(self.burst)\n", "* 2 + ceil(self.burst)\n"),
    Bug("a bucket is paced above its rate", "scheduling/tokens", "PACE = 0.981", "PACE = 1.2"),
    Bug("one slot too many", "scheduling/slots", "held + units > self._room:", "held + units > self._room + 1000:"),
    Bug("a late result is believed", "scheduling/attempts", "task in engine.running and engine.attempts[task] == attempt", "task in engine.running"),
    Bug("dependents of a failed task start", "scheduling/board", "(met and successor not in quorum)", "successor not in quorum"),
    Bug("an after edge is forgotten at a resume", "scheduling/board",
        "missing = sum(states[p] < SUCCEEDED for p in self.graph.afters(task))", "missing = 0"),
    Bug("a quorum counts heads, not weights", "scheduling/board",
        "weight = self.graph.weight.get(done, 1)\n        wanted", "weight = 1\n        wanted"),
    Bug("a lost quorum is waited for", "scheduling/board", "return self._possible[task] >= wanted", "return True"),
    Bug("an early wake-up is not asked for again", "scheduling/engine", "        self._wake_at = NEVER\n\n    def _set", "        return\n\n    def _set"),
    Bug("a timer fires and nobody looks", "scheduling/admission", "            gauge.timer_at = None\n        self.touch(gauge)", "            gauge.timer_at = None"),
    Bug("a pause is ignored", "scheduling/engine", "if not self.paused and not self.cancelling:", "if not self.cancelling:"),
    Bug("a cancel only stops what runs", "scheduling/requests", "    engine.cancel_waiting()\n", ""),
    Bug("a cancel leaves what backs off", "scheduling/engine", "if state != RUNNING and not is_over(state):",
        "if state not in (RUNNING, BACKING_OFF) and not is_over(state):"),
    Bug("one attempt too many", "scheduling/attempts", "failures < engine.plan", "failures <= engine.plan"),
    Bug("retries cost nothing", "scheduling/retry", "        self.run_left -= 1\n        self._region_used[region] = used + 1\n", ""),
    Bug("the breaker holds nobody back", "scheduling/admission", "if not self.stopped or self._twin[task] not in self.stopped:", "if True:"),
    Bug("the failure budget closes nothing", "scheduling/budgets", "return self.closed and region != 0", "return False and region != 0"),
    Bug("attempt numbers start anew after a crash", "scheduling/requests", "        engine.attempts[_task(engine, name)] = count\n", "        pass\n"),
    Bug("a full bucket is presumed after a crash", "scheduling/requests", "gauge.meter.drain_to(0.0, engine.now)", "pass"),
    Bug("a finished task runs again after a crash", "scheduling/requests",
        "if s in (TaskState.SUCCEEDED, TaskState.FAILED)}", "if s is TaskState.FAILED}"),
    Bug("a skip does not count as success", "scheduling/codes", "return code in (SUCCEEDED, WAIVED)", "return code == SUCCEEDED"),
    Bug("failures are hidden in the verdict", "scheduling/verdicts", "if board.all_met():", "if board.all_met() or not board.count(FAILED):"),
    Bug("a withdrawn task keeps its reservation", "scheduling/admission", "        queue.dead += 1\n        self._forget(self.order.place[task], queue)\n", "        queue.dead += 1\n"),
    Bug("a release wakes nobody", "scheduling/admission", "            if gauge.waiting:\n                self._touched", "            if not gauge.meter:\n                self._touched"),
    Bug("a barrier takes a seat in the queue", "scheduling/engine", "elif kind[task] == BARRIER:", "elif False:"),
    Bug("a retry leaves skipped dependents behind", "scheduling/board", "if state not in (WAITING, READY, SKIPPED):", "if state not in (WAITING, READY):"),
    Bug("a fencing check is dropped", "ledger/lease", "(self.name,)) != [(self.fence,)]:", "(self.name,)) == []:"),
    Bug("a lost lease is renewed", "ledger/lease", "END WHERE name = ? AND fence = ?", "END WHERE name = ? OR fence = ?"),
    Bug("the fence does not grow", "ledger/lease", "(row[1] if row else 0) + 1", "(row[1] if row else 1)"),
    Bug("a commit is lost", "ledger/sqlite", "with self.writing():\n            check()",
        "if True:\n            self._connection.in_transaction or self._connection.execute(\"BEGIN IMMEDIATE\")\n            check()"),
    Bug("the last record of a batch is lost", "ledger/store", "for batch, _ in batches for entry in batch", "for batch, _ in batches for entry in (batch[:-1] or batch)"),
    Bug("a full disk is kept quiet", "ledger/store", "future.set_exception(self._failure)", "future.set_result(0)"),
    Bug("records come back in another order", "ledger/store", "seq > ? ORDER BY seq LIMIT", "seq > ? ORDER BY subject, seq LIMIT"),
)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--seeds", type=int, default=400, help="worlds to search before a bug counts as missed"
    )
    options = parser.parse_args()
    print("| planted bug | caught | by | after s |\n| --- | --- | --- | --- |")
    missed = sum(not hunt(bug, options.seeds) for bug in BUGS)
    print(f"\n{len(BUGS) - missed} of {len(BUGS)} planted bugs caught")
    return 1 if missed else 0


def hunt(bug: Bug, seeds: int) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "chainfleet"
        shutil.copytree(
            ROOT / "src" / "chainfleet",
            copy,
            ignore=shutil.ignore_patterns("__pycache__", "emulator", "drivers"),
        )
        source = copy / f"{bug.file}.py"
        text = source.read_text()
        if text.count(bug.right) < 1:
            raise SystemExit(f"{bug.name}: {source.name} no longer contains {bug.right!r}")
        source.write_text(text.replace(bug.right, bug.wrong))
        began = time.monotonic()
        found = subprocess.run(
            [sys.executable, "-c", HUNT, str(ROOT / "tests" / "simulation"), str(seeds), bug.file.split("/")[0]],
            capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": folder},
        )  # fmt: skip
        took = time.monotonic() - began
    if found.returncode not in (0, 1) or (found.returncode == 1 and not found.stdout):
        raise SystemExit(f"{bug.name}: {found.stderr}")
    caught = found.returncode == 1
    say = found.stdout.strip().splitlines()[-1][:110].replace("|", "/") if caught else "–"
    print(f"| {bug.name} | {'yes' if caught else '**no**'} | {say} | {took:.1f} |", flush=True)
    return caught


if __name__ == "__main__":
    sys.exit(main())
