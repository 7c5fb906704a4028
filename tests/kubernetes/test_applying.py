from __future__ import annotations

import asyncio
import json

import pytest

from chainfleet.drivers.besu.key_places import Leftovers, leftovers
from chainfleet.drivers.kubernetes import KubernetesDriver, RpcError
from chainfleet.drivers.kubernetes.base import base_manifests
from chainfleet.drivers.kubernetes.names import manifest
from chainfleet.drivers.kubernetes.region_task import RegionTask
from chainfleet.emulator.seams import Fault, FaultKind
from chainfleet.model.errors import ErrorClass, TaskFailed

BASE = "kubernetes/base/alpha"


def config_map(**data):
    return manifest("v1", "ConfigMap", "settings", namespace="default", data=data)


def test_a_cluster_is_made_fit_and_the_second_time_nothing_changes(regions):
    async def scenario():
        async with regions() as world:
            first = await world.run(KubernetesDriver(), BASE)
            assert first.changed
            assert first.outputs["namespace"] == "besu"
            assert first.outputs["server"].startswith("https://127.0.0.1:")
            made = world.changes()
            assert made == len(base_manifests(world.fleet, world.fleet.region("alpha")))
            assert not (await world.run(KubernetesDriver(), BASE)).changed
            assert not (await KubernetesDriver().change(world.attempt(BASE))).changed
            assert world.changes() == made

    asyncio.run(scenario())


def test_what_somebody_else_changed_or_deleted_is_put_right(regions):
    async def scenario():
        async with regions() as world:
            await world.run(KubernetesDriver(), BASE)
            cluster = await world.cluster("alpha")
            await cluster.delete("NetworkPolicy", "default-deny", "besu")
            assert await KubernetesDriver().observe(world.attempt(BASE)) is None
            assert (await world.run(KubernetesDriver(), BASE)).changed
            assert await cluster.get("NetworkPolicy", "default-deny", "besu") is not None

    asyncio.run(scenario())


def test_a_field_that_somebody_else_changed_by_force_is_noticed_without_a_write(regions):
    async def scenario():
        async with regions() as world:
            cluster = await world.cluster("alpha")
            await cluster.apply([config_map(colour="blue")], fence=lambda: None)
            assert await cluster.are_applied([config_map(colour="blue")])
            await cluster.patch(config_map(colour="red"), manager="kubectl", force=True)
            before = world.changes()
            assert not await cluster.are_applied([config_map(colour="blue")])
            assert world.changes() == before

    asyncio.run(scenario())


def test_undo_removes_what_was_made(regions):
    async def scenario():
        async with regions() as world:
            await world.run(KubernetesDriver(), BASE)
            assert (await KubernetesDriver().undo(world.attempt(BASE))).changed
            cluster = await world.cluster("alpha")
            assert await cluster.get("PriorityClass", "besu-validator") is None
            gone = await cluster.get("Namespace", "besu")
            assert gone is None or gone["metadata"].get("deletionTimestamp")

    asyncio.run(scenario())


def test_a_field_that_a_newer_manifest_no_longer_has_goes_away(regions):
    async def scenario():
        async with regions() as world:
            cluster = await world.cluster("alpha")
            await cluster.apply([config_map(a="1", b="2")], fence=lambda: None)
            assert not await cluster.are_applied([config_map(a="1")])
            await cluster.apply([config_map(a="1")], fence=lambda: None)
            assert (await cluster.get("ConfigMap", "settings", "default"))["data"] == {"a": "1"}

    asyncio.run(scenario())


def test_a_field_that_somebody_else_owns_is_a_conflict_that_names_the_owner(regions):
    async def scenario():
        async with regions() as world:
            cluster = await world.cluster("alpha")
            await cluster.patch(config_map(colour="red"), manager="argocd")
            with pytest.raises(TaskFailed) as refusal:
                await cluster.apply([config_map(colour="blue")], fence=lambda: None)
            assert refusal.value.error_class is ErrorClass.CONFLICT
            assert "argocd" in refusal.value.message
            assert "colour" in refusal.value.message
            assert (await cluster.get("ConfigMap", "settings", "default"))["data"] == {"colour": "red"}

    asyncio.run(scenario())


def test_the_fence_is_asked_before_every_write(regions):
    class StoppedError(Exception):
        pass

    async def scenario():
        async with regions() as world:
            cluster = await world.cluster("alpha")
            asked = []

            def fence():
                asked.append(True)
                if len(asked) > 1:
                    raise StoppedError

            second = manifest("v1", "ConfigMap", "other", namespace="default", data={"a": "1"})
            with pytest.raises(StoppedError):
                await cluster.apply([config_map(a="1"), second], fence=fence)
            assert await cluster.get("ConfigMap", "settings", "default") is not None
            assert await cluster.get("ConfigMap", "other", "default") is None

    asyncio.run(scenario())


def _break_token(world):
    path = world.folder / "kubeconfig"
    config = json.loads(path.read_text())
    for user in config["users"]:
        user["user"]["token"] = "wrong"
    path.write_text(json.dumps(config))


