"""Runs `max` and `ultra` one after the other on fresh emulated clouds and shows them side by side."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MODES = ("max", "ultra")


def deploy(mode: str, state: Path) -> dict[str, Any]:
    """Deploy the main job once and return its result document."""
    command = [
        sys.executable,
        "-m",
        "chainfleet.cli.main",
        "deploy",
        str(ROOT / "examples" / "chain-138.yaml"),
    ]
    command += ["--emulated", "--yes", "--json", "--mode", mode, "--state", str(state)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stderr or done.stdout)
        raise SystemExit(done.returncode)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def main() -> None:
    """Print the comparison; fails if ultra is not ahead."""
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for mode in MODES:
            results[mode] = deploy(mode, Path(folder) / mode)
            sys.stdout.write(_line(mode, results[mode]))
    ratio = results["max"]["duration_s"] / results["ultra"]["duration_s"]
    sys.stdout.write(f"max takes {ratio:.2f} × as long as ultra\n")
    if ratio <= 1:
        raise SystemExit("ultra was not ahead")


def _line(mode: str, result: dict[str, Any]) -> str:
    duration = result["duration_s"]
    shares = ", ".join(f"{phase} {100 * s / duration:.0f} %" for phase, s in result["waiting_s"].items())
    own = f"chainfleet itself {100 * result['own_s'] / duration:.1f} %, terraform {result['terraform_cpu_s']:.0f} CPU-s"
    ratio = f"{result['ratio']:.2f} × its lower bound"
    return f"{mode:<6} {duration:6.1f} s  {result['verdict']}, {ratio}; critical chain: {shares}; {own}\n"


if __name__ == "__main__":
    main()
