"""Who may call ARM: tokens, tenants, access."""

from __future__ import annotations

import jwt
import pytest
from azure.identity import ClientSecretCredential

from chainfleet.emulator.arm.identity import Directory, TokenError


def test_client_credentials_give_a_token_for_the_asked_audience(cloud):
    answer = cloud.sign_in(scope="https://management.core.windows.net//.default")
    claims = jwt.decode(answer.json()["access_token"], options={"verify_signature": False})
    assert answer.json()["token_type"] == "Bearer"
    assert claims["aud"] == "https://management.core.windows.net/"
    assert claims["tid"] == cloud.env["ARM_TENANT_ID"]


@pytest.mark.parametrize(
    ("changes", "status", "error", "number"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
        ({"client_id": "00000000-0000-0000-0000-000000000000"}, 400, "unauthorized_client", 700016),
        ({"scope": "https://graph.example/.default"}, 400, "invalid_resource", 500011),
        ({"scope": "https://management.azure.com/user"}, 400, "invalid_scope", 1002012),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
        ({"tenant": "nowhere"}, 400, "invalid_request", 90002),
    ],
)
def test_a_wrong_sign_in_is_refused_with_entras_numbers(cloud, changes, status, error, number):
    answer = cloud.sign_in(**changes)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json()["error_codes"] == [number]
    assert answer.json()["error_description"].startswith(f"AADSTS{number}: ")


def test_azure_identity_signs_in(cloud):
    credential = ClientSecretCredential(
        cloud.env["AZURE_TENANT_ID"],
        cloud.env["AZURE_CLIENT_ID"],
        cloud.env["AZURE_CLIENT_SECRET"],
        authority=cloud.env["AZURE_AUTHORITY_HOST"],
        disable_instance_discovery=True,
        connection_verify=cloud.env["REQUESTS_CA_BUNDLE"],
    )
    with credential:
        token = credential.get_token("https://management.azure.com/.default").token
    answer = cloud.http.get(
        f"{cloud.base}/subscriptions?api-version=2022-12-01", headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.json()["value"][0]["subscriptionId"] == cloud.env["ARM_SUBSCRIPTION_ID"]


def test_without_a_token_arm_says_where_to_get_one(cloud):
    answer = cloud.http.get(f"{cloud.base}{cloud.sub}/resourcegroups?api-version=2024-03-01")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "AuthenticationFailed")
    assert cloud.env["ARM_TENANT_ID"] in answer.headers["WWW-Authenticate"]


def test_a_token_signed_by_somebody_else_is_refused(cloud):
    other = Directory()
    forged = other.issue(other.deployer, "https://management.azure.com", "somebody")
    answer = cloud.http.get(
        f"{cloud.base}{cloud.sub}?api-version=2022-12-01", headers={"Authorization": f"Bearer {forged}"}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")


def test_a_token_expires():
    now = [1_800_000_000.0]
    directory = Directory(now=lambda: now[0])
    token = directory.issue(directory.deployer, "https://management.azure.com", "here")
    assert directory.who(token) == directory.deployer
    now[0] += 3600
    with pytest.raises(TokenError) as refused:
        directory.who(token)
    assert refused.value.code == "ExpiredAuthenticationToken"


def test_a_token_for_another_audience_is_refused():
    directory = Directory()
    token = directory.issue(directory.deployer, "https://vault.azure.net", "here")
    with pytest.raises(TokenError) as refused:
        directory.who(token)
    assert refused.value.code == "InvalidAuthenticationTokenAudience"


def test_a_principal_without_access_is_forbidden_and_an_unknown_subscription_not_found(cloud):
    added = cloud.running.control("/principals", "POST", {"name": "stranger", "access": False})
    token = cloud.sign_in(client_id=added["client_id"], client_secret=added["client_secret"]).json()
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    answer = cloud.http.get(f"{cloud.base}{cloud.sub}/resourcegroups?api-version=2024-03-01", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "AuthorizationFailed")
    unknown = cloud.call("GET", "/subscriptions/11111111-1111-1111-1111-111111111111/resourcegroups")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "SubscriptionNotFound")


def test_discovery_documents_name_this_authority(cloud):
    authority = cloud.env["ARM_ACTIVE_DIRECTORY_AUTHORITY_HOST"]
    place = f"{authority}{cloud.env['ARM_TENANT_ID']}/v2.0/.well-known/openid-configuration"
    found = cloud.http.get(place).json()
    assert found["token_endpoint"].startswith(authority)
    assert cloud.http.get(found["jwks_uri"]).json()["keys"][0]["kty"] == "RSA"
    instance = cloud.http.get(f"{authority}common/discovery/instance?api-version=1.1").json()
    assert instance["tenant_discovery_endpoint"].startswith(authority)
