"""Resources in general: create, read, change, delete, list, and ARM's refusals."""

from __future__ import annotations

import time

import pytest

IDENTITY = "providers/Microsoft.ManagedIdentity/userAssignedIdentities"
NSG = "providers/Microsoft.Network/networkSecurityGroups"
VNET = "providers/Microsoft.Network/virtualNetworks"


def code(answer):
    return answer.status_code, answer.json()["error"]["code"]


def test_a_new_resource_is_created_and_an_equal_one_changes_nothing(cloud):
    group = cloud.group()
    path, body = f"{group}/{IDENTITY}/one", {"location": "North Europe", "tags": {"fleet": "a"}}
    assert cloud.call("PUT", path, body).status_code == 201
    before = cloud.changes()
    again = cloud.call("PUT", path, body)
    assert again.status_code == 200
    assert again.json()["location"] == "northeurope"
    assert cloud.changes() == before


def test_sending_back_what_was_read_changes_nothing(cloud, bodies):
    path = f"{cloud.group()}/{VNET}/vnet"
    read = cloud.made(path, bodies["vnet"])
    before = cloud.changes()
    assert cloud.call("PUT", path, read).status_code == 200
    assert cloud.changes() == before


def test_dropping_a_tag_is_a_change_and_patch_merges(cloud):
    path = f"{cloud.group()}/{IDENTITY}/two"
    cloud.call("PUT", path, {"location": "northeurope", "tags": {"a": "1", "b": "2"}})
    assert cloud.call("PUT", path, {"location": "northeurope", "tags": {"a": "1"}}).json()["tags"] == {
        "a": "1"
    }
    patched = cloud.call("PATCH", path, {"tags": {"a": "1", "c": "3"}})
    assert patched.json()["tags"] == {"a": "1", "c": "3"}


def test_ids_are_compared_without_case_and_keep_the_spelling_of_their_creation(cloud):
    group = cloud.group()
    cloud.call("PUT", f"{group}/{IDENTITY}/Mixed", {"location": "northeurope"})
    read = cloud.call(
        "GET", f"{group.upper()}/PROVIDERS/microsoft.managedidentity/USERASSIGNEDIDENTITIES/mixed"
    )
    assert read.json()["name"] == "Mixed"
    assert read.json()["type"] == "Microsoft.ManagedIdentity/userAssignedIdentities"


@pytest.mark.parametrize(
    ("version", "error"),
    [(None, "MissingApiVersionParameter"), ("latest", "InvalidApiVersionParameter")],
)
def test_the_api_version_is_required(cloud, version, error):
    assert code(cloud.call("GET", f"{cloud.sub}/resourceGroups", version=version)) == (400, error)


def test_what_must_exist_first_is_named(cloud, bodies):
    group = cloud.group()
    subnet = {"properties": {"addressPrefix": "10.7.0.0/18"}}
    assert code(cloud.call("GET", f"{cloud.sub}/resourceGroups/none")) == (404, "ResourceGroupNotFound")
    assert code(cloud.call("PUT", f"{cloud.sub}/resourceGroups/none/{VNET}/v", bodies["vnet"])) == (
        404,
        "ResourceGroupNotFound",
    )
    assert code(cloud.call("PUT", f"{group}/{VNET}/none/subnets/s", subnet)) == (
        404,
        "ParentResourceNotFound",
    )
    assert code(cloud.call("GET", f"{group}/{VNET}/none")) == (404, "ResourceNotFound")


def test_wrong_requests_are_refused_with_arms_codes(cloud, bodies):
    group = cloud.group()
    missing = {"location": "northeurope", "properties": {}}
    assert code(cloud.call("PUT", f"{group}/{VNET}/v", missing)) == (400, "InvalidRequestFormat")
    assert code(cloud.call("PUT", f"{group}/{NSG}/n", {"properties": {}})) == (400, "LocationRequired")
    moon = {**bodies["vnet"], "location": "moonbase1"}
    assert code(cloud.call("PUT", f"{group}/{VNET}/v", moon)) == (400, "LocationNotAvailableForResourceType")
    assert code(cloud.call("PUT", f"{group}/providers/Contoso.Own/things/x", {})) == (
        404,
        "InvalidResourceNamespace",
    )
    broken = cloud.http.put(
        f"{cloud.base}{group}/{NSG}/n?api-version=2024-05-01", content=b"{", headers=cloud.headers
    )
    assert code(broken) == (400, "InvalidRequestContent")


