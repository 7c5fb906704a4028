"""A coordinator that carries out attempts itself does nothing any more by the time that another one may take over."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chainfleet.ledger.lease import TTL_S
from chainfleet.model.errors import ExitCode
from chainfleet.runtime.own_attempts import HEARD, SILENT

sys.path.insert(0, str(Path(__file__).parent))

from alone import ALONE, TASKS
from lines import Proxied

FOR_EVER = 10_000
LIMIT_S = 180.0
"""By then whatever is waited for has happened, however busy the machine is."""

DEPOSED = "another coordinator took over this environment"


class Machines:
    """Coordinators of one environment, each with a folder of its own, and the story of what they did."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._world = folder / "world"
        self._world.mkdir()
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, url: str, *, steps: int, lease_s: float = TTL_S) -> subprocess.Popen[bytes]:
        home = self._folder / f"home-{len(self._processes)}"
        arguments = [url, str(home), str(self._world), str(steps), str(lease_s)]
        self._processes.append(subprocess.Popen([sys.executable, str(ALONE), *arguments]))
        return self._processes[-1]

    def story(self) -> list[list[Any]]:
        """What happened, in its order: what, task, process."""
        story = self._world / "story"
        text = story.read_text() if story.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def of(self, process: subprocess.Popen[bytes], *, after: int = 0) -> list[str]:
        """What one of them did, from there on."""
        return [what for what, _, pid in self.story()[after:] if pid == process.pid]

    def act(self, process: subprocess.Popen[bytes], *, after: int = 0) -> bool:
        """Whether it has all its attempts in hand."""
        acting = {task for what, task, pid in self.story()[after:] if (what, pid) == ("acts", process.pid)}
        return acting == set(TASKS)

    def effects(self) -> list[str]:
        """What was done, whoever did it."""
        return sorted(task for what, task, _ in self.story() if what == "effect")

    def stop(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self._processes:
            process.wait(timeout=60)


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    made = Machines(tmp_path)
    yield made
    made.stop()


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def line(own_postgresql: Any) -> Iterator[Proxied]:
    made = Proxied(own_postgresql.url)
    yield made
    made.close()


def test_one_that_is_cut_off_has_stopped_before_another_takes_over(
    own_postgresql: Any, line: Proxied, machines: Machines
) -> None:
    first = machines.start(line.url, steps=FOR_EVER, lease_s=16.0)
    until(lambda: machines.act(first))
    second = machines.start(own_postgresql.url, steps=5)
    line.cut()
    assert second.wait(timeout=LIMIT_S) == ExitCode.WELL
    line.mend()
    assert first.wait(timeout=LIMIT_S) == ExitCode.BUSY
    taken_over = machines.story().index(["took over", "", second.pid])
    assert SILENT in machines.of(first)
    assert machines.of(first, after=taken_over) == [DEPOSED]
    assert machines.effects() == TASKS


def test_one_that_was_frozen_does_nothing_once_it_is_thawed(own_postgresql: Any, machines: Machines) -> None:
    first = machines.start(own_postgresql.url, steps=30, lease_s=8.0)
    until(lambda: machines.act(first))
    first.send_signal(signal.SIGSTOP)
    second = machines.start(own_postgresql.url, steps=30)
    until(lambda: machines.act(second))
    first.send_signal(signal.SIGCONT)
    assert first.wait(timeout=LIMIT_S) == ExitCode.BUSY
    assert second.wait(timeout=LIMIT_S) == ExitCode.WELL
    taken_over = machines.story().index(["took over", "", second.pid])
    # What its children did before they could be stopped is not its own doing: Terraform's state lock is for that.
    after = machines.of(first, after=taken_over)
    assert set(after) <= {"acts", SILENT, DEPOSED}
    assert after[-1] == DEPOSED
    assert machines.effects() == TASKS


def test_one_that_nobody_took_over_from_goes_on(line: Proxied, machines: Machines) -> None:
    first = machines.start(line.url, steps=20, lease_s=5.0)
    until(lambda: machines.act(first))
    line.cut()
    until(lambda: SILENT in machines.of(first))
    line.mend()
    assert first.wait(timeout=LIMIT_S) == ExitCode.WELL
    assert HEARD in machines.of(first)
    assert machines.effects() == TASKS


def test_a_restart_of_the_database_stops_nothing(own_postgresql: Any, machines: Machines) -> None:
    first = machines.start(own_postgresql.url, steps=60)
    until(lambda: machines.act(first))
    began = time.monotonic()
    own_postgresql.stop()
    time.sleep(3)
    own_postgresql.start()
    took_s = time.monotonic() - began
    assert first.wait(timeout=LIMIT_S) == ExitCode.WELL
    assert machines.effects() == TASKS
    if took_s < 10:  # What lasts longer on a machine that is busy with other things may stop something.
        assert SILENT not in machines.of(first)
        assert machines.of(first).count("began") == len(TASKS)
