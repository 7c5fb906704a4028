"""Workers, a coordinator and a database at whose processes and lines somebody shoots, and the count of what came of it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lines import Line, Proxied

PROGRAMS = Path(__file__).with_name("programs.py")
LEASE_S = 2.0
SETTLE_S = 1.5
"""Within that a thawed worker must have stopped what was given to others."""
ON_ITS_WAY_S = 0.3
"""Within that an effect may still come whose fence was asked before the line was cut."""
SHOTS = {"worker": 5.0, "coordinator": 3.0, "freeze": 1.5, "cut": 3.0, "restart": 0.8}
"""What is shot at, and how often beside the others; an `aimed cut` is left to who asks for it."""


@dataclass
class Count:
    """What was done to them, and what came of it."""

    killed_workers: int = 0
    killed_coordinators: int = 0
    frozen: int = 0
    cut_off: int = 0
    """Partitions between a worker and the database."""
    restarts: int = 0
    runs: int = 0
    exits: int = 0
    """Workers that ended by themselves; a supervisor starts another."""
    effects: int = 0
    fenced: int = 0
    adopted: int = 0
    repeated: list[str] = field(default_factory=list)
    at_once: list[str] = field(default_factory=list)
    by_fenced: list[str] = field(default_factory=list)
    verdict: str = ""
    seconds: float = 0.0

    @property
    def shots(self) -> int:
        """How often something was shot at."""
        return self.killed_workers + self.killed_coordinators + self.frozen + self.cut_off + self.restarts


@dataclass
class Manned:
    """A worker and its line to the database; the line stays when the worker is replaced."""

    line: Line
    process: subprocess.Popen[bytes]


class Chaos:
    """A run to its end, whatever happens."""

    def __init__(
        self,
        server: Any,
        folder: Path,
        *,
        seed: int,
        seconds: float = 0.25,
        lines: Sequence[Line] | None = None,
        shots: Sequence[str] = tuple(SHOTS),
    ) -> None:
        self.server = server
        self.home = folder / "home"
        self.world = folder / "world"
        self.world.mkdir(parents=True)
        self.home.mkdir()
        self.rng = random.Random(seed)
        self.count = Count()
        self.seconds = seconds
        self.kinds = list(shots)
        self._log = (folder / "output").open("ab")
        self.coordinator: subprocess.Popen[bytes] | None = None
        self.gone: dict[int, float] = {}
        """When a process was killed."""
        self.pauses: list[tuple[int, float, float]] = []
        """Which process was frozen from when to when."""
        self.cuts: list[tuple[int, float, float]] = []
        """Which process was cut off from when to when."""
        ways = [Proxied(server.url) for _ in range(3)] if lines is None else lines
        self.workers = [Manned(way, self._worker(way)) for way in ways]

    def _start(self, *arguments: str, prefix: Sequence[str] = (), **options: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*prefix, sys.executable, PROGRAMS, *arguments], stderr=self._log, **options)

    def _worker(self, line: Line) -> subprocess.Popen[bytes]:
        env = {**os.environ, "CLUSTERS_TAKE": str(LEASE_S * 2)}
        arguments = (line.url, str(self.home), str(self.world), str(self.seconds), str(LEASE_S))
        return self._start("worker", *arguments, prefix=line.prefix, stdout=self._log, env=env)

    def _coordinate(self) -> None:
        self.count.runs += 1
        arguments = (self.server.url, str(self.home), str(LEASE_S))
        self.coordinator = self._start("coordinator", *arguments, stdout=subprocess.PIPE)

    def run(self, shots: int, *, within_s: float) -> Count:
        """Shoot that often, then let it end; a coordinator that was shot or has failed tasks is started again."""
        began = time.monotonic()
        self._coordinate()
        try:
            while self.count.verdict != "succeeded":
                assert time.monotonic() - began < within_s, f"no end after {within_s} s: {self.count}"
                time.sleep(self.rng.uniform(0.2, 0.9))
                self._supervise()
                assert self.coordinator is not None
                if self.coordinator.poll() is not None:
                    self._take_answer()
                elif shots > 0:
                    shots -= 1
                    self._shoot()
        finally:
            self.stop()
        self.count.seconds = time.monotonic() - began
        self._judge()
        return self.count

    def _supervise(self) -> None:
        for worker in self.workers:
            if worker.process.poll() is not None:
                self.gone[worker.process.pid] = time.time()
                self.count.exits += 1
                worker.process = self._worker(worker.line)

    def _take_answer(self) -> None:
        assert self.coordinator is not None
        assert self.coordinator.stdout is not None
        lines = self.coordinator.stdout.read().splitlines()
        self.coordinator.stdout.close()
        if lines:
            self.count.verdict = json.loads(lines[-1])["verdict"]
        if self.count.verdict != "succeeded":
            self._coordinate()

    def _shoot(self) -> None:
        what = self.rng.choices(self.kinds, [SHOTS.get(kind, 1.0) for kind in self.kinds])[0]
        worker = self.rng.choice(self.workers)
        match what:
            case "coordinator":
                assert self.coordinator is not None
                self._kill(self.coordinator)
                self.count.killed_coordinators += 1
            case "restart":
                self.server.stop(self.rng.choice([signal.SIGINT, signal.SIGQUIT]))
                self.server.start()
                self.count.restarts += 1
            case "worker":
                self._kill(worker.process)
                self.count.killed_workers += 1
                worker.process = self._worker(worker.line)
            case "freeze":
                self._freeze(worker.process)
            case "cut":
                self._cut_off(worker, LEASE_S * self.rng.uniform(0.4, 2.0))
            case "aimed cut":
                self._cut_off(self._in_the_middle(), LEASE_S * 1.8)

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()
        self.gone[process.pid] = time.time()

    def _freeze(self, process: subprocess.Popen[bytes]) -> None:
        """Longer than the lease, so that its attempts are given to others, and then on again."""
        began = time.time()
        process.send_signal(signal.SIGSTOP)
        time.sleep(LEASE_S * 1.8)
        self.pauses.append((process.pid, began, time.time()))
        process.send_signal(signal.SIGCONT)
        self.count.frozen += 1

    def _cut_off(self, worker: Manned, seconds: float) -> None:
        """For anything between nothing to notice and others having done its work."""
        pid, began = worker.process.pid, time.time()
        worker.line.cut()
        time.sleep(seconds)
        self.cuts.append((pid, began, time.time()))
        worker.line.mend()
        self.count.cut_off += 1

    def _in_the_middle(self) -> Manned:
        """A worker that has just begun what takes longer than a lease."""
        pids = {worker.process.pid: worker for worker in self.workers}
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            story = self.world / "story"
            for line in reversed(story.read_text().splitlines() if story.exists() else []):
                at, what, task, _, pid = json.loads(line)
                if what == "began" and "/cluster/" in task and pid in pids and time.time() - at < 0.8:
                    return pids[pid]
            time.sleep(0.05)
        raise AssertionError("nobody makes a cluster")

    def stop(self) -> None:
        """End everything, by its id."""
        processes = [worker.process for worker in self.workers]
        if self.coordinator is not None:
            processes.append(self.coordinator)
        for process in processes:
            if process.poll() is None:
                process.terminate()
        for process in processes:
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self.coordinator is not None and self.coordinator.stdout is not None:
            self.coordinator.stdout.close()
        for worker in self.workers:
            worker.line.close()
        self._log.close()

    # --- what came of it ----------------------------------------------------------------------

    def _judge(self) -> None:
        """Read the world's own story: who acted, who was refused, who was there at the same time."""
        story = [json.loads(line) for line in (self.world / "story").read_text().splitlines()]
        effects: dict[str, int] = {}
        since: dict[tuple[str, int, int], float] = {}
        open_: dict[tuple[str, int], list[int]] = {}
        for at, what, task, number, pid in story:
            match what:
                case "effect":
                    effects[task] = effects.get(task, 0) + 1
                    if self._fenced(pid, since.get((task, number, pid), at), at):
                        self.count.by_fenced.append(f"{task}: attempt {number}")
                case "fenced":
                    self.count.fenced += 1
                case "adopted":
                    self.count.adopted += 1
                case "began":
                    since[task, number, pid] = at
                    for (_, other), pids in [item for item in open_.items() if item[0][0] == task]:
                        self.count.at_once += [
                            f"{task}: {number} began while {other} ran" for p in pids if self._active(p, at)
                        ]
                    open_.setdefault((task, number), []).append(pid)
                case "ended":
                    open_.get((task, number), [pid]).remove(pid)
        self.count.effects = len(effects)
        self.count.repeated = [task for task, times in effects.items() if times > 1]

    def _fenced(self, pid: int, since: float, at: float) -> bool:
        """Whether what began then and acts now may not: it was away for longer than the lease, or can't have asked."""
        frozen = any(p == pid and since < a and thawed <= at for p, a, thawed in self.pauses)
        away = any(
            p == pid and since < a and mended <= at and mended - a > LEASE_S for p, a, mended in self.cuts
        )
        unasked = any(p == pid and a + ON_ITS_WAY_S < at < mended for p, a, mended in self.cuts)
        return frozen or away or unasked

    def _active(self, pid: int, at: float) -> bool:
        """Whether a process was neither dead nor frozen then; one that is cut off has to stop by itself."""
        return not (
            self.gone.get(pid, at + 1) <= at
            or any(p == pid and a <= at <= b + SETTLE_S for p, a, b in self.pauses)
        )
