"""What single resource types do of their own."""

from __future__ import annotations

import base64
import json
import re
import uuid
from ipaddress import ip_address, ip_network

import pytest

NET = "providers/Microsoft.Network"
IDENTITY = "providers/Microsoft.ManagedIdentity/userAssignedIdentities"
AKS = "providers/Microsoft.ContainerService/managedClusters"
VAULT = "providers/Microsoft.KeyVault/vaults"
ROLE = "providers/Microsoft.Authorization/roleAssignments"


def code(answer):
    return answer.status_code, answer.json()["error"]["code"]


def test_subnets_of_a_body_become_resources_and_are_shown_in_it(cloud, bodies):
    group = cloud.group()
    vnet = cloud.made(f"{group}/{NET}/virtualNetworks/vnet", bodies["vnet"])
    subnet = cloud.call("GET", f"{group}/{NET}/virtualNetworks/vnet/subnets/nodes").json()
    assert [each["name"] for each in vnet["properties"]["subnets"]] == ["nodes", "pods"]
    assert vnet["properties"]["subnets"][0] == subnet
    assert subnet["properties"]["provisioningState"] == "Succeeded"


def test_a_subnet_deleted_on_its_own_comes_back_with_its_network(cloud, bodies):
    path = f"{cloud.group()}/{NET}/virtualNetworks/vnet"
    cloud.made(path, bodies["vnet"])
    cloud.finish(cloud.call("DELETE", f"{path}/subnets/pods"))
    again = cloud.made(path, bodies["vnet"])
    assert [each["name"] for each in again["properties"]["subnets"]] == ["nodes", "pods"]


def test_subnets_must_fit_and_one_network_takes_one_writer(cloud, bodies):
    path = f"{cloud.group()}/{NET}/virtualNetworks/vnet"
    outside = json.loads(json.dumps(bodies["vnet"]))
    outside["properties"]["subnets"][1]["properties"]["addressPrefix"] = "192.168.0.0/24"
    assert code(cloud.call("PUT", path, outside)) == (400, "NetcfgInvalidSubnet")
    assert cloud.call("GET", path).status_code == 404
    cloud.made(path, bodies["vnet"])
    overlap = {"properties": {"addressPrefix": "10.7.1.0/24"}}
    assert code(cloud.call("PUT", f"{path}/subnets/third", overlap)) == (400, "NetcfgSubnetRangesOverlap")
    assert len(cloud.call("GET", path).json()["properties"]["subnets"]) == 2


def test_what_is_in_use_is_not_deleted(cloud, bodies):
    group = cloud.group()
    nsg = cloud.made(f"{group}/{NET}/networkSecurityGroups/nsg", {"location": "northeurope"})
    body = json.loads(json.dumps(bodies["vnet"]))
    body["properties"]["subnets"][0]["properties"]["networkSecurityGroup"] = {"id": nsg["id"]}
    cloud.made(f"{group}/{NET}/virtualNetworks/vnet", body)
    assert code(cloud.call("DELETE", nsg["id"])) == (400, "InUseNetworkSecurityGroupCannotBeDeleted")
    assert len(nsg["properties"]["defaultSecurityRules"]) == 6


def test_security_rules_do_not_share_a_priority(cloud):
    rule = {"protocol": "Tcp", "access": "Allow", "direction": "Inbound", "priority": 200}
    body = {
        "location": "northeurope",
        "properties": {"securityRules": [{"name": n, "properties": rule} for n in ("a", "b")]},
    }
    answer = cloud.call("PUT", f"{cloud.group()}/{NET}/networkSecurityGroups/nsg", body)
    assert code(answer) == (400, "SecurityRuleConflict")


def test_public_addresses_are_unique_stay_and_come_from_unrouted_ranges(cloud, bodies):
    group = cloud.group()
    found = [
        cloud.made(f"{group}/{NET}/publicIPAddresses/ip-{n}", bodies["ip"])["properties"]["ipAddress"]
        for n in range(3)
    ]
    ranges = [ip_network(r) for r in ("203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24", "198.18.0.0/15")]
    assert len(set(found)) == 3
    assert all(any(ip_address(each) in net for net in ranges) for each in found)
    changed = cloud.made(f"{group}/{NET}/publicIPAddresses/ip-0", {**bodies["ip"], "tags": {"a": "b"}})
    assert changed["properties"]["ipAddress"] == found[0]


def test_identities_have_a_principal_of_their_own(cloud):
    body = cloud.made(f"{cloud.group()}/{IDENTITY}/me", {"location": "northeurope"}, "2023-01-31")
    uuid.UUID(body["properties"]["principalId"])
    assert body["properties"]["tenantId"] == cloud.env["ARM_TENANT_ID"]
    credential = {"issuer": "https://i/", "subject": "s", "audiences": ["a"]}
    path = f"{body['id']}/federatedIdentityCredentials/validators"
    assert cloud.call("PUT", path, {"properties": credential}).status_code == 201
    assert code(cloud.call("PUT", path, {"properties": {"issuer": "https://i/"}})) == (
        400,
        "InvalidRequestFormat",
    )


