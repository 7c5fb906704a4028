"""One contract for all clouds' modules, and what the other layers make of regions outside Azure."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chainfleet.drivers.besu.manifests import Artefacts, render_region
from chainfleet.drivers.kubernetes.access import _connect, token_kubeconfig
from chainfleet.drivers.terraform import roots
from chainfleet.drivers.terraform.modules import modules_folder
from chainfleet.model.errors import FleetError
from chainfleet.model.fleet import Fleet, Network, Region
from chainfleet.model.fleet_file import load_fleet
from chainfleet.model.task import Phase, Task

CLOUDS = ("azure", "aws", "gcp")
STAGES = ("network", "region")


def declared(cloud: str, stage: str, kind: str) -> dict[str, str]:
    """Type of each variable (or nothing, of each output) by its name."""
    text = (modules_folder() / cloud / stage / f"{kind}s.tf").read_text()
    blocks = re.findall(rf'^{kind} "(\w+)" \{{(.*?)^\}}', text, re.MULTILINE | re.DOTALL)
    assert all("description" in body for _, body in blocks)
    types = (re.search(r"^\s*type\s*=\s*(.+)$", body, re.MULTILINE) for _, body in blocks)
    return {name: found[1] if found else "" for (name, _), found in zip(blocks, types, strict=True)}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("cloud", ["aws", "gcp"])
def test_all_clouds_take_and_give_the_same(cloud: str, stage: str) -> None:
    assert declared(cloud, stage, "variable") == declared("azure", stage, "variable")
    assert declared(cloud, stage, "output") == declared("azure", stage, "output")


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_every_reference_of_a_module_is_to_something_it_declares(cloud: str, stage: str) -> None:
    folder = modules_folder() / cloud / stage
    text = "".join(path.read_text() for path in sorted(folder.glob("*.tf")))
    text = re.sub(r"#.*", "", text)
    resources = set(re.findall(r'^resource "(\w+)" "(\w+)"', text, re.MULTILINE))
    data = set(re.findall(r'^data "(\w+)" "(\w+)"', text, re.MULTILINE))
    for found in re.findall(r"(?<![\w.\"/])(data\.)?((?:aws|google|azapi)_\w+)\.(\w+)", text):
        assert found[1:] in (data if found[0] else resources), found
    assert set(re.findall(r"\bvar\.(\w+)", text)) <= set(declared(cloud, stage, "variable"))
    local = set(
        re.findall(r"^  (\w+)\s*=", "".join(re.findall(r"^locals \{.*?^\}", text, re.M | re.S)), re.M)
    )
    assert set(re.findall(r"\blocal\.(\w+)", text)) <= local


@pytest.mark.skipif(shutil.which("terraform") is None, reason="needs the program terraform")
def test_everything_is_formatted() -> None:
    command = ["terraform", "fmt", "-check", "-recursive", str(modules_folder())]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stdout == ""


def fleet_of(*regions: Region) -> Fleet:
    return Fleet(name="mixed", network=Network(chain_id=9, validators_per_region=1), regions=regions)


MIXED = """
name: mixed
network: {chain_id: 9, validators_per_region: 1}
regions:
  - {name: eu-west-1, cloud: aws}
  - {name: europe-west1, cloud: gcp}
  - {name: ap-northeast-1, cloud: aws}
  - northeurope
