"""Node keys in a region's key vault, on the emulated cloud: put there once, mounted from there, and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from chainfleet.drivers.arm import ArmReader
from chainfleet.drivers.besu.keys import KeyStore
from chainfleet.drivers.besu.vault import NodeKeys
from chainfleet.drivers.inventory.azure_vaults import AzureVaults
from chainfleet.drivers.inventory.needs import Verdict
from chainfleet.drivers.kubernetes import clusters
from chainfleet.drivers.kubernetes.names import VALIDATOR_SELECTOR, manifest
from chainfleet.drivers.kubernetes.region_task import RegionTask
from chainfleet.drivers.verification.region import check_keys
from chainfleet.model.besu.identity import PrivateKey, read_key_file
from chainfleet.model.errors import ErrorClass, LeaseLost, TaskFailed

if TYPE_CHECKING:
    from vault_region import VaultRegion

CONFIG = "besu/config/northeurope"
SECRETS = "microsoft.keyvault/vaults/secrets"


def go(scenario: Coroutine[Any, Any, None]) -> None:
    """Run it in a loop of its own, and give its connections back."""

    async def whole() -> None:
        try:
            await scenario
        finally:
            await clusters().close()

    asyncio.run(whole())


def keys_of(region: VaultRegion) -> list[PrivateKey]:
    store = KeyStore.of(region.workspace, region.environ)
    return [store.key(v) for v in store.validators() if v.region == "northeurope"]


async def objects(region: VaultRegion, mount: str = "validator-0-key") -> dict[str, Any]:
    """Parameters of validator 0's SecretProviderClass, with its one entry."""
    found = await (await region.cluster()).get("SecretProviderClass", mount, "besu")
    parameters = dict(found["spec"]["parameters"])
    (entry,) = yaml.safe_load(parameters["objects"])["array"]
    return {**parameters, "entry": yaml.safe_load(entry)}


def running(pod: Any) -> bool:
    return bool(pod and pod["status"]["phase"] == "Running")


def test_keys_are_put_once_and_pods_mount_exactly_what_was_put(region: VaultRegion) -> None:
    async def scenario() -> None:
        await region.prepare()
        assert (await region.configure()).changed
        versions, keys = region.versions(), keys_of(region)
        for index, key in enumerate(keys):
            held = region.secret(index)
            assert read_key_file(held["value"]) == key
            assert held["tags"] == {"chainfleet-fleet": region.name, "address": key.address()}
        before = region.cloud.control("/stats")["changes"]["total"]
        assert not (await region.configure()).changed
        assert not (await region.besu.change(region.attempt(CONFIG))).changed
        assert region.cloud.control("/stats")["changes"]["total"] == before
        assert region.versions() == versions

        identity = region.outputs["infrastructure/cluster/northeurope"]["identity_id"]
        found = await objects(region)
        assert found["entry"] == {
            "objectName": "validator-0-key",
            "objectType": "secret",
            "objectAlias": "nodekey",
            "objectVersion": versions[0],
            "filePermission": "0644",
        }
        assert (found["usePodIdentity"], found["clientID"]) == ("false", identity)
        assert (found["keyvaultName"], found["tenantId"]) == (
            region.vault_name,
            region.environ["ARM_TENANT_ID"],
        )
        account = await (await region.cluster()).get("ServiceAccount", "validator", "besu")
        assert account["metadata"]["annotations"]["azure.workload.identity/client-id"] == identity

        await region.scale(1)
        pod = await region.pod(running)
        assert pod["metadata"]["labels"]["azure.workload.identity/use"] == "true"
        skipped = pod["metadata"]["annotations"]["azure.workload.identity/skip-containers"]
        containers = [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]
        assert set(skipped.split(";")) == {container["name"] for container in containers}

    go(scenario())


def test_no_key_leaves_the_vault_and_the_workspace(region: VaultRegion) -> None:
    async def scenario() -> None:
        await region.prepare()
        await region.configure()
        await region.scale(1)
        await region.pod(running)
        cluster = await region.cluster()
        assert await cluster.list_objects("Secret", "besu") == []
        told = [await region.everything(), str(region.outputs), *region.logged]
        for key in keys_of(region):
            assert all(key.secret.hex() not in text for text in told)
            (file,) = region.workspace.glob(f"besu/keys/northeurope-{_index(region, key)}.key")
            assert key.secret.hex() in file.read_text()

    go(scenario())


def _index(region: VaultRegion, key: PrivateKey) -> int:
    return next(
        v.index
        for v in KeyStore.of(region.workspace, region.environ).validators()
        if v.address == key.address()
    )


def test_a_pod_waits_as_long_as_its_identity_may_not_read(region: VaultRegion) -> None:
    async def scenario() -> None:
        await region.prepare()
        await region.configure()
        region.revoke()
        await region.scale(1)
        assert "Caller is not authorized" in await region.mount_failure("StatusCode=403")
        assert (await region.pod(bool))["status"]["phase"] == "Pending"
        region.grant()
        await region.pod(running)

    go(scenario())


