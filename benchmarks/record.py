"""Runs a benchmark and keeps its table for the documentation, with the day, the machine and its load.

python benchmarks/record.py ratios throttling      # benchmarks/scheduling/run.py --full --only …
python benchmarks/record.py search race durable    # the order, the race and the durable runs, beside peers
python benchmarks/record.py calibration            # a command of its own
python benchmarks/record.py --list

`docs/performance.md` includes what lies in `benchmarks/results`; nothing there is typed.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"

FULL = ("ratios", "throttling", "capacity", "rehearsals", "overhead", "growth")
PEERS = ("search", "race", "durable")
"""Compared with peers, in a throw-away environment; `--full` would take the search half an hour."""
COMMANDS = {
    **{name: ["scheduling/run.py", "--full", "--only", name] for name in FULL},
    **{name: ["scheduling/run.py", "--only", name] for name in PEERS},
    "calibration": ["scheduling/calibration.py"],
    "cut-off": ["terraform/cut_off.py"],
    "layouts": ["terraform/layouts.py"],
    "main-job": ["main_job.py"],
    "dispatch": ["distributed/throughput.py"],
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", choices=[*COMMANDS, []], metavar="NAME")
    parser.add_argument("--list", action="store_true", help="name all benchmarks and their commands")
    options = parser.parse_args()
    if options.list or not options.names:
        print("\n".join(f"{name}: python benchmarks/{' '.join(words)}" for name, words in COMMANDS.items()))
        return 0
    for name in options.names:
        record(name)
    return 0


def record(name: str) -> None:
    """Run one and write its result; CalledProcessError, and nothing written, if it fails."""
    words = COMMANDS[name]
    before = os.getloadavg()[0]
    done = subprocess.run(
        [sys.executable, str(HERE / words[0]), *words[1:]], stdout=subprocess.PIPE, text=True, check=True
    )
    cores = len(os.sched_getaffinity(0))
    head = (
        f"`python benchmarks/{' '.join(words)}`, {time.strftime('%Y-%m-%d')}, {cores} cores, Python "
        f"{platform.python_version()}, load {before:.1f} before and {os.getloadavg()[0]:.1f} after:"
    )
    body = "\n".join(line for line in done.stdout.splitlines() if not line.startswith("Python "))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(f"{head}\n\n{body.strip()}\n", encoding="utf-8")
    print(f"{name}: written to {RESULTS.name}/{name}.md")


if __name__ == "__main__":
    sys.exit(main())
