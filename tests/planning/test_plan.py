"""The plan of the main job: what it holds, what waits for what, in each mode."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainfleet.model.errors import PlanError
from chainfleet.model.fleet import Fleet, Network, Region
from chainfleet.model.task import Mode, Phase, Plan, TaskKind
from chainfleet.scheduling.planning import Overrides, Selection, make_destroy_plan, make_plan, select
from chainfleet.scheduling.planning.waves import make_waves


def plan_of(fleet: Fleet, mode: Mode = Mode.ULTRA, waves: tuple[int | str, ...] = ()) -> Plan:
    return make_plan(fleet, "r1", overrides=Overrides(mode=mode, waves=waves))


def ancestors(plan: Plan, task_id: str) -> set[str]:
    tasks = {task.id: task for task in plan.tasks}
    found: set[str] = set()
    waiting = [task_id]
    while waiting:
        task = tasks[waiting.pop()]
        new = {*task.needs, *task.after} - found
        found |= new
        waiting += new
    return found


def test_the_main_job_has_every_task_once(chain_138: Fleet) -> None:
    actions = Counter(
        task.id.rsplit("/", 1)[0] for task in plan_of(chain_138).tasks if task.kind is TaskKind.WORK
    )
    assert actions == {
        "infrastructure/network": 24,
        "infrastructure/cluster": 24,
        "kubernetes/base": 24,
        "besu/keys": 1,
        "besu/genesis": 1,
        "besu/peers": 1,
        "besu/config": 24,
        "besu/start": 48,
        "besu/chain": 1,
        "contracts/deploy": 2,
        "contracts/round": 2,
        "monitoring/install": 24,
        "verification/region": 24,
        "verification/network": 1,
    }


def test_in_ultra_only_true_dependencies_hold_anything_up(chain_138: Fleet) -> None:
    plan = plan_of(chain_138)
    assert plan.task("contracts/deploy/mainnet").needs == ()
    assert plan.task("besu/keys/network").needs == ()
    assert "infrastructure/cluster/uksouth" not in ancestors(plan, "kubernetes/base/northeurope")


def test_the_peer_list_waits_for_every_address(chain_138: Fleet) -> None:
    before = ancestors(plan_of(chain_138), "besu/peers/network")
    assert {f"infrastructure/network/{region.name}" for region in chain_138.regions} <= before
    assert not any(task.startswith("infrastructure/cluster") for task in before)


def test_no_validator_starts_before_a_quorum_can(chain_138: Fleet) -> None:
    plan = plan_of(chain_138)
    release = plan.task("besu/release/network")
    assert release.at_least == 32
    assert sum(plan.task(need).weight for need in release.needs) == 48
    assert all(
        "besu/release/network" in task.needs for task in plan.tasks if task.id.startswith("besu/start/")
    )


@pytest.mark.parametrize("mode", [Mode.STANDARD, Mode.MAX])
def test_phases_stand_behind_barriers(chain_138: Fleet, mode: Mode) -> None:
    plan = plan_of(chain_138, mode)
    infrastructure = {
        task.id for task in plan.tasks if task.phase is Phase.INFRASTRUCTURE and task.kind is TaskKind.WORK
    }
    assert infrastructure <= ancestors(plan, "kubernetes/base/northeurope")
    assert infrastructure <= ancestors(plan, "contracts/deploy/mainnet")


def test_a_barrier_orders_and_does_not_spread_failure(chain_138: Fleet) -> None:
    barriers = [task for task in plan_of(chain_138, Mode.MAX).tasks if "/barrier/" in task.id]
    assert len(barriers) == 5
    assert all(not task.needs for task in barriers)


def test_sequential_is_a_chain(chain_138: Fleet) -> None:
    plan = plan_of(chain_138, Mode.SEQUENTIAL)
    works = [task.id for task in plan.tasks if task.kind is TaskKind.WORK]
    for before, task in itertools.pairwise(works):
        assert before in ancestors(plan, task)


def test_ceilings_are_those_of_the_mode(chain_138: Fleet) -> None:
    def ceilings(mode: Mode) -> list[float]:
        limits = {limit.name: limit.capacity for limit in plan_of(chain_138, mode).limits}
        return [limits[f"{phase.value}/slots"] for phase in list(Phase)[:5]]

    assert ceilings(Mode.ULTRA) == ceilings(Mode.MAX) == [128, 24, 48, 2, 24]
    assert ceilings(Mode.SEQUENTIAL) == [1, 1, 1, 1, 1]
    assert ceilings(Mode.STANDARD)[0] == 10


def test_a_region_without_validators_counts_for_no_quorum_of_them(chain_138: Fleet) -> None:
    regions = tuple(
        region.model_copy(update={"validators": 1 if place < 4 else 0})
        for place, region in enumerate(chain_138.regions[:10])
    )
    plan = plan_of(chain_138.model_copy(update={"regions": regions}))
    for barrier in ("besu/addresses/network", "besu/release/network", "verification/regions/network"):
        task = plan.task(barrier)
        assert task.at_least == 3
        assert sum(plan.task(need).weight for need in task.needs) == 4, barrier
    # Who carries none is waited for all the same.
    assert len(plan.task("verification/regions/network").after) == 10


def test_waves_hold_back_only_the_start_of_validators(chain_138: Fleet) -> None:
    plan = plan_of(chain_138, waves=(8, 16))
    assert [len(wave) for wave in plan.waves] == [8, 16]
    late, early = plan.waves[1][0], plan.waves[0][0]
    assert "besu/gate/wave-1" in plan.task(f"besu/start/{late}-0").needs
    assert "besu/gate/wave-1" not in ancestors(plan, f"besu/config/{late}")
    assert "besu/gate/wave-1" not in ancestors(plan, f"besu/start/{early}-0")


@pytest.mark.parametrize(
    ("wanted", "sizes"),
    [((8, 16), [8, 16]), ((8,), [8, 16]), (("25%", "75%"), [6, 18]), (("r0+r3",), [2, 22]), ((), [])],
)
def test_sizes_of_waves(wanted: tuple[int | str, ...], sizes: list[int]) -> None:
    assert [len(wave) for wave in make_waves([f"r{i}" for i in range(24)], wanted)] == sizes


@pytest.mark.parametrize(
    "wanted",
    [(0, 24), (8, 17), ("nowhere",), ("0%",), ("",), ("²",), ("101%",), ("r1+r1",), ("9" * 5000,)],
)
def test_a_wave_that_names_no_region_is_refused(wanted: tuple[int | str, ...]) -> None:
    with pytest.raises(PlanError):
        make_waves([f"r{i}" for i in range(24)], wanted)


def test_what_is_left_out_counts_as_done(chain_138: Fleet) -> None:
    plan = select(plan_of(chain_138), Selection(start=Phase.VERIFICATION))
    assert {task.phase for task in plan.tasks} == {Phase.VERIFICATION}
    assert plan.task("verification/region/uksouth").needs == ()
    only = select(plan_of(chain_138), Selection(only=("uksouth",)))
    assert {task.region for task in only.tasks} == {"uksouth"}


def test_a_join_needs_less_when_some_of_it_is_done(chain_138: Fleet) -> None:
    plan = select(plan_of(chain_138), Selection(skip=("besu/start/northeurope-*",)))
    assert plan.task("besu/chain/network").at_least == 30


@pytest.mark.parametrize("word", ["northeurop", "besu/stop/*", "infra"])
def test_a_word_that_matches_nothing_is_refused(chain_138: Fleet, word: str) -> None:
    with pytest.raises(PlanError, match=r"matches no task"):
        select(plan_of(chain_138), Selection(only=(word,)))


def test_destroy_takes_clusters_before_networks(chain_138: Fleet) -> None:
    plan = make_destroy_plan(plan_of(chain_138), chain_138)
    infrastructure = {task.id for task in plan.tasks if task.region}
    assert len(infrastructure) == 48
    assert plan.task("infrastructure/network/uksouth").needs == ("infrastructure/cluster/uksouth",)
    # The genesis outlives every region, and no longer than that: the next network may have another.
    assert set(plan.task("besu/genesis/network").needs) == infrastructure
    assert select(plan, Selection(only=("uksouth",))).tasks == tuple(
        task for task in plan.tasks if task.region == "uksouth"
    )


def test_every_cloud_with_modules_gets_infrastructure_and_existing_clusters_none() -> None:
    regions = (
        Region(name="eu-west-1", cloud="aws"),
        Region(name="europe-west1", cloud="gcp"),
        Region(name="northeurope"),
        Region(name="mine", cloud="kubeconfig", context="mine", addresses=("20.0.0.1",)),
    )
    plan = plan_of(Fleet(name="mixed", network=Network(chain_id=9, validators_per_region=1), regions=regions))
    made = [task.id for task in plan.tasks if task.id.startswith("infrastructure/cluster/")]
    assert made == [f"infrastructure/cluster/{r.name}" for r in regions[:3]]
    assert plan.task("kubernetes/base/mine").needs == ()


@given(st.integers(2, 40), st.integers(1, 4), st.sampled_from(list(Mode)))
def test_every_task_comes_after_its_predecessors(regions: int, validators: int, mode: Mode) -> None:
    network = Network(chain_id=9, validators_per_region=validators)
    fleet = Fleet(
        name="any", network=network, regions=tuple(Region(name=f"region-{i}") for i in range(regions))
    )
    seen: set[str] = set()
    for task in plan_of(fleet, mode).tasks:
        assert {*task.needs, *task.after} <= seen
        seen.add(task.id)