def test_a_resource_does_not_move(cloud):
    group = cloud.group("northeurope")
    assert code(cloud.call("PUT", group, {"location": "japaneast"})) == (409, "InvalidResourceGroupLocation")
    path = f"{group}/{IDENTITY}/stays"
    cloud.call("PUT", path, {"location": "northeurope"})
    assert code(cloud.call("PUT", path, {"location": "japaneast"})) == (409, "InvalidResourceLocation")


def test_deleting_a_group_deletes_what_is_inside_and_takes_a_while(slow_cloud, bodies):
    cloud = slow_cloud
    group = cloud.group()
    cloud.made(f"{group}/{VNET}/vnet", bodies["vnet"])
    answer = cloud.call("DELETE", group)
    assert answer.status_code == 202
    assert cloud.call("GET", group).json()["properties"]["provisioningState"] == "Deleting"
    assert code(cloud.call("PUT", f"{group}/{NSG}/n", {"location": "northeurope"})) == (
        409,
        "ResourceGroupBeingDeleted",
    )
    statuses = set()
    for _ in range(200):
        poll = cloud.call("GET", answer.headers["Location"])
        statuses.add(poll.status_code)
        if poll.status_code != 202:
            break
        time.sleep(0.02)
    assert poll.status_code == 200
    assert cloud.call("HEAD", group).status_code == 404
    assert code(cloud.call("GET", f"{group}/{VNET}/vnet")) == (404, "ResourceGroupNotFound")


def test_deleting_what_is_not_there_is_fine(cloud):
    assert cloud.call("DELETE", f"{cloud.group()}/{VNET}/never").status_code == 204


def test_lists_come_in_pages_and_can_be_filtered(cloud):
    group = cloud.group()
    for number in range(7):
        body = {"location": "northeurope", "tags": {"odd": str(number % 2)}}
        assert cloud.call("PUT", f"{group}/{IDENTITY}/id-{number}", body).status_code == 201
    names, place, pages = [], f"{group}/{IDENTITY}", 0
    query = {"$top": "3"}
    while place:
        found = cloud.call("GET", place, **query).json()
        names += [each["name"] for each in found["value"]]
        place, query, pages = found.get("nextLink"), {}, pages + 1
    assert (names, pages) == ([f"id-{n}" for n in range(7)], 3)
    odd = cloud.call("GET", f"{group}/resources", **{"$filter": "tagName eq 'odd' and tagValue eq '1'"})
    assert [each["name"] for each in odd.json()["value"]] == ["id-1", "id-3", "id-5"]
    wrong = cloud.call("GET", f"{group}/resources", **{"$filter": "tagName like 'x'"})
    assert code(wrong) == (400, "InvalidFilterInQueryString")


def test_an_unregistered_provider_must_be_registered_first(cloud):
    place = f"{cloud.sub}/providers/Microsoft.Storage"
    path = f"{cloud.group()}/providers/Microsoft.Storage/storageAccounts/s1"
    body = {"location": "northeurope", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}
    assert code(cloud.call("PUT", path, body)) == (409, "MissingSubscriptionRegistration")
    assert cloud.call("POST", f"{place}/register").json()["registrationState"] == "Registered"
    assert cloud.made(path, body)["kind"] == "StorageV2"
    cloud.call("POST", f"{place}/unregister")


def test_every_answer_carries_arms_tracing_headers(cloud):
    answer = cloud.http.get(
        f"{cloud.base}{cloud.sub}/locations?api-version=2022-12-01",
        headers={**cloud.headers, "x-ms-correlation-request-id": "mine"},
    )
    assert answer.headers["x-ms-correlation-request-id"] == "mine"
    assert answer.headers["x-ms-request-id"]
    assert answer.headers["x-ms-routing-request-id"].split(":")[0].isupper()
    assert len([each for each in answer.json()["value"] if each["name"] == "northeurope"]) == 1
