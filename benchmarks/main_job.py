"""The main job on the emulated cloud, measured: duration, memory of everything together, and a second deployment.

    .venv/bin/python benchmarks/main_job.py [--mode ultra] [--faults storm]

Memory is the proportional set size (PSS) of the whole process tree, so that shared pages count once.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
SAMPLE_S = 0.5


def tree_pss_mib(root: psutil.Process) -> dict[str, float]:
    """PSS by kind of process, in MiB."""
    found: dict[str, float] = {}
    for process in [root, *root.children(recursive=True)]:
        try:
            command, pss = " ".join(process.cmdline()), process.memory_full_info().pss / 2**20
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        name = next(
            (n for n in ("azapi", "chainfleet.emulator", "anvil", "terraform") if n in command), "chainfleet"
        )
        found[name] = found.get(name, 0.0) + pss
    return found


def deploy(state: Path, *options: str) -> tuple[dict[str, Any], float, dict[str, float]]:
    """Deploy once; returns the result document, wall seconds of the command, and the peak of memory by kind."""
    command = [
        sys.executable,
        "-m",
        "chainfleet.cli.main",
        "deploy",
        str(ROOT / "examples" / "chain-138.yaml"),
    ]
    began = time.monotonic()
    process = subprocess.Popen(
        [*command, "--yes", "--json", "--emulated", "--state", str(state), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    peak: dict[str, float] = {}
    stop = threading.Event()

    def sample() -> None:
        nonlocal peak
        while not stop.wait(SAMPLE_S):
            try:
                now = tree_pss_mib(psutil.Process(process.pid))
            except psutil.NoSuchProcess:
                return
            if sum(now.values()) > sum(peak.values()):
                peak = now

    sampler = threading.Thread(target=sample)
    sampler.start()
    output, _ = process.communicate()
    stop.set()
    sampler.join()
    return json.loads(output), time.monotonic() - began, peak


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mode", default="ultra")
    parser.add_argument("--faults")
    options = parser.parse_args()
    extra = ["--mode", options.mode, *(["--faults", options.faults] if options.faults else [])]
    print(f"load before: {psutil.getloadavg()[0]:.1f} on {psutil.cpu_count()} cores")
    print(
        "| deployment | verdict | run s | command s | ratio to bound | own share % | terraform CPU-s | chainfleet CPU-s | peak PSS MiB |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments in (("first", extra), ("second", [])):
            result, wall, peak = deploy(Path(folder) / "state", *arguments)
            own = 100 * result["own_s"] / result["duration_s"]
            shares = ", ".join(f"{kind} {mib:.0f}" for kind, mib in sorted(peak.items()))
            cells = [
                name,
                result["verdict"],
                f"{result['duration_s']:.1f}",
                f"{wall:.1f}",
                f"{result['ratio']:.2f}",
                f"{own:.1f}",
            ]
            cells += [
                f"{result['terraform_cpu_s']:.1f}",
                f"{result['cpu_s']:.1f}",
                f"{sum(peak.values()):.0f} ({shares})",
            ]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