def test_a_cluster_brings_its_pools_issuer_and_kubeconfig(cloud, bodies):
    path = f"{cloud.group()}/{AKS}/aks"
    answer = cloud.call("PUT", path, bodies["aks"])
    assert (answer.status_code, answer.json()["properties"]["provisioningState"]) == (201, "Creating")
    early = cloud.call("POST", f"{path}/listClusterUserCredential")
    assert cloud.finish(answer)["status"] == "Succeeded"
    properties = cloud.call("GET", path).json()["properties"]
    assert [pool["name"] for pool in properties["agentPoolProfiles"]] == ["system", "validators"]
    assert {pool["provisioningState"] for pool in properties["agentPoolProfiles"]} == {"Succeeded"}
    assert properties["oidcIssuerProfile"]["issuerURL"].startswith("https://northeurope.oic.")
    assert properties["oidcIssuerProfile"]["enabled"] is True
    found = cloud.call("POST", f"{path}/listClusterUserCredential").json()["kubeconfigs"][0]
    config = json.loads(base64.b64decode(found["value"]))
    assert config["clusters"][0]["cluster"]["server"].startswith("https://127.0.0.1:")
    assert config["users"][0]["user"]["token"]
    assert early.status_code in (200, 409)


def test_node_pools_can_be_scaled_and_the_cluster_shows_it(cloud, bodies):
    path = f"{cloud.group()}/{AKS}/aks"
    cloud.made(path, bodies["aks"])
    pool = {"properties": {"mode": "User", "count": 5, "vmSize": "Standard_D4s_v5"}}
    cloud.made(f"{path}/agentPools/validators", pool)
    shown = cloud.call("GET", path).json()["properties"]["agentPoolProfiles"]
    assert {each["name"]: each["count"] for each in shown} == {"system": 1, "validators": 5}
    cloud.made(path, bodies["aks"])
    shown = cloud.call("GET", path).json()["properties"]["agentPoolProfiles"]
    assert {each["name"]: each["count"] for each in shown} == {"system": 1, "validators": 2}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"kubernetesVersion": "1.10"}, "K8sVersionNotSupported"),
        (
            {"agentPoolProfiles": [{"name": "user", "mode": "User", "vmSize": "Standard_D4s_v5"}]},
            "InvalidParameter",
        ),
        (
            {"agentPoolProfiles": [{"name": "system", "mode": "System", "vmSize": "Huge"}]},
            "VMSizeNotSupported",
        ),
        ({"dnsPrefix": None}, "InvalidParameter"),
    ],
)
def test_a_wrong_cluster_is_refused_and_leaves_nothing(cloud, bodies, changes, error):
    path = f"{cloud.group()}/{AKS}/aks"
    body = {**bodies["aks"], "properties": {**bodies["aks"]["properties"], **changes}}
    assert code(cloud.call("PUT", path, body)) == (400, error)
    assert cloud.call("GET", path).status_code == 404
    assert cloud.call("GET", f"{path}/agentPools/system").status_code == 404


def test_quotas_are_enforced_in_two_tiers_and_shown_in_usages(cloud, bodies):
    body = {**bodies["aks"], "location": "spaincentral"}
    path = f"{cloud.group('spaincentral')}/{AKS}/aks"
    cloud.running.control(
        "/quotas", "POST", {"region": "spaincentral", "name": "standardDSv5Family", "limit": 8}
    )
    refused = cloud.call("PUT", path, body)
    assert code(refused) == (400, "ErrCode_InsufficientVCPUQuota")
    assert "spaincentral" in refused.json()["error"]["message"]
    cloud.running.control(
        "/quotas", "POST", {"region": "spaincentral", "name": "standardDSv5Family", "limit": 12}
    )
    cloud.made(path, body)
    usages = cloud.call(
        "GET", f"{cloud.sub}/providers/Microsoft.Compute/locations/spaincentral/usages"
    ).json()
    by_name = {u["name"]["value"]: (u["currentValue"], u["limit"]) for u in usages["value"]}
    assert by_name["standardDSv5Family"] == (12, 12)
    assert by_name["cores"] == (12, 350)


def test_skus_tell_zones_and_restrictions_of_a_region(cloud):
    place = f"{cloud.sub}/providers/Microsoft.Compute/skus"
    open_region = cloud.call("GET", place, **{"$filter": "location eq 'northeurope'"}).json()["value"]
    restricted = cloud.call("GET", place, **{"$filter": "location eq 'norwaywest'"}).json()["value"]
    by_name = {row["name"]: row for row in open_region}
    assert by_name["Standard_D4s_v5"]["locationInfo"][0]["zones"] == ["1", "2", "3"]
    assert by_name["Standard_D4s_v5"]["restrictions"] == []
    assert restricted[0]["restrictions"][0]["reasonCode"] == "NotAvailableForSubscription"


