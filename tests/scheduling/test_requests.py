from __future__ import annotations

import pytest
from hands import Hand, changes, plan_of, slots, started, task

from chainfleet.model.errors import ErrorClass, PlanError
from chainfleet.model.event import (
    CancelAttempt,
    CancelRequested,
    Finish,
    GateDecided,
    OpenGate,
    PauseRequested,
    RetryRequested,
    SkipRequested,
    Verdict,
)
from chainfleet.model.task import TaskKind

A, B, C = (f"besu/do/{x}" for x in "abc")


def chain() -> Hand:
    hand = Hand(plan_of(task("a"), task("b", needs=(A,)), task("c", needs=(B,))))
    hand.begin()
    return hand


def test_a_gate_is_opened_when_reached_and_lets_through_when_approved() -> None:
    hand = Hand(plan_of(task("a"), task("b", needs=(A,), kind=TaskKind.GATE), task("c", needs=(B,))))
    hand.begin()
    hand.succeed("a")
    assert [c.task for c in hand.commands if isinstance(c, OpenGate)] == [B]
    assert hand.state("b") == "at-gate"
    assert hand.scheduler.bottleneck(0).kind == "gate"
    assert hand.tell(GateDecided(C, True)) == [], "not a gate"
    assert started(hand.tell(GateDecided(B, True, by="ada"))) == ["c"]


def test_a_refused_gate_is_a_failure_that_can_be_asked_again() -> None:
    hand = Hand(plan_of(task("b", kind=TaskKind.GATE), task("c", needs=(B,))))
    hand.begin()
    hand.tell(GateDecided(B, False, by="ada", reason="alerts"))
    assert (hand.state("b"), hand.state("c")) == ("failed", "skipped")
    assert hand.finish.verdict is Verdict.FAILED
    assert OpenGate(B) in hand.tell(RetryRequested())
    assert hand.state("c") == "waiting"


def test_a_pause_opens_no_gate() -> None:
    hand = Hand(plan_of(task("a"), task("b", needs=(A,), kind=TaskKind.GATE)))
    hand.begin()
    hand.tell(PauseRequested())
    assert OpenGate(B) not in hand.tell(PauseRequested())
    hand.succeed("a")
    assert hand.state("b") == "ready"


def test_a_cancel_stops_what_runs_and_ends_when_it_has_reported() -> None:
    hand = Hand(plan_of(task("a"), task("b"), task("c", needs=(A,))))
    hand.begin()
    commands = hand.tell(CancelRequested())
    assert [c.task for c in commands if isinstance(c, CancelAttempt)] == [A, B]
    assert hand.state("c") == "cancelled"
    assert hand.scheduler.finished is None
    hand.succeed("b")
    hand.fail("a", ErrorClass.CANCELLED)
    assert [hand.state(x) for x in "abc"] == ["cancelled", "succeeded", "cancelled"]
    assert hand.finish.verdict is Verdict.CANCELLED
    assert hand.tell(CancelRequested()) == []


def test_a_cancelled_run_can_be_taken_up_again() -> None:
    hand = chain()
    hand.tell(CancelRequested())
    hand.fail("a", ErrorClass.CANCELLED)
    assert started(hand.tell(RetryRequested())) == ["a"]
    for name in "abc":
        hand.succeed(name)
    assert hand.finish.verdict is Verdict.SUCCEEDED


def test_a_retry_while_cancelling_gives_those_being_stopped_another_chance() -> None:
    hand = chain()
    hand.tell(CancelRequested())
    hand.tell(RetryRequested())
    assert hand.state("b") == "waiting"
    hand.fail("a", ErrorClass.CANCELLED)
    assert hand.wait(1.0) == ["a"]
    assert hand.attempts[A] == 2


def test_a_second_cancel_takes_the_other_chance_back() -> None:
    hand = chain()
    for event in (CancelRequested(), RetryRequested(), CancelRequested()):
        hand.tell(event)
    hand.fail("a", ErrorClass.CANCELLED)
    assert hand.finish.verdict is Verdict.CANCELLED


