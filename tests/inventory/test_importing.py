"""Import and drift through the command line, on what an earlier deployment left in the cloud."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from chainfleet.drivers.arm import pipeline
from chainfleet.emulator.client import Running

pytestmark = pytest.mark.timeout(900)

_numbers = count(1)
GROUP_VERSION = "2024-03-01"


@dataclass
class Bench:
    """A small fleet whose infrastructure stands, and whose states may be thrown away."""

    cloud: Running
    fleet: Path
    state: Path
    env_file: Path
    name: str

    def run(self, command: str, *options: str, expect: int | None = 0) -> Any:
        words = [command, str(self.fleet), "--state", str(self.state), "--env-file", str(self.env_file)]
        line = [sys.executable, "-m", "chainfleet.cli.main", *words, *options, "--json"]
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=200)
        assert expect is None or done.returncode == expect, done.stderr + done.stdout
        return json.loads(done.stdout) if done.stdout else None

    def lose_states(self) -> None:
        shutil.rmtree(self.state)

    def group(self, region: str) -> str:
        return f"/subscriptions/{self.cloud.environment['ARM_SUBSCRIPTION_ID']}/resourceGroups/{self.name}-{region}"

    def arm(self, verb: str, path: str, version: str, body: Any = None) -> Any:
        from azure.core.rest import HttpRequest

        base = self.cloud.environment["ARM_RESOURCE_MANAGER_ENDPOINT"].rstrip("/")
        with pipeline(self.cloud.environment, retries=3) as client:
            response = client.send_request(
                HttpRequest(verb, f"{base}{path}?api-version={version}", json=body)
            )
        assert response.status_code < 300, response.text()
        return response.json() if response.content else None

    def changes(self) -> int:
        return int(self.cloud.control("/stats")["changes"]["total"])


@pytest.fixture
def bench(cloud: Running, tmp_path: Path) -> Iterator[Bench]:
    name = f"import-{next(_numbers)}"
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(
        f"name: {name}\nnetwork: {{chain_id: 1138, validators_per_region: 1}}\n"
        "regions: [northeurope, uksouth, japaneast, brazilsouth]\n"
    )
    env_file = tmp_path / "environment.json"
    env_file.write_text(json.dumps(dict(cloud.environment)))
    bench = Bench(cloud, fleet, tmp_path / "state", env_file, name)
    bench.run("deploy", "--yes", "--only", "infrastructure", "--time-scale", "600")
    yield bench
    cloud.control("/faults", "DELETE")


def findings(document: Any, region: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in document[region]["resources"]:
        counts[row["finding"]] = counts.get(row["finding"], 0) + 1
    return counts


def test_what_exists_is_matched_imported_and_then_left_alone(bench: Bench) -> None:
    bench.lose_states()
    before = bench.changes()
    survey = bench.run("import")
    assert findings(survey, "uksouth") == {"matched": 14}
    blocks = json.loads(
        (bench.state / "workspace/terraform/uksouth/network/chainfleet_adoption.tf.json").read_text()
    )
    assert len(blocks["import"]) == 5
    assert not list(bench.state.rglob("terraform.tfstate"))
    imported = bench.run("import", "--apply")
    assert [row["imported"] for row in imported.values()] == [["network", "cluster"]] * 4
    assert findings(bench.run("import"), "northeurope") == {"held": 14}
    assert list(bench.run("drift")["drift"].values()) == [[]] * 4
    again = bench.run("deploy", "--yes", "--only", "infrastructure", "--time-scale", "600")
    assert again["changed"] == 0
    assert bench.changes() == before


def test_one_region_alone_can_be_imported_and_the_rest_later(bench: Bench) -> None:
    bench.lose_states()
    assert list(bench.run("import", "--apply", "--only", "uksouth")) == ["uksouth"]
    both = bench.run("import", "--apply")
    assert both["uksouth"]["imported"] == []
    assert both["northeurope"]["imported"] == ["network", "cluster"]


def test_drift_is_named_and_stops_the_import_of_its_region_only(bench: Bench) -> None:
    place = f"{bench.group('uksouth')}/providers/Microsoft.Network/networkSecurityGroups/{bench.name}-nsg"
    body = bench.arm("GET", place, "2024-05-01")
    body["properties"]["securityRules"][0]["properties"]["destinationPortRange"] = "22"
    bench.arm("PUT", place, "2024-05-01", body)
    lines = bench.run("drift", expect=1)["drift"]["uksouth"]
    assert len(lines) == 1
    assert "security_group was changed at properties.securityRules" in lines[0]
    bench.lose_states()
    survey = bench.run("import", "--apply", expect=1)
    assert "security_group is drifted" in survey["uksouth"]["problem"]
    assert survey["uksouth"]["imported"] == []
    assert survey["northeurope"]["imported"] == ["network", "cluster"]
    assert not (bench.state / "workspace/terraform/uksouth/network/terraform.tfstate").exists()


def test_what_is_missing_is_left_to_a_deployment_and_what_depends_on_it_too(bench: Bench) -> None:
    cluster = (
        f"{bench.group('uksouth')}/providers/Microsoft.ContainerService/managedClusters/{bench.name}-aks"
    )
    for schedule in ("aksManagedAutoUpgradeSchedule", "aksManagedNodeOSUpgradeSchedule"):
        bench.arm("DELETE", f"{cluster}/maintenanceConfigurations/{schedule}", "2025-05-01")
    bench.lose_states()
    survey = bench.run("import", "--apply")
    assert findings(survey, "uksouth") == {"matched": 12, "missing": 2}
    assert survey["uksouth"]["imported"] == ["network", "cluster"]
    before = bench.changes()
    bench.run("deploy", "--yes", "--only", "infrastructure", "--time-scale", "600")
    assert bench.changes() == before + 2


def test_strangers_among_ours_are_shown_and_left_alone(bench: Bench) -> None:
    stranger = f"{bench.group('uksouth')}/providers/Microsoft.Network/publicIPAddresses/somebody-elses"
    body = {
        "location": "uksouth",
        "sku": {"name": "Standard"},
        "properties": {"publicIPAllocationMethod": "Static"},
    }
    bench.arm("PUT", stranger, "2024-05-01", body)
    bench.lose_states()
    survey = bench.run("import", "--apply")
    foreign = [row for row in survey["uksouth"]["resources"] if row["finding"] == "foreign"]
    assert [row["id"].rsplit("/", 1)[1] for row in foreign] == ["somebody-elses"]
    assert survey["uksouth"]["imported"] == ["network", "cluster"]
    # Under another prefix there is nothing; but a group says that it is the fleet's.
    bench.lose_states()
    bench.fleet.write_text(bench.fleet.read_text() + "clouds: {azure: {resource_prefix: elsewhere}}\n")
    survey = bench.run("import", "--only", "uksouth", expect=1)
    ambiguous = [row["id"] for row in survey["uksouth"]["resources"] if row["finding"] == "ambiguous"]
    assert [name.rsplit("/", 1)[1] for name in ambiguous] == [f"{bench.name}-uksouth"]


def test_a_group_that_is_not_marked_as_the_fleets_is_ambiguous_and_never_taken(bench: Bench) -> None:
    bench.arm("PATCH", bench.group("uksouth"), GROUP_VERSION, {"tags": {"chainfleet-fleet": "another"}})
    bench.lose_states()
    survey = bench.run("import", "--apply", expect=1)
    assert survey["uksouth"]["imported"] == []
    assert "resource_group is ambiguous" in survey["uksouth"]["problem"]


def test_throttling_and_conflicts_on_the_way_lose_nothing(bench: Bench) -> None:
    bench.lose_states()
    bench.cloud.control(
        "/faults",
        "POST",
        [
            {"kind": "throttle", "verb": "GET", "region": "uksouth", "count": 6},
            {"kind": "server-error", "verb": "GET", "region": "northeurope", "count": 4},
        ],
    )
    bench.run("import", "--apply", expect=None)
    bench.cloud.control("/faults", "DELETE")
    bench.run("import", "--apply")
    assert findings(bench.run("import"), "uksouth") == {"held": 14}
    assert findings(bench.run("import"), "northeurope") == {"held": 14}


def test_wrong_words(bench: Bench) -> None:
    words = ["import", str(bench.fleet), "--only", "atlantis", "--state", str(bench.state)]
    line = [sys.executable, "-m", "chainfleet.cli.main", *words, "--env-file", str(bench.env_file)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--only atlantis: no such region" in done.stderr