def test_a_pod_waits_for_a_secret_that_is_gone_and_an_account_that_is_not_trusted(
    region: VaultRegion,
) -> None:
    async def scenario() -> None:
        await region.prepare()
        await region.configure()
        region.vault("DELETE", "secrets/validator-0-key")
        await region.scale(1)
        await region.mount_failure("SecretNotFound")
        issuer = region.issuer
        region.trust(issuer, account="default")
        await region.mount_failure("AADSTS700213")
        assert (await region.pod(bool))["status"]["phase"] == "Pending"
        # Told to the operator, not only shown by kubectl.
        with pytest.raises(TaskFailed, match=r"MountVolume\.SetUp failed for volume") as failed:
            await region.besu.change(region.attempt("besu/start/northeurope-0", timeout_s=2))
        assert failed.value.error_class is ErrorClass.TIMEOUT
        region.trust(issuer)
        region.vault("POST", "deletedsecrets/validator-0-key/recover")
        await region.pod(running)

    go(scenario())


def test_a_resource_id_in_place_of_the_client_id_is_found_out(region: VaultRegion) -> None:
    async def scenario() -> None:
        await region.prepare()
        cluster = region.outputs["infrastructure/cluster/northeurope"]
        cluster["identity_id"] = region.credential_id.rsplit("/", 2)[0]
        await region.configure()
        await region.scale(1)
        assert "AADSTS700016" in await region.mount_failure("objectName:validator-0-key")

    go(scenario())


def test_who_may_not_write_is_told_the_role_and_nothing_is_applied(region: VaultRegion) -> None:
    async def scenario() -> None:
        await region.prepare()
        region.as_stranger()
        with pytest.raises(TaskFailed) as refused:
            await region.configure()
        assert refused.value.error_class is ErrorClass.AUTHORISATION
        assert "ForbiddenByRbac" in refused.value.message
        assert "azure-key-writer-role.json" in refused.value.way_out
        assert await (await region.cluster()).list_objects("StatefulSet", "besu") == []

    go(scenario())


def test_the_preflight_asks_a_vault_that_stands_itself(region: VaultRegion) -> None:
    def verdict() -> Verdict:
        reader = ArmReader(region.environ, region.environ["ARM_SUBSCRIPTION_ID"])
        with reader:
            return AzureVaults(reader, region.fleet, region.environ).check("northeurope").verdict

    assert verdict() is Verdict.OK
    region.make_vault(networkAcls={"defaultAction": "Deny", "ipRules": []})
    assert verdict() is Verdict.UNKNOWN
    region.make_vault()
    region.as_stranger()
    assert verdict() is Verdict.UNAVAILABLE


def test_a_throttled_vault_is_asked_again_when_it_says(region: VaultRegion) -> None:
    async def scenario() -> None:
        await region.prepare()
        region.cloud.control(
            "/faults",
            "POST",
            {"kind": "throttle", "resource": SECRETS, "verb": "PUT", "count": 1},
        )
        with pytest.raises(TaskFailed) as refused:
            await region.configure()
        assert refused.value.error_class is ErrorClass.THROTTLED
        assert refused.value.retry_after_s == 1
        # A vault's limit is its own: nothing else has to wait for it.
        assert refused.value.limit is None
        assert (await region.configure()).changed

    go(scenario())


def test_a_key_whose_receipt_got_lost_is_not_written_again(region: VaultRegion) -> None:
    async def scenario() -> None:
        await region.prepare()
        lost = {"kind": "lost-connection", "resource": SECRETS, "verb": "PUT", "count": 1}
        region.cloud.control("/faults", "POST", lost)
        with pytest.raises(TaskFailed) as failed:
            await region.configure()
        assert failed.value.error_class is ErrorClass.TRANSIENT
        written = region.secret(0)["id"]
        assert (await region.configure()).changed
        assert region.secret(0)["id"] == written

    go(scenario())


def test_a_vault_that_admits_nobody_from_outside_says_whom_to_admit(region: VaultRegion) -> None:
    async def scenario() -> None:
        await region.prepare()
        region.make_vault(networkAcls={"defaultAction": "Deny", "ipRules": []})
        with pytest.raises(TaskFailed) as refused:
            await region.configure()
        assert refused.value.error_class is ErrorClass.TRANSIENT
        assert "authorized_ip_ranges" in refused.value.way_out

    go(scenario())


def test_a_secret_that_was_deleted_is_brought_back_by_a_person(region: VaultRegion) -> None:
    async def scenario() -> None:
        await region.prepare()
        await region.configure()
        (first, _) = region.versions()
        region.vault("DELETE", "secrets/validator-0-key")
        with pytest.raises(TaskFailed) as refused:
            await region.configure()
        assert refused.value.error_class is ErrorClass.CONFIGURATION
        assert refused.value.way_out.endswith("az keyvault secret recover --name validator-0-key")
        region.vault("POST", "deletedsecrets/validator-0-key/recover")
        assert not (await region.configure()).changed
        assert region.versions()[0] == first

    go(scenario())


