from __future__ import annotations

import asyncio
import base64
from types import MappingProxyType

import pytest

from chainfleet.drivers.besu import BesuDriver
from chainfleet.drivers.besu.lifecycle import (
    Operation,
    gate_problem,
    restart_stalled,
    rolling_restart,
    start_region,
    stop_region,
    vote,
)
from chainfleet.drivers.besu.observation import observe_chain
from chainfleet.drivers.besu.region_tasks import scale
from chainfleet.drivers.kubernetes.names import manifest
from chainfleet.drivers.verification import VerificationDriver
from chainfleet.emulator.seams import Fault, FaultKind
from chainfleet.model.besu.identity import PrivateKey
from chainfleet.model.errors import ErrorClass, InputError, TaskFailed

CHAIN = "besu/chain/network"
NETWORK = "verification/network/network"


def operation_on(world):
    rows = world.outputs["besu/keys/network"]["validators"]
    return Operation(
        fleet=world.fleet,
        access=world.attempt(CHAIN),
        log=world.logged.append,
        fence=lambda: None,
        addresses={f"{row['region']}-{row['index']}": row["address"] for row in rows},
        clock=world.wall,
    )


async def pods_of(world):
    found = {}
    for region in world.fleet.regions:
        cluster = await world.cluster(region.name)
        for pod in await cluster.list_objects("Pod", "besu"):
            found[region.name, pod["metadata"]["name"]] = pod["metadata"]["uid"]
    return found


def test_a_network_comes_up_is_verified_and_the_second_run_changes_nothing(living):
    async def scenario():
        async with living() as world:
            genesis = world.outputs["besu/genesis/network"]["genesis_hash"]
            for name in ("alpha", "beta", "gamma"):
                outputs = (await world.run(VerificationDriver(), f"verification/region/{name}")).outputs
                assert outputs["validators_ready"] == 2
                assert outputs["peers_min"] == 5
                assert outputs["genesis_hash"] == genesis
            outputs = (await world.run(VerificationDriver(), NETWORK)).outputs
            assert (outputs["validators"], outputs["ready"], outputs["quorum"]) == (6, 6, 4)
            assert outputs["head"] > outputs["head_before"]
            assert outputs["peers_min"] == outputs["peers_max"] == 5
            assert set(outputs["rounds"][1:]) == {0}
            assert "contracts" not in outputs

            before, pods = world.changes(), await pods_of(world)
            for task in list(world.outputs):
                if task.startswith("besu/"):
                    assert not (await world.run(BesuDriver(), task)).changed, task
            for name in ("alpha", "beta", "gamma"):
                assert not (await BesuDriver().change(world.attempt(f"besu/config/{name}"))).changed
            assert world.changes() == before
            assert await pods_of(world) == pods

            status = await observe_chain(world.fleet, world.attempt(CHAIN), world.wall())
            assert status.healthy, status.problems
            assert (status.answering, status.margin, status.genesis_hash) == (6, 2, genesis)
            assert list(status.validator_set) == sorted(operation_on(world).addresses.values())
            assert status.seals_min >= 4

    asyncio.run(scenario())


@pytest.mark.slow
def test_below_quorum_nothing_is_called_a_chain_and_one_more_makes_it_one(configured):
    async def scenario():
        async with configured() as world:
            # One after another, as mode `sequential` does: the first one has nobody to meet.
            for name in ("alpha-0", "beta-0", "gamma-0"):
                await world.run(BesuDriver(), f"besu/start/{name}")
            with pytest.raises(TaskFailed, match="3 validators answer, 4 are needed") as refusal:
                await BesuDriver().change(world.attempt(CHAIN, timeout_s=5))
            assert refusal.value.error_class is ErrorClass.CHAIN_NOT_READY
            await world.run(BesuDriver(), "besu/start/alpha-1")
            assert (await world.run(BesuDriver(), CHAIN)).outputs["validators"] == 4

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_chain_whose_validators_waited_too_long_is_begun_by_restarting_all_of_them(configured):
    async def scenario():
        async with configured(time_scale=300.0) as world:
            for name in ("alpha-0", "beta-0", "gamma-0"):
                await world.run(BesuDriver(), f"besu/start/{name}")
            # Half an hour without a quorum: their round now lasts about as long again.
            await world.clock.sleep(1800)
            await world.run(BesuDriver(), "besu/start/alpha-1")
            outcome = await BesuDriver().change(world.attempt(CHAIN, timeout_s=15))
            assert outcome.outputs["head"] > 0
            assert any("restarting all validators" in line for line in world.logged)

    asyncio.run(scenario())


