from __future__ import annotations

from dataclasses import replace
from heapq import heappop, heappush

import pytest
from hands import bucket, plan_of, slots, task

from chainfleet.model.errors import InputError
from chainfleet.model.event import AttemptSucceeded, RunStarted, StartAttempt, TimePassed, Verdict, WakeAt
from chainfleet.model.task import Estimate, Phase, Plan, Task, TaskKind
from chainfleet.scheduling.blueprint import Blueprint
from chainfleet.scheduling.bounds import lower_bound
from chainfleet.scheduling.improving import improved_order, search
from chainfleet.scheduling.listing import Listing
from chainfleet.scheduling.rehearsal import Rehearsing, improve, rehearse
from chainfleet.scheduling.scheduler import Scheduler
from chainfleet.scheduling.world import Faults


def fleet(regions: int = 6, sigma: float = 0.3) -> Plan:
    tasks = []
    for r in range(regions):
        region = f"r{r}"
        spread = 1 + 0.13 * r
        cluster = f"infrastructure/cluster/{region}"
        start = f"besu/start/{region}"
        tasks += [
            Task(cluster, Phase.INFRASTRUCTURE, estimate=Estimate(480 * spread, sigma), region=region,
                 demands=task("x", 1, {"infra": 1, "api": 5}).demands, twins="cluster"),
            Task(start, Phase.BESU, needs=(cluster,), estimate=Estimate(90 * spread, sigma), region=region,
                 demands=task("x", 1, {"besu": 1}).demands, twins="start"),
        ]  # fmt: skip
    starts = tuple(t.id for t in tasks if t.phase is Phase.BESU)
    tasks.append(Task("verification/network/network", Phase.VERIFICATION, needs=starts, at_least=regions - 1))
    limits = (slots("infra", 3), slots("besu", 2), bucket("api", 10, 0.1))
    return plan_of(*tasks, limits=limits)


def test_the_same_seed_gives_the_same_rehearsal() -> None:
    faults = Faults(transient=0.2, retry_after_s=3.0)
    first, again = (rehearse(fleet(), seed=7, faults=faults) for _ in range(2))
    assert first == again
    assert rehearse(fleet(), seed=8, faults=faults) != first


def test_the_rehearsal_decides_as_the_scheduler_does() -> None:
    """A driver of ten lines over `handle` comes to the same moment as the rehearsal's own."""
    plan = fleet()
    rehearsing = Rehearsing(Blueprint(plan), sigma=0)
    rehearsing.run()
    scheduler = Scheduler(plan)
    seconds = {t.id: t.estimate.median_s for t in plan.tasks}
    agenda: list = [(0.0, 0, RunStarted())]
    count, last = 0, 0.0
    while agenda and scheduler.finished is None:
        now, _, event = heappop(agenda)
        last = last if isinstance(event, TimePassed) else now
        for command in scheduler.handle(event, now):
            count += 1
            if isinstance(command, StartAttempt):
                end = AttemptSucceeded(command.task, command.attempt)
                heappush(agenda, (now + seconds[command.task], count, end))
            elif isinstance(command, WakeAt):
                heappush(agenda, (command.at, count, TimePassed()))
    assert last == pytest.approx(rehearsing.makespan / 1e6, abs=1e-5)


def test_the_critical_path_adds_up_to_the_makespan() -> None:
    for seed in range(5):
        result = rehearse(fleet(), seed=seed, faults=Faults(transient=0.15))
        steps = result.critical_path
        assert steps[-1].end_s == pytest.approx(result.makespan_s)
        assert sum(s.end_s - s.start_s + s.waited_s for s in steps) == pytest.approx(result.makespan_s)
        assert sum(result.bound_by.values()) == pytest.approx(result.makespan_s)


def test_a_wait_on_the_critical_path_says_what_for() -> None:
    paced = plan_of(*(task(f"t{i}", 1, {"api": 1}) for i in range(3)), limits=(bucket("api", 1, 0.1),))
    result = rehearse(paced, sigma=0)
    assert [(s.waited_for, round(s.waited_s)) for s in result.critical_path[-1:]] == [("api", 20)]
    flaky = rehearse(plan_of(task("a", 10)), seed=3, sigma=0, faults=Faults(transient=0.7))
    assert flaky.retries > 0
    assert set(flaky.bound_by) == {"besu", "waiting for retry"}


def test_nothing_beats_the_bound() -> None:
    for slots_ in (1, 2, 5):
        plan = fleet(regions=4 + slots_)
        assert rehearse(plan, sigma=0).makespan_s >= lower_bound(plan).seconds - 1e-6


def test_bounds_name_what_binds() -> None:
    many = [task(f"t{i}", 10, {"s": 1}) for i in range(20)]
    bound = lower_bound(plan_of(*many, limits=(slots("s", 2),)))
    assert (bound.seconds, bound.binding) == (100.0, "work of s")
    bound = lower_bound(
        plan_of(*(task(f"t{i}", 1, {"t": 2}) for i in range(20)), limits=(bucket("t", 10, 0.5),))
    )
    assert (bound.seconds, bound.binding) == (61.0, "rate of t"), "(40 - 10) / 0.5 and the last one's second"
    chained = [task("a", 50), *(task(f"b{i}", 10, {"s": 1}, needs=("besu/do/a",)) for i in range(6))]
    bound = lower_bound(plan_of(*chained, limits=(slots("s", 2),)))
    assert (bound.seconds, bound.binding) == (80.0, "head and tail of s")


