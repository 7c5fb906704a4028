"""Worked example: a driver of your own, and what every driver has to keep."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from chainfleet.drivers.driver import Attempt, Driver, Outcome
from chainfleet.model.errors import ErrorClass, LeaseLost, TaskFailed
from chainfleet.model.event import AttemptFailed, AttemptSucceeded, StartAttempt
from chainfleet.model.fleet import Fleet
from chainfleet.model.task import Phase, Task
from chainfleet.runtime.attempts import AttemptEnd, Surroundings, run_attempt


# --8<-- [start:driver]
class ZoneFile:
    """Writes one line for each region into a zone file: `observe` reads, `change` and `undo` have effects."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def observe(self, attempt: Attempt) -> Outcome | None:
        """The outcome if the world is as the task wants it already, else None. Changes nothing."""
        line = self._line(attempt)
        return Outcome({"record": line}) if line in self._lines() else None

    async def change(self, attempt: Attempt) -> Outcome:
        """Only what is missing is written, so that an attempt that was killed half-way can simply be repeated."""
        line = self._line(attempt)
        if not self._file.parent.is_dir():
            raise TaskFailed(
                ErrorClass.CONFIGURATION,
                f"{self._file.parent} is not there",
                way_out="make the folder, or name another one",
            )
        attempt.fence()  # Before each effect: raises LeaseLost if another coordinator took over.
        self._file.write_text("\n".join(sorted({*self._lines(), line})) + "\n")
        attempt.log(f"wrote {line}")
        return Outcome({"record": line})

    async def undo(self, attempt: Attempt) -> Outcome:
        """What `change` made goes; what others made stays."""
        left = [line for line in self._lines() if line != self._line(attempt)]
        attempt.fence()
        self._file.write_text("".join(f"{line}\n" for line in left))
        return Outcome()

    def _line(self, attempt: Attempt) -> str:
        return f"{attempt.task.subject}.{attempt.fleet.name}.example. 300 IN A 192.0.2.1"

    def _lines(self) -> list[str]:
        return self._file.read_text().splitlines() if self._file.exists() else []


# --8<-- [end:driver]


class Bench:
    """Runs attempts of a driver as the runtime does: the same function, without a run around it."""

    def __init__(self, driver: Driver, fleet: Fleet, folder: Path) -> None:
        self.driver = driver
        self.lost = False
        self._surroundings = Surroundings(
            fleet=fleet,
            workspace=folder / "workspace",
            environ={},
            log_path=lambda task, attempt: folder / "logs" / f"{task.replace('/', '.')}.{attempt}.log",
            outputs={}.__getitem__,
            fence=self._fence,
            observed=lambda observed: None,
            progress=lambda task, text: None,
        )

    def _fence(self) -> None:
        if self.lost:
            raise LeaseLost("another coordinator took over")

    def run(self, task: str, *, undo: bool = False) -> AttemptEnd:
        async def of(_: Task) -> Driver:
            return self.driver

        work = Task(task, Phase.VERIFICATION)
        start = StartAttempt(task, attempt=1, timeout_s=10.0)
        return asyncio.run(run_attempt(work, start, self._surroundings, of, undo=undo))


# --8<-- [start:test]
def test_what_every_driver_keeps(chain_138: Fleet, tmp_path: Path) -> None:
    zone = tmp_path / "zone"
    zone.write_text("other. 300 IN A 192.0.2.9\n")
    bench = Bench(ZoneFile(zone), chain_138, tmp_path)

    first, outputs = bench.run("verification/dns/northeurope")
    assert isinstance(first, AttemptSucceeded)
    assert first.changed
    assert outputs["record"] in zone.read_text()

    again, _ = bench.run("verification/dns/northeurope")
    assert isinstance(again, AttemptSucceeded)
    assert not again.changed  # What is right already is left as it is.

    bench.run("verification/dns/northeurope", undo=True)
    assert zone.read_text() == "other. 300 IN A 192.0.2.9\n"


# --8<-- [end:test]


def test_a_failure_has_a_class_and_a_way_out(chain_138: Fleet, tmp_path: Path) -> None:
    end, _ = Bench(ZoneFile(tmp_path / "none" / "zone"), chain_138, tmp_path).run("verification/dns/uksouth")
    assert isinstance(end, AttemptFailed)
    assert end.error_class is ErrorClass.CONFIGURATION
    assert "way out: make the folder" in end.message


def test_who_lost_the_lease_has_no_effect(chain_138: Fleet, tmp_path: Path) -> None:
    bench = Bench(ZoneFile(tmp_path / "zone"), chain_138, tmp_path)
    bench.lost = True
    with pytest.raises(LeaseLost):
        bench.run("verification/dns/uksouth")
    assert not (tmp_path / "zone").exists()