def test_a_cancel_leaves_backing_off_tasks_no_way_back() -> None:
    hand = Hand(plan_of(task("a"), task("b")))
    hand.begin()
    hand.fail("a", ErrorClass.TRANSIENT)
    hand.tell(CancelRequested())
    hand.succeed("b")
    assert hand.finish.verdict is Verdict.CANCELLED
    assert hand.wait(100.0) == []
    assert hand.state("a") == "cancelled"


def test_a_retry_after_the_end_reopens_the_run() -> None:
    hand = chain()
    hand.fail("a")
    assert hand.finish.verdict is Verdict.FAILED
    commands = hand.tell(RetryRequested())
    assert changes(commands) == [
        ("a", "waiting"),
        ("a", "ready"),
        ("b", "waiting"),
        ("c", "waiting"),
        ("a", "running"),
    ]
    assert started(commands) == ["a"]
    for name in "abc":
        hand.succeed(name)
    assert hand.finish.verdict is Verdict.SUCCEEDED
    assert sum(isinstance(c, Finish) for c in hand.commands) == 2


def test_a_retry_of_a_skipped_task_retries_what_it_was_skipped_for() -> None:
    hand = Hand(plan_of(task("a"), task("b", needs=(A,)), task("c")))
    hand.begin()
    hand.fail("a")
    hand.fail("c")
    assert started(hand.tell(RetryRequested((B,)))) == ["a"]
    assert hand.state("c") == "failed"


def test_a_retry_of_one_cause_is_not_enough_when_there_are_two() -> None:
    hand = Hand(plan_of(task("a"), task("b"), task("c", needs=(A, B))))
    hand.begin()
    hand.fail("a")
    hand.fail("b")
    hand.tell(RetryRequested((A,)))
    assert hand.state("c") == "skipped"
    hand.tell(RetryRequested((B,)))
    assert hand.state("c") == "waiting"


def test_a_retry_gives_the_full_number_of_attempts_again_and_goes_on_numbering() -> None:
    hand = Hand(plan_of(task("a", max_attempts=1)))
    hand.begin()
    hand.fail("a", ErrorClass.TRANSIENT)
    assert hand.state("a") == "failed"
    hand.tell(RetryRequested())
    assert hand.attempts[A] == 2
    hand.fail("a", ErrorClass.TRANSIENT)
    assert hand.state("a") == "failed"


def test_a_skipped_task_counts_as_succeeded() -> None:
    hand = chain()
    assert hand.tell(SkipRequested(B))
    assert hand.state("b") == "skipped"
    assert hand.state("c") == "running"
    hand.succeed("a")
    hand.succeed("c")
    assert hand.finish.verdict is Verdict.SUCCEEDED
    assert "1 skipped by request" in hand.finish.reason


def test_a_running_task_is_stopped_before_it_is_skipped() -> None:
    hand = chain()
    assert [type(c) for c in hand.tell(SkipRequested(A))] == [CancelAttempt]
    assert hand.tell(SkipRequested(A)) == []
    assert hand.state("a") == "running"
    assert started(hand.fail("a", ErrorClass.CANCELLED)) == ["b"]
    assert hand.state("a") == "skipped"


def test_skipping_a_failed_task_frees_those_behind_it() -> None:
    hand = chain()
    hand.fail("a")
    assert started(hand.tell(SkipRequested(A))) == ["b"]


def test_an_unknown_task_is_refused_by_name() -> None:
    hand = chain()
    for event in (SkipRequested("besu/do/x"), RetryRequested(("besu/do/x",))):
        with pytest.raises(PlanError, match="no task besu/do/x"):
            hand.tell(event)
    assert hand.succeed("a") == ["b"]


def test_a_skipped_ready_task_leaves_no_reservation_behind() -> None:
    lights = [task(f"l{i:02}", 1, {"m": 1}) for i in range(20)]
    plan = plan_of(task("first", 99, {"m": 1}), task("heavy", 50, {"m": 4}), *lights, limits=(slots("m", 4),))
    hand = Hand(plan)
    running = hand.begin()
    for _ in range(9):
        if len(running) == 1:
            break
        running += hand.succeed(running.pop(1))
    assert running == ["first"], "everything behind the heavy task waits for it"
    assert len(started(hand.tell(SkipRequested("besu/do/heavy")))) == 3
