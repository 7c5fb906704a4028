"""Do forecasts hold? Deploys to the emulated cloud again and again and compares what was said with what it took.

python benchmarks/scheduling/calibration.py                      # all modes, 10 runs each, about 45 minutes
python benchmarks/scheduling/calibration.py --runs 2 --modes ultra
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    options = _options()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        fleet = _fleet(Path(folder), options.regions)
        for mode in options.modes.split(","):
            rows += [_mode(fleet, Path(folder) / mode, mode, options)]
    _table(rows, options)
    return 0


def _mode(fleet: Path, state: Path, mode: str, options: argparse.Namespace) -> dict[str, Any]:
    """Deploy so often that something is learned, then so often that it is judged."""
    found = []
    before: Path | None = None
    for number in range(options.learn + options.runs):
        here = state / str(number)
        if before is not None:  # A new cloud each time, but what was learned goes on.
            _take_over(before, here)
        document, before = _deploy(fleet, here, mode, options.scale), here
        said = document["forecast"]
        judged = number >= options.learn
        load = os.getloadavg()[0]
        print(
            f"{mode} {number}: said {said['p50_s']:.1f} ({said['low_s']:.1f}-{said['high_s']:.1f}), "
            f"took {said['took_s']:.1f} s, {said['error']:+.1%}{'' if judged else ' (learning)'}, load {load:.1f}",
            file=sys.stderr,
            flush=True,
        )
        if judged:
            found.append(said)
    return {"mode": mode, "found": found}


def _take_over(before: Path, here: Path) -> None:
    """Copy the ledger, without what the tasks left behind: that belongs to the cloud before."""
    here.mkdir(parents=True)
    shutil.copy(before / "ledger.db", here / "ledger.db")
    shutil.copy(before / "target.json", here / "target.json")
    with closing(sqlite3.connect(here / "ledger.db")) as connection, connection:
        connection.execute("DELETE FROM record WHERE kind = 'outputs'")


def _deploy(fleet: Path, state: Path, mode: str, scale: float) -> dict[str, Any]:
    command = [
        sys.executable, "-m", "chainfleet.cli.main", "deploy", str(fleet), "--emulated", "--yes", "--json",
        "--mode", mode, "--state", str(state), "--time-scale", str(scale),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, cwd=ROOT)
    if done.returncode != 0:
        raise SystemExit(f"{mode} failed:\n{done.stderr[-2000:]}{done.stdout[-2000:]}")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def _fleet(folder: Path, regions: int) -> Path:
    """A new fleet as anybody begins with one."""
    command = [sys.executable, "-m", "chainfleet.cli.main", "init", "--name", "calibration", "--regions"]
    done = subprocess.run([*command, str(regions)], capture_output=True, text=True, check=True)
    path = folder / "fleet.yaml"
    path.write_text(done.stdout)
    return path


def _table(rows: list[dict[str, Any]], options: argparse.Namespace) -> None:
    print(f"\nForecasts of {options.regions} regions on the emulated cloud, {options.scale:g} times as fast,")
    print(f"after {options.learn} runs to learn from; two cores shared with the cloud itself\n")
    print(
        "| mode | runs | took, median s | said, median s | P50 off, median | worst | in the 80 % interval |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    every = [said for row in rows for said in row["found"]]
    for name, found in [*((row["mode"], row["found"]) for row in rows), ("all", every)]:
        off = [said["error"] for said in found]
        took, p50 = median(s["took_s"] for s in found), median(s["p50_s"] for s in found)
        inside = sum(said["inside"] for said in found)
        print(
            f"| {name} | {len(found)} | {took:.1f} | {p50:.1f} | {median(off):+.1%} | "
            f"{max(off, key=abs):+.1%} | {inside} ({inside / len(found):.0%}) |"
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--modes", default="ultra,max,standard,sequential")
    parser.add_argument("--regions", type=int, default=4)
    parser.add_argument("--scale", type=float, default=30.0)
    parser.add_argument("--learn", type=int, default=4)
    parser.add_argument("--runs", type=int, default=10)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
