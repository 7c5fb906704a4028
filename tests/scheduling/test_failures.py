from __future__ import annotations

import pytest
from hands import Hand, changes, plan_of, slots, started, task

from chainfleet.model.errors import ErrorClass
from chainfleet.model.event import Incident, ResumeRequested, RetryRequested, StateChanged, Verdict
from chainfleet.model.task import FailureBudget, Phase, Policy, RetryPolicy, Task
from chainfleet.scheduling.retry import RESERVE, backoff

FLAKY = ErrorClass.TRANSIENT
A = "besu/do/a"


def retry_time(commands: list) -> float:
    return next(c.retry_at for c in commands if isinstance(c, StateChanged) and c.retry_at is not None)


def test_a_backing_off_task_holds_no_slot() -> None:
    hand = Hand(plan_of(task("a", 5, {"s": 1}), task("b", 1, {"s": 1}), limits=(slots("s", 1),)))
    hand.begin()
    commands = hand.fail("a", FLAKY, at=1.0)
    assert started(commands) == ["b"]
    assert hand.state("a") == "backing-off"
    at = retry_time(commands)
    assert 1.0 < at <= 3.000001
    hand.succeed("b", at=1.0)
    assert hand.wait(at) == ["a"]
    assert hand.attempts[A] == 2


@pytest.mark.parametrize("error_class", [c for c in ErrorClass if not c.retryable])
def test_what_a_retry_cannot_help_fails_at_once(error_class: ErrorClass) -> None:
    hand = Hand(plan_of(task("a"), task("b")))
    hand.begin()
    hand.fail("a", error_class)
    assert hand.state("a") == ("cancelled" if error_class is ErrorClass.CANCELLED else "failed")


@pytest.mark.parametrize("error_class", [c for c in ErrorClass if c.retryable])
def test_attempts_are_counted_up_to_the_cap(error_class: ErrorClass) -> None:
    hand = Hand(plan_of(task("a", max_attempts=3)))
    hand.begin()
    for attempt in (1, 2):
        assert hand.attempts[A] == attempt
        hand.wait(retry_time(hand.fail("a", error_class)))
    hand.fail("a", error_class)
    assert hand.state("a") == "failed"
    assert hand.finish.verdict is Verdict.FAILED


def test_retry_after_is_waited_for() -> None:
    hand = Hand(plan_of(task("a")))
    hand.begin()
    at = retry_time(hand.fail("a", ErrorClass.THROTTLED, at=5.0, retry_after_s=30.0))
    assert 35.0 <= at <= 37.0


def test_backoff_is_full_jitter_below_a_doubling_cap() -> None:
    policy = RetryPolicy(base_s=2.0, cap_s=60.0)
    for failures, cap in ((1, 2), (2, 4), (3, 8), (6, 60), (80, 60)):
        waits = [backoff(policy, seed, 7, failures, None) / 1e6 for seed in range(2000)]
        assert 0 <= min(waits) < 0.02 * cap
        assert 0.98 * cap < max(waits) <= cap
        assert sum(waits) / 2000 == pytest.approx(cap / 2, rel=0.05)
    assert backoff(policy, 1, 2, 3, None) == backoff(policy, 1, 2, 3, None)


def test_a_region_has_a_retry_budget() -> None:
    policy = Policy(retry=RetryPolicy(region_budget=2))
    hand = Hand(plan_of(*(task(f"t{i}", region="eu") for i in range(3)), policy=policy))
    hand.begin()
    hand.fail("t0", FLAKY)
    hand.fail("t1", FLAKY)
    commands = hand.fail("t2", FLAKY)
    assert hand.state("t2") == "failed"
    assert [c.message for c in commands if isinstance(c, Incident)] == [
        "besu/do/t2: the region's retry budget of 2 is used up"
    ]


def test_the_run_has_a_retry_budget() -> None:
    policy = Policy(retry=RetryPolicy(run_budget=0.0))
    hand = Hand(plan_of(*(task(f"t{i:02}") for i in range(RESERVE + 2)), policy=policy))
    hand.begin()
    for i in range(RESERVE + 2):
        hand.fail(f"t{i:02}", FLAKY)
    assert [hand.state(f"t{i:02}") for i in range(RESERVE + 2)].count("failed") == 2
    assert sum(isinstance(c, Incident) for c in hand.commands) == 1


def twins(count: int, slots_: int = 1, **more: object) -> Hand:
    tasks = [task(f"t{i}", 1, {"s": 1}, twins="cluster", region=f"r{i}") for i in range(count)]
    hand = Hand(plan_of(*tasks, limits=(slots("s", slots_),), policy=Policy(**more)))  # type: ignore[arg-type]
    hand.begin()
    return hand


