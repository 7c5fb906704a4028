"""The stand-in azapi provider, as a real Terraform sees it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from chainfleet.drivers.terraform.tool import check_tool
from chainfleet.emulator.azapi import bodies, identifiers, planning, wire
from chainfleet.emulator.client import Running, start

if TYPE_CHECKING:
    from conftest import Workbench

HEAD = 'terraform {\n  required_providers {\n    azapi = { source = "Azure/azapi" }\n  }\n}\n'


class Root:
    """A folder with one configuration on a cloud."""

    def __init__(self, folder: Path, cloud: Running) -> None:
        self.folder = folder
        self.environ = {**os.environ, **cloud.environment}
        self.subscription = cloud.environment["AZURE_SUBSCRIPTION_ID"]
        folder.mkdir()

    def write(self, text: str) -> None:
        text = text.replace("SUBSCRIPTION", f"/subscriptions/{self.subscription}")
        (self.folder / "main.tf").write_text(HEAD + text)

    def command(self, *arguments: str) -> list[str]:
        return [*check_tool(self.environ).command, *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = self.command(*arguments)
        return subprocess.run(
            command, cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False
        )

    def apply(self, text: str, *more: str) -> str:
        self.write(text)
        done = self.run("apply", "-auto-approve", "-input=false", "-no-color", *more)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def attributes(self) -> dict[str, Any]:
        state = json.loads((self.folder / "terraform.tfstate").read_text())
        return {r["name"]: r["instances"][0]["attributes"] for r in state["resources"]}


@pytest.fixture
def root(tmp_path: Path, cloud: Running) -> Root:
    return Root(tmp_path / "root", cloud)


def group(name: str, more: str = "") -> str:
    return f"""