def test_a_run_that_died_after_the_vault_and_before_the_cluster_is_taken_up(region: VaultRegion) -> None:
    async def scenario() -> None:
        await region.prepare()
        region.fences, region.lost_at = 0, 3
        with pytest.raises(LeaseLost):
            await region.configure()
        put = region.versions()
        assert await (await region.cluster()).list_objects("StatefulSet", "besu") == []
        region.lost_at = None
        assert (await region.configure()).changed
        assert region.versions() == put

    go(scenario())


def test_a_vault_that_was_deleted_and_recovered_is_adopted(region: VaultRegion) -> None:
    async def scenario() -> None:
        await region.prepare()
        await region.configure()
        put = region.versions()
        region.arm("DELETE", region.vault_id, None, "2023-07-01")
        with pytest.raises(TaskFailed) as away:
            await region.configure()
        assert away.value.error_class is ErrorClass.TRANSIENT
        region.make_vault(createMode="recover")
        region.grant()
        assert not (await region.configure()).changed
        assert region.versions() == put

    go(scenario())


def test_a_key_that_is_replaced_becomes_a_new_version_and_only_that_is_mounted(region: VaultRegion) -> None:
    async def scenario() -> None:
        await region.prepare()
        await region.configure()
        old, old_value = region.versions()[0], region.secret(0)["value"]
        KeyStore.of(region.workspace, region.environ).retire("northeurope", 0)
        await region.run(region.besu, "besu/keys/network")
        assert (await region.configure()).changed
        new = region.versions()[0]
        assert new != old
        assert read_key_file(region.secret(0)["value"]) == keys_of(region)[0]
        assert (await objects(region))["entry"]["objectVersion"] == new
        kept = region.vault("GET", f"secrets/validator-0-key/{old}").json()
        assert kept["value"] == old_value

    go(scenario())


def test_a_key_of_somebody_else_is_seen_by_verification_and_mounted_by_nobody(region: VaultRegion) -> None:
    async def scenario() -> None:
        await region.prepare()
        await region.configure()
        await check_keys(await RegionTask.of(region.attempt("verification/region/northeurope")), NodeKeys())
        mine = region.versions()[1]
        region.vault("PUT", "secrets/validator-1-key", {"value": "11" * 32})
        assert (await objects(region, "validator-1-key"))["entry"]["objectVersion"] == mine
        with pytest.raises(TaskFailed, match="doesn't hold the key of northeurope-1") as wrong:
            await check_keys(
                await RegionTask.of(region.attempt("verification/region/northeurope")), NodeKeys()
            )
        assert wrong.value.error_class is ErrorClass.CONFIGURATION
        assert (await region.configure()).changed
        assert read_key_file(region.secret(1)["value"]) == keys_of(region)[1]

    go(scenario())


def test_a_fleet_moves_its_keys_into_vaults_and_back(region: VaultRegion) -> None:
    async def scenario() -> None:
        region.declare("secret")
        await region.prepare()
        await region.configure()
        cluster = await region.cluster()
        await region.scale(1)
        first = (await region.pod(running))["metadata"]["uid"]

        region.declare("vault")
        theirs = manifest("v1", "Secret", "theirs", namespace="besu", labels=VALIDATOR_SELECTOR)
        await cluster.patch(theirs, manager="somebody")
        await region.run(region.kubernetes, "kubernetes/base/northeurope")
        await region.configure()
        assert await cluster.delete("Secret", "theirs", "besu")
        # Whose pod still mounts it keeps its Secret, the other one's goes at once.
        assert await secrets(cluster) == ["validator-0-key"]
        assert not (await region.configure()).changed
        task = await RegionTask.of(region.attempt("verification/region/northeurope"))
        with pytest.raises(TaskFailed, match="still holds a node key"):
            await check_keys(task, NodeKeys())
        await cluster.delete("Pod", "validator-0-0", "besu")
        await region.pod(lambda pod: running(pod) and pod["metadata"]["uid"] != first)
        assert (await region.configure()).changed
        assert await secrets(cluster) == []
        await check_keys(task, NodeKeys())

        region.declare("secret")
        await region.run(region.kubernetes, "kubernetes/base/northeurope")
        await region.configure()
        assert await secrets(cluster) == ["validator-0-key", "validator-1-key"]
        mounts = await cluster.list_objects("SecretProviderClass", "besu")
        assert [item["metadata"]["name"] for item in mounts] == ["validator-0-key"]

    go(scenario())


async def secrets(cluster: Any) -> list[str]:
    return sorted(item["metadata"]["name"] for item in await cluster.list_objects("Secret", "besu"))


def test_what_was_made_is_removed_and_the_key_stays_in_the_vault(region: VaultRegion, tmp_path: Path) -> None:
    async def scenario() -> None:
        await region.prepare()
        await region.configure()
        put = region.versions()
        assert (await region.besu.undo(region.attempt(CONFIG))).changed
        assert await (await region.cluster()).list_objects("SecretProviderClass", "besu") == []
        assert region.versions() == put

    go(scenario())
