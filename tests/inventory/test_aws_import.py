"""Import from AWS: found in moto through boto3, planned and imported by a real Terraform with the provider's schemas."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chainfleet.drivers.aws import AwsReader
from chainfleet.drivers.inventory.aws_existing import KINDS, AwsExisting
from chainfleet.drivers.terraform.plan_finding import NOTHING
from chainfleet.runtime.operations import open_environment
from chainfleet.runtime.state import StateFolder

READS = ("Describe", "Get", "List", "GET ")
REGION = "eu-west-1"
FLEET = """
name: {name}
network: {{chain_id: 9, validators_per_region: 1}}
regions:
  - {{name: eu-west-1, cloud: aws}}
  - {{name: eu-west-2, cloud: aws}}
  - {{name: eu-west-3, cloud: aws}}
  - {{name: eu-north-1, cloud: aws}}
"""


@pytest.fixture(scope="module")
def bench(
    aws: tuple[Any, dict[str, str]], tmp_path_factory: pytest.TempPathFactory, helpers: Any
) -> Iterator[Any]:
    """A region that stands in moto, and in the provider's stand-in as the modules make it."""
    gate, environ = aws
    builder = helpers("aws_fleet").Builder(environ, "taken", REGION)
    cloud = {
        "aws_availability_zones": {"here": {"names": builder.zones}},
        "given": builder.build(),
    }
    folder = tmp_path_factory.mktemp("aws-import")
    with helpers("import_bench").bench(
        folder, FLEET.format(name="taken"), REGION, "aws", cloud, environ
    ) as made:
        made.gate, made.builder = gate, builder
        gate.documents |= builder.documents()
        made.make()
        yield made


@pytest.fixture(autouse=True)
def _fresh(bench: Any) -> Iterator[None]:
    bench.gate.calls.clear()
    bench.gate.documents |= bench.builder.documents()
    bench.lose_states()
    before = bench.cloud.read_text()
    yield
    bench.cloud.write_text(before)


def test_what_exists_is_matched_imported_and_then_left_alone(bench: Any) -> None:
    survey = bench.run("import")
    assert bench.findings(survey) == {"matched": 24 + 23}
    blocks = {row["to"]: row["id"] for row in bench.blocks("network")}
    given = bench.builder.given
    assert blocks["aws_vpc.network"] == given["aws_vpc.taken-vpc"]["id"]
    subnet = given["aws_subnet.taken-nodes-eu-west-1b"]["id"]
    table = given["aws_route_table.taken-nodes"]["id"]
    assert blocks['aws_route_table_association.nodes["eu-west-1b"]'] == f"{subnet}/{table}"
    blocks = {row["to"]: row["id"] for row in bench.blocks("region")}
    assert blocks['aws_eks_node_group.pool["validators"]'] == "taken-eu-west-1:validators"
    assert (
        blocks["aws_iam_role_policy_attachment.cluster"]
        == "taken-eu-west-1-cluster/arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"
    )
    imported = bench.run("import", "--apply")
    assert imported[REGION]["imported"] == ["network", "cluster"]
    assert bench.findings(bench.run("import")) == {"held": 24 + 23}
    assert [call for call in bench.gate.calls if not call.action.startswith(READS)] == []
    drift = bench.run("drift")["drift"]
    assert drift == {REGION: [], "eu-west-2": None, "eu-west-3": None, "eu-north-1": None}
    # A deployment that goes on is left alone.
    with open_environment(bench.fleet, StateFolder(bench.state), bench.environ):
        assert "is running this environment" in bench.fails("drift", code=5)
    bench.change("aws_kms_key", given["aws_kms_key"]["id"], enable_key_rotation=False)
    bench.remove("aws_eks_addon", "taken-eu-west-1:coredns")
    assert bench.run("drift", expect=1)["drift"][REGION] == [
        'region: aws_eks_addon.addon["coredns"] is gone',
        "region: aws_kms_key.vault was changed at enable_key_rotation",
    ]


def test_what_is_missing_is_left_to_a_deployment_and_strangers_are_shown(bench: Any) -> None:
    del bench.gate.documents["/clusters/taken-eu-west-1/addons/coredns"]
    address = bench.builder.given["aws_eip.taken-validator-0"]["id"]
    name = [{"Key": "Name", "Value": "taken-validator-0"}]
    ec2 = bench.builder.ec2
    ec2.delete_tags(Resources=[address], Tags=name)
    stranger = ec2.create_volume(
        AvailabilityZone="eu-west-1a", Size=1, TagSpecifications=bench.builder.spec("volume", "x")
    )["VolumeId"]
    try:
        survey = bench.run("import")
    finally:
        ec2.create_tags(Resources=[address], Tags=name)
        ec2.delete_volume(VolumeId=stranger)
    missing = [row["address"] for row in survey[REGION]["resources"] if row["finding"] == "missing"]
    assert missing == ["aws_eip.validator[0]", 'aws_eks_addon.addon["coredns"]']
    foreign = [row["id"] for row in survey[REGION]["resources"] if row["finding"] == "foreign"]
    assert foreign == [f"arn:aws:ec2:{REGION}:{bench.gate.account}:volume/{stranger}"]


