"""Limits never give more than they have, find a changed capacity, and recover from storms."""

from __future__ import annotations

from math import exp

import pytest
from hands import Hand, bucket, plan_of, slots, task
from hypothesis import given, settings
from hypothesis import strategies as st

from chainfleet.model.errors import ErrorClass
from chainfleet.model.event import LimitObserved, RunStarted
from chainfleet.model.task import Plan, Policy, RetryPolicy, Task
from chainfleet.scheduling.adaptive import Level
from chainfleet.scheduling.blueprint import Blueprint
from chainfleet.scheduling.rehearsal import Rehearsing
from chainfleet.scheduling.slots import Slots
from chainfleet.scheduling.tokens import Bucket
from chainfleet.scheduling.world import Change, Faults

S = 1_000_000


@settings(max_examples=150, deadline=None)
@given(
    burst=st.integers(1, 50),
    rate=st.floats(0.05, 50),
    steps=st.lists(st.tuples(st.floats(0, 30), st.integers(1, 50)), min_size=1, max_size=60),
    adaptive=st.booleans(),
)
def test_no_window_sees_more_than_burst_and_refill(
    burst: int, rate: float, steps: list[tuple[float, int]], *, adaptive: bool
) -> None:
    meter = Bucket(burst, rate, Level(S) if adaptive else None)
    now, drawn = 0, [(0, 0.0)]
    for wait, tokens in steps:
        now += round(wait * S)
        if tokens % 7 == 0:
            meter.throttled(now, None)
        tokens = min(tokens, burst)
        now = max(now, meter.ready_at(tokens))
        assert meter.admits(tokens, now), "ready_at keeps its word"
        meter.take(tokens, now)
        drawn.append((now, float(tokens)))
    for i, (start, _) in enumerate(drawn):
        total = 0.0
        for at, tokens in drawn[i + 1 :]:
            total += tokens
            if at >= start:
                assert total <= burst + rate * (at - drawn[i + 1][0]) / S + 1e-3


@settings(max_examples=100, deadline=None)
@given(
    capacity=st.integers(1, 40),
    steps=st.lists(st.tuples(st.integers(1, 40), st.booleans(), st.booleans()), max_size=80),
)
def test_slots_never_hold_more_than_there_are(capacity: int, steps: list[tuple[int, bool, bool]]) -> None:
    meter = Slots(capacity, Level(S))
    held: list[int] = []
    for i, (amount, throttled, ended) in enumerate(steps):
        now = i * S
        units = meter.units(min(amount, capacity))
        if throttled:
            meter.throttled(now, None)
        meter.calm(now)
        if meter.admits(units, now):
            meter.take(units, now)
            held.append(units)
        assert sum(held) == meter.held * 1000
        assert meter.held <= capacity
        assert meter.held <= meter.current or len(held) == 1 or throttled or sum(held[:-1]) > 0
        if ended and held:
            meter.give(held.pop(0))


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60))
def test_a_level_finds_a_changed_capacity_and_stays_near_it(start: int, real: int) -> None:
    meter = Slots(60, Level(S))
    now = 0
    for capacity in (start, real):
        seen = []
        for _ in range(1500):
            now += S
            room = int(meter.current)
            if room > capacity:
                meter.throttled(now, None)
            else:
                meter.calm(now)
            seen.append(meter.current)
        late = seen[1000:]
        assert max(late) < capacity + 2, "it never climbs more than one over what there is"
        assert sum(late) / len(late) > min(60, capacity) - 2.5


def test_a_level_recovers_after_a_storm() -> None:
    meter = Slots(30, Level(S))
    for second in range(30):
        meter.throttled(second * S, None)
    assert meter.current <= 2
    for second in range(30, 130):
        meter.calm(second * S)
    assert meter.current == 30


def test_a_level_falls_once_per_congestion() -> None:
    level = Level(10 * S)
    assert level.throttled(0)
    assert not level.throttled(9 * S)
    assert level.value == pytest.approx(0.7)
    assert level.throttled(10 * S)


def crowd(size: int, limit: object, demand: str, seconds: float = 30.0) -> Plan:
    policy = Policy(RetryPolicy(run_budget=100))
    tasks = [task(f"t{i}", seconds, {demand: 1}, max_attempts=500) for i in range(size)]
    return plan_of(*tasks, limits=(limit,), policy=policy)  # type: ignore[arg-type]


def test_a_capacity_that_drops_and_returns_is_followed() -> None:
    limit = slots("s", 30, adaptive=True)
    changes = (Change(0, 30), Change(900, 12), Change(1950, 24))
    faults = Faults(real_limits={"s": changes})
    run = Rehearsing(Blueprint(crowd(2000, limit, "s")), faults=faults, traced=False)
    assert run.run().verdict == "succeeded"
    # 27,000 slot seconds before the drop and 12,600 until the return; the rest goes by 24.
    ideal = 1950 + (2000 * 30 * exp(0.3**2 / 2) - 27_000 - 12_600) / 24
    assert run.makespan / 1e6 < 1.08 * ideal
    assert run.throttled / run.attempts < 0.015


def test_a_rate_bound_run_is_paced_at_its_bound() -> None:
    run = Rehearsing(Blueprint(crowd(3000, bucket("t", 50, 20.0), "t", 0.3)), sigma=0, traced=False)
    run.run()
    assert run.throttled == 0
    assert run.makespan / 1e6 < 1.02 * ((3000 - 50) / 20 + 0.3)


def test_retry_after_closes_the_limit_for_everybody() -> None:
    hand = Hand(plan_of(*(task(f"t{i}", 1, {"api": 1}) for i in range(9)), limits=(bucket("api", 5, 1.0),)))
    assert len(hand.begin()) == 5
    hand.tell(LimitObserved("api", throttled=1, retry_after_s=60.0), at=1.0)
    for name in ("t0", "t1", "t2", "t3", "t4"):
        hand.succeed(name)
    assert hand.scheduler.bottleneck(30.0).text == "api is closed for 31 s (Retry-After); 4 tasks wait"
    assert hand.wait(60.9) == []
    assert hand.wait(61.1) != []


def test_a_falling_header_is_believed() -> None:
    hand = Hand(plan_of(*(task(f"t{i}", 1, {"api": 1}) for i in range(9)), limits=(bucket("api", 5, 1.0),)))
    hand.begin()
    hand.tell(LimitObserved("api", remaining=0.0), at=4.0)
    assert hand.wait(4.5) == []
    assert hand.wait(5.1) == ["t5"]


def test_parallelism_follows_the_limit() -> None:
    limit = slots("roots", 40, adaptive=True)
    tasks = [Task(f"infrastructure/cluster/r{i}", task("x").phase.INFRASTRUCTURE) for i in range(8)]
    drawing = tuple(
        type(t)(id=t.id, phase=t.phase, demands=task("x", 1, {"roots": 1}).demands) for t in tasks
    )
    hand = Hand(plan_of(*drawing, limits=(limit,)))
    commands = hand.tell(RunStarted())
    assert {c.parallelism for c in commands if hasattr(c, "parallelism")} == {5}
    hand.tell(LimitObserved("roots", throttled=1), at=1.0)
    hand.fail(drawing[0].id, ErrorClass.TRANSIENT, at=1.0)
    again = [c.parallelism for c in hand.tell(LimitObserved("x"), at=100.0) if hasattr(c, "parallelism")]
    assert again == [3], "28 of 40 left for 8 roots"