def test_a_wrong_token_is_tried_once_more_with_fresh_credentials_and_then_refused(regions):
    async def scenario():
        async with regions() as world:
            _break_token(world)
            with pytest.raises(TaskFailed) as first:
                await KubernetesDriver().change(world.attempt(BASE))
            assert first.value.error_class is ErrorClass.TRANSIENT
            with pytest.raises(TaskFailed) as second:
                await KubernetesDriver().change(world.attempt(BASE, number=2))
            assert second.value.error_class is ErrorClass.AUTHORISATION

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FaultKind.THROTTLE, ErrorClass.THROTTLED),
        (FaultKind.SERVER_ERROR, ErrorClass.TRANSIENT),
        (FaultKind.LOST_CONNECTION, ErrorClass.TRANSIENT),
    ],
)
def test_passing_trouble_has_its_class(regions, kind, expected):
    async def scenario():
        async with regions() as world:
            world.faults.add(Fault(kind, region="alpha", count=1))
            with pytest.raises(TaskFailed) as trouble:
                await KubernetesDriver().change(world.attempt(BASE))
            assert trouble.value.error_class is expected
            assert (await KubernetesDriver().change(world.attempt(BASE))).changed

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (manifest("v1", "ConfigMap", "Not_A_Name", namespace="default"), ErrorClass.CONFIGURATION),
        (manifest("v1", "ConfigMap", "a", namespace="missing"), ErrorClass.TRANSIENT),
        (manifest("v1", "Service", "a", namespace="default", spec={"port": 1}), ErrorClass.CONFIGURATION),
    ],
)
def test_what_the_server_refuses_has_its_class(regions, wrong, expected):
    async def scenario():
        async with regions() as world:
            cluster = await world.cluster("alpha")
            with pytest.raises(TaskFailed) as refusal:
                await cluster.apply([wrong], fence=lambda: None)
            assert refusal.value.error_class is expected
            assert "alpha" in refusal.value.message

    asyncio.run(scenario())


def test_a_region_without_a_kubeconfig_is_one_clear_error(regions):
    async def scenario():
        async with regions() as world:
            (world.folder / "kubeconfig").unlink()
            with pytest.raises(TaskFailed, match="kubeconfig") as refusal:
                await KubernetesDriver().change(world.attempt(BASE))
            assert refusal.value.error_class is ErrorClass.CONFIGURATION

    asyncio.run(scenario())


def test_waiting_ends_with_the_change_and_not_by_asking_again(regions):
    async def scenario():
        async with regions() as world:
            cluster = await world.cluster("alpha")
            await cluster.apply([config_map(a="1")], fence=lambda: None)
            before = world.emulated.stats()["/clusters/alpha"]["requests"]

            def done(found):
                return found is not None and found["data"]["a"] == "2"

            waiting = asyncio.create_task(cluster.wait_for("ConfigMap", "settings", "default", done, 60))
            await asyncio.sleep(0.4)
            await cluster.patch(config_map(a="2"), manager="chainfleet")
            assert (await waiting)["data"] == {"a": "2"}
            assert world.emulated.stats()["/clusters/alpha"]["requests"] - before <= 3

    asyncio.run(scenario())


def test_waiting_in_vain_is_a_timeout(regions):
    async def scenario():
        async with regions() as world:
            cluster = await world.cluster("alpha")
            with pytest.raises(TaskFailed) as refusal:
                await cluster.wait_for(
                    "ConfigMap", "settings", "default", lambda found: found is not None, 0.3
                )
            assert refusal.value.error_class is ErrorClass.TIMEOUT

    asyncio.run(scenario())


def test_a_service_without_a_pod_means_the_chain_is_not_ready(regions):
    async def scenario():
        async with regions() as world:
            cluster = await world.cluster("alpha")
            ports = [{"name": "rpc", "port": 8545, "targetPort": 8545, "protocol": "TCP"}]
            spec = {"selector": {"a": "b"}, "ports": ports}
            await cluster.apply(
                [manifest("v1", "Service", "validator-0", namespace="default", spec=spec)], fence=lambda: None
            )
            with pytest.raises(TaskFailed) as refusal:
                await cluster.rpc("default", "validator-0", 8545, "eth_chainId")
            assert refusal.value.error_class is ErrorClass.CHAIN_NOT_READY

    asyncio.run(scenario())


def test_an_rpc_error_keeps_its_data():
    error = RpcError("eth_call", 3, "execution reverted", "0x08c379a0")
    assert (error.code, error.data) == (3, "0x08c379a0")


def test_a_cluster_that_knows_no_key_mounts_has_none(regions):
    """A cluster of Azure's without the CSI driver's add-on: nothing of it to look for, and nothing to fail for."""

    async def scenario():
        async with regions() as world:
            emulated, _ = world.emulated._clusters["/clusters/alpha"]
            kinds = emulated.world.objects.kinds
            assert kinds.named("SecretProviderClass", "secrets-store.csi.x-k8s.io")
            kinds.remove("secrets-store.csi.x-k8s.io", "secretproviderclasses")
            azure = world.fleet.region("alpha").model_copy(update={"cloud": "azure"})
            task = RegionTask(world.attempt("besu/config/alpha"), azure, await world.cluster("alpha"))
            with pytest.raises(TaskFailed, match="404"):
                await task.cluster.list_objects("SecretProviderClass", "besu")
            assert await leftovers(task) == Leftovers("SecretProviderClass", (), ())

    asyncio.run(scenario())
