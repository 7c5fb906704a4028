from __future__ import annotations

import pytest
from hands import Hand, changes, plan_of, slots, task

from chainfleet.model.errors import ErrorClass, PlanError
from chainfleet.model.event import AttemptFailed, AttemptSucceeded, RunStarted, TaskState, Verdict
from chainfleet.model.task import Demand, Limit, LimitKind, TaskKind
from chainfleet.scheduling.scheduler import Scheduler

A, B, C, D = (f"besu/do/{x}" for x in "abcd")


def test_only_dependents_of_a_failed_task_are_skipped() -> None:
    hand = Hand(plan_of(task("a"), task("b", needs=(A,)), task("c", needs=(B,)), task("d")))
    hand.begin()
    commands = hand.fail("a")
    assert changes(commands) == [("a", "failed"), ("b", "skipped"), ("c", "skipped")]
    assert hand.state("d") == "running"
    hand.succeed("d")
    assert hand.finish.verdict is Verdict.FAILED
    assert hand.finish.reason == "1 succeeded, 1 failed, 2 skipped"


def test_an_after_edge_orders_without_depending() -> None:
    hand = Hand(plan_of(task("a"), task("b", after=(A,))))
    assert hand.begin() == ["a"]
    assert changes(hand.fail("a"))[1:] == [("b", "ready"), ("b", "running")]


def test_barriers_take_no_attempt() -> None:
    hand = Hand(plan_of(task("a"), task("b", needs=(A,), kind=TaskKind.BARRIER), task("c", needs=(B,))))
    hand.begin()
    assert hand.succeed("a") == ["c"]
    assert hand.state("b") == "succeeded"


def test_a_quorum_is_reached_by_weight_and_lost_by_weight() -> None:
    def fresh() -> Hand:
        quorum = task("q", needs=(A, B, C), at_least=3)
        hand = Hand(plan_of(task("a", weight=2), task("b"), task("c"), quorum))
        hand.begin()
        return hand

    hand = fresh()
    assert hand.succeed("a") == []
    assert hand.succeed("b") == ["q"]
    hand.fail("c")
    assert hand.state("q") == "running", "who comes too late does not matter"

    hand = fresh()
    hand.succeed("b")
    assert changes(hand.fail("a"))[1:] == [("q", "skipped")]


def test_a_quorum_waits_for_its_after_edges_too() -> None:
    hand = Hand(plan_of(task("a"), task("b"), task("q", needs=(A,), after=(B,), at_least=1)))
    hand.begin()
    assert hand.succeed("a") == []
    assert hand.succeed("b") == ["q"]


def test_late_and_duplicate_results_are_ignored() -> None:
    hand = Hand(plan_of(task("a"), task("b", needs=(A,))))
    hand.begin()
    assert hand.tell(AttemptSucceeded(A, 2)) == []
    assert hand.tell(AttemptSucceeded("besu/do/nobody", 1)) == []
    hand.succeed("a")
    assert hand.tell(AttemptFailed(A, 1, ErrorClass.INTERNAL, "late")) == []
    assert hand.state("a") == "succeeded"


def test_an_empty_plan_is_a_success() -> None:
    hand = Hand(plan_of())
    hand.begin()
    assert hand.finish.verdict is Verdict.SUCCEEDED


def test_a_plan_out_of_order_runs_all_the_same() -> None:
    hand = Hand(plan_of(task("b", needs=(A,)), task("a")))
    assert hand.begin() == ["a"]
    assert hand.succeed("a") == ["b"]


@pytest.mark.parametrize(
    ("tasks", "limits", "says"),
    [
        ((task("a", needs=(C,)), task("b", needs=(A,)), task("c", needs=(B,))), (), "cycle of 3 tasks"),
        ((task("a", after=(A,)),), (), f"cycle of 1 tasks: {A} → {A}"),
        ((task("a", needs=(B,)),), (), f"{A} waits for {B}, which the plan does not have"),
        ((task("a"), task("a")), (), f"two tasks with the id {A}"),
        ((task("a", timeout_s=-1.0),), (), f"{A} has a timeout of -1 s"),
        ((task("a", timeout_s=0.0),), (), "timeout of 0 s"),
        ((task("a", timeout_s=float("nan")),), (), "timeout of nan s"),
        ((task("a", -1.0),), (), "estimate of -1 s"),
        ((task("a", 1, {"s": 1}),), (), "draws from the limit s, which the plan does not have"),
        ((task("a", 1, {"s": 3}),), (slots("s", 2),), f"{A} needs 3 of s, which never has more than 2"),
        ((task("a", 1, {"s": -3}),), (slots("s", 2),), "draws -3"),
        ((task("a", max_attempts=0),), (), "may be tried 0 times"),
        ((task("a", at_least=1),), (), "waits for a weight of 1; its needs weigh 0"),
        ((), (slots("s", 0),), "capacity of 0"),
        ((), (Limit("t", LimitKind.TOKENS, 5),), "refills at 0/s"),
        ((), (slots("s", 1), slots("s", 2)), "two limits named s"),
    ],
)
def test_a_plan_that_cannot_be_run_is_refused_by_name(tasks: tuple, limits: tuple, says: str) -> None:
    with pytest.raises(PlanError, match=r".") as refused:
        Scheduler(plan_of(*tasks, limits=limits))
    assert says in refused.value.message
    assert refused.value.way_out


def test_demands_on_one_limit_add_up() -> None:
    twice = task("a")
    twice = type(twice)(id=A, phase=twice.phase, demands=(Demand("s", 1), Demand("s", 1)))
    with pytest.raises(PlanError, match="needs 2 of s"):
        Scheduler(plan_of(twice, limits=(slots("s", 1),)))


def test_a_resumed_run_goes_on_where_it_was() -> None:
    hand = Hand(plan_of(task("a"), task("b", needs=(A,)), task("c", needs=(B,)), task("d", needs=(A,))))
    begun = hand.begin(RunStarted(done={A: TaskState.SUCCEEDED, B: TaskState.FAILED}, attempts={A: 1, D: 2}))
    assert begun == ["d"]
    assert hand.attempts[D] == 3
    assert hand.state("c") == "skipped"


def test_a_task_skipped_by_request_stays_satisfied_after_a_resume() -> None:
    plan = plan_of(task("a"), task("b", needs=(A,)))
    done = {A: TaskState.SKIPPED}
    assert Hand(plan).begin(RunStarted(done=done, waived=(A,))) == ["b"]
    assert Hand(plan).begin(RunStarted(done=done)) == ["a"], "skipped for another reason: it is done now"


def test_a_resume_that_names_an_unknown_task_is_refused() -> None:
    with pytest.raises(PlanError, match="no task besu/do/x"):
        Hand(plan_of(task("a"))).begin(RunStarted(done={"besu/do/x": TaskState.SUCCEEDED}))


def test_run_started_comes_first_and_once() -> None:
    hand = Hand(plan_of(task("a")))
    with pytest.raises(RuntimeError, match="first"):
        hand.tell(AttemptSucceeded(A, 1))
    hand.begin()
    with pytest.raises(RuntimeError, match="once"):
        hand.begin()
