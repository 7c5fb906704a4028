"""1,000 events a second to a page with 24 × 12 cells: frames a second, events received, gaps.

    .venv/bin/python benchmarks/portal/pages.py [--seconds 60] [--rate 1000]

The real portal reads a real ledger that this program fills; a real Chromium shows the run. Both builds are measured,
one after the other, each with the processor as it is and four times slower. Exits with 1 if events were lost or if
the page fell under the goal (50 frames a second at full speed).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chainfleet.ledger.codec import encode
from chainfleet.ledger.store import Entry, Ledger
from chainfleet.model.event import AttemptSucceeded, RunStarted, StartAttempt, StateChanged, TaskState
from chainfleet.model.task import Mode, Phase, Plan, Task

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tools"))

from portal_program import portal

RUN = "20260101-000000-deploy"
ENVIRONMENT = "torrent"
GOAL_FPS = 50.0
REGIONS = 24
STEPS = tuple((phase, f"step-{n}") for phase in Phase for n in (1, 2))


def plan() -> Plan:
    """24 regions with twelve steps each."""
    tasks = [
        Task(id=f"{phase.value}/{action}/region-{n:02}", phase=phase, region=f"region-{n:02}")
        for phase, action in STEPS
        for n in range(REGIONS)
    ]
    return Plan(ENVIRONMENT, "0", Mode.ULTRA, tuple(tasks), ())


def life(tasks: tuple[Task, ...], seed: int) -> Iterator[Any]:
    """Events without end: tasks start, succeed, and start again."""
    draw = random.Random(seed)
    attempts = dict.fromkeys((task.id for task in tasks), 0)
    while True:
        task = draw.choice(tasks).id
        attempts[task] += 1
        yield StateChanged(task, TaskState.RUNNING)
        yield StartAttempt(task, attempts[task], 60.0)
        yield AttemptSucceeded(task, attempts[task])
        yield StateChanged(task, TaskState.SUCCEEDED if draw.random() < 0.9 else TaskState.FAILED)


class Producer(threading.Thread):
    """Writes events to the ledger at an even rate until told to stop."""

    def __init__(self, ledger: Ledger, made: Plan, rate: float) -> None:
        super().__init__(daemon=True)
        self._ledger, self._events, self._rate = ledger, life(made.tasks, seed=1), rate
        self.stop = threading.Event()
        self.sent = 0

    def run(self) -> None:
        """Write; what a pause left behind is made up for."""
        begin = time.monotonic()
        while not self.stop.wait(0.005):
            at = time.monotonic() - begin
            due = int(at * self._rate) - self.sent
            if due > 0:
                events = [next(self._events) for _ in range(due)]
                self._ledger.append(
                    [Entry(RUN, at, "record", event.task, encode(event)) for event in events]
                ).result()
                self.sent += due


def measure(framework: str, seconds: float, rate: float, throttle: int = 0) -> dict[str, Any]:
    """One build of the page under the torrent, on a portal and a ledger of its own."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        ledger = Ledger(home / ENVIRONMENT / "ledger.db", ENVIRONMENT)
        try:
            made = plan()
            first = [Entry(RUN, 0.0, "record", "", encode(thing)) for thing in (made, RunStarted())]
            ledger.append(first).result()
            return _watched(home, ledger, made, framework, seconds, rate, throttle)
        finally:
            ledger.close()


@contextmanager
def producing(producer: Producer) -> Iterator[None]:
    """Let it write while the block runs."""
    producer.start()
    try:
        yield
    finally:
        producer.stop.set()
        producer.join(timeout=10)


def _watched(
    home: Path, ledger: Ledger, made: Plan, framework: str, seconds: float, rate: float, throttle: int
) -> dict[str, Any]:
    command = str(Path(sys.executable).with_name("chainfleet"))
    base = [command, "portal", "--home", str(home)]
    token = subprocess.run([*base, "--new-token", "bench"], capture_output=True, text=True, check=True).stdout
    producer = Producer(ledger, made, rate)
    with portal(base) as address, producing(producer):
        options = {
            "base": address,
            "token": token.split()[-1],
            "framework": framework,
            "run": RUN,
            "environment": ENVIRONMENT,
            "seconds": seconds,
            "throttle": throttle,
        }
        # Long enough for the page to open; it counts from its own first event on.
        threading.Timer(seconds + 12, producer.stop.set).start()
        node = shutil.which("node") or str(ROOT / ".venv" / "bin" / "node")
        done = subprocess.run(
            [node, "e2e/run.mjs", "torrent", json.dumps(options)],
            cwd=ROOT / "portal",
            capture_output=True,
            text=True,
            timeout=seconds + 120,
            check=False,
        )
        if done.returncode:
            raise SystemExit(done.stderr[-3000:])
        seen: dict[str, Any] = json.loads(done.stdout)
    # The two first records are the plan and the start of the run.
    seen["sent_last"] = producer.sent + 2
    seen["lost"] = (seen["last"] - seen["first"] + 1 - seen["records"]) + (seen["sent_last"] - seen["last"])
    return seen


def main() -> int:
    """Measure both builds; returns 1 if a goal was missed."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seconds", type=float, default=60.0)
    arguments.add_argument("--rate", type=float, default=1000.0)
    given = arguments.parse_args()
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(
        "| build | processor | s | cells | events | events/s | lost | gaps | fps | frame p95 ms | heap MB |"
    )
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    missed = False
    for framework in ("vue", "react"):
        for throttle in (0, 4):
            seen = measure(framework, given.seconds if not throttle else 15.0, given.rate, throttle)
            speed = "4 × slower" if throttle else "as it is"
            print(
                f"| {framework} | {speed} | {seen['seconds']:.0f} | {seen['cells']} | {seen['records']:,} | "
                f"{seen['received'] / seen['seconds']:.0f} | {seen['lost']} | {seen['gaps']} | {seen['fps']:.1f} | "
                f"{seen['frame_p95_ms']:.1f} | {seen['heap_mb']:.0f} |",
                flush=True,
            )
            missed |= seen["lost"] != 0 or seen["gaps"] != 0 or (not throttle and seen["fps"] < GOAL_FPS)
    return int(missed)


if __name__ == "__main__":
    raise SystemExit(main())