def test_drift_is_named_and_stops_the_import(bench: Any) -> None:
    key = bench.builder.given["aws_kms_key"]["id"]
    bench.change("aws_kms_key", key, enable_key_rotation=False)
    survey = bench.run("import", "--apply", expect=1)
    assert "aws_kms_key.vault is drifted: differs at enable_key_rotation" in survey[REGION]["problem"]
    assert survey[REGION]["imported"] == ["network"]


def test_orders_for_the_creation_of_a_cluster_never_replace_it(bench: Any) -> None:
    access = [{"authentication_mode": "API", "bootstrap_cluster_creator_admin_permissions": False}]
    bench.change(
        "aws_eks_cluster", "taken-eu-west-1", access_config=access, bootstrap_self_managed_addons=None
    )
    assert bench.findings(bench.run("import")) == {"matched": 24 + 23}


def test_what_is_not_marked_as_the_fleets_is_ambiguous_and_never_taken(bench: Any) -> None:
    bench.change("aws_iam_role", "taken-eu-west-1-flow", tags_all={"chainfleet-fleet": "another"})
    survey = bench.run("import", "--apply", expect=1)
    assert (
        "aws_iam_role.flow is ambiguous: it isn't marked chainfleet-fleet=taken" in survey[REGION]["problem"]
    )
    assert survey[REGION]["imported"] == []


def test_two_that_look_the_same_are_nobodys_guess(bench: Any) -> None:
    ec2 = bench.builder.ec2
    other = ec2.create_vpc(CidrBlock="10.9.0.0/16", TagSpecifications=bench.builder.spec("vpc", "taken-vpc"))
    try:
        survey = bench.run("import", "--apply", expect=1)
    finally:
        ec2.delete_vpc(VpcId=other["Vpc"]["VpcId"])
    (vpc,) = (row for row in survey[REGION]["resources"] if row["address"] == "aws_vpc.network")
    assert vpc["finding"] == "ambiguous"
    assert other["Vpc"]["VpcId"] in vpc["detail"]
    assert survey[REGION]["imported"] == []
    assert "aws_vpc.network is ambiguous" in survey[REGION]["problem"]


def test_a_denied_read_stops_the_region_with_its_reason(bench: Any) -> None:
    bench.gate.fail("GetResources", "AccessDeniedException")
    try:
        survey = bench.run("import", expect=1)
    finally:
        bench.gate.faults.clear()
    assert "AccessDeniedException" in survey[REGION]["problem"]


def test_every_type_of_the_modules_can_be_looked_for() -> None:
    path = Path(__file__).parents[1] / "terraform" / "data" / "provider_aws.json"
    assert set(json.loads(path.read_text())["resource_schemas"]) == KINDS


def test_a_type_whose_import_id_is_not_known_is_said_to_be(bench: Any) -> None:
    existing = AwsExisting(AwsReader(bench.environ), "123456789012", "taken", REGION)
    assert "aws_sqs_queue is imported isn't known" in existing.look("aws_sqs_queue", {"name": "x"}).problem
    # Nothing is named before what it belongs to is known.
    assert Counter(existing.look(kind, {}) == NOTHING for kind in KINDS)[False] <= 7


def test_access_entries_are_found_by_cluster_and_principal(bench: Any) -> None:
    existing = AwsExisting(AwsReader(bench.environ), "123456789012", "taken", REGION)
    who, policy = (
        "arn:aws:iam::123456789012:role/admins",
        "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
    )
    place = f"/clusters/c/access-entries/{who}"
    bench.gate.documents[place] = {"accessEntry": {"principalArn": who}}
    bench.gate.documents[f"{place}/access-policies"] = {"associatedAccessPolicies": [{"policyArn": policy}]}
    planned = {"cluster_name": "c", "principal_arn": who, "policy_arn": policy}
    assert existing.look("aws_eks_access_entry", planned).id == f"c:{who}"
    assert existing.look("aws_eks_access_policy_association", planned).id == f"c#{who}#{policy}"
