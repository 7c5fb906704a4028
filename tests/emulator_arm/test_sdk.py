"""The Azure SDK for Python works as it is."""

from __future__ import annotations

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.mgmt.resource.resources import ResourceManagementClient


@pytest.fixture
def sdk(cloud):
    verify = cloud.env["REQUESTS_CA_BUNDLE"]
    credential = ClientSecretCredential(
        cloud.env["AZURE_TENANT_ID"],
        cloud.env["AZURE_CLIENT_ID"],
        cloud.env["AZURE_CLIENT_SECRET"],
        authority=cloud.env["AZURE_AUTHORITY_HOST"],
        disable_instance_discovery=True,
        connection_verify=verify,
    )
    client = ResourceManagementClient(
        credential, cloud.env["AZURE_SUBSCRIPTION_ID"], base_url=cloud.base, connection_verify=verify
    )
    with credential, client:
        yield client


def test_groups_resources_and_long_running_operations(sdk, cloud, bodies):
    sdk.resource_groups.create_or_update("sdk-group", {"location": "uksouth", "tags": {"by": "sdk"}})
    base = f"{cloud.sub}/resourceGroups/sdk-group/providers"
    made = {}
    for kind, body, version in [
        ("Microsoft.Network/virtualNetworks", bodies["vnet"], "2024-05-01"),
        ("Microsoft.KeyVault/vaults", bodies["vault"], "2023-07-01"),
        ("Microsoft.ContainerService/managedClusters", bodies["aks"], "2025-05-01"),
    ]:
        place = f"{base}/{kind}/sdk-thing"
        poller = sdk.resources.begin_create_or_update_by_id(
            place, api_version=version, parameters=body, polling_interval=0.05
        )
        made[kind] = poller.result().as_dict()["properties"]["provisioningState"]
    assert set(made.values()) == {"Succeeded"}
    listed = {each.type for each in sdk.resources.list_by_resource_group("sdk-group")}
    assert listed == set(made)
    assert [group.name for group in sdk.resource_groups.list(filter="tagName eq 'by'")] == ["sdk-group"]
    sdk.resource_groups.begin_delete("sdk-group", polling_interval=0.05).result()
    with pytest.raises(ResourceNotFoundError):
        sdk.resource_groups.get("sdk-group")


def test_a_failed_operation_is_an_error_with_its_code(sdk, cloud, bodies, fault):
    group = cloud.group()
    place = f"{group}/providers/Microsoft.Network/publicIPAddresses/ip"
    fault("capacity", resource="microsoft.network/publicipaddresses", count=1)
    poller = sdk.resources.begin_create_or_update_by_id(
        place, api_version="2024-05-01", parameters=bodies["ip"], polling_interval=0.05
    )
    with pytest.raises(HttpResponseError) as failed:
        poller.result()
    assert failed.value.error.code == "SkuNotAvailable"


def test_throttled_calls_are_repeated_by_the_sdk_itself(sdk, cloud, fault):
    fault("throttle", verb="GET", resource="microsoft.resources/resourcegroups", count=1)
    group = cloud.group().rsplit("/", 1)[1]
    assert sdk.resource_groups.get(group).name == group
