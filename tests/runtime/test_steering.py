"""What is asked of a run from outside its process reaches its scheduler, and what it knows reaches the ledger."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chainfleet.drivers.driver import Attempt, Outcome
from chainfleet.ledger.mailbox import Ask, Request
from chainfleet.ledger.outside import Changed, Outside
from chainfleet.model.environment import Locked, RevisionMade, Unlocked
from chainfleet.model.errors import InputError, LedgerError
from chainfleet.model.event import (
    CancelRequested,
    Event,
    GateDecided,
    PauseRequested,
    ResumeRequested,
    TaskState,
    Verdict,
)
from chainfleet.model.fleet import Fleet
from chainfleet.runtime import operations
from chainfleet.runtime.asking import ask
from chainfleet.runtime.environments import entry, read_environment
from chainfleet.runtime.operations import RunResult, open_environment, scaled, start_run
from chainfleet.runtime.state import StateFolder
from chainfleet.scheduling.planning import Overrides, make_plan

RUN = "r-deploy"


class Quick:
    """Does nothing, at once."""

    async def observe(self, attempt: Attempt) -> Outcome | None:
        return None

    async def change(self, attempt: Attempt) -> Outcome:
        await asyncio.sleep(0.01)
        return Outcome()

    async def undo(self, attempt: Attempt) -> Outcome:
        return Outcome()


class Background:
    """A run in a thread of its own, as if in another process."""

    def __init__(self, fleet: Fleet, folder: Path, overrides: Overrides) -> None:
        self.state = StateFolder(folder)
        self.result: RunResult | None = None
        self._plan = make_plan(fleet, "rev", overrides=overrides)
        self._fleet = fleet
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()
        self.wait_for(self._has_begun)
        self.ledger = Outside(self.state.ledger)

    def _has_begun(self) -> bool:
        try:
            ledger = Outside(self.state.ledger)
        except LedgerError:
            return False
        ledger.close()
        return True

    def _work(self) -> None:
        with open_environment(self._fleet, self.state, {}) as environment:
            result = asyncio.run(start_run(environment, self._plan, RUN, lambda _: []))
        self.result = result

    def state_of(self, task: str) -> TaskState | None:
        return operations.read_run(self.state, self._fleet.name).states.get(task)

    def ask(self, event: Event, reason: str = "") -> None:
        ask(self.state, self._fleet.name, Request(Ask.EVENT, event), by="ada", reason=reason)

    @staticmethod
    def wait_for(condition: Callable[[], object]) -> None:
        end = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.02)

    def join(self) -> RunResult:
        self._thread.join(60)
        self.ledger.close()
        assert self.result is not None
        return self.result


@pytest.fixture
def start(
    chain_138: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Overrides], Background]]:
    async def of(self: object, task: object) -> Quick:
        return Quick()

    monkeypatch.setattr(operations.Drivers, "of", of)
    begun: list[Background] = []

    def begin(overrides: Overrides) -> Background:
        begun.append(Background(scaled(chain_138, 1000.0), tmp_path / "state", overrides))
        return begun[-1]

    yield begin
    for run in begun:
        if run.result is None:
            run.ask(CancelRequested())
            run.join()


def test_a_gate_waits_for_a_persons_word_and_shows_what_its_check_found(
    start: Callable[[Overrides], Background],
) -> None:
    gate = "besu/gate/wave-1"
    run = start(Overrides(waves=(8, 16), approval=True))
    run.wait_for(lambda: run.ledger.notes(RUN, gate, 1))
    time.sleep(0.5)
    assert run.state_of(gate) is TaskState.AT_GATE
    note = json.loads(run.ledger.notes(RUN, gate, 1)[0].body)
    assert note == {"approved": True, "reason": "16 of 16 validators are up", "needs_person": True}
    run.ask(GateDecided(gate, approved=True, by="ada", reason="fine"), "fine")
    run.wait_for(lambda: run.result)
    asked = [json.loads(r.body) for r in run.ledger.records(run=RUN) if r.kind == "request"]
    assert [(a["type"], a["by"], a["reason"]) for a in asked] == [("GateDecided", "ada", "fine")]
    assert run.join().finish.verdict is Verdict.SUCCEEDED


def test_without_approval_the_check_alone_decides(start: Callable[[Overrides], Background]) -> None:
    assert start(Overrides(waves=(8, 16))).join().finish.verdict is Verdict.SUCCEEDED


def test_pause_starts_nothing_new_and_resume_goes_on(start: Callable[[Overrides], Background]) -> None:
    run = start(Overrides(waves=(8, 16), approval=True))
    run.wait_for(lambda: run.ledger.notes(RUN, "besu/gate/wave-1", 1))
    run.ask(PauseRequested())
    run.ask(GateDecided("besu/gate/wave-1", approved=True, by="ada"))
    time.sleep(0.8)
    assert run.result is None
    assert any(
        state is TaskState.READY for state in operations.read_run(run.state, "chain-138").states.values()
    )
    run.ask(ResumeRequested())
    assert run.join().finish.verdict is Verdict.SUCCEEDED


def test_cancel_ends_it_and_nothing_can_be_asked_afterwards(start: Callable[[Overrides], Background]) -> None:
    run = start(Overrides(waves=(8, 16), approval=True))
    run.wait_for(lambda: run.ledger.notes(RUN, "besu/gate/wave-1", 1))
    run.ask(CancelRequested(), "wrong night")
    run.wait_for(lambda: run.result)
    with pytest.raises(InputError, match="no process runs the environment"):
        run.ask(PauseRequested())
    assert run.join().finish.verdict is Verdict.CANCELLED


def test_the_outlook_names_every_limit_and_the_end(start: Callable[[Overrides], Background]) -> None:
    run = start(Overrides(waves=(8, 16), approval=True))
    run.wait_for(lambda: run.ledger.notes(RUN, "besu/gate/wave-1", 1))
    run.wait_for(lambda: run.ledger.notes(RUN, "outlook", 1))
    outlook = json.loads(run.ledger.notes(RUN, "outlook", 1)[0].body)
    assert {"infrastructure/slots", "besu/slots"} <= {limit["name"] for limit in outlook["limits"]}
    assert outlook["remaining_s"] > 0
    run.ask(GateDecided("besu/gate/wave-1", approved=False, by="ada"))
    assert run.join().finish.verdict is not Verdict.SUCCEEDED


def test_of_two_changes_based_on_the_same_state_one_is_refused(
    start: Callable[[Overrides], Background],
) -> None:
    run = start(Overrides())
    run.join()
    ledger = Outside(run.state.ledger)
    ledger.append([entry(RevisionMade(1, "name: x", "f", by="ada"))], based_on=0)
    base = read_environment(ledger).last
    ledger.append([entry(Locked("ada", "freeze"))], based_on=base)
    with pytest.raises(Changed):
        ledger.append([entry(Unlocked("bob"))], based_on=base)
    view = read_environment(ledger)
    assert view.lock is not None
    assert view.revision is not None
    assert view.revision.document == "name: x"
    assert ledger.runs() == [RUN]
    ledger.close()
