"""The AWS and Google modules against their providers' real schemas, read by Terraform itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from chainfleet.drivers.terraform.modules import modules_folder

pytestmark = pytest.mark.skipif(shutil.which("terraform") is None, reason="needs the program terraform")

HERE = Path(__file__).parent
PROVIDERS = {"aws": "aws", "gcp": "google"}
ROOTS = [(cloud, stage) for cloud in PROVIDERS for stage in ("network", "region")]

SAID_BY_THE_CLOUD = {
    "aws_availability_zones": {"here": {"names": ["eu-west-1a", "eu-west-1b", "eu-west-1c", "eu-west-1d"]}},
    "google_project": {"here": {"number": "123456789"}},
}
COMMON = {"fleet": "mixed", "prefix": "mixed"}
INPUTS: Mapping[str, Mapping[str, Any]] = {
    "aws": COMMON | {"account_id": "123456789012", "region": "eu-west-1"},
    "gcp": COMMON | {"account_id": "my-project", "region": "europe-west1"},
}


@dataclass
class Terraform:
    """The program, with the stand-ins attached."""

    folder: Path
    attached: str

    def root(self, cloud: str, stage: str) -> Path:
        return Path(shutil.copytree(modules_folder() / cloud / stage, self.folder / f"{cloud}-{stage}"))

    def run(self, root: Path, *words: str) -> subprocess.CompletedProcess[str]:
        environ = os.environ | {"TF_REATTACH_PROVIDERS": self.attached, "CHECKPOINT_DISABLE": "1"}
        environ["TF_CLI_CONFIG_FILE"] = os.devnull
        return subprocess.run(
            ["terraform", *words], cwd=root, env=environ, capture_output=True, text=True, check=False
        )

    def complaints(self, root: Path) -> list[str]:
        said = json.loads(self.run(root, "validate", "-json").stdout)
        return [f"{d['summary']}: {d['detail']}" for d in said["diagnostics"]]

    def apply(self, root: Path, inputs: Mapping[str, Any]) -> dict[str, Any]:
        (root / "x.auto.tfvars.json").write_text(json.dumps(inputs))
        done = self.run(root, "apply", "-auto-approve", "-input=false", "-no-color")
        assert done.returncode == 0, done.stderr
        said = json.loads(self.run(root, "output", "-json").stdout)
        return {name: row["value"] for name, row in said.items()}


@pytest.fixture
def terraform(tmp_path: Path) -> Iterator[Terraform]:
    cloud = tmp_path / "cloud.json"
    cloud.write_text(json.dumps(SAID_BY_THE_CLOUD))
    command = [sys.executable, str(HERE / "stand_in.py"), str(cloud), *PROVIDERS.values()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Terraform(tmp_path, process.stdout.readline())
        process.communicate()


def schemas(cloud: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((HERE / "data" / f"provider_{PROVIDERS[cloud]}.json").read_text())
    return document


def test_every_argument_block_and_attribute_is_one_that_the_provider_has(terraform: Terraform) -> None:
    said = {(cloud, stage): terraform.complaints(terraform.root(cloud, stage)) for cloud, stage in ROOTS}
    assert said == {root: [] for root in ROOTS}


@pytest.mark.parametrize(
    ("cloud", "before", "after", "complaint"),
    [
        ("aws", "enable_key_rotation     = true", "key_rotation = true", "Unsupported argument"),
        ("aws", "role_arn = aws_iam_role.cluster.arn", "", "Missing required argument"),
        ("aws", "aws_iam_role.disks.arn", "aws_iam_role.disks.identifier", "Unsupported attribute"),
        ("gcp", "max_surge       = 1", "surge = 1", "Unsupported argument"),
        ("gcp", "workload_metadata_config {", "workload_metadata {", "Unsupported block type"),
    ],
)
def test_what_the_provider_does_not_know_is_found(
    terraform: Terraform, cloud: str, before: str, after: str, complaint: str
) -> None:
    root = terraform.root(cloud, "region")
    text = (root / "main.tf").read_text()
    assert before in text
    (root / "main.tf").write_text(text.replace(before, after))
    assert any(complaint in said for said in terraform.complaints(root))


@pytest.mark.parametrize("cloud", PROVIDERS)
def test_both_stages_are_planned_and_hand_on_what_the_next_one_needs(
    terraform: Terraform, cloud: str
) -> None:
    inputs = INPUTS[cloud]
    network = terraform.apply(
        terraform.root(cloud, "network"), inputs | {"cidr": "10.7.0.0/16", "validators": 2}
    )
    assert len(network["public_ip_names"]) == 2
    handed = {
        name: network[name] for name in ("group", "node_subnet_ids", "pod_subnet_ids", "egress_public_ip_id")
    }
    root = terraform.root(cloud, "region")
    optional = {"log_retention_days": 30, "administrator_groups": ["arn:aws:iam::123456789012:role/admins"]}
    terraform.apply(root, inputs | handed | optional)
    state = json.loads((root / "terraform.tfstate").read_text())
    made = {row["type"] for row in state["resources"] if row["mode"] == "managed"}
    assert made == set(re.findall(r'^resource "(\w+)"', (root / "main.tf").read_text(), re.MULTILINE))


def test_a_weekly_maintenance_window_of_gke_is_as_long_as_google_demands(terraform: Terraform) -> None:
    # At least 48 hours in any 32 days, so in four weeks.
    root = terraform.root("gcp", "region")
    inputs = INPUTS["gcp"] | {"group": "n", "node_subnet_ids": ["s"], "pod_subnet_ids": ["p", "q"]}
    for slot in (0, 41):
        terraform.apply(root, inputs | {"egress_public_ip_id": "e", "maintenance_slot": slot})
        state = json.loads((root / "terraform.tfstate").read_text())
        (cluster,) = (row for row in state["resources"] if row["type"] == "google_container_cluster")
        (policy,) = cluster["instances"][0]["attributes"]["maintenance_policy"]
        (window,) = policy["recurring_window"]
        start, end = (datetime.fromisoformat(window[name]) for name in ("start_time", "end_time"))
        assert (end - start).total_seconds() * 4 >= 48 * 3600


@pytest.mark.parametrize("cloud", PROVIDERS)
def test_the_schemas_are_of_the_version_that_the_modules_ask_for_and_hold_all_that_they_use(
    cloud: str,
) -> None:
    document = schemas(cloud)
    major = document["source"]["version"].partition(".")[0]
    texts = [path.read_text() for path in sorted((modules_folder() / cloud).rglob("*.tf"))]
    pinned = {
        found for text in texts for found in re.findall(r'^ +version = "~> (\d+)\.', text, re.MULTILINE)
    }
    assert pinned == {major}
    used = {found for text in texts for found in re.findall(r'^resource "(\w+)"', text, re.MULTILINE)}
    assert set(document["resource_schemas"]) == used