resource "azapi_resource" "group" {{
  type      = "Microsoft.Resources/resourceGroups@2024-03-01"
  parent_id = "SUBSCRIPTION"
  name      = "{name}"
  location  = "norwayeast"
  {more}
}}
"""


IDENTITY = """
resource "azapi_resource" "identity" {
  type      = "Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31"
  parent_id = azapi_resource.group.id
  name      = "one"
  location  = "norwayeast"
  tags      = { made-for = "tests" }
  response_export_values = ["properties.clientId"]
}
"""

SECURITY_GROUP = """
resource "azapi_resource" "rules" {
  type      = "Microsoft.Network/networkSecurityGroups@2024-05-01"
  parent_id = azapi_resource.group.id
  name      = "rules"
  location  = "Norway East"
  body = {
    properties = {
      securityRules = [{
        name = "p2p"
        properties = {
          access = "Allow", direction = "Inbound", priority = 200, protocol = "Tcp", sourcePortRange = "*"
          sourceAddressPrefix = "AzureCloud", destinationAddressPrefix = "*", destinationPortRange = "PORT"
        }
      }]
    }
  }
}
"""


def test_create_no_change_update_in_place_replace_destroy(root: Root) -> None:
    first = group("rg-life") + IDENTITY + SECURITY_GROUP.replace("PORT", "30303")
    assert "3 added" in root.apply(first)
    made = root.attributes()
    assert list(made["identity"]["output"]["value"]) == ["properties"]
    assert made["identity"]["location"] == "norwayeast"
    assert "No changes" in root.run("plan", "-no-color").stdout
    assert "0 added, 1 changed, 0 destroyed" in root.apply(first.replace("30303", "30305"))
    assert root.attributes()["rules"]["id"] == made["rules"]["id"]
    renamed = first.replace("30303", "30305").replace('"one"', '"two"')
    assert "1 added, 0 changed, 1 destroyed" in root.apply(renamed)
    assert "3 destroyed" in root.run("destroy", "-auto-approve", "-no-color").stdout


def test_a_change_of_the_api_version_alone_is_an_update_in_place(root: Root) -> None:
    text = group("rg-version") + IDENTITY
    root.apply(text)
    assert "0 added, 1 changed, 0 destroyed" in root.apply(text.replace("2023-01-31", "2024-11-30"))


def test_a_resource_is_imported_by_its_id_and_version(root: Root) -> None:
    text = group("rg-import") + IDENTITY
    root.apply(text)
    identity = root.attributes()["identity"]["id"]
    root.run("state", "rm", "azapi_resource.identity")
    refused = root.run("apply", "-auto-approve", "-no-color")
    assert "Resource already exists" in refused.stderr
    unversioned = root.run("import", "-no-color", "azapi_resource.identity", identity)
    assert "missing the 'api-version' element" in " ".join(unversioned.stderr.split())
    done = root.run("import", "-no-color", "azapi_resource.identity", f"{identity}?api-version=2023-01-31")
    assert done.returncode == 0, done.stderr
    assert root.attributes()["identity"]["tags"] == {"made-for": "tests"}
    root.apply(text)
    assert "No changes" in root.run("plan", "-no-color").stdout


def test_what_changed_outside_shows_in_the_plan(root: Root, cloud: Running, workbench: Workbench) -> None:
    other = Root(root.folder.with_name("other"), cloud)
    text = group("rg-drift") + SECURITY_GROUP.replace("PORT", "30303")
    root.apply(text)
    other.write(text.replace("30303", "22"))
    (other.folder / "terraform.tfstate").write_text((root.folder / "terraform.tfstate").read_text())
    assert other.run("apply", "-auto-approve").returncode == 0
    planned = root.run("plan", "-no-color", "-detailed-exitcode")
    assert planned.returncode == 2
    assert '"22" -> "30303"' in planned.stdout


def test_an_error_carries_arm_s_code_and_text_as_microsoft_s_provider_prints_it(
    root: Root, workbench: Workbench
) -> None:
    workbench.fault(kind="conflict", region="norwayeast", resource="microsoft.network/networksecuritygroups")
    root.write(group("rg-error") + SECURITY_GROUP.replace("PORT", "30303"))
    done = root.run("apply", "-auto-approve", "-input=false", "-no-color", "-json")
    errors = [json.loads(line) for line in done.stdout.splitlines() if '"type":"diagnostic"' in line]
    detail = errors[0]["diagnostic"]["detail"]
    assert errors[0]["diagnostic"]["summary"] == "Failed to create/update resource"
    assert detail.startswith('creating/updating Resource: (ResourceId "/subscriptions/')
    assert '/ Api Version "2024-05-01"): PUT https://' in detail
    assert "\nRESPONSE 409: 409 Conflict\nERROR CODE: AnotherOperationInProgress\n" in detail
    assert '\n{\n  "error": {\n    "code": "AnotherOperationInProgress",' in detail


def test_stopping_one_terraform_stops_no_other(tmp_path: Path, cloud: Running, workbench: Workbench) -> None:
    workbench.fault(
        kind="slow", region="norwayeast", resource="microsoft.network/networksecuritygroups", factor=1200
    )
    with applying(tmp_path / "stopped", cloud) as stopped, applying(tmp_path / "left", cloud) as left:
        for process in (stopped, left):
            assert process.stdout is not None
            assert any("rules: Creating..." in line for line in process.stdout)
        while len(groups(cloud)) < 2:  # Terraform says so just before it calls.
            assert left.poll() is None
            time.sleep(0.05)
        stopped.send_signal(signal.SIGINT)
        said, _ = stopped.communicate(timeout=30)
        assert left.poll() is None, "both ended, so the test was too slow to tell"
        assert stopped.returncode == 1
        assert "context canceled" in said
        said, _ = left.communicate(timeout=60)
        assert left.returncode == 0, said


def groups(cloud: Running) -> list[str]:
    return [each["id"] for each in cloud.control("/resources")["resources"] if "SecurityGroups" in each["id"]]


@contextmanager
def applying(folder: Path, cloud: Running) -> Iterator[subprocess.Popen[str]]:
    root = Root(folder, cloud)
    root.write(group(f"rg-{folder.name}") + SECURITY_GROUP.replace("PORT", "30303"))
    command = root.command("apply", "-auto-approve", "-input=false", "-no-color")
    with subprocess.Popen(
        command,
        cwd=root.folder,
        env=root.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def slow_cloud(tmp_path: Path) -> Iterator[Running]:
    with start(tmp_path / "slow", time_scale=0.25, parts="arm,azapi") as running:
        yield running


@pytest.mark.slow
def test_eighty_calls_at_once_wait_side_by_side(tmp_path: Path, slow_cloud: Running) -> None:
    root = Root(tmp_path / "root", slow_cloud)
    many = IDENTITY.replace('"one"', '"i${count.index}"').replace("{\n  type", "{\n  count = 80\n  type", 1)
    begin = time.monotonic()
    root.apply(group("rg-many") + many, "-parallelism=100")
    # An identity takes about eight seconds here; ten at a time (the plugin package's pool) would be over sixty.
    assert time.monotonic() - begin < 50


def start_provider(environ: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "chainfleet.emulator.azapi"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ)
    assert process.stdout is not None
    entries = json.loads(process.stdout.readline())
    assert {"registry.terraform.io/azure/azapi", "registry.opentofu.org/azure/azapi"} == set(entries)
    assert {entry["Pid"] for entry in entries.values()} == {process.pid}
    return process


def test_it_ends_when_its_input_ends() -> None:
    process = start_provider(dict(os.environ))
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_it_ends_when_its_owner_is_killed() -> None:
    owner = (
        "import subprocess, sys, time; command = [sys.executable, '-m', 'chainfleet.emulator.azapi'];"
        "p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE);"
        "p.stdout.readline(); print(p.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", owner], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    provider = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    provider.wait(10)


def test_without_settings_it_says_what_is_missing(root: Root) -> None:
    process = start_provider({name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ})
    assert process.stdin is not None
    try:
        entry = {"Protocol": "grpc", "ProtocolVersion": 6, "Pid": process.pid, "Test": True}
        port = psutil.Process(process.pid).net_connections("tcp")[0].laddr.port
        entry["Addr"] = {"Network": "tcp", "String": f"127.0.0.1:{port}"}
        root.environ["TF_REATTACH_PROVIDERS"] = json.dumps({"registry.terraform.io/azure/azapi": entry})
        root.write(group("rg-none"))
        assert "lacks 'ARM_RESOURCE_MANAGER_ENDPOINT'" in " ".join(
            root.run("plan", "-no-color").stderr.split()
        )
    finally:
        process.communicate(timeout=60)


@pytest.mark.parametrize(
    ("text", "kind", "parent"),
    [
        (
            "/subscriptions/s/resourceGroups/g?api-version=2024-03-01",
            "Microsoft.Resources/resourceGroups",
            "/subscriptions/s",
        ),
        (
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v?api-version=1",
            "Microsoft.Network/virtualNetworks",
            "/subscriptions/s/resourceGroups/g",
        ),
        (
            "/subscriptions/s/resourceGroups/g/providers/A.B/cs/c/ds/d?api-version=1",
            "A.B/cs/ds",
            "/subscriptions/s/resourceGroups/g/providers/A.B/cs/c",
        ),
        (
            "/subscriptions/s/resourceGroups/g/providers/A.B/cs/c/providers/M.Authorization/roles/r?api-version=1",
            "M.Authorization/roles",
            "/subscriptions/s/resourceGroups/g/providers/A.B/cs/c",
        ),
    ],
)
def test_ids_tell_their_type_and_parent(text: str, kind: str, parent: str) -> None:
    found = identifiers.parse(text)
    assert (found.type, found.parent) == (kind, parent)
    if kind.count("/") == 1:
        assert identifiers.resource_id(found.name, parent, f"{kind}@2024-01-01").id == text.partition("?")[0]


@pytest.mark.parametrize(
    ("configured", "answered", "seen"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, {"a": 1}),
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {}, {"a": 1}),
        ({"a": "/subscriptions/S"}, {"a": "/subscriptions/s"}, {"a": "/subscriptions/S"}),
        (
            {"l": [{"name": "x", "v": 1}]},
            {"l": [{"name": "x", "v": 1, "w": 2}]},
            {"l": [{"name": "x", "v": 1}]},
        ),
        (
            {"l": [{"name": "x"}]},
            {"l": [{"name": "y"}, {"name": "x"}]},
            {"l": [{"name": "x"}, {"name": "y"}]},
        ),
        ({"l": [1, 2]}, {"l": [1]}, {"l": [1]}),
    ],
)
def test_drift_is_what_arm_answers_for_what_was_configured(configured: Any, answered: Any, seen: Any) -> None:
    assert bodies.observed(configured, answered, ignore_casing=False, keep_missing=True) == seen


def test_dynamic_values_carry_the_type_that_they_imply() -> None:
    kind, value = wire.dynamic({"a": [1, "x", True, None]})
    assert json.loads(kind) == ["object", {"a": ["tuple", ["number", "string", "bool", "dynamic"]]}]
    assert value == {"a": [1, "x", True, None]}


def test_an_output_is_unknown_only_when_something_changes() -> None:
    prior = {
        "id": "/x",
        "name": "x",
        "parent_id": "/p",
        "type": "A.B/c@2024-01-01",
        "location": "norwayeast",
        "body": wire.dynamic({"a": 1}),
        "output": wire.dynamic({"o": 1}),
        "identity": [],
    }
    same = planning.plan(prior, {**prior, "location": "Norway East"}, {"location": "Norway East"})
    assert same.state["output"] == prior["output"]
    assert same.state["location"] == "norwayeast"
    assert same.replaces == ()
    changed = planning.plan(prior, {**prior, "body": wire.dynamic({"a": 2})}, {})
    assert changed.state["output"] is wire.UNKNOWN
    assert changed.state["id"] == "/x"
    moved = planning.plan(prior, {**prior, "location": "uksouth"}, {"location": "uksouth"})
    assert moved.replaces == ("location",)
