"""Usage of AWS through boto3, against moto."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import boto3
import pytest

from chainfleet.drivers.inventory.aws_usage import is_standard
from chainfleet.drivers.inventory.needs import Check, Verdict
from chainfleet.drivers.inventory.usage import Usage, validate_usage
from chainfleet.model.errors import EnvironmentProblem, ErrorClass, TaskFailed
from chainfleet.model.fleet import AwsCloud, Clouds, Fleet, Network, Region
from chainfleet.model.region import known_regions

READS = ("Describe", "Get", "List", "GET ")


def fleet_of(*names: str, account: str = "${AWS_ACCOUNT_ID}", size: str = "m6i.xlarge") -> Fleet:
    settings = AwsCloud(account_id=account, validator_vm_size=size)
    regions = tuple(Region(name=name, cloud="aws") for name in names)
    network = Network(chain_id=9, validators_per_region=2)
    return Fleet(name="mixed", network=network, regions=regions, clouds=Clouds(aws=settings))


def failing(usage: Usage) -> dict[str, list[Check]]:
    found = {name: [c for c in checks if c.verdict.stops] for name, checks in usage.checks.items()}
    return {name: checks for name, checks in found.items() if checks}


def by_quota(checks: Any) -> dict[str, Check]:
    return {check.quota: check for check in checks if check.quota}


def test_24_regions_are_checked_in_seconds_and_nothing_but_reads_is_issued(gate: Any, environ: Any) -> None:
    names = sorted(known_regions("aws"))[:24]
    # Of this process, with moto in it: what others compute meanwhile is not ours.
    began = time.process_time()
    usage = validate_usage(fleet_of(*names), environ)
    assert time.process_time() - began < 10
    assert list(usage.checks) == names
    assert {call.region for call in gate.calls} >= set(names)
    assert [call for call in gate.calls if not call.action.startswith(READS)] == []
    # Far below what one region allows at once (100, then 20 a second).
    assert max(sum(call.region == name for call in gate.calls) for name in names) < 40


def test_what_a_region_needs_is_held_against_what_applies_to_the_account(gate: Any, environ: Any) -> None:
    gate.applied["eu-west-1", "L-1216C47A"] = 256.0
    found = by_quota(validate_usage(fleet_of("eu-west-1"), environ).checks["eu-west-1"])
    assert (found["L-1216C47A"].needed, found["L-1216C47A"].limit) == (12, 256)
    assert (found["L-0263D0A3"].needed, found["L-0263D0A3"].limit) == (3, 5)
    assert found["L-69A177A2"].needed == 2
    assert (found["L-7A658B76"].needed, found["L-7A658B76"].limit) == (3 * 64 + 2 * 128, 50 * 1024)
    assert found["L-F678F1CE"].used == 1  # The default VPC.
    assert {check.verdict for check in found.values()} == {Verdict.OK}


def test_what_runs_already_counts(gate: Any, environ: Any) -> None:
    session = boto3.session.Session("testing", "testing")
    ec2 = session.client("ec2", region_name="eu-west-3", endpoint_url=environ["AWS_ENDPOINT_URL"])
    for _ in range(4):
        ec2.allocate_address(Domain="vpc")
    ec2.create_volume(AvailabilityZone="eu-west-3a", Size=100, VolumeType="gp3")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    ec2.run_instances(ImageId=image, InstanceType="m5.xlarge", MinCount=2, MaxCount=2)
    subnet = ec2.describe_subnets(Filters=[{"Name": "availability-zone", "Values": ["eu-west-3a"]}])[
        "Subnets"
    ][0]
    ec2.create_nat_gateway(SubnetId=subnet["SubnetId"], ConnectivityType="private")
    elb = session.client("elbv2", region_name="eu-west-3", endpoint_url=environ["AWS_ENDPOINT_URL"])
    elb.create_load_balancer(Name="n", Type="network", Subnets=[subnet["SubnetId"]])
    usage = validate_usage(fleet_of("eu-west-3"), environ)
    found = by_quota(usage.checks["eu-west-3"])
    assert found["L-1216C47A"].used == 8
    assert found["L-69A177A2"].used == 1
    assert found["L-FE5A380F"].used == 1
    assert found["L-7A658B76"].used == 100
    short = found["L-0263D0A3"]
    assert (short.verdict, short.used, short.needed, short.limit) == (Verdict.SHORT, 4, 3, 5)
    assert short.way_out == (
        "aws service-quotas request-service-quota-increase --region eu-west-3 "
        "--service-code ec2 --quota-code L-0263D0A3 --desired-value 7"
    )
    # The nearest on the continent that has room.
    assert usage.instead == {"eu-west-3": "eu-west-2"}
    assert failing(validate_usage(fleet_of("eu-west-3"), environ, deployed={"eu-west-3"})) == {}


def test_room_for_the_deployment_but_not_for_an_upgrade_is_said(gate: Any, environ: Any) -> None:
    gate.applied["eu-west-1", "L-1216C47A"] = 12.0
    found = by_quota(validate_usage(fleet_of("eu-west-1"), environ).checks["eu-west-1"])
    assert found["L-1216C47A"].verdict is Verdict.TIGHT
    gate.applied["eu-west-1", "L-1216C47A"] = 11.0
    found = by_quota(validate_usage(fleet_of("eu-west-1"), environ).checks["eu-west-1"])
    # What is asked for has room for a further node of each pool.
    assert found["L-1216C47A"].way_out.endswith("--quota-code L-1216C47A --desired-value 20")


def test_a_region_that_is_not_enabled_and_a_type_that_is_not_offered_are_unavailable(
    gate: Any, environ: Any
) -> None:
    gate.closed.add("ap-south-2")
    usage = validate_usage(fleet_of("ap-south-2", "eu-west-1"), environ)
    assert set(failing(usage)) == {"ap-south-2"}
    assert "aws account enable-region --region-name ap-south-2" in failing(usage)["ap-south-2"][0].way_out
    assert {call.region for call in gate.calls} == {"eu-west-1", *nearest_asked(gate)}
    assert usage.instead["ap-south-2"] == "ap-south-1"
    odd = validate_usage(fleet_of("eu-west-1", size="m9z.xlarge"), environ)
    assert [check.what for check in failing(odd)["eu-west-1"]] == ["instance type m9z.xlarge"]


def nearest_asked(gate: Any) -> set[str]:
    """Regions that were looked at as a way out; the closed one is never asked itself."""
    asked = {call.region for call in gate.calls}
    assert "ap-south-2" not in asked
    return asked


@pytest.mark.parametrize(
    ("code", "action"), [("RequestLimitExceeded", "DescribeVpcs"), ("ThrottlingException", "GetServiceQuota")]
)
def test_throttled_reads_are_repeated(gate: Any, environ: Any, code: str, action: str) -> None:
    gate.fail(action, code, count=3, status=503 if code == "RequestLimitExceeded" else 400)
    usage = validate_usage(fleet_of("eu-west-1"), environ)
    assert {check.verdict for check in usage.checks["eu-west-1"]} == {Verdict.OK}
    assert gate.faults[0].count == 0


def test_a_region_that_stays_throttled_does_not_hide_the_others(
    gate: Any, environ: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chainfleet.drivers.aws._TRIES", 2)
    gate.fail("DescribeVpcs", "RequestLimitExceeded", region="eu-west-2", status=503)
    usage = validate_usage(fleet_of("eu-west-1", "eu-west-2"), environ)
    assert {check.verdict for check in usage.checks["eu-west-1"]} == {Verdict.OK}
    (unknown,) = usage.checks["eu-west-2"]
    assert unknown.verdict is Verdict.UNKNOWN
    assert "RequestLimitExceeded" in unknown.way_out


def test_a_read_that_is_not_allowed_leaves_one_thing_unknown_and_names_it(gate: Any, environ: Any) -> None:
    gate.fail("GetServiceQuota", "AccessDeniedException")
    usage = validate_usage(fleet_of("eu-west-1"), environ)
    assert not usage.failed
    unknown = [check for check in usage.checks["eu-west-1"] if check.verdict is Verdict.UNKNOWN]
    assert len(unknown) == 7
    assert "service-quotas get-service-quota" in unknown[0].way_out
    gate.fail("DescribeInstanceTypeOfferings", "UnauthorizedOperation", status=403)
    usage = validate_usage(fleet_of("eu-west-1"), environ)
    assert not usage.failed
    assert any("describe-instance-type-offerings" in c.way_out for c in usage.checks["eu-west-1"])


@pytest.mark.parametrize(
    ("action", "code", "way_out"),
    [
        ("GetCallerIdentity", "ExpiredToken", "renew the credentials"),
        ("GetCallerIdentity", "InvalidClientTokenId", "renew the credentials"),
        ("DescribeRegions", "UnauthorizedOperation", "allow it in a policy"),
    ],
)
def test_expired_credentials_and_no_access_are_one_clear_error(
    gate: Any, environ: Any, action: str, code: str, way_out: str
) -> None:
    gate.fail(action, code, status=403)
    with pytest.raises(TaskFailed, match=code) as caught:
        validate_usage(fleet_of("eu-west-1", "eu-west-2"), environ)
    assert caught.value.error_class is ErrorClass.AUTHORISATION
    assert way_out in caught.value.way_out


def test_credentials_of_another_account_and_none_at_all(
    gate: Any, environ: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        TaskFailed, match=f"of account {gate.account}, the fleet is declared for 999999999999"
    ):
        validate_usage(fleet_of("eu-west-1", account="999999999999"), environ)
    for name in ("AWS_EC2_METADATA_DISABLED", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "true" if "DISABLED" in name else "/nowhere")
    bare = {name: environ[name] for name in ("AWS_ENDPOINT_URL", "AWS_ACCOUNT_ID")}
    with pytest.raises(TaskFailed, match="Unable to locate credentials") as caught:
        validate_usage(fleet_of("eu-west-1"), bare)
    assert caught.value.error_class is ErrorClass.AUTHORISATION
    with pytest.raises(TaskFailed, match="nobody") as caught:
        validate_usage(fleet_of("eu-west-1"), bare | {"AWS_PROFILE": "nobody"})
    assert caught.value.error_class is ErrorClass.AUTHORISATION


def test_without_the_sdk_the_way_to_it_is_told(environ: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(EnvironmentProblem) as caught:
        validate_usage(fleet_of("eu-west-1"), environ)
    assert caught.value.way_out == "pip install 'chainfleet[aws]'"


def test_an_address_where_nobody_answers_is_told(environ: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainfleet.drivers.aws._TRIES", 1)
    with pytest.raises(TaskFailed, match="Could not connect") as caught:
        validate_usage(fleet_of("eu-west-1"), environ | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    assert caught.value.error_class is ErrorClass.TRANSIENT


@pytest.mark.parametrize(
    ("size", "standard"),
    [
        ("m6i.xlarge", True),
        ("t3.large", True),
        ("im4gn.large", True),
        ("inf2.xlarge", False),
        ("g5.xlarge", False),
    ],
)
def test_families_with_a_quota_of_their_own_are_told_apart(size: str, standard: bool) -> None:
    assert is_standard(size) is standard


def test_the_command_and_the_preflight_of_a_deployment(
    gate: Any, environ: Any, tmp_path: Path, commands: Any
) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(
        "name: mixed\nnetwork: {chain_id: 9, validators_per_region: 1}\n"
        "regions: [{name: eu-central-1, cloud: aws}, {name: eu-west-1, cloud: aws}, {name: eu-west-2, cloud: aws}, {name: eu-north-1, cloud: aws}]\n"
    )
    gate.applied["eu-central-1", "L-0263D0A3"] = 1.0
    run = commands(fleet, environ)
    told = run("usage")
    assert told.returncode == 1, told.stderr
    assert "elastic addresses" in told.stdout
    assert "take eu-central-2 instead" in told.stdout
    document = json.loads(run("usage", "--json").stdout)
    assert document["instead"] == {"eu-central-1": "eu-central-2"}
    refused = run("deploy", "--yes")
    assert refused.returncode == 2
    assert "eu-central-1: elastic addresses: 2 needed, 0 of 1 used (L-0263D0A3)" in refused.stderr
    assert "--quota-code L-0263D0A3 --desired-value 2" in refused.stderr
    assert [call for call in gate.calls if not call.action.startswith(READS)] == []
