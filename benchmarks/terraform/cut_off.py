"""What losing touch costs: Terraform is killed half-way through a cluster, and the next attempt goes on with the rest.

python benchmarks/terraform/cut_off.py

The rehearsal's world (`chainfleet.scheduling.world.Adoption`) takes it that a cloud goes on with what a broken attempt
began. Here a region is deployed to the emulated cloud, once undisturbed and then with kills at several moments.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from chainfleet.ledger.projection import Span, project
from chainfleet.ledger.store import Ledger

SCALE = 30.0
CLUSTER = "infrastructure/cluster/"


def main() -> int:
    print(
        f"\nOne region on the emulated cloud, {SCALE:g} times as fast; seconds from the cluster's first start to its end\n"
    )
    print(
        "| Terraform killed after | attempts | took | over the undisturbed one |\n| --- | --- | --- | --- |"
    )
    usual = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for share in (0.0, 0.25, 0.5, 0.75):
            took, attempts = _deploy(Path(folder) / str(share), usual * share)
            usual = usual or took
            print(f"| {share:.0%} | {attempts} | {took:.1f} | {took / usual:.2f} |", flush=True)
    return 0


def _deploy(state: Path, kill_after_s: float) -> tuple[float, int]:
    state.mkdir()
    command = [sys.executable, "-m", "chainfleet.cli.main"]
    init = subprocess.run(
        [*command, "init", "--name", "cut", "--regions", "4"], capture_output=True, text=True, check=True
    )
    fleet = state / "fleet.yaml"
    fleet.write_text(init.stdout, encoding="utf-8")
    run = subprocess.Popen(
        [*command, "deploy", str(fleet), "--emulated", "--yes", "--json", "--state", str(state / "s"),
         "--time-scale", str(SCALE)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    victim = ""
    if kill_after_s:
        victim = _kill_one(state / "s", kill_after_s)
    out, _ = run.communicate(timeout=300)
    if json.loads(out)["verdict"] != "succeeded":
        raise SystemExit(f"the deployment ended as {json.loads(out)['verdict']}")
    spans = [span for span in _spans(state / "s") if span.task.startswith(CLUSTER)]
    names = [victim] if victim else sorted({span.task for span in spans})
    ends = [
        max(s.end or 0.0 for s in spans if s.task == n) - min(s.start for s in spans if s.task == n)
        for n in names
    ]
    return sorted(ends)[len(ends) // 2], max(span.attempt for span in spans if span.task in names)


def _kill_one(state: Path, after_s: float) -> str:
    """Wait until clusters are made, and so long again; then kill one region's Terraform. The cluster's task."""
    while not _terraforms(state):
        time.sleep(0.02)
    time.sleep(after_s)
    pid, task = next(iter(_terraforms(state).items()))
    os.kill(pid, signal.SIGKILL)
    return task


def _terraforms(state: Path) -> dict[int, str]:
    """Processes that apply a cluster of that deployment, and the tasks they belong to."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                folder = (entry / "cwd").resolve()
            except OSError:
                continue
            if "apply" in line and state in folder.parents and folder.name == "region":
                found[int(entry.name)] = CLUSTER + folder.parent.name
    return found


def _spans(state: Path) -> list[Span]:
    ledger = Ledger(state / "ledger.db", "cut")
    try:
        name = ledger.runs()[-1]
        return project(name, ledger.records(name)).spans
    finally:
        ledger.close()


if __name__ == "__main__":
    sys.exit(main())
