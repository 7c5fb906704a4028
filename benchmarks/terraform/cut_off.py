"""What losing touch costs: Terraform is killed half-way through clusters, and the next attempts go on with the rest.

python benchmarks/terraform/cut_off.py

The rehearsal's world (`chainfleet.scheduling.world.Adoption`) takes it that a cloud goes on with what a broken attempt
began. Here a fleet is deployed to the emulated cloud, once undisturbed and then with every cluster's Terraform killed.
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
from statistics import median

from chainfleet.ledger.projection import Span, project
from chainfleet.ledger.store import Ledger

SCALE, REGIONS = 30.0, 12
CLUSTER = "infrastructure/cluster/"


def main() -> int:
    print(
        f"\n{REGIONS} regions on the emulated cloud, {SCALE:g} times as fast: every cluster's Terraform is killed once\n"
    )
    print("| killed after (of the usual) | attempts | start to end, median s | over the undisturbed |")
    print("| --- | --- | --- | --- |")
    usual = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for share in (0.0, 0.3, 0.6):
            took, attempts = _deploy(Path(folder) / str(share), usual * share)
            usual = usual or took
            print(
                f"| {f'{share:.0%}' if share else 'never'} | {attempts} | {took:.1f} | {took / usual:.2f} |",
                flush=True,
            )
    return 0


def _deploy(state: Path, kill_after_s: float) -> tuple[float, int]:
    state.mkdir()
    command = [sys.executable, "-m", "chainfleet.cli.main"]
    init = [*command, "init", "--name", "cut", "--regions", str(REGIONS)]
    fleet = state / "fleet.yaml"
    fleet.write_text(
        subprocess.run(init, capture_output=True, text=True, check=True).stdout, encoding="utf-8"
    )
    run = subprocess.Popen(
        [*command, "deploy", str(fleet), "--emulated", "--yes", "--json", "--state", str(state / "s"),
         "--time-scale", str(SCALE)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    if kill_after_s:
        _kill_each(state / "s", kill_after_s, run)
    out, _ = run.communicate(timeout=300)
    if json.loads(out)["verdict"] != "succeeded":
        raise SystemExit(f"the deployment ended as {json.loads(out)['verdict']}")
    spans = [span for span in _spans(state / "s") if span.task.startswith(CLUSTER)]
    tasks = {span.task for span in spans}
    ends = [
        max(s.end or 0.0 for s in spans if s.task == n) - min(s.start for s in spans if s.task == n)
        for n in tasks
    ]
    return median(ends), len(spans)


def _kill_each(state: Path, after_s: float, run: subprocess.Popen[str]) -> None:
    """Kill every cluster's first Terraform once it has run for so long."""
    since: dict[str, float] = {}
    killed: set[str] = set()
    while run.poll() is None and len(killed) < REGIONS:
        now = time.monotonic()
        for pid, task in _terraforms(state).items():
            if task not in killed and now - since.setdefault(task, now) >= after_s:
                killed.add(task)
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


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