"""
ENVIRON = {
    "AWS_ACCOUNT_ID": "123456789012",
    "GOOGLE_CLOUD_PROJECT": "my-project",
    "AZURE_SUBSCRIPTION_ID": "12f4cca1-0403-4c22-bf24-255ad7841183",
    "AZURE_TENANT_ID": "12f4cca1-0403-4c22-bf24-255ad7841183",
}


def mixed(text: str = MIXED, environ: dict[str, str] | None = None) -> Any:
    return load_fleet("f.yaml", lambda _name: text, ENVIRON if environ is None else environ)


@pytest.mark.parametrize(
    ("region", "account"), [("eu-west-1", "123456789012"), ("europe-west1", "my-project")]
)
@pytest.mark.parametrize("action", ["network", "cluster"])
def test_a_root_gives_its_module_what_it_wants_and_nothing_else(
    region: str, account: str, action: str, tmp_path: Path
) -> None:
    fleet = mixed().fleet
    outputs = {name: ["x"] for name in declared("aws", "network", "output")}
    attempt = SimpleNamespace(
        task=Task(f"infrastructure/{action}/{region}", Phase.INFRASTRUCTURE, region=region),
        fleet=fleet,
        workspace=tmp_path,
        environ={},
        outputs=lambda _task: outputs,
    )
    root = roots.root_of(attempt, modules_folder())  # type: ignore[arg-type]
    import json

    values = json.loads(root.files[roots.VARIABLES])
    assert values["account_id"] == account
    known = declared(fleet.region(region).cloud, roots.stage_of(action), "variable")
    assert set(values) <= set(known)
    text = root.files["variables.tf"]
    for name in known:
        block = re.search(rf'^variable "{name}" \{{(.*?)^\}}', text, re.MULTILINE | re.DOTALL)
        assert block is not None
        assert name in values or "default" in block[1], f"{name} has neither value nor default"


def test_accounts_are_asked_for_where_their_cloud_is_used() -> None:
    assert set(mixed(environ={}).unresolved) == set(ENVIRON)
    azure_only = MIXED.replace("cloud: aws", "cloud: azure").replace("cloud: gcp", "cloud: azure")
    azure_only = azure_only.replace("eu-west-1", "uksouth").replace("europe-west1", "japaneast")
    azure_only = azure_only.replace("ap-northeast-1", "brazilsouth")
    assert set(mixed(azure_only, environ={}).unresolved) == {"AZURE_SUBSCRIPTION_ID", "AZURE_TENANT_ID"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("eu-west", "is no region of cloud `aws`"),
        ("us-east-1", "is a US region"),
        ("us-gov-west-1", "is a US region"),
    ],
)
def test_regions_are_named_as_their_cloud_names_them_and_lie_outside_the_us(wrong: str, said: str) -> None:
    with pytest.raises(FleetError, match=said):
        mixed(MIXED.replace("eu-west-1", wrong))


def service(region: Region, names: tuple[str, ...]) -> dict[str, Any]:
    artefacts = Artefacts("{}", "[]", {region.name: ("52.0.0.1",)}, names, "vpc-1", ("52.0.0.1", "34.0.0.9"))
    (found,) = [
        each
        for each in render_region(fleet_of(region), region, artefacts)
        if each["kind"] == "Service" and each["spec"].get("type") == "LoadBalancer"
    ]
    return found


def test_aws_balances_with_the_validators_own_address_and_admits_peers_only() -> None:
    found = service(Region(name="eu-west-1", cloud="aws"), ("eipalloc-1/subnet-2",))
    head = "service.beta.kubernetes.io/aws-load-balancer-"
    assert found["metadata"]["annotations"] == {
        f"{head}type": "nlb",
        f"{head}eip-allocations": "eipalloc-1",
        f"{head}subnets": "subnet-2",
    }
    assert found["spec"]["loadBalancerSourceRanges"] == ["52.0.0.1/32", "34.0.0.9/32"]


def test_google_cloud_takes_the_reserved_address_and_admits_peers_only() -> None:
    found = service(Region(name="europe-west1", cloud="gcp"), ())
    assert found["spec"]["loadBalancerIP"] == "52.0.0.1"
    assert found["spec"]["loadBalancerSourceRanges"] == ["52.0.0.1/32", "34.0.0.9/32"]


@pytest.mark.parametrize(
    ("region", "command"),
    [
        (Region(name="eu-west-1", cloud="aws"), ["aws", "eks", "get-token", "--region", "eu-west-1"]),
        (Region(name="europe-west1", cloud="gcp"), ["gke-gcloud-auth-plugin"]),
    ],
)
def test_clusters_are_reached_by_their_outputs_with_tokens_from_the_clouds_command_line(
    region: Region, command: list[str]
) -> None:
    outputs = {
        "cluster_name": "mixed",
        "cluster_endpoint": "https://10.0.0.1",
        "cluster_ca_certificate": "Y2VydA==",
    }
    config = token_kubeconfig(region, outputs)
    plugin = config["users"][0]["user"]["exec"]
    assert [plugin["command"], *plugin["args"]][: len(command)] == command
    assert config["clusters"][0]["cluster"]["server"] == "https://10.0.0.1"
    # Only a certificate that isn't one keeps the client from being made.
    with pytest.raises(Exception, match=r"SSL|PEM|certificate"):
        _connect(region, config)