def test_vault_names_are_unique_in_the_world_even_after_deletion(cloud, bodies):
    first, second = cloud.group(), cloud.group()
    made = cloud.made(f"{first}/{VAULT}/chainkeys1", bodies["vault"], "2023-07-01")
    assert re.fullmatch(r"https://127\.0\.0\.1:\d+/chainkeys1/", made["properties"]["vaultUri"])
    assert code(cloud.call("PUT", f"{second}/{VAULT}/ChainKeys1", bodies["vault"])) == (
        409,
        "VaultAlreadyExists",
    )
    assert cloud.call("DELETE", made["id"]).status_code == 200
    assert code(cloud.call("PUT", f"{second}/{VAULT}/chainkeys1", bodies["vault"])) == (409, "ConflictError")
    deleted = f"{cloud.sub}/providers/Microsoft.KeyVault/locations/northeurope/deletedVaults/chainkeys1"
    assert cloud.call("GET", deleted).json()["properties"]["vaultId"] == made["id"]
    assert cloud.call("POST", f"{deleted}/purge").status_code == 200
    assert cloud.call("PUT", f"{second}/{VAULT}/chainkeys1", bodies["vault"]).status_code == 201


def test_a_deleted_vault_can_be_recovered_once(cloud, bodies):
    path = f"{cloud.group()}/{VAULT}/chainkeys2"
    properties = {**bodies["vault"]["properties"], "createMode": "recover"}
    recover = {**bodies["vault"], "properties": properties}
    assert code(cloud.call("PUT", path, recover)) == (404, "DeletedVaultNotFound")
    cloud.made(path, bodies["vault"])
    cloud.call("DELETE", path)
    assert "createMode" not in cloud.made(path, recover)["properties"]
    before = cloud.changes()
    assert cloud.call("PUT", path, bodies["vault"]).status_code == 200
    assert cloud.changes() == before
    deleted = cloud.call("GET", f"{cloud.sub}/providers/Microsoft.KeyVault/deletedVaults").json()["value"]
    assert "chainkeys2" not in [each["name"] for each in deleted]


def test_a_vault_tells_its_progress_in_its_body(slow_cloud, bodies):
    cloud = slow_cloud
    path = f"{cloud.group()}/{VAULT}/slowvault"
    answer = cloud.call("PUT", path, bodies["vault"])
    assert (answer.status_code, answer.json()["properties"]["provisioningState"]) == (201, "RegisteringDns")
    assert "Azure-AsyncOperation" not in answer.headers
    assert cloud.settled(path)["properties"]["provisioningState"] == "Succeeded"


def test_role_assignments_hang_on_any_scope_and_are_not_given_twice(cloud):
    group = cloud.group()
    identity = cloud.made(f"{group}/{IDENTITY}/me", {"location": "northeurope"})
    role = (
        f"{cloud.sub}/providers/Microsoft.Authorization/roleDefinitions/4d97b98b-1d4f-4787-a291-c67834d212e7"
    )
    grant = {"properties": {"roleDefinitionId": role, "principalId": identity["properties"]["principalId"]}}
    assert cloud.call("PUT", f"{group}/{ROLE}/{uuid.uuid4()}", grant).status_code == 201
    assert code(cloud.call("PUT", f"{group}/{ROLE}/{uuid.uuid4()}", grant)) == (409, "RoleAssignmentExists")
    on_identity = cloud.call("PUT", f"{identity['id']}/{ROLE}/{uuid.uuid4()}", grant)
    assert on_identity.json()["properties"]["scope"] == identity["id"]
    nobody = {"properties": {"roleDefinitionId": role, "principalId": str(uuid.uuid4())}}
    assert code(cloud.call("PUT", f"{group}/{ROLE}/{uuid.uuid4()}", nobody)) == (400, "PrincipalNotFound")
    assert code(cloud.call("PUT", f"{group}/{ROLE}/not-a-guid", grant)) == (400, "InvalidRoleAssignmentId")


def test_two_federated_credentials_of_one_identity_are_not_written_at_once(slow_cloud):
    from concurrent.futures import ThreadPoolExecutor

    cloud = slow_cloud
    identity = cloud.made(f"{cloud.group()}/{IDENTITY}/me", {"location": "northeurope"})
    body = {"properties": {"issuer": "https://i/", "subject": "s", "audiences": ["a"]}}

    def write(name):
        return cloud.call("PUT", f"{identity['id']}/federatedIdentityCredentials/{name}", body)

    # On a busy machine the one may be over before the other begins.
    for number in range(20):
        with ThreadPoolExecutor(2) as pool:
            answers = sorted(pool.map(write, [f"a{number}", f"b{number}"]), key=lambda a: a.status_code)
        assert answers[0].status_code == 201
        if answers[1].status_code != 201:
            break
    assert answers[1].status_code == 409
    assert answers[1].json()["error"]["code"].startswith("ConcurrentFederatedIdentityCredentialsWrites")