def test_a_validator_with_another_key_is_a_stranger_and_not_started_upon(configured):
    async def scenario():
        async with configured() as world:
            cluster = await world.cluster("alpha")
            other = base64.b64encode(PrivateKey(b"\x07" * 32).key_file_text().encode()).decode()
            secret = manifest(
                "v1", "Secret", "validator-0-key", namespace="besu", type="Opaque", data={"nodekey": other}
            )
            await cluster.patch(secret, manager="somebody", force=True)
            with pytest.raises(TaskFailed, match="another key") as refusal:
                await BesuDriver().change(world.attempt("besu/start/alpha-0"))
            assert refusal.value.error_class is ErrorClass.CONFIGURATION
            assert "validator-0-key" in str(refusal.value)

    asyncio.run(scenario())


def test_a_crashing_validator_is_named_and_comes_back_when_the_cause_is_gone(configured):
    async def scenario():
        async with configured(time_scale=40.0) as world:
            world.faults.add(Fault(FaultKind.POD_CRASH, region="beta", resource="beta-1", verb="*"))
            await asyncio.gather(
                *(world.run(BesuDriver(), f"besu/start/{n}-0") for n in ("alpha", "beta", "gamma"))
            )
            with pytest.raises(TaskFailed) as trouble:
                await BesuDriver().change(world.attempt("besu/start/beta-1", timeout_s=120))
            assert trouble.value.error_class is ErrorClass.CHAIN_NOT_READY
            assert "crashes again and again" in trouble.value.message
            # By now its node waits longer with the next try than the driver between two looks.
            await until(lambda: restarted(world, "beta", 1, 5))
            world.faults.remove()
            again = await BesuDriver().change(world.attempt("besu/start/beta-1", timeout_s=120))
            assert again.outputs["genesis_hash"]

    asyncio.run(scenario())


@pytest.mark.slow
def test_new_configuration_leaves_validators_running_until_they_are_restarted_in_turn(living):
    async def scenario():
        async with living() as world:
            operation = operation_on(world)
            pods = await pods_of(world)
            assert await rolling_restart(operation) == ()
            network = world.fleet.network.model_copy(
                update={"rpc_apis": (*world.fleet.network.rpc_apis, "DEBUG")}
            )
            world.fleet = world.fleet.model_copy(update={"network": network})
            for name in ("alpha", "beta", "gamma"):
                assert (await world.run(BesuDriver(), f"besu/config/{name}")).changed
            assert await pods_of(world) == pods, "nobody restarts by itself"
            operation = operation_on(world)
            before = (await operation.status()).head
            restarted = await rolling_restart(operation)
            assert sorted(restarted) == sorted(operation.addresses)
            after = await pods_of(world)
            assert after.keys() == pods.keys()
            assert not set(after.values()) & set(pods.values())
            assert await rolling_restart(operation) == (), "all run what is configured"
            assert (await operation.status()).head > before, "the chain went on"

    asyncio.run(scenario())


def test_a_region_is_stopped_and_started_while_the_chain_goes_on(living):
    async def scenario():
        async with living() as world:
            operation = operation_on(world)
            assert await stop_region(operation, "gamma") == 2
            status = await operation.status()
            assert (status.answering, status.margin) == (4, 0)
            assert "2 validators don't answer" in status.problems
            assert "quorum of 4 is lost" in (gate_problem(status, world.fleet, 2) or "")
            assert await start_region(operation, "gamma") == 2
            assert (await operation.status()).answering == 6
            assert await start_region(operation, "gamma") == 0

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_chain_whose_round_timers_ran_away_is_restarted_at_once_and_only_that_one(living):
    async def scenario():
        async with living(time_scale=300.0) as world:
            operation = operation_on(world)
            with pytest.raises(InputError, match="blocks come"):
                await restart_stalled(operation)
            away = [(await world.cluster(name), index) for name in ("beta", "gamma") for index in (0, 1)]
            for cluster, index in away[:3]:
                await scale(cluster, index, 0, operation)
            # Three are no quorum; they wait for it, each round twice as long as the one before.
            await until(lambda: answering(operation, 3))
            with pytest.raises(InputError, match="a restart brings none back"):
                await restart_stalled(operation)
            await world.clock.sleep(1800)
            for cluster, index in away[:3]:
                await scale(cluster, index, 1, operation)
            await until(lambda: answering(operation, 6))
            before = (await operation.status()).head
            pods = await pods_of(world)
            assert len(await restart_stalled(operation)) == 6
            assert not set((await pods_of(world)).values()) & set(pods.values())
            assert (await operation.status()).head > before

    asyncio.run(scenario())