def test_two_of_the_first_three_twins_failing_alike_hold_back_the_others() -> None:
    hand = twins(6, 2)
    hand.succeed("t0")
    hand.fail("t1", fingerprint="bad subnet")
    commands = hand.fail("t2", fingerprint="bad subnet")
    assert started(commands) == []
    incident = next(c for c in commands if isinstance(c, Incident))
    assert incident.tasks == ("besu/do/t1", "besu/do/t2")
    assert incident.fingerprint == "bad subnet"
    hand.succeed("t3")
    assert [hand.state(f"t{i}") for i in (4, 5)] == ["skipped", "skipped"], "only held ones left: it ends"
    assert hand.finish.verdict is Verdict.FAILED
    assert started(hand.tell(ResumeRequested())) == ["t4", "t5"]
    assert hand.scheduler.finished is None
    assert started(hand.fail("t4", fingerprint="bad subnet")) == [], "seen before: no news"
    assert sum(isinstance(c, Incident) for c in hand.commands) == 1


@pytest.mark.parametrize(
    ("prints", "error_class"),
    [
        (("x", "y"), ErrorClass.CONFIGURATION),
        (("x", "x"), ErrorClass.TIMEOUT),
        (("x", "x"), ErrorClass.CAPACITY),
        (("x", "x"), ErrorClass.TRANSIENT),
        (("x", "x"), ErrorClass.THROTTLED),
    ],
)
def test_twins_failing_differently_or_by_bad_luck_stop_nobody(
    prints: tuple[str, str], error_class: ErrorClass
) -> None:
    tasks = [task(f"t{i}", 1, {"s": 1}, twins="cluster", max_attempts=1) for i in range(4)]
    hand = Hand(plan_of(*tasks, limits=(slots("s", 1),)))
    hand.begin()
    hand.fail("t0", error_class, fingerprint=prints[0])
    assert started(hand.fail("t1", error_class, fingerprint=prints[1])) == ["t2"]


def test_the_fourth_twin_is_too_late_for_the_breaker() -> None:
    hand = twins(6)
    hand.succeed("t0")
    hand.succeed("t1")
    hand.fail("t2", fingerprint="x")
    assert started(hand.fail("t3", fingerprint="x")) == ["t4"]


def test_no_further_region_is_begun_when_too_many_failed() -> None:
    tasks = []
    for i in range(4):
        tasks.append(task(f"a{i}", 1, {"s": 1}, region=f"r{i}"))
        tasks.append(task(f"b{i}", 9, needs=(f"besu/do/a{i}",), region=f"r{i}"))
    policy = Policy(budget=FailureBudget(regions=1))
    hand = Hand(plan_of(*tasks, limits=(slots("s", 1),), policy=policy))
    hand.begin()
    assert started(hand.fail("a0")) == ["a1"]
    assert sorted(hand.succeed("a1")) == ["a2", "b1"]
    commands = hand.fail("a2")
    assert next(c for c in commands if isinstance(c, Incident)).tasks == ("r0", "r2")
    assert [hand.state(n) for n in ("a3", "b3", "b1")] == ["skipped", "skipped", "running"]
    hand.succeed("b1")
    assert hand.finish.regions == {
        "r0": Verdict.FAILED,
        "r1": Verdict.SUCCEEDED,
        "r2": Verdict.FAILED,
        "r3": Verdict.FAILED,
    }
    assert started(hand.tell(RetryRequested(("besu/do/a0",)))) == ["a0"]
    assert hand.succeed("a0") == ["a3", "b0"] or hand.state("a3") == "running"


def verified(verdicts: dict[str, bool]) -> Hand:
    tasks: list[Task] = [task(f"a{i}", region=f"r{i}") for i in range(3)]
    net = Task(
        "verification/network/network", Phase.VERIFICATION, needs=tuple(t.id for t in tasks), at_least=2
    )
    hand = Hand(plan_of(*tasks, net))
    hand.begin()
    for name, good in verdicts.items():
        if good:
            hand.succeed(name)
        else:
            hand.fail(name)
    return hand


def test_a_failed_region_degrades_a_network_that_was_verified() -> None:
    hand = verified({"a0": True, "a1": False, "a2": True, "verification/network/network": True})
    assert hand.finish.verdict is Verdict.DEGRADED
    assert hand.finish.regions == {"r0": Verdict.SUCCEEDED, "r1": Verdict.FAILED, "r2": Verdict.SUCCEEDED}


def test_a_network_that_was_not_verified_is_failed() -> None:
    hand = verified({"a0": True, "a1": True, "a2": True, "verification/network/network": False})
    assert hand.finish.verdict is Verdict.FAILED
    hand = verified({"a0": True, "a1": False, "a2": False})
    assert hand.state("verification/network/network") == "skipped"
    assert hand.finish.verdict is Verdict.FAILED


def test_changes_are_reported_in_order() -> None:
    hand = Hand(plan_of(task("a")))
    hand.begin()
    hand.wait(retry_time(hand.fail("a", FLAKY)))
    hand.succeed("a")
    assert changes(hand.commands) == [
        ("a", state) for state in ("ready", "running", "backing-off", "ready", "running", "succeeded")
    ]
