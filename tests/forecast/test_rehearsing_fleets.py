"""A fleet is rehearsed: the same seed says the same, the strategy's claims come out, wrong questions are refused."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from math import exp, inf, log, nan
from random import Random
from statistics import median, quantiles

import pytest

from chainfleet.model.errors import InputError, PlanError
from chainfleet.model.fleet import Fleet
from chainfleet.model.task import Estimate, Mode, Phase, Plan, Task, TaskKind
from chainfleet.scheduling.blueprint import Blueprint
from chainfleet.scheduling.durations import Durations
from chainfleet.scheduling.forecast import Hands, Learned, Question, Risk, forecast
from chainfleet.scheduling.forecast.faults import FAULT_NAMES, faults_from, named_faults
from chainfleet.scheduling.forecast.learned import Took
from chainfleet.scheduling.forecast.outlook import interval
from chainfleet.scheduling.forecast.profiles import STRATEGY, named_profile, profile_from
from chainfleet.scheduling.forecast.sampling import World, sample
from chainfleet.scheduling.forecast.tuning import exposure
from chainfleet.scheduling.planning import Machine, Overrides, Selection, make_plan, select
from chainfleet.scheduling.rehearsal import Rehearsing
from chainfleet.scheduling.world import Change, Faults


def small(fleet: Fleet, regions: int = 6) -> Fleet:
    return fleet.model_copy(update={"regions": fleet.regions[:regions]})


def text(question: Question, hands: Hands | None = None) -> str:
    return json.dumps(forecast(question, what_if=False, hands=hands or Hands()), sort_keys=True)


def test_the_same_seed_gives_the_same_bytes_however_it_is_shared_out(chain_138: Fleet) -> None:
    question = Question(small(chain_138), "r1", runs=30, seed=7, faults="storm")
    once = text(question)
    assert text(question) == once
    assert text(question, Hands(map, 7)) == once
    with ProcessPoolExecutor(2) as pool:
        assert text(question, Hands(pool.map, 2)) == once
    assert text(replace(question, seed=8)) != once


def test_known_bytes(chain_138: Fleet) -> None:
    """The same on every machine: figures that were written down once."""
    document = forecast(Question(small(chain_138), "r1", runs=20, profile=STRATEGY), what_if=False)
    ultra = document["modes"]["ultra"]
    assert (ultra["p50_s"], ultra["p90_s"], ultra["lower_bound_s"]) == KNOWN


KNOWN = (1318.1447, 1406.8324, 1280.0)


def test_all_of_the_strategys_claims_come_out_of_one_set_of_durations(chain_138: Fleet) -> None:
    question = Question(chain_138, "r1", runs=15, profile=named_profile("strategy"))
    document = forecast(question, modes=tuple(Mode), what_if=False)
    assert {claim["mode"]: claim["verdict"] for claim in document["claims"]} == dict.fromkeys(
        (mode.value for mode in Mode), "inside"
    )
    spans = [document["modes"][mode.value]["p50_s"] for mode in Mode]
    assert spans == sorted(spans, reverse=True), "each mode is faster than the one before"


def test_the_answer_has_every_figure(chain_138: Fleet) -> None:
    answer = forecast(Question(small(chain_138), "r1", runs=40, faults="flaky"))["modes"]["ultra"]
    for key in ("p50_s", "p90_s", "p99_s", "lower_bound_s", "bound_by", "critical_path", "calls_per_success"):
        assert key in answer
    assert answer["lower_bound_s"] < answer["p50_s"] <= answer["p90_s"] <= answer["p99_s"]
    assert answer["calls_per_success"] == pytest.approx(1.05, abs=0.03)
    assert sum(share["share"] for share in answer["critical_path"]) == pytest.approx(1, abs=0.01)
    assert sum(answer["histogram"]["counts"]) == 40
    assert sum(answer["chances"].values()) == pytest.approx(1)
    assert set(answer["regions"]) == {region.name for region in small(chain_138).regions}
    ends = [phase["p50_s"] for phase in answer["phases"].values()]
    assert max(ends) <= answer["p99_s"]
    assert max(bar["end_s"] for bar in answer["gantt"]) == pytest.approx(answer["chain"][-1]["end_s"])


def test_what_if_finds_the_ceiling_that_binds(chain_138: Fleet) -> None:
    tight = chain_138.deployment.ceilings.model_copy(update={"besu": 2})
    question = Question(small(chain_138), "r1", runs=40, overrides=Overrides(ceilings=tight))
    answer = forecast(question)["modes"]["ultra"]
    assert answer["constraints"][0]["limit"] == "besu/slots"
    gains = {variation["change"]: variation["gain_p90_s"] for variation in answer["what_if"]}
    assert gains["besu 2 → 4 at once"] > 60
    assert gains["contracts 2 → 4 at once"] == pytest.approx(0, abs=5)
    assert gains["mode sequential"] < 0
    assert answer["recommendation"].startswith("besu 2 → 4 at once (--ceiling besu=4)")


def test_a_change_that_can_not_be_planned_is_not_proposed(chain_138: Fleet) -> None:
    """Waves of 8 and 16 regions leave no room for four regions fewer."""
    question = Question(chain_138, "r1", runs=3, overrides=Overrides(waves=(8, 16)))
    found = forecast(question)["modes"]["ultra"]["what_if"]
    assert len(found) > 5
    assert not any("fewer regions" in variation["change"] for variation in found)


def test_tuning_opens_what_binds_and_closes_what_does_not(chain_138: Fleet) -> None:
    tight = chain_138.deployment.ceilings.model_copy(update={"besu": 2})
    question = Question(small(chain_138), "r1", runs=10, overrides=Overrides(ceilings=tight))
    tuned = forecast(question, what_if=False, risk=Risk())["tuned"]
    assert tuned["after"]["p90_s"] < 0.9 * tuned["before"]["p90_s"]
    settings = dict(
        option.removeprefix("--ceiling ").split("=") for option in tuned["options"] if "=" in option
    )
    assert int(settings["besu"]) > 2
    assert int(settings["infrastructure"]) < 128


def test_tuning_keeps_the_exposure_and_the_risk(chain_138: Fleet) -> None:
    question = Question(small(chain_138), "r1", runs=10)
    tuned = forecast(question, what_if=False, risk=Risk(exposed=0.34))["tuned"]
    assert any(option.startswith("--waves") for option in tuned["options"])
    doomed = replace(question, faults="lost-region")
    with pytest.raises(InputError, match="no setting keeps the risk: 100%"):
        forecast(doomed, what_if=False, risk=Risk(degraded=0.1))
    with pytest.raises(InputError, match=r"risk \(degraded\) of 2"):
        Risk(degraded=2)


def test_what_starts_together_is_counted_in_validators(chain_138: Fleet) -> None:
    regions = tuple(
        region.model_copy(update={"validators": (4, 2, 2, 0)[place]})
        for place, region in enumerate(chain_138.regions[:4])
    )
    fleet = chain_138.model_copy(update={"regions": regions})
    plan = make_plan(fleet, "r1", overrides=Overrides(waves=(1, 3)))
    assert exposure(plan) == 0.5
    # Where only part of the plan is kept as well.
    assert exposure(select(plan, Selection(only=("besu/start/*",)))) == 0.5
    assert exposure(select(plan, Selection(only=("infrastructure",)))) == 0.0


@pytest.mark.parametrize("name", [name for name in FAULT_NAMES if name not in ("none", "people")])
def test_every_fault_profile_costs_something(chain_138: Fleet, name: str) -> None:
    fleet = small(chain_138, 12)
    calm = forecast(Question(fleet, "r1", runs=12), what_if=False)["modes"]["ultra"]
    hurt = forecast(Question(fleet, "r1", runs=12, faults=name), what_if=False)["modes"]["ultra"]
    assert hurt["mean_s"] > calm["mean_s"] or hurt["chances"].get("succeeded", 0) < 1


def test_people_at_gates_take_their_time(chain_138: Fleet) -> None:
    waves = Overrides(waves=(2,))
    calm = forecast(Question(small(chain_138), "r1", runs=6, overrides=waves), what_if=False)
    slow = forecast(Question(small(chain_138), "r1", runs=6, overrides=waves, faults="people"), what_if=False)
    assert slow["modes"]["ultra"]["p50_s"] > calm["modes"]["ultra"]["p50_s"] + 300


def test_few_cores_make_terraform_slower(chain_138: Fleet) -> None:
    plenty = forecast(Question(chain_138, "r1", runs=6), what_if=False)["modes"]["ultra"]
    two = forecast(Question(chain_138, "r1", runs=6, cores=2), what_if=False)["modes"]["ultra"]
    assert two["p50_s"] > plenty["p50_s"] + 60


def test_a_profile_without_an_action_names_it(chain_138: Fleet) -> None:
    holes = {action: estimate for action, estimate in STRATEGY.items() if action != "besu/start"}
    with pytest.raises(InputError, match="no duration for besu/start"):
        forecast(Question(chain_138, "r1", profile=holes))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"besu/start": -3}, "besu/start: median_s of -3"),
        ({"besu/start": {"median_s": 3, "sigma": -1}}, "sigma of -1"),
        ({"besu/start": {"median_s": 3, "sigma": 1000}}, "sigma of 1000"),
        ({"besu/start": 1e30}, "median_s of 1e"),
        ({"besu/start": {"median": 3}}, "give seconds, .*`median` is not known"),
        ({"besu/start": {"sigma": 1}}, "give seconds, .*median_s is missing"),
        ({"besu/start": "soon"}, "median_s of 'soon'"),
        ([1], "maps actions"),
    ],
)
def test_a_duration_that_can_not_be_is_named(values: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        profile_from(values, "mine.yaml")


def test_a_profile_from_a_document() -> None:
    profile = profile_from({"a/b": 3, "a/c": {"median_s": 2, "sigma": 0.1}}, "mine.yaml")
    assert profile == {"a/b": Estimate(3.0), "a/c": Estimate(2.0, 0.1)}
    with pytest.raises(InputError, match="did you mean `strategy`"):
        named_profile("stratgy")


def test_an_impossible_demand_names_task_and_limit(chain_138: Fleet) -> None:
    with pytest.raises(PlanError, match=r"infrastructure/network/\w+ needs 90 of machine/memory, .* 64"):
        forecast(Question(chain_138, "r1", machine=Machine(memory_mib=64)))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"transient": 2.0}, "a share of 2"),
        ({"lost_regions": ["atlantis"]}, "region atlantis, which the plan does not have"),
        ({"slow_regions": {"uksouth": 0}}, "0 times as slow"),
        ({"slow_regions": {"uksouth": inf}}, "inf times as slow"),
        ({"real_limits": {"nobody": [{"at_s": 0, "capacity": 1}]}}, "limit nobody"),
        ({"real_limits": {"besu/slots": [{"at_s": nan, "capacity": 1}]}}, "at_s of besu/slots can't be nan"),
        ({"real_limits": {"besu/slots": [{"at_s": 0, "capacity": -1}]}}, "capacity of besu/slots can't be"),
        ({"gate_s": -5}, "gate_s can't be -5"),
        ({"retry_after_s": nan}, "retry_after_s can't be nan"),
        ({"lost_workers_at_s": [1, -1]}, "lost_workers_at_s can't be -1"),
        ({"no_capacity_until_s": {"uksouth": inf}}, "no_capacity_until_s of uksouth can't be inf"),
    ],
)
def test_faults_that_do_not_fit_are_named(chain_138: Fleet, values: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        forecast(Question(chain_138, "r1", runs=1, faults=faults_from(values, "f.yaml")))


def test_fault_files_are_read_strictly(chain_138: Fleet) -> None:
    with pytest.raises(InputError, match="unknown fault `transent`"):
        faults_from({"transent": 0.1}, "f.yaml")
    for key, value, said in (
        ("real_limits", {"x": [{"capacity": 1}]}, "give at_s and capacity"),
        ("real_limits", {"x": {"at_s": 1, "capacity": 1}}, "give a list"),
        ("policed", "no", "give true or false"),
        ("lost_regions", "uksouth", "give a list"),
        ("transient", True, "give a number"),
        ("gate_s", "600", "give a number"),
        ("gate_s", 10**400, "too large"),
        ("slow_regions", ["uksouth"], "give a mapping"),
        ("lost_workers_at_s", 5, "give a list"),
        ("gate_s", None, "give a number"),
    ):
        with pytest.raises(InputError, match=f"f.yaml: {key}: .*{said}"):
            faults_from({key: value}, "f.yaml")
    assert faults_from({"retry_after_s": None}, "f.yaml").retry_after_s is None
    found = faults_from({"transient": 0.1, "real_limits": {"x": [{"at_s": 1, "capacity": 2}]}}, "f.yaml")
    assert found == Faults(transient=0.1, real_limits={"x": (Change(1.0, 2.0),)})
    with pytest.raises(InputError, match="did you mean `storm`"):
        named_faults("strom", Blueprint(Question(chain_138, "r1").plan()))


@pytest.mark.parametrize("field", ["runs", "cores"])
def test_questions_that_can_not_be_asked(chain_138: Fleet, field: str) -> None:
    with pytest.raises(InputError, match="can't be"):
        Question(chain_138, "r1", **{field: -1})  # type: ignore[arg-type]


def test_what_was_learned_is_used_and_its_spread_shows(chain_138: Fleet) -> None:
    took = [
        (f"run-{r}", "infrastructure/cluster", f"r{i}", 100.0 * (1 + 0.2 * (r % 2)) * (1 + i / 100))
        for r in range(6)
        for i in range(8)
    ]
    learned = Learned(took)
    assert learned.actions["infrastructure/cluster"].median_s == pytest.approx(113, rel=0.03)
    assert learned.common == pytest.approx(0.1, abs=0.03), "every other run was 20 % slower"
    answer = forecast(Question(small(chain_138), "r1", runs=40, learned=learned), what_if=False)
    assert answer["learned"]["infrastructure/cluster"]["median_s"] == pytest.approx(113, rel=0.03)
    assert answer["modes"]["ultra"]["p50_s"] < 400, "clusters take a quarter of what is published"


def test_a_slow_region_is_learned_and_a_single_bad_day_is_not_believed() -> None:
    slow = [(f"r{n}", "a/b", region, 10.0 * (3 if region == "slow" else 1)) for n in range(8)
            for region in ("slow", "x", "y", "z")]  # fmt: skip
    learned = Learned(slow)
    usual, late = learned.estimate("a/b", "x"), learned.estimate("a/b", "slow")
    assert usual is not None
    assert late is not None
    assert late.median_s / usual.median_s > 1.8
    once = Learned([*((f"r{n}", "a/b", "x", 10.0) for n in range(9)), ("r9", "a/b", "y", 100.0)])
    outlier = once.estimate("a/b", "y")
    assert outlier is not None
    assert outlier.median_s < 17
    assert Learned([("r", "a/b", None, 5.0)]).estimate("a/b", None) is None, "once is not enough"
    twice = Learned([("r", "a/b", None, 5.0)] * 2).estimate("a/b", None)
    assert twice is not None
    assert twice.sigma > 0.2, "two that are alike prove little"


def test_regions_that_differ_by_chance_alone_are_taken_to_be_alike() -> None:
    luck = Random(4)
    alike = Learned(
        (f"r{n}", "a/b", f"x{i}", 10 * exp(luck.gauss(0, 0.3))) for n in range(6) for i in range(24)
    )
    factors = [alike.estimate("a/b", f"x{i}").median_s / alike.actions["a/b"].median_s for i in range(24)]  # type: ignore[union-attr]
    assert max(abs(log(factor)) for factor in factors) < 0.1, "medians of six lie up to a third apart"


def test_few_runs_make_wide_ranges() -> None:
    few, many = (
        Learned((f"r{n}", "a/b", None, (8.0, 10.0, 12.5)[n % 3]) for n in range(count)) for count in (3, 9)
    )
    assert few.actions["a/b"].sigma > many.actions["a/b"].sigma
    assert few.actions["a/b"].doubt > 1.7 * many.actions["a/b"].doubt


def test_what_was_seen_in_two_kinds_is_not_taken_for_one_in_between() -> None:
    """A chain that begins at once or after a round change: nothing lies between 1 s and 3 s."""
    learned = Learned((f"r{n}", "a/b", None, 1.0 if n % 2 else 3.0) for n in range(40))
    task = Task("a/b/n", Phase.BESU, estimate=replace(learned.actions["a/b"], doubt=0.0))
    durations = Durations(Blueprint(Plan("r", "f", Mode.ULTRA, (task,), ())), 3, {}, None)
    drawn = [durations.sample(0, attempt) / 1e6 for attempt in range(400)]
    assert sum(1.2 < each < 2.4 for each in drawn) < 0.1 * len(drawn)
    assert sum(each < 1.2 for each in drawn) == pytest.approx(200, abs=40)


@pytest.mark.parametrize("shape", [(), (-1.0, -0.9, -0.8, 0.0, 0.5, 0.6, 1.2)])
def test_what_has_run_for_a_while_ends_as_those_that_have_run_so_long(shape: tuple[float, ...]) -> None:
    task = Task("a/b/n", Phase.BESU, estimate=Estimate(10.0, 0.5, shape))
    durations = Durations(Blueprint(Plan("r", "f", Mode.ULTRA, (task,), ())), 3, {}, None)
    since = 9_000_000
    drawn = [durations.sample(0, attempt) for attempt in range(4000)]
    reference = quantiles([each for each in drawn if each > since], n=10)
    left = quantiles([since + durations.left(0, attempt, since) for attempt in range(2000)], n=10)
    assert left == pytest.approx(reference, rel=0.06)


def test_intervals_from_few_runs_hold_what_they_promise(chain_138: Fleet) -> None:
    """Worlds with chance, slow regions and two kinds of start; each is learned from four runs and then forecast."""
    plan = make_plan(small(chain_138), "r1")
    inside, off = 0, []
    for world in range(60):
        true = _world(plan, world)
        seen = [took for n in range(4) for took in _run(true, 1000 * world + n)[1]]
        learned = Learned(seen)
        runs = sample(learned.applied(plan), World(common=learned.common), runs=60, seed=world)
        said = interval([run.makespan for run in runs])
        end, _ = _run(true, 1000 * world + 999)
        inside += said.low_s <= end <= said.high_s
        off.append(end / said.p50_s - 1)
    assert 45 <= inside <= 56, "of intervals that hold eight of ten outcomes; over 300 worlds they hold 79 %"
    assert abs(median(off)) < 0.08


def _world(plan: Plan, seed: int) -> Plan:
    luck = Random(seed)
    factors = {
        region: exp(luck.gauss(0, 0.15)) for region in sorted({task.region or "" for task in plan.tasks})
    }
    two = (-0.4, -0.35, -0.3, 0.5, 0.55, 0.6)

    def true(task: Task) -> Task:
        estimate = replace(task.estimate, median_s=task.estimate.median_s * factors[task.region or ""])
        return replace(task, estimate=replace(estimate, shape=two) if task.phase is Phase.BESU else estimate)

    return replace(plan, tasks=tuple(map(true, plan.tasks)))


def _run(plan: Plan, seed: int) -> tuple[float, list[Took]]:
    rehearsing = Rehearsing(Blueprint(plan), seed=seed)
    rehearsing.run()
    trace, graph = rehearsing.trace, rehearsing.blueprint.graph
    assert trace is not None
    took = [
        (str(seed), name.rsplit("/", 1)[0], plan.tasks[t].region, (trace.end[t] - trace.start[t]) / 1e6)
        for t, name in enumerate(graph.names)
        if plan.tasks[t].kind is TaskKind.WORK and trace.end[t] > trace.start[t]
    ]
    return rehearsing.makespan / 1e6, took