async def restarted(world, region, index, times):
    pod = await (await world.cluster(region)).get("Pod", f"validator-{index}-0", "besu")
    return pod["status"]["containerStatuses"][0]["restartCount"] >= times


async def answering(operation, count):
    return (await operation.status()).answering == count


async def until(condition, within_s=120.0):
    async with asyncio.timeout(within_s):
        while not await condition():  # noqa: ASYNC110 - a condition outside of this process
            await asyncio.sleep(0.1)


def test_validators_are_voted_out_and_in_again(living):
    async def scenario():
        async with living() as world:
            operation = operation_on(world)
            target = operation.addresses["gamma-1"]
            after = await vote(operation, target, add=False)
            assert target not in after
            assert len(after) == 5
            assert await vote(operation, target, add=False) == after, "asking again changes nothing"
            assert target in await vote(operation, target, add=True)
            assert dict((await operation.status()).pending_votes) == {}

    asyncio.run(scenario())


def test_a_region_that_was_only_taken_out_of_the_file_goes_on_counting(living):
    async def scenario():
        async with living() as world:
            gone = [operation_on(world).addresses[f"gamma-{index}"] for index in (0, 1)]
            world.fleet = world.fleet.model_copy(update={"regions": world.fleet.regions[:2]})
            await world.run(BesuDriver(), "besu/keys/network")
            status = await observe_chain(world.fleet, world.attempt(CHAIN), world.wall())
            # Six vote whatever the file says: of four that answer none may fall silent.
            assert (status.validators, status.voting, status.quorum, status.margin) == (4, 4, 4, 0)
            assert set(status.strangers) == set(gone)
            assert any("2 vote that the fleet doesn't declare" in problem for problem in status.problems)
            with pytest.raises(TaskFailed, match="2 vote that the fleet doesn't declare") as refusal:
                await VerificationDriver().change(world.attempt(NETWORK))
            assert refusal.value.error_class is ErrorClass.CONFIGURATION
            assert "--drop" in (refusal.value.way_out or "")
            for address in gone:
                await vote(operation_on(world), address, add=False)
            assert (await world.run(VerificationDriver(), NETWORK)).outputs["quorum"] == 3
            status = await observe_chain(world.fleet, world.attempt(CHAIN), world.wall())
            assert (status.strangers, status.margin) == ((), 1)

    asyncio.run(scenario())


def test_who_has_no_vote_yet_is_no_reserve(living):
    async def scenario():
        async with living() as world:
            await vote(operation_on(world), operation_on(world).addresses["gamma-1"], add=False)
            status = await observe_chain(world.fleet, world.attempt(CHAIN), world.wall())
            assert (status.answering, status.voting, status.quorum, status.margin) == (6, 5, 4, 1)

    asyncio.run(scenario())


def test_the_rules_of_a_chain_stay_what_they_were_at_its_block_0(configured):
    async def scenario():
        async with configured() as world:
            for change, said in (
                ({"chain_id": 139}, "chainId 138 → 139"),
                ({"block_period_seconds": 7}, "qbft.blockperiodseconds 5 → 7"),
                ({"epoch_length": 100}, "qbft.epochlength 30000 → 100"),
            ):
                before = world.fleet
                network = before.network.model_copy(update=change)
                world.fleet = before.model_copy(update={"network": network})
                with pytest.raises(TaskFailed, match=said) as refusal:
                    await BesuDriver().change(world.attempt("besu/genesis/network"))
                assert refusal.value.error_class is ErrorClass.CONFIGURATION
                world.fleet = before
            # How long a node waits for a round is its own business.
            network = world.fleet.network.model_copy(update={"request_timeout_seconds": 20})
            world.fleet = world.fleet.model_copy(update={"network": network})
            assert (await world.run(BesuDriver(), "besu/genesis/network")).changed

    asyncio.run(scenario())


def test_what_would_stop_the_chain_is_refused(tmp_path):
    from chainfleet.model.fleet import Fleet, Network, Region

    class Nowhere:
        environ = MappingProxyType({})

        @staticmethod
        def outputs(task_id):
            raise KeyError(task_id)

    regions = tuple(Region(name=n, validators=v) for n, v in (("alpha", 3), ("beta", 1), ("gamma", 1)))
    fleet = Fleet(name="net", network=Network(chain_id=1), regions=regions)
    operation = Operation(fleet, Nowhere(), print, lambda: None, {})
    with pytest.raises(InputError, match="without alpha the chain stops: 4 are needed"):
        asyncio.run(stop_region(operation, "alpha"))
    with pytest.raises(InputError, match="no region delta"):
        asyncio.run(stop_region(operation, "delta"))
