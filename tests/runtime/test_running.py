"""A run from its plan to its end, with a real ledger, lease and scheduler, and a driver that writes files."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from chainfleet.ledger.mailbox import Ask, Request
from chainfleet.ledger.replay import replay
from chainfleet.model.errors import ErrorClass, InputError, LeaseLost, LedgerError
from chainfleet.model.event import AttemptSucceeded, CancelRequested, SkipRequested, TaskState, Verdict
from chainfleet.model.fleet import Fleet
from chainfleet.model.task import Mode, Plan, TaskKind
from chainfleet.runtime.asking import ask
from chainfleet.runtime.coordinator import Coordinator
from chainfleet.runtime.foresight import error_document, learned_from, outlook_of_run
from chainfleet.runtime.operations import (
    Environment,
    RunResult,
    continue_run,
    read_records,
    read_run,
    start_run,
)
from chainfleet.runtime.report import critical_chain, render_report
from chainfleet.runtime.state import StateFolder
from chainfleet.scheduling.planning import Overrides, make_plan


def run(environment: Environment, plan: Plan, name: str = "r-deploy", *, undo: bool = False) -> RunResult:
    return asyncio.run(start_run(environment, plan, name, lambda _c: [], undo=undo))


@pytest.mark.parametrize("mode", list(Mode))
def test_every_mode_ends_with_everything_done_once(
    environment: Environment, fast: Fleet, driver: Any, mode: Mode
) -> None:
    plan = make_plan(fast, "r1", overrides=Overrides(mode=mode, waves=(8, 16)))
    result = run(environment, plan)
    assert result.finish.verdict is Verdict.SUCCEEDED
    assert set(driver.effects().values()) == {1}
    assert len(driver.effects()) == 201
    assert driver.most == 1 or mode is not Mode.SEQUENTIAL


def test_work_that_attempts_share_may_speak_when_the_one_that_leads_it_is_over(
    environment: Environment, fast: Fleet, driver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[Any] = []
    change = driver.change

    async def keep(attempt: Any) -> Any:
        attempts.append(attempt)
        return await change(attempt)

    monkeypatch.setattr(driver, "change", keep)
    run(environment, make_plan(fast, "r1"))
    before = attempts[0].log_file.read_text()
    attempts[0].log("said for the others")
    assert attempts[0].log_file.read_text() == before


def test_a_second_run_changes_nothing(environment: Environment, fast: Fleet, driver: Any) -> None:
    plan = make_plan(fast, "r1")
    run(environment, plan, "1-deploy")
    again = run(environment, plan, "2-deploy")
    assert again.finish.verdict is Verdict.SUCCEEDED
    assert not any(span.changed for span in again.view.spans)
    assert set(driver.effects().values()) == {1}


def test_one_bad_region_does_not_stop_the_others(environment: Environment, fast: Fleet, driver: Any) -> None:
    driver.faults = {"infrastructure/cluster/uksouth": [ErrorClass.AUTHORISATION]}
    result = run(environment, make_plan(fast, "r1"))
    assert result.finish.verdict is Verdict.DEGRADED
    assert result.finish.regions["uksouth"] is Verdict.FAILED
    assert sum(verdict is Verdict.SUCCEEDED for verdict in result.finish.regions.values()) == 23
    assert result.view.states["verification/network/network"] is TaskState.SUCCEEDED
    assert "planned authorisation" in result.view.reasons["infrastructure/cluster/uksouth"]


def test_a_driver_s_own_mistake_fails_its_task_only(
    environment: Environment, fast: Fleet, driver: Any
) -> None:
    driver.faults = {"monitoring/install/uksouth": [ErrorClass.INTERNAL]}
    result = run(environment, make_plan(fast, "r1"))
    assert result.finish.verdict is Verdict.DEGRADED
    log = environment.state.log("r-deploy", "monitoring/install/uksouth", 1).read_text()
    assert "ValueError: a driver's own mistake" in log


def test_transient_failures_are_tried_again(environment: Environment, fast: Fleet, driver: Any) -> None:
    driver.faults = {"kubernetes/base/uksouth": [ErrorClass.TRANSIENT, ErrorClass.THROTTLED]}
    result = run(environment, make_plan(fast, "r1"))
    assert result.finish.verdict is Verdict.SUCCEEDED
    assert result.view.attempts["kubernetes/base/uksouth"] == 3
    assert result.view.retries == 2


def test_retry_repeats_only_what_failed_and_what_waited_for_it(
    environment: Environment, fast: Fleet, driver: Any
) -> None:
    driver.faults = {"infrastructure/cluster/uksouth": [ErrorClass.QUOTA]}
    first = run(environment, make_plan(fast, "r1"))
    before = driver.effects()
    view = read_run(environment.state, fast.name)
    second = asyncio.run(continue_run(environment, view, lambda _c: [], retry=["uksouth"]))
    assert second.finish.verdict is Verdict.SUCCEEDED
    new = set(driver.effects()) - set(before)
    assert {name.split(".")[1] for name in new} >= {"cluster", "base", "config", "start", "install", "region"}
    assert all("uksouth" in name for name in new)
    assert all(
        driver.effects()[name] == count for name, count in before.items() if "network.network" not in name
    )
    assert first.run == second.run


def test_a_cancelled_run_goes_on_where_it_stopped(environment: Environment, fast: Fleet, driver: Any) -> None:
    driver.seconds = 0.05

    class CancelsAfter:
        """Cancels the run once twenty attempts have succeeded: counted by the run itself, not by a clock."""

        def __init__(self, coordinator: Any) -> None:
            self.coordinator = coordinator
            self.left = 20

        def see(self, at: float, things: Sequence[Any]) -> None:
            succeeded = sum(isinstance(thing, AttemptSucceeded) for thing in things)
            if self.left > 0 and self.left - succeeded <= 0:
                self.coordinator.send(CancelRequested())
            self.left -= succeeded

    async def cancelled() -> RunResult:
        return await start_run(environment, make_plan(fast, "r1"), "r-deploy", lambda c: [CancelsAfter(c)])

    first = asyncio.run(cancelled())
    assert first.finish.verdict is Verdict.CANCELLED
    done = driver.effects()
    assert 0 < len(done) < 201
    second = asyncio.run(continue_run(environment, read_run(environment.state, fast.name), lambda _c: []))
    assert second.finish.verdict is Verdict.SUCCEEDED
    assert all(driver.effects()[name] == 1 for name in done)
    assert len(driver.effects()) == 201
    # The end tells of the whole run, not of the last process only, and the ledger says the same.
    assert second.view.outputs.keys() == {
        task.id for task in make_plan(fast, "r1").tasks if task.kind is TaskKind.WORK
    }
    assert {span.task for span in second.view.spans} == set(second.view.outputs)
    assert all(span.end is not None for span in second.view.spans)
    assert read_run(environment.state, fast.name).spans == second.view.spans


def test_a_run_that_is_over_can_be_taken_up_again_and_tells_the_same(
    environment: Environment, fast: Fleet, driver: Any
) -> None:
    first = run(environment, make_plan(fast, "r1"))
    outputs = dict(first.view.outputs)
    again = asyncio.run(continue_run(environment, read_run(environment.state, fast.name), lambda _c: []))
    assert again.finish.verdict is Verdict.SUCCEEDED
    assert again.view.outputs == outputs
    assert len(again.view.spans) == 201


def test_a_coordinator_that_lost_its_lease_stops(environment: Environment, fast: Fleet, driver: Any) -> None:
    environment.lease._connection.change("UPDATE lease SET fence = fence + 1")
    with pytest.raises(LeaseLost):
        run(environment, make_plan(fast, "r1"))
    assert driver.effects() == {}


def test_what_was_seen_live_is_what_the_ledger_says(
    environment: Environment, fast: Fleet, driver: Any
) -> None:
    driver.faults = {"kubernetes/base/uksouth": [ErrorClass.TRANSIENT]}
    result = run(environment, make_plan(fast, "r1"))
    view = read_run(environment.state, fast.name)
    assert view.states == result.view.states
    assert view.attempts == result.view.attempts
    assert view.outputs == result.view.outputs
    assert view.finish == result.view.finish


def test_the_report_shows_every_region_and_the_critical_chain(
    environment: Environment, fast: Fleet, driver: Any
) -> None:
    driver.seconds = 0.01
    result = run(environment, make_plan(fast, "r1"))
    page = render_report(fast, result.view)
    assert all(f">{region.name}<" in page for region in fast.regions)
    chain = critical_chain(result.view)
    assert chain[-1].task == "verification/network/network"
    assert len({span.task for span in chain}) == len(chain)
    assert page.count("<rect") == len(result.view.spans)


def test_a_gate_that_is_refused_stops_the_next_wave_only(
    environment: Environment, fast: Fleet, driver: Any
) -> None:
    plan = make_plan(fast, "r1", overrides=Overrides(waves=(8, 16)))
    driver.faults = {
        f"besu/start/{name}-{i}": [ErrorClass.CONFIGURATION] for name in plan.waves[0][:4] for i in (0, 1)
    }
    result = run(environment, plan)
    assert result.view.states["besu/gate/wave-1"] is TaskState.FAILED
    assert "validators of the wave are up" in result.view.reasons["besu/gate/wave-1"]
    assert result.view.states[f"besu/start/{plan.waves[1][0]}-0"] is TaskState.SKIPPED
    assert result.view.states[f"besu/config/{plan.waves[1][0]}"] is TaskState.SUCCEEDED
    assert result.finish.verdict is Verdict.FAILED


def asked(environment: Environment, plan: Plan, after: int, *requests: Request) -> RunResult:
    """Run a plan; once so many tasks have ended, another process asks for something."""

    class Asking:
        seen = 0

        def see(self, at: float, things: Sequence[object]) -> None:
            before = self.seen
            self.seen += sum(isinstance(thing, AttemptSucceeded) for thing in things)
            if before < after <= self.seen:
                for request in requests:
                    ask(environment.state, environment.fleet.name, request)

    return asyncio.run(start_run(environment, plan, "r-deploy", lambda _c: [Asking()]))


def test_a_drain_ends_what_runs_and_resume_goes_on(
    environment: Environment, fast: Fleet, driver: Any
) -> None:
    driver.seconds = 0.2
    plan = make_plan(fast, "r1")
    result = asked(environment, plan, 10, Request(Ask.DRAIN))
    assert result.finish.verdict is Verdict.CANCELLED
    assert not [span for span in result.view.spans if not span.ok], "nothing that ran was stopped"
    assert 10 <= len(driver.effects()) < 201
    view = read_run(environment.state, fast.name)
    again = asyncio.run(continue_run(environment, view, lambda _c: []))
    assert again.finish.verdict is Verdict.SUCCEEDED
    assert set(driver.effects().values()) == {1}


def test_a_task_is_skipped_on_request_and_the_run_replays(
    environment: Environment, fast: Fleet, driver: Any
) -> None:
    driver.seconds = 0.2
    skipped = "verification/region/uksouth"
    result = asked(environment, make_plan(fast, "r1"), 5, Request(Ask.EVENT, SkipRequested(skipped)))
    assert result.finish.verdict is Verdict.SUCCEEDED
    assert result.view.reasons[skipped] == "skipped by request"
    with read_records(environment.state, fast.name) as (_, records):
        replayed = replay(records)
    assert replayed.processes == 1
    assert replayed.decisions > 600
    with read_records(environment.state, fast.name) as (_, records):
        changed = [r if '"attempt":1' not in r.body else replace(r, at=r.at + 1) for r in records]
    changed[5] = replace(changed[5], body=changed[5].body.replace("ready", "running"))
    with pytest.raises(LedgerError, match="does not replay"):
        replay(changed)


def test_nobody_to_ask_is_one_clear_error(tmp_path: Path, fast: Fleet) -> None:
    with pytest.raises(InputError, match="no process runs"):
        ask(StateFolder(tmp_path), fast.name, Request(Ask.DRAIN))


def test_a_run_says_how_far_off_its_forecast_was_and_the_next_one_learns(
    environment: Environment, fast: Fleet, driver: Any
) -> None:
    driver.seconds = 0.1
    plan = make_plan(fast, "r1")
    result = run(environment, plan)
    off = error_document(result.view)
    assert off is not None
    assert off["low_s"] <= off["p50_s"] <= off["high_s"]
    assert off["error"] == pytest.approx(off["took_s"] / off["p50_s"] - 1, rel=0.02, abs=0.02)
    assert error_document(read_run(environment.state, fast.name)) == off
    learned = learned_from(environment.state, fast.name)
    took = [s.end - s.start for s in result.view.spans if s.task.startswith("besu/start/") and s.end]
    assert learned.actions["besu/start"].median_s == pytest.approx(median(took), rel=0.01)
    cut = run(environment, learned.applied(plan), "2-deploy")
    assert cut.view.notes["forecast"]["p50_s"] > 0


def test_what_runs_elsewhere_is_looked_ahead_at_from_its_ledger(
    environment: Environment, fast: Fleet, driver: Any
) -> None:
    driver.seconds = 0.1
    seen = []

    class Asking:
        def see(self, at: float, things: Sequence[object]) -> None:
            if at > 0.3 and not seen:
                seen.append(outlook_of_run(environment.state, fast.name, "r-deploy"))

    result = asyncio.run(start_run(environment, make_plan(fast, "r1"), "r-deploy", lambda _c: [Asking()]))
    assert seen[0] is not None
    found, _ = seen[0]
    assert 0.3 < found.low_s <= found.p50_s <= found.high_s
    assert result.finish.verdict is Verdict.SUCCEEDED
    assert outlook_of_run(environment.state, fast.name, "r-deploy") is None, "it is over"


def test_what_runs_says_how_far_it_is_and_what_all_wait_for_comes_first(
    environment: Environment, fast: Fleet, driver: Any
) -> None:
    driver.seconds = 0.05
    seen: list[list[str]] = []
    longest: dict[str, int] = {}

    def watching(coordinator: Coordinator) -> list[Any]:
        engine = coordinator.scheduler.engine
        longest.update(zip(engine.graph.names, engine.blueprint.ranks, strict=True))

        class Watch:
            def see(self, at: float, things: Sequence[object]) -> None:
                seen.append(coordinator.doing(3))

        return [Watch()]

    result = asyncio.run(start_run(environment, make_plan(fast, "r1"), "r-deploy", watching))
    assert result.finish.verdict is Verdict.SUCCEEDED
    assert seen[-1] == [], "nothing runs any more"
    for lines in seen:
        left = [longest[line.removesuffix(": half-way")] for line in lines]
        assert left == sorted(left, reverse=True)
    assert max(map(len, seen)) == 3
