"""Usage validated on the emulated cloud's ARM through the Azure SDK's pipeline."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from chainfleet.drivers.inventory.azure_vaults import may_set_secrets
from chainfleet.drivers.inventory.needs import VAULT_SECRETS, Check, Verdict
from chainfleet.drivers.inventory.usage import Usage, validate_usage
from chainfleet.emulator.client import Running
from chainfleet.model.errors import ErrorClass, InputError, TaskFailed
from chainfleet.model.fleet import Fleet
from chainfleet.model.region import azure_regions

ROOT = Path(__file__).parents[2]


@pytest.fixture
def quota(cloud: Running) -> Iterator[Any]:
    changed: list[tuple[str, str, int]] = []

    def set_limit(region: str, name: str, limit: int, *, back_to: int) -> None:
        cloud.control("/quotas", "POST", {"region": region, "name": name, "limit": limit})
        changed.append((region, name, back_to))

    yield set_limit
    for region, name, limit in changed:
        cloud.control("/quotas", "POST", {"region": region, "name": name, "limit": limit})


def look(cloud: Running, fleet: Fleet, **options: Any) -> Usage:
    return validate_usage(fleet, cloud.environment, **options)


def failing(usage: Usage) -> dict[str, list[Check]]:
    found = {name: [c for c in checks if c.verdict.stops] for name, checks in usage.checks.items()}
    return {name: checks for name, checks in found.items() if checks}


def test_every_region_is_checked_and_nothing_but_reads_is_issued(cloud: Running, fleet: Fleet) -> None:
    cloud.control("/stats", "DELETE")
    usage = look(cloud, fleet)
    assert list(usage.checks) == [region.name for region in fleet.regions]
    assert not usage.failed
    vcpus = {c.quota: c.needed for c in usage.checks["uksouth"] if c.what.startswith("vCPUs")}
    assert vcpus == {"cores": 12, "standardDSv5Family": 12}
    stats = cloud.control("/stats")
    asked = [row for row in stats["requests"]["detail"] if row["system"] == "arm"]
    assert {row["verb"] for row in asked} == {"GET"}
    assert sum(row["count"] for row in asked) == 1 + 4 * 24
    assert stats["changes"]["total"] == 0


def test_a_short_quota_names_the_request_to_file_and_the_region_to_take(
    cloud: Running, fleet: Fleet, quota: Any
) -> None:
    quota("francecentral", "standardDSv5Family", 10, back_to=350)
    quota("belgiumcentral", "cores", 4, back_to=350)
    usage = look(cloud, fleet)
    ((region, checks),) = failing(usage).items()
    assert region == "francecentral"
    assert [(c.quota, c.needed, c.used, c.limit) for c in checks] == [("standardDSv5Family", 12, 0, 10)]
    assert "az quota update --resource-name standardDSv5Family" in checks[0].way_out
    assert "Microsoft.Compute/locations/francecentral" in checks[0].way_out
    assert checks[0].way_out.endswith("value=12")
    # The nearest reserve region has no room itself.
    assert usage.instead["francecentral"] not in ("", "belgiumcentral")
    assert azure_regions()[usage.instead["francecentral"]].continent == "Europe"


def test_two_regions_are_not_sent_to_the_same_place(cloud: Running, fleet: Fleet, quota: Any) -> None:
    for region in ("francecentral", "germanywestcentral"):
        quota(region, "StandardSkuPublicIpAddresses", 2, back_to=1000)
    instead = look(cloud, fleet).instead
    assert set(instead) == {"francecentral", "germanywestcentral"}
    assert len(set(instead.values())) == 2
    assert "" not in instead.values()


def test_room_for_the_deployment_but_not_for_an_upgrade_is_said(
    cloud: Running, fleet: Fleet, quota: Any
) -> None:
    quota("uksouth", "cores", 16, back_to=350)
    usage = look(cloud, fleet)
    assert not usage.failed
    tight = [c for c in usage.checks["uksouth"] if c.verdict is Verdict.TIGHT]
    assert [c.quota for c in tight] == ["cores"]
    assert "surge" in tight[0].way_out


def test_what_stands_already_is_not_needed_again(cloud: Running, fleet: Fleet, quota: Any) -> None:
    quota("uksouth", "managedClusters", 0, back_to=100)
    assert set(failing(look(cloud, fleet))) == {"uksouth"}
    assert failing(look(cloud, fleet, deployed={"uksouth"})) == {}


def test_restricted_regions_and_missing_sizes_are_unavailable(cloud: Running, fleet: Fleet) -> None:
    usage = look(cloud, fleet, regions=["norwaywest", "uksouth"])
    assert set(failing(usage)) == {"norwaywest"}
    assert "region access request" in failing(usage)["norwaywest"][0].way_out
    azure = fleet.clouds.azure.model_copy(update={"validator_vm_size": "Standard_Z9s_v9"})
    odd = fleet.model_copy(update={"clouds": fleet.clouds.model_copy(update={"azure": azure})})
    checks = failing(look(cloud, odd, regions=["uksouth"]))["uksouth"]
    assert [c.what for c in checks] == ["VM size Standard_Z9s_v9"]


def test_all_regions_outside_the_us(cloud: Running, fleet: Fleet) -> None:
    usage = look(cloud, fleet, regions=sorted(azure_regions()))
    assert len(usage.checks) == 50
    restricted = {name for name, facts in azure_regions().items() if facts.restricted}
    assert set(failing(usage)) == restricted


def test_one_region_that_cant_be_asked_does_not_hide_the_others(cloud: Running, fleet: Fleet) -> None:
    fault = {"kind": "server-error", "region": "uksouth", "resource": "microsoft.compute/locations/usages"}
    cloud.control("/faults", "POST", [fault | {"verb": "GET", "count": 50}])
    try:
        usage = look(cloud, fleet, regions=["uksouth", "northeurope"])
    finally:
        cloud.control("/faults", "DELETE")
    assert {c.verdict for c in usage.checks["northeurope"]} == {Verdict.OK}
    verdicts = {c.verdict for c in usage.checks["uksouth"]}
    assert verdicts in ({Verdict.UNKNOWN}, {Verdict.OK})


def test_no_access_and_wrong_credentials_are_told(cloud: Running, fleet: Fleet) -> None:
    azure = fleet.clouds.azure.model_copy(update={"subscription_id": "11111111-1111-1111-1111-111111111111"})
    elsewhere = fleet.model_copy(update={"clouds": fleet.clouds.model_copy(update={"azure": azure})})
    with pytest.raises(TaskFailed) as caught:
        look(cloud, elsewhere)
    assert caught.value.error_class is ErrorClass.AUTHORISATION
    expired = {**cloud.environment, "AZURE_CLIENT_SECRET": "expired"}
    with pytest.raises(TaskFailed, match="AADSTS") as caught:
        validate_usage(fleet, expired)
    assert caught.value.error_class is ErrorClass.AUTHORISATION
    with pytest.raises(InputError, match="unknown region `atlantis`"):
        look(cloud, fleet, regions=["atlantis"])


def command(*words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "chainfleet.cli.main", *words]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)


def test_the_command_prints_table_json_and_junit(cloud: Running, tmp_path: Path, quota: Any) -> None:
    quota("uksouth", "cores", 4, back_to=350)
    env_file = tmp_path / "environment.json"
    env_file.write_text(json.dumps(dict(cloud.environment)))
    words = ["usage", str(ROOT / "examples/chain-138.yaml"), "--env-file", str(env_file)]
    words += ["--state", str(tmp_path / "state")]
    report = tmp_path / "usage.xml"
    told = command(*words, "--junit", str(report))
    assert told.returncode == 1, told.stderr
    assert "uksouth" in told.stdout
    assert "24 regions checked, 1 without room" in told.stdout
    document = json.loads(command(*words, "--json").stdout)
    assert document["ok"] is False
    assert document["instead"]["uksouth"]
    suite = ElementTree.parse(report).getroot()
    assert (suite.get("failures"), len(suite.findall(".//failure"))) == ("1", 1)
    assert int(suite.get("tests", "0")) == len(suite.findall("testcase"))


def test_a_deployment_without_room_is_refused_before_anything_is_made(
    cloud: Running, tmp_path: Path, quota: Any
) -> None:
    quota("uksouth", "cores", 4, back_to=350)
    env_file = tmp_path / "environment.json"
    env_file.write_text(json.dumps({**cloud.environment, "MAINNET_RPC_URL": "http://127.0.0.1:9"}))
    before = cloud.control("/stats")["changes"]["total"]
    words = ["deploy", str(ROOT / "examples/chain-138.yaml"), "--env-file", str(env_file), "--yes"]
    done = command(*words, "--state", str(tmp_path / "state"), "--time-scale", "600")
    assert done.returncode == 2
    assert "uksouth: vCPUs: 12 needed, 0 of 4 used (cores)" in done.stderr
    assert "az quota update" in done.stderr
    assert cloud.control("/stats")["changes"]["total"] == before


def in_vaults(fleet: Fleet) -> Fleet:
    return fleet.model_copy(
        update={
            "network": fleet.network.model_copy(update={"node_keys": "vault"}),
            "regions": fleet.regions[:2],
        }
    )


def without_keys(cloud: Running) -> dict[str, str]:
    """The environment of somebody who may deploy and not write secrets."""
    made = cloud.control("/principals", "POST", {"name": "no-keys", "secrets": False})
    credentials = {"CLIENT_ID": made["client_id"], "CLIENT_SECRET": made["client_secret"]}
    changed = {f"{head}_{name}": v for head in ("ARM", "AZURE") for name, v in credentials.items()}
    return {**cloud.environment, **changed}


def test_who_may_not_write_secrets_is_told_before_anything_is_made(cloud: Running, fleet: Fleet) -> None:
    assert not look(cloud, in_vaults(fleet)).failed
    usage = validate_usage(in_vaults(fleet), without_keys(cloud))
    assert {name: [c.what for c in found] for name, found in failing(usage).items()} == {
        region.name: [VAULT_SECRETS] for region in in_vaults(fleet).regions
    }
    assert "azure-key-writer-role.json" in usage.failed[0].way_out
    # No other region would be any better.
    assert usage.instead == {}
    assert not validate_usage(fleet, without_keys(cloud), regions=["uksouth"]).failed


@pytest.mark.parametrize(
    ("permission", "expected"),
    [
        ({"dataActions": ["Microsoft.KeyVault/vaults/secrets/setSecret/action"]}, True),
        ({"dataActions": ["*"]}, True),
        ({"dataActions": ["Microsoft.KeyVault/vaults/secrets/getSecret/action"]}, False),
        ({"dataActions": ["*"], "notDataActions": ["Microsoft.KeyVault/vaults/secrets/*"]}, False),
        ({"actions": ["*"], "dataActions": []}, False),
    ],
)
def test_a_right_to_manage_is_no_right_to_write_secrets(permission: dict[str, Any], expected: bool) -> None:
    assert may_set_secrets(permission) is expected
