"""The Terraform driver, with a real Terraform, on the emulated cloud."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from chainfleet.drivers.azure import endpoint
from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.fleet import AzureCloud

if TYPE_CHECKING:
    from conftest import Workbench

REGION = "northeurope"

NETWORK_OUTPUTS = {
    "group",
    "location",
    "network_id",
    "node_subnet_ids",
    "pod_subnet_ids",
    "public_ips",
    "public_ip_names",
    "egress_public_ip",
    "egress_public_ip_id",
}
CLUSTER_OUTPUTS = {
    "cluster_id",
    "cluster_name",
    "group",
    "oidc_issuer_url",
    "vault_uri",
    "vault_name",
    "identity_id",
    "cluster_endpoint",
    "cluster_ca_certificate",
}


def running_terraforms() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [child for child in children if child.name().startswith(("terraform", "tofu"))]


async def until(condition: Any, within_s: float = 60.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - a condition outside of this process
            await asyncio.sleep(0.01)


async def make_both(workbench: Workbench, region: str = REGION) -> None:
    await workbench.change("network", region)
    await workbench.change("cluster", region)


def declared(workbench: Workbench) -> set[str]:
    """Ids in the states of both stages."""
    found = set()
    for stage in ("network", "region"):
        state = json.loads((workbench.root(REGION, stage) / "terraform.tfstate").read_text())
        found |= {i["attributes"]["id"] for r in state["resources"] for i in r["instances"]}
    return found


def test_a_region_is_made_with_the_outputs_that_others_need_and_nothing_more(workbench: Workbench) -> None:
    asyncio.run(make_both(workbench))
    network = workbench.outputs[f"infrastructure/network/{REGION}"]
    cluster = workbench.outputs[f"infrastructure/cluster/{REGION}"]
    assert set(network) == NETWORK_OUTPUTS
    assert set(cluster) == CLUSTER_OUTPUTS
    assert len(set(network["public_ips"])) == 2
    name = workbench.fleet.name
    assert network["public_ip_names"] == [f"{name}-validator-0", f"{name}-validator-1"]
    assert cluster["cluster_name"] == f"{name}-aks"
    # Inline subnets and node pools are resources of their own in ARM.
    inline = ("/subnets/", "/agentPools/", "/securityRules/", "/secrets/")
    held = {each for each in workbench.resources() if not any(part in each for part in inline)}
    assert held == declared(workbench)
    assert len(held) == 15


def test_who_may_reach_and_administer_a_cluster_and_its_logs_are_the_fleet_s_to_say(
    workbench: Workbench,
) -> None:
    group = "00000000-0000-0000-0000-0000000000aa"
    clouds = workbench.fleet.clouds
    azure = AzureCloud(
        subscription_id=clouds.azure.subscription_id,
        tenant_id=clouds.azure.tenant_id,
        authorized_ip_ranges=("198.51.100.0/24",),
        administrator_groups=(group,),
        log_retention_days=90,
    )
    workbench.fleet = workbench.fleet.model_copy(
        update={"clouds": clouds.model_copy(update={"azure": azure})}
    )
    asyncio.run(make_both(workbench))
    cluster = workbench.outputs[f"infrastructure/cluster/{REGION}"]["cluster_id"]
    properties = asyncio.run(arm(workbench, "GET", cluster, "2025-05-01"))["properties"]
    assert properties["apiServerAccessProfile"]["authorizedIPRanges"] == ["198.51.100.0/24"]
    assert properties["aadProfile"]["adminGroupObjectIDs"] == [group]
    logs = [each for each in workbench.resources() if "/workspaces/" in each]
    assert len(logs) == 1
    kept = asyncio.run(arm(workbench, "GET", logs[0], "2023-09-01"))["properties"]["retentionInDays"]
    assert kept == 90
    assert asyncio.run(workbench.observe("cluster", REGION)) is not None


def test_progress_is_told_resource_by_resource(workbench: Workbench) -> None:
    asyncio.run(workbench.change("network", REGION))
    assert workbench.progress[0].startswith("0/6 resource_group: create")
    assert workbench.progress[-1].startswith("6/6 ")
    assert any('"type":"apply_complete"' in line for line in workbench.log)


def test_a_second_look_finds_all_as_it_should_be_and_writes_nothing(workbench: Workbench) -> None:
    async def run() -> None:
        await make_both(workbench)
        before = workbench.writes()
        for action in ("network", "cluster"):
            outcome = await workbench.observe(action, REGION)
            assert outcome is not None
            assert not outcome.changed
            assert outcome.outputs == workbench.outputs[f"infrastructure/{action}/{REGION}"]
            assert not (await workbench.change(action, REGION)).changed
        assert workbench.writes() == before

    asyncio.run(run())


def test_a_first_look_finds_nothing_and_leaves_no_trace(workbench: Workbench) -> None:
    assert asyncio.run(workbench.observe("network", REGION)) is None
    assert not workbench.workspace.joinpath("terraform").exists()


def test_what_was_deleted_behind_our_back_is_noticed_and_made_again(workbench: Workbench) -> None:
    async def run() -> None:
        await workbench.change("network", REGION)
        before = workbench.resources()
        address = next(each for each in before if each.endswith("-validator-1"))
        await arm(workbench, "DELETE", address, "2024-05-01")
        await until(lambda: address not in workbench.resources())
        assert await workbench.observe("network", REGION) is None
        assert any("validator-1" in line and "is gone" in line for line in workbench.log)
        assert (await workbench.change("network", REGION)).changed
        assert workbench.resources() == before

    asyncio.run(run())


def test_what_was_changed_behind_our_back_is_noticed_and_put_right(workbench: Workbench) -> None:
    async def run() -> None:
        await workbench.change("network", REGION)
        group = next(each for each in workbench.resources() if each.endswith("-nsg"))
        reality = workbench.driver._runner.reality(workbench.environ)
        document = await reality.read(group, "2024-05-01")
        assert document is not None
        document["properties"]["securityRules"][0]["properties"]["sourceAddressPrefix"] = "Internet"
        await arm(workbench, "PUT", group, "2024-05-01", document)
        await asyncio.sleep(0.1)
        assert await workbench.observe("network", REGION) is None
        assert any("sourceAddressPrefix" in line for line in workbench.log)
        assert (await workbench.change("network", REGION)).changed
        answered = await reality.read(group, "2024-05-01")
        assert answered is not None
        rule = answered["properties"]["securityRules"][0]["properties"]
        assert rule["sourceAddressPrefix"] == "AzureCloud"
        assert await workbench.observe("network", REGION) is not None

    asyncio.run(run())


def test_a_change_of_the_fleet_is_noticed(workbench: Workbench) -> None:
    async def run() -> None:
        await workbench.change("network", REGION)
        network = workbench.fleet.network.model_copy(update={"p2p_port": 30304})
        workbench.fleet = workbench.fleet.model_copy(update={"network": network})
        assert await workbench.observe("network", REGION) is None
        assert (await workbench.change("network", REGION)).changed
        assert await workbench.observe("network", REGION) is not None

    asyncio.run(run())


def test_a_plan_that_would_destroy_what_stands_is_refused_unless_it_is_allowed(workbench: Workbench) -> None:
    async def run() -> None:
        await workbench.change("network", REGION)
        before, writes = workbench.resources(), workbench.writes()
        azure = workbench.fleet.clouds.azure.model_copy(update={"resource_prefix": "renamed"})
        clouds = workbench.fleet.clouds.model_copy(update={"azure": azure})
        original, workbench.fleet = workbench.fleet, workbench.fleet.model_copy(update={"clouds": clouds})
        with pytest.raises(TaskFailed, match=r"would destroy azapi_resource\.network") as caught:
            await workbench.change("network", REGION)
        assert caught.value.error_class is ErrorClass.CONFIGURATION
        assert "--allow-destroy" in caught.value.way_out
        assert workbench.writes() == writes
        assert not list(workbench.workspace.rglob("*.tfplan")), "it holds every value of the state"
        workbench.environ["CHAINFLEET_ALLOW_DESTROY"] = "1"
        assert (await workbench.change("network", REGION)).changed
        renamed = workbench.resources()
        workbench.fleet = original
        assert workbench.resources() == []
        assert len(renamed) == len(before)

    asyncio.run(run())


@pytest.mark.parametrize(
    "actions", [("network",), pytest.param(("network", "cluster"), marks=pytest.mark.slow)], ids=len
)
def test_what_a_lost_state_left_behind_is_taken_up_not_doubled(
    workbench: Workbench, actions: tuple[str, ...]
) -> None:
    async def run() -> None:
        for action in actions:
            await workbench.change(action, REGION)
        before = workbench.resources()
        for action in actions:
            folder = workbench.root(REGION, "network" if action == "network" else "region")
            (folder / "terraform.tfstate").unlink()
            await workbench.change(action, REGION)
            assert not (folder / "chainfleet_adoption.tf.json").exists()
            assert await workbench.observe(action, REGION) is not None
        assert workbench.resources() == before

    asyncio.run(run())


def test_a_resource_group_that_is_not_the_fleets_is_never_taken_up(workbench: Workbench) -> None:
    async def run() -> None:
        subscription = workbench.environ["AZURE_SUBSCRIPTION_ID"]
        name = f"/subscriptions/{subscription}/resourceGroups/{workbench.fleet.name}-{REGION}"
        await arm(workbench, "PUT", name, "2024-03-01", {"location": REGION, "tags": {"owner": "somebody"}})
        with pytest.raises(TaskFailed, match="is not ours") as caught:
            await workbench.change("network", REGION)
        assert caught.value.error_class is ErrorClass.CONFIGURATION

    asyncio.run(run())


def test_undo_removes_everything_and_can_be_repeated(workbench: Workbench) -> None:
    async def run() -> None:
        await make_both(workbench)
        assert (await workbench.undo("cluster", REGION)).changed
        assert not any("managedClusters" in each for each in workbench.resources())
        assert any("virtualNetworks" in each for each in workbench.resources())
        assert (await workbench.undo("network", REGION)).changed
        assert workbench.resources() == []
        assert not (await workbench.undo("network", REGION)).changed
        assert await workbench.observe("network", REGION) is None

    asyncio.run(run())


@pytest.mark.parametrize(
    ("fault", "error_class"),
    [
        ({"kind": "capacity", "resource": "microsoft.network/virtualnetworks"}, ErrorClass.CAPACITY),
        ({"kind": "quota", "resource": "microsoft.network/publicipaddresses"}, ErrorClass.QUOTA),
        ({"kind": "conflict", "resource": "microsoft.network/networksecuritygroups"}, ErrorClass.CONFLICT),
        ({"kind": "server-error", "resource": "microsoft.network/virtualnetworks"}, ErrorClass.TRANSIENT),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else value.value,
)
def test_a_failure_is_told_by_its_class_and_the_next_attempt_goes_on(
    workbench: Workbench, fault: dict[str, str], error_class: ErrorClass
) -> None:
    async def run() -> None:
        workbench.fault(**fault, region=REGION, verb="PUT")
        with pytest.raises(TaskFailed) as caught:
            await workbench.change("network", REGION)
        assert caught.value.error_class is error_class
        assert "\n" not in caught.value.message
        workbench.cloud.control("/faults", "DELETE")
        assert (await workbench.change("network", REGION)).changed
        assert await workbench.observe("network", REGION) is not None

    asyncio.run(run())


def test_throttling_names_its_limit_and_how_long_to_wait(workbench: Workbench) -> None:
    workbench.fault(kind="throttle", region=REGION, resource="microsoft.network/virtualnetworks", verb="PUT")
    with pytest.raises(TaskFailed) as caught:
        asyncio.run(workbench.change("network", REGION))
    assert caught.value.error_class is ErrorClass.THROTTLED
    assert caught.value.limit == "azure/arm/write"
    assert caught.value.retry_after_s is not None
    assert [(each.limit, each.throttled) for each in workbench.observed] == [("azure/arm/write", 1)]


def test_a_wrong_secret_is_an_authorisation_failure(workbench: Workbench) -> None:
    async def run() -> None:
        await workbench.change("network", REGION)
        workbench.environ = {**workbench.environ, "AZURE_CLIENT_SECRET": "wrong"}
        with pytest.raises(TaskFailed) as caught:
            await workbench.observe("network", REGION)
        assert caught.value.error_class is ErrorClass.AUTHORISATION

    asyncio.run(run())


def test_a_cancelled_attempt_leaves_no_process_and_no_lock_and_the_next_one_finishes(
    workbench: Workbench,
) -> None:
    async def run() -> None:
        await workbench.change("network", REGION)
        workbench.fault(
            kind="slow", region=REGION, resource="microsoft.containerservice/managedclusters", factor=6
        )
        task = asyncio.create_task(workbench.change("cluster", REGION))
        await until(lambda: any(each.endswith("-aks") for each in workbench.resources()))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert running_terraforms() == []
        root = workbench.root(REGION, "region")
        assert not (root / ".terraform.tfstate.lock.info").exists()
        assert not (root / ".chainfleet-running.json").exists()
        workbench.cloud.control("/faults", "DELETE")
        # Azure still makes the cluster: one attempt is enough all the same.
        await workbench.change("cluster", REGION)
        assert any("waiting for the operation" in line for line in workbench.log)
        assert await workbench.observe("cluster", REGION) is not None
        assert len([each for each in workbench.resources() if each.endswith("-aks")]) == 1

    asyncio.run(run())


async def arm(workbench: Workbench, verb: str, path: str, version: str, body: Any = None) -> Any:
    """Act on ARM behind the driver's back."""
    reality = workbench.driver._runner.reality(workbench.environ)
    headers = {"Authorization": f"Bearer {await reality._bearer()}"}
    url = f"{endpoint(workbench.environ)}{path}?api-version={version}"
    async with reality._connections() as client:
        response = await client.request(verb, url, json=body, headers=headers)
    assert response.status_code < 300, response.text
    return response.json() if response.content else None
