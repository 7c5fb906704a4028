"""The outlook of a run that goes on: it narrows, hits, and does not disturb the run."""

from __future__ import annotations

from copy import deepcopy

import pytest

from chainfleet.model.event import (
    AttemptFailed,
    AttemptSucceeded,
    ErrorClass,
    PauseRequested,
    RunStarted,
    StartAttempt,
    TaskState,
)
from chainfleet.model.fleet import Fleet
from chainfleet.model.task import Plan
from chainfleet.scheduling.blueprint import Blueprint
from chainfleet.scheduling.forecast.outlook import Interval, late_lines, outlook, stragglers
from chainfleet.scheduling.planning import Overrides, make_plan
from chainfleet.scheduling.rehearsal import Rehearsing
from chainfleet.scheduling.scheduler import Scheduler


class Watched(Rehearsing):
    """A rehearsed run that looks ahead at given shares of its way."""

    def __init__(self, plan: Plan, seed: int, at: tuple[float, ...]) -> None:
        super().__init__(Blueprint(plan), seed=seed, traced=False)
        self.at = list(at)
        self.seen: list[Interval] = []

    def _happen(self, kind: int, task: int) -> None:
        super()._happen(kind, task)
        done = self.engine.board.over / self.engine.graph.size
        if self.at and done >= self.at[0] and self.engine.finished is None:
            self.at.pop(0)
            self.seen.append(outlook(self.engine, self.engine.now / 1e6, samples=40))


def test_the_interval_holds_what_it_promises_and_narrows(chain_138: Fleet) -> None:
    plan = make_plan(chain_138.model_copy(update={"regions": chain_138.regions[:8]}), "r1")
    inside, widths = [], []
    for seed in range(25):
        run = Watched(plan, seed, (0.02, 0.5, 0.8))
        run.run()
        end = run.makespan / 1e6
        inside += [each.low_s - 0.5 <= end <= each.high_s + 0.5 for each in run.seen]
        widths.append([each.high_s - each.low_s for each in run.seen])
    assert sum(inside) / len(inside) >= 0.7, "of intervals that hold eight of ten outcomes"
    first, last = (sum(w[i] for w in widths) for i in (0, 2))
    assert last < 0.7 * first


def test_looking_ahead_leaves_the_run_as_it_was(chain_138: Fleet) -> None:
    plan = make_plan(chain_138, "r1", overrides=Overrides(waves=(8,)))
    looked, plain = Watched(plan, 3, (0.1, 0.3, 0.6)), Watched(plan, 3, ())
    looked.run()
    plain.run()
    assert looked.makespan == plain.makespan
    assert len(looked.seen) == 3


def test_the_same_moment_has_the_same_outlook(chain_138: Fleet) -> None:
    scheduler = Scheduler(make_plan(chain_138, "r1"))
    scheduler.handle(RunStarted(), 0.0)
    assert outlook(scheduler.engine, 5.0, samples=8) == outlook(scheduler.engine, 5.0, samples=8)


def test_what_failed_and_waits_counts_and_a_pause_is_taken_to_end(chain_138: Fleet) -> None:
    plan = make_plan(chain_138, "r1")
    scheduler = Scheduler(plan)
    starts = [c for c in scheduler.handle(RunStarted(), 0.0) if isinstance(c, StartAttempt)]
    before = outlook(scheduler.engine, 1.0, samples=20)
    for start in starts[:12]:
        scheduler.handle(AttemptFailed(start.task, 1, ErrorClass.TRANSIENT, "reset"), 1.0)
    scheduler.handle(PauseRequested(), 1.0)
    after = outlook(scheduler.engine, 1.0, samples=20)
    assert after.p50_s > before.p50_s
    assert scheduler.paused


def test_who_is_late_is_told_with_the_reason(chain_138: Fleet) -> None:
    plan = make_plan(chain_138, "r1")
    scheduler = Scheduler(plan)
    starts = [c for c in scheduler.handle(RunStarted(), 0.0) if isinstance(c, StartAttempt)]
    networks = [s.task for s in starts if s.task.startswith("infrastructure/network/")]
    assert stragglers(scheduler.engine, 10.0) == []
    for name in networks[1:]:
        scheduler.handle(AttemptSucceeded(name, 1), 18.0)
    late = stragglers(scheduler.engine, 55.0)
    assert {each.task for each in late if each.task.startswith("infra")} == {networks[0]}
    why = next(each.why for each in late if each.task == networks[0])
    assert why == f"{len(networks) - 1} of its 23 twins are over: this region is slow"
    lines = late_lines(late)
    assert lines["infrastructure/network"].startswith(
        f"infrastructure/network of {networks[0].rsplit('/')[-1]}"
    )


def test_twins_that_failed_and_are_tried_again_are_neither_over_nor_slow(chain_138: Fleet) -> None:
    scheduler = Scheduler(make_plan(chain_138, "r1"))
    starts = [c for c in scheduler.handle(RunStarted(), 0.0) if isinstance(c, StartAttempt)]
    networks = [s.task for s in starts if s.task.startswith("infrastructure/network/")]
    for name in networks[1:]:
        scheduler.handle(AttemptFailed(name, 1, ErrorClass.TRANSIENT, "reset", retry_after_s=900.0), 18.0)
    late = {each.task: each.why for each in stragglers(scheduler.engine, 55.0)}
    began = 23 - len(networks[1:])
    assert late[networks[0]] == f"0 of its 23 twins are over and {began} run: too few to tell why"


def test_when_all_twins_are_late_it_is_not_the_region(chain_138: Fleet) -> None:
    scheduler = Scheduler(make_plan(chain_138, "r1"))
    scheduler.handle(RunStarted(), 0.0)
    late = [each for each in stragglers(scheduler.engine, 200.0) if each.task.startswith("infrastructure/")]
    assert len(late) > 10
    assert all("all of them are slow" in each.why for each in late)


def test_an_engine_can_be_copied_whole(chain_138: Fleet) -> None:
    """What `Continuing` relies on: no part of an engine's state is shared by accident."""
    scheduler = Scheduler(make_plan(chain_138, "r1"))
    scheduler.handle(RunStarted(), 0.0)
    states = bytes(scheduler.engine.board.states)
    copy = deepcopy(scheduler.engine)
    copy.board.move(0, 6)
    assert bytes(scheduler.engine.board.states) == states
    drawn = [gauge for queue in copy.admission.queues for gauge, _ in queue.demands]
    assert drawn
    assert all(gauge is copy.gauges[gauge.index] for gauge in drawn)
    assert scheduler.state(scheduler.plan.tasks[0].id) is not TaskState.FAILED


@pytest.mark.parametrize(("interval", "text"), [
    (Interval(1.0, 2.0, 3.0), "2.0 s (1.0-3.0)"),
    (Interval(600.0, 660.0, 720.0), "11.0 min (10.0-12.0)"),
])  # fmt: skip
def test_intervals_for_a_terminal(interval: Interval, text: str) -> None:
    assert interval.text() == text