def test_a_quorum_does_not_wait_for_its_slowest_in_the_bound() -> None:
    plan = plan_of(task("a", 1), task("b", 100), task("q", 5, needs=("besu/do/a", "besu/do/b"), at_least=1))
    assert lower_bound(plan).seconds == 100.0


def test_a_lost_region_degrades_the_rehearsed_network() -> None:
    result = rehearse(fleet(), faults=Faults(lost_regions=("r2",)))
    assert result.verdict is Verdict.DEGRADED
    assert result.regions["r2"] is Verdict.FAILED


def test_what_a_cloud_goes_on_with_is_waited_for_and_not_begun_again() -> None:
    def makespan(seed: int, *, adoptable: bool, transient: float = 0.4) -> float:
        cluster = Task(
            "infrastructure/cluster/r", Phase.INFRASTRUCTURE, estimate=Estimate(600.0), adoptable=adoptable
        )
        world = Faults(transient=transient)
        return rehearse(
            plan_of(replace(cluster, max_attempts=20)), seed=seed, sigma=0, faults=world
        ).makespan_s

    for seed in range(30):
        adopted, anew = (makespan(seed, adoptable=each) for each in (True, False))
        if (
            anew > 600
        ):  # Something was cut off. Backing off takes at most a minute, looking again 10 s each time.
            assert 600 <= adopted < 600 + 130
    assert sum(makespan(seed, adoptable=False) > 800 for seed in range(30)) > 5
    assert sum(makespan(seed, adoptable=True) > 800 for seed in range(30)) == 0


def test_a_slow_region_and_a_person_at_a_gate_take_their_time() -> None:
    plan = plan_of(
        task("a", 10, region="eu"),
        task("g", kind=TaskKind.GATE, needs=("besu/do/a",)),
        task("b", 10, needs=("besu/do/g",)),
    )
    result = rehearse(plan, sigma=0, faults=Faults(slow_regions={"eu": 3.0}, gate_s=600))
    assert result.makespan_s == pytest.approx(640)
    assert result.bound_by["gate"] == pytest.approx(600)


@pytest.mark.parametrize(
    ("faults", "says"),
    [
        (Faults(transient=1.0), "can't fail"),
        (Faults(lost_regions=("mars",)), "region mars"),
        (Faults(slow_regions={"r1": 0.0}), "0 times as slow"),
        (Faults(real_limits={"x": ()}), "limit x"),
    ],
)
def test_faults_that_do_not_fit_are_refused_by_name(faults: Faults, says: str) -> None:
    with pytest.raises(InputError, match=says):
        rehearse(fleet(), faults=faults)


def test_a_listing_comes_to_what_the_engine_does() -> None:
    """Slots only: the bare schedule and the full engine are the same policy."""
    tasks = [t for t in fleet(12).tasks if t.region]
    plan = plan_of(*(type(t)(id=t.id, phase=t.phase, needs=t.needs, estimate=t.estimate, demands=t.demands[:1]) for t in tasks),
                   limits=(slots("infra", 3), slots("besu", 2)))  # fmt: skip
    blueprint = Blueprint(plan)
    listing = Listing(plan, blueprint.graph, blueprint.durations)
    rehearsing = Rehearsing(blueprint, sigma=0, traced=False)
    rehearsing.run()
    assert listing.forwards([-r for r in blueprint.ranks]).makespan == rehearsing.makespan


def test_a_searched_order_is_kept_only_if_it_rehearses_better() -> None:
    plan = plan_of(
        *(task(f"t{i}", 1 + (7 * i) % 11, {"s": 1}) for i in range(12)),
        *(task(f"u{i}", 3 + (5 * i) % 7, {"z": 1}, needs=(f"besu/do/t{i}",)) for i in range(12)),
        limits=(slots("s", 3), slots("z", 2)),
    )
    blueprint = Blueprint(plan)
    listing = Listing(plan, blueprint.graph, blueprint.durations)
    plain = listing.forwards([-r for r in blueprint.ranks])
    assert search(listing, [-r for r in blueprint.ranks], effort=5000, seed=0).makespan <= plain.makespan
    better = improve(blueprint, effort=5000)
    before, after = (Rehearsing(b, sigma=0, traced=False) for b in (blueprint, better))
    before.run()
    after.run()
    assert after.makespan <= before.makespan
    same = improved_order(blueprint, lambda order: 0.0 if order is blueprint.order else 1.0, effort=5000)
    assert same is blueprint.order


def test_unsure_durations_are_not_searched() -> None:
    blueprint = Blueprint(fleet(sigma=0.6))
    assert improve(blueprint).order is blueprint.order


def test_twins_that_take_longer_change_what_is_expected_of_the_others() -> None:
    tasks = [task(f"t{i}", 10, {"s": 1}, twins="x") for i in range(12)]
    plan = plan_of(*tasks, task("long", 30, {"s": 1}), limits=(slots("s", 1),))
    scheduler = Scheduler(plan)
    now, running = 0.0, "besu/do/long"
    scheduler.handle(RunStarted(), 0.0)
    for took in (30, 40, 40, 40, 40, 40):
        now += took
        before = scheduler.remaining_s(now)
        commands = scheduler.handle(AttemptSucceeded(running, 1), now)
        running = next(c.task for c in commands if isinstance(c, StartAttempt))
    assert before < 100 < scheduler.remaining_s(now)
    assert scheduler.remaining_s(now) == pytest.approx(7 * 40)
