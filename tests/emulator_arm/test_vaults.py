"""The data plane of the emulated key vaults, as Azure's own answers."""

from __future__ import annotations

from itertools import count

import pytest

VAULT = "providers/Microsoft.KeyVault/vaults"
SECRETS = "microsoft.keyvault/vaults/secrets"
_names = count(1)


@pytest.fixture
def vault(cloud, bodies):
    """A vault, and a function that asks its data plane."""
    name = f"dataplane{next(_names)}"
    path = f"{cloud.group()}/{VAULT}/{name}"
    made = cloud.made(path, bodies["vault"], "2023-07-01")
    uri = made["properties"]["vaultUri"]
    token = cloud.sign_in(scope="https://vault.azure.net/.default").json()["access_token"]

    def ask(verb, what, body=None, *, bearer=token, version="7.4"):
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        return cloud.http.request(verb, f"{uri}{what}?api-version={version}", json=body, headers=headers)

    ask.path, ask.uri = path, uri
    yield ask
    cloud.running.control("/faults", "DELETE")


def refusal(answer):
    problem = answer.json()["error"]
    return answer.status_code, problem["code"], problem.get("innererror", {}).get("code", "")


def test_it_says_by_a_challenge_which_token_it_wants(cloud, vault):
    answer = vault("GET", "secrets", bearer=None)
    assert refusal(answer)[:2] == (401, "Unauthorized")
    challenge = answer.headers["WWW-Authenticate"]
    audience = challenge.split('resource="')[1].rstrip('"')
    assert vault.uri.startswith(audience)
    assert f'authorization="{cloud.env["AZURE_AUTHORITY_HOST"]}{cloud.env["ARM_TENANT_ID"]}"' in challenge
    token = cloud.sign_in(scope=f"{audience}/.default").json()["access_token"]
    assert vault("GET", "secrets", bearer=token).status_code == 200


def test_a_token_for_arm_opens_no_vault_and_the_other_way_round(cloud, vault):
    assert refusal(vault("GET", "secrets", bearer=cloud.token))[:2] == (401, "Unauthorized")
    token = cloud.sign_in(scope="https://vault.azure.net/.default").json()["access_token"]
    assert vault("GET", "secrets", bearer=token).status_code == 200
    answer = cloud.http.get(f"{cloud.base}{cloud.sub}?api-version=2022-12-01",
                            headers={"Authorization": f"Bearer {token}"})  # fmt: skip
    assert answer.status_code == 401


def test_every_write_is_a_version_and_the_newest_is_given(vault):
    first = vault("PUT", "secrets/key", {"value": "one", "tags": {"a": "b"}}).json()
    second = vault("PUT", "secrets/key", {"value": "two"}).json()
    assert first["id"] != second["id"]
    assert vault("GET", "secrets/key").json() == second
    assert vault("GET", f"secrets/key/{first['id'].rsplit('/', 1)[1]}").json() == first
    listed = vault("GET", "secrets").json()["value"]
    assert [(entry["id"].rsplit("/", 1)[1], "value" in entry) for entry in listed] == [("key", False)]


def test_a_deleted_secret_is_kept_and_keeps_its_name(vault):
    vault("PUT", "secrets/key", {"value": "one"})
    assert vault("DELETE", "secrets/key").status_code == 200
    assert refusal(vault("GET", "secrets/key"))[:2] == (404, "SecretNotFound")
    assert refusal(vault("PUT", "secrets/key", {"value": "two"})) == (
        409,
        "Conflict",
        "ObjectIsDeletedButRecoverable",
    )
    assert vault("POST", "deletedsecrets/key/recover").status_code == 200
    assert vault("GET", "secrets/key").json()["value"] == "one"


def test_a_deleted_vault_keeps_its_secrets_until_it_is_purged(cloud, vault, bodies):
    vault("PUT", "secrets/key", {"value": "one"})
    assert cloud.call("DELETE", vault.path, None, "2023-07-01").status_code == 200
    with pytest.raises(Exception, match=r"[Dd]isconnected|reset"):
        vault("GET", "secrets/key")
    recovering = {**bodies["vault"], "properties": {**bodies["vault"]["properties"], "createMode": "recover"}}
    cloud.made(vault.path, recovering, "2023-07-01")
    assert vault("GET", "secrets/key").json()["value"] == "one"
    cloud.call("DELETE", vault.path, None, "2023-07-01")
    name = vault.path.rsplit("/", 1)[1]
    place = f"{cloud.sub}/providers/Microsoft.KeyVault/locations/northeurope/deletedVaults/{name}/purge"
    assert cloud.call("POST", place, None, "2023-07-01").status_code == 200
    cloud.made(vault.path, bodies["vault"], "2023-07-01")
    assert vault("GET", "secrets/key").status_code == 404


def test_who_has_no_role_for_secrets_is_refused_and_told_the_action(cloud, vault):
    made = cloud.running.control("/principals", "POST", {"name": "reader", "secrets": False})
    token = cloud.sign_in(
        client_id=made["client_id"],
        client_secret=made["client_secret"],
        scope="https://vault.azure.net/.default",
    ).json()["access_token"]
    answer = vault("PUT", "secrets/key", {"value": "one"}, bearer=token)
    assert refusal(answer) == (403, "Forbidden", "ForbiddenByRbac")
    assert "Microsoft.KeyVault/vaults/secrets/setSecret/action" in answer.json()["error"]["message"]
    role = (
        f"{cloud.sub}/providers/Microsoft.Authorization/roleDefinitions/b86a8fe4-44ce-4948-aee5-eccb2c155cd7"
    )
    name = "00000000-0000-0000-0000-00000000000a"
    grant = {"properties": {"principalId": made["object_id"], "roleDefinitionId": role}}
    place = f"{vault.path}/providers/Microsoft.Authorization/roleAssignments/{name}"
    assert cloud.call("PUT", place, grant, "2022-04-01").status_code == 201
    assert vault("PUT", "secrets/key", {"value": "one"}, bearer=token).status_code == 200


def test_a_vault_may_be_throttled(cloud, vault):
    cloud.running.control("/faults", "POST", {"kind": "throttle", "resource": SECRETS, "count": 1})
    answer = vault("GET", "secrets")
    assert refusal(answer)[:2] == (429, "Throttled")
    assert int(answer.headers["Retry-After"]) >= 1
    assert vault("GET", "secrets").status_code == 200


@pytest.mark.parametrize("value", ["10.1.0.0/16", "nowhere"])
def test_a_firewall_admits_public_addresses_only(cloud, vault, bodies, value):
    body = {**bodies["vault"], "properties": {**bodies["vault"]["properties"]}}
    body["properties"]["networkAcls"] = {"defaultAction": "Deny", "ipRules": [{"value": value}]}
    assert refusal(cloud.call("PUT", vault.path, body, "2023-07-01"))[:2] == (400, "BadRequest")
