"""Import from Google Cloud: found in the asset listing, planned and imported by Terraform with the provider's schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chainfleet.drivers.inventory.gcp_existing import KINDS

REGION = "europe-west1"
FLEET = """
name: taken
network: {chain_id: 9, validators_per_region: 1}
regions:
  - {name: europe-west1, cloud: gcp}
  - {name: europe-west2, cloud: gcp}
  - {name: europe-west3, cloud: gcp}
  - {name: europe-west4, cloud: gcp}
"""


@pytest.fixture(scope="module")
def bench(
    google: tuple[Any, dict[str, str]], tmp_path_factory: pytest.TempPathFactory, helpers: Any
) -> Iterator[Any]:
    """A region that stands in the provider's stand-in as the modules make it, and in the asset listing."""
    project, environ = google
    cloud = {
        "google_project": {"here": {"number": "123456789"}},
        "given": helpers("google_fleet").given("taken", REGION, "my-project"),
    }
    folder = tmp_path_factory.mktemp("gcp-import")
    with helpers("import_bench").bench(folder, FLEET, REGION, "google", cloud, environ) as made:
        made.gate = project
        made.make()
        yield made


@pytest.fixture(autouse=True)
def _fresh(bench: Any, helpers: Any) -> Iterator[None]:
    bench.lose_states()
    before = bench.cloud.read_text()
    bench.gate.forget()
    bench.gate.assets += helpers("google_fleet").assets(json.loads(before), "my-project")
    yield
    bench.cloud.write_text(before)


def rows(survey: Any, finding: str) -> list[dict[str, str]]:
    return [row for row in survey[REGION]["resources"] if row["finding"] == finding]


def test_what_exists_is_matched_imported_and_then_left_alone(bench: Any) -> None:
    survey = bench.run("import")
    assert bench.findings(survey) == {"matched": 6 + 12}
    blocks = {row["to"]: row["id"] for row in bench.blocks("region")}
    assert (
        blocks['google_container_node_pool.pool["system"]']
        == "my-project/europe-west1/taken-europe-west1/system"
    )
    member = blocks["google_project_iam_member.validators"]
    assert member.startswith("my-project roles/secretmanager.secretAccessor serviceAccount:taken-")
    assert member.endswith(" only this fleet")
    imported = bench.run("import", "--apply")
    assert imported[REGION]["imported"] == ["network", "cluster"]
    assert bench.findings(bench.run("import")) == {"held": 6 + 12}
    assert {verb for verb, _ in bench.gate.calls} == {"GET"}


def test_what_is_missing_is_left_to_a_deployment_and_strangers_are_shown(bench: Any) -> None:
    gone = ("addresses/taken-europe-west1-validator-0", "nodePools/system")
    bench.gate.assets[:] = [row for row in bench.gate.assets if not row["name"].endswith(gone)]
    # The same role for the same member, but without the condition that limits it.
    bindings = [each for row in bench.gate.assets for each in row.get("iamPolicy", {}).get("bindings", ())]
    for each in bindings:
        each.pop("condition", None)
    labels = {"chainfleet-fleet": "taken", "chainfleet-region": REGION}
    place = "//compute.googleapis.com/projects/my-project/regions/europe-west1/addresses/by-hand"
    stranger = {"name": place, "assetType": "compute.googleapis.com/Address"}
    bench.gate.assets.append(stranger | {"resource": {"data": {"labels": labels}}})
    survey = bench.run("import")
    assert [row["address"] for row in rows(survey, "missing")] == [
        "google_compute_address.validator[0]",
        'google_container_node_pool.pool["system"]',
        "google_project_iam_member.validators",
    ]
    foreign = [row["id"] for row in rows(survey, "foreign")]
    assert foreign == ["projects/my-project/regions/europe-west1/addresses/by-hand"]


def test_drift_and_what_is_not_marked_stop_the_import_of_their_stage(bench: Any) -> None:
    cluster = "projects/my-project/locations/europe-west1/clusters/taken-europe-west1"
    bench.change("google_container_cluster", cluster, datapath_provider="LEGACY_DATAPATH")
    survey = bench.run("import", "--apply", expect=1)
    assert (
        "google_container_cluster.cluster is drifted: differs at datapath_provider"
        in survey[REGION]["problem"]
    )
    assert survey[REGION]["imported"] == ["network"]
    bench.lose_states()
    address = "projects/my-project/regions/europe-west1/addresses/taken-europe-west1-egress"
    bench.change("google_compute_address", address, effective_labels={})
    survey = bench.run("import", "--apply", expect=1)
    assert "google_compute_address.egress is ambiguous" in survey[REGION]["problem"]
    assert survey[REGION]["imported"] == []


def test_settings_that_the_cloud_does_not_keep_or_rewrites_are_no_drift(bench: Any) -> None:
    cluster = "projects/my-project/locations/europe-west1/clusters/taken-europe-west1"
    forgotten = {"min_master_version": None, "remove_default_node_pool": None, "deletion_protection": None}
    bench.change("google_container_cluster", cluster, initial_node_count=0, **forgotten)
    bench.change("google_container_node_pool", f"{cluster}/nodePools/system", initial_node_count=7)
    assert bench.run("import", "--apply")[REGION]["imported"] == ["network", "cluster"]


def test_assets_that_may_not_be_listed_are_one_clear_error(bench: Any) -> None:
    bench.gate.fail("/assets", 403, reason="SERVICE_DISABLED")
    said = bench.fails("import")
    assert "gcloud services enable cloudasset.googleapis.com --project my-project" in said


def test_every_type_of_the_modules_can_be_looked_for() -> None:
    path = Path(__file__).parents[1] / "terraform" / "data" / "provider_google.json"
    assert set(json.loads(path.read_text())["resource_schemas"]) == KINDS
