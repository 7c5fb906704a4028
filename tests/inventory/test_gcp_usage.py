"""Usage of Google Cloud through google-auth, against its REST methods on loopback."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from chainfleet.drivers.gcp import GoogleReader
from chainfleet.drivers.inventory.needs import Check, Verdict
from chainfleet.drivers.inventory.usage import Usage, validate_usage
from chainfleet.model.errors import EnvironmentProblem, ErrorClass, TaskFailed
from chainfleet.model.fleet import Clouds, Fleet, GcpCloud, Network, Region
from chainfleet.model.region import known_regions


def fleet_of(*names: str, project: str = "my-project", size: str = "n2-standard-4") -> Fleet:
    settings = GcpCloud(project=project, validator_vm_size=size)
    regions = tuple(Region(name=name, cloud="gcp") for name in names)
    network = Network(chain_id=9, validators_per_region=2)
    return Fleet(name="mixed", network=network, regions=regions, clouds=Clouds(gcp=settings))


def failing(usage: Usage) -> dict[str, list[Check]]:
    found = {name: [c for c in checks if c.verdict.stops] for name, checks in usage.checks.items()}
    return {name: checks for name, checks in found.items() if checks}


def by_quota(checks: Any) -> dict[str, Check]:
    return {check.quota: check for check in checks if check.quota}


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the reader would have waited."""
    waited: list[float] = []
    monkeypatch.setattr(GoogleReader.__init__, "__kwdefaults__", {"sleep": waited.append})
    return waited


def test_24_regions_are_checked_in_seconds_and_nothing_but_reads_is_issued(
    project: Any, google_environ: Any
) -> None:
    names = sorted(known_regions("gcp"))[:24]
    began = time.process_time()
    usage = validate_usage(fleet_of(*names), google_environ)
    assert time.process_time() - began < 10
    assert list(usage.checks) == names
    assert not usage.failed
    assert {verb for verb, _ in project.calls} == {"GET"}
    # The project, its clusters, its machine types in pages, and each region once.
    assert len(project.calls) == 1 + 1 + -(-3 * len(known_regions("gcp")) // 40) + 24


def test_what_a_region_needs_is_held_against_its_quotas(project: Any, google_environ: Any) -> None:
    project.clusters.append({"name": "x", "location": "europe-west1"})
    checks = validate_usage(fleet_of("europe-west1"), google_environ).checks["europe-west1"]
    found = by_quota(checks)
    # Three zones hold one node of each pool; GKE's first pool, e2-medium, draws from CPUS.
    assert (found["N2_CPUS"].needed, found["N2_CPUS"].limit) == (2 * 3 * 4, 200)
    assert found["CPUS"].needed == 6
    assert found["STATIC_ADDRESSES"].needed == 3
    assert found["SSD_TOTAL_GB"].needed == 6 * 64 + 2 * 128
    assert {check.verdict for check in checks} == {Verdict.OK}
    (clusters,) = (check for check in checks if check.what == "GKE clusters")
    assert (clusters.used, clusters.limit) == (1, 100)


def test_a_short_quota_names_the_request_to_file_and_the_region_to_take(
    project: Any, google_environ: Any
) -> None:
    project.limits["europe-west9", "STATIC_ADDRESSES"] = 4
    project.used["europe-west9", "STATIC_ADDRESSES"] = 2
    usage = validate_usage(fleet_of("europe-west9", "europe-west1"), google_environ)
    ((region, (check,)),) = failing(usage).items()
    assert (region, check.needed, check.used, check.limit) == ("europe-west9", 3, 2, 4)
    assert check.way_out == (
        "gcloud quotas preferences create --service=compute.googleapis.com --project=my-project "
        "--quota-id=STATIC-ADDRESSES-per-project-region --dimensions=region=europe-west9 --preferred-value=5"
    )
    # The nearest to Paris that the fleet doesn't have is London.
    assert usage.instead == {"europe-west9": "europe-west2"}
    deployed = validate_usage(fleet_of("europe-west9"), google_environ, deployed={"europe-west9"})
    assert failing(deployed) == {}


def test_what_the_project_has_for_all_its_regions_is_shared_out_in_order(
    project: Any, google_environ: Any
) -> None:
    project.limits["", "NETWORKS"] = 5
    project.used["", "NETWORKS"] = 3
    names = ("europe-west1", "europe-west2", "europe-west3")
    usage = validate_usage(fleet_of(*names), google_environ)
    ((region, (check,)),) = failing(usage).items()
    assert (region, check.quota) == ("europe-west3", "NETWORKS")
    assert "--quota-id=NETWORKS-per-project --preferred-value=6" in check.way_out
    # Another region would need a network as well.
    assert usage.instead == {"europe-west3": ""}
    assert failing(validate_usage(fleet_of(*names), google_environ, deployed={names[0]})) == {}


def test_room_for_the_deployment_but_not_for_an_upgrade_is_said(project: Any, google_environ: Any) -> None:
    project.limits["europe-west1", "N2_CPUS"] = 24
    usage = validate_usage(fleet_of("europe-west1"), google_environ)
    assert by_quota(usage.checks["europe-west1"])["N2_CPUS"].verdict is Verdict.TIGHT
    assert not usage.failed


def test_types_that_too_few_zones_offer_and_regions_that_are_not_there(
    project: Any, google_environ: Any
) -> None:
    project.missing.add(("europe-west1-c", "n2-standard-4"))
    checks = failing(validate_usage(fleet_of("europe-west1"), google_environ))["europe-west1"]
    assert [check.what for check in checks] == ["machine type n2-standard-4"]
    assert "europe-west1-a, europe-west1-b only" in checks[0].way_out
    checks = failing(validate_usage(fleet_of("europe-west99"), google_environ))["europe-west99"]
    assert "knows no such region" in checks[0].way_out
    (unknown,) = (
        check
        for check in validate_usage(fleet_of("europe-west4", size="c3-standard-4"), google_environ).checks[
            "europe-west4"
        ]
        if check.verdict is Verdict.UNKNOWN
    )
    assert unknown.quota == "C3_CPUS"


@pytest.mark.parametrize(("status", "reason"), [(403, "rateLimitExceeded"), (429, ""), (503, "backendError")])
def test_throttled_reads_are_repeated(
    project: Any, google_environ: Any, waits: list[float], status: int, reason: str
) -> None:
    project.fail("regions/europe-west1", status, reason=reason, count=3)
    usage = validate_usage(fleet_of("europe-west1"), google_environ)
    assert {check.verdict for check in usage.checks["europe-west1"]} == {Verdict.OK}
    assert len(waits) == 3
    assert waits == sorted(waits)


def test_a_wait_that_is_asked_for_is_kept(project: Any, google_environ: Any, waits: list[float]) -> None:
    project.fail("regions/europe-west1", 429, count=1, headers={"Retry-After": "17"})
    validate_usage(fleet_of("europe-west1"), google_environ)
    assert waits == [17.0]


def test_a_region_that_stays_throttled_does_not_hide_the_others(
    project: Any, google_environ: Any, waits: list[float]
) -> None:
    project.fail("regions/europe-west2", 403, reason="rateLimitExceeded")
    usage = validate_usage(fleet_of("europe-west1", "europe-west2"), google_environ)
    assert {check.verdict for check in usage.checks["europe-west1"]} == {Verdict.OK}
    assert [check.verdict for check in usage.checks["europe-west2"]] == [Verdict.UNKNOWN]
    # Long enough for the budget of the next minute.
    assert sum(waits) > 30


def test_clusters_that_may_not_be_listed_leave_one_thing_unknown(project: Any, google_environ: Any) -> None:
    project.fail("/clusters", 403, reason="forbidden")
    usage = validate_usage(fleet_of("europe-west1"), google_environ)
    assert [c.what for c in usage.checks["europe-west1"] if c.verdict is Verdict.UNKNOWN] == ["GKE clusters"]


@pytest.mark.parametrize(
    ("reason", "way_out"),
    [("forbidden", "roles/viewer"), ("accessNotConfigured", "gcloud services enable compute.googleapis.com")],
)
def test_no_access_is_one_clear_error(project: Any, google_environ: Any, reason: str, way_out: str) -> None:
    project.fail("projects/my-project", 403, reason=reason)
    with pytest.raises(TaskFailed, match="compute my-project") as caught:
        validate_usage(fleet_of("europe-west1", "europe-west2"), google_environ)
    assert caught.value.error_class is ErrorClass.AUTHORISATION
    assert way_out in caught.value.way_out


def test_other_projects_expired_and_missing_credentials_are_one_clear_error(
    project: Any, google_environ: Any, tmp_path: Path
) -> None:
    with pytest.raises(TaskFailed, match="project elsewhere does not exist") as caught:
        validate_usage(fleet_of("europe-west1", project="elsewhere"), google_environ)
    assert caught.value.error_class is ErrorClass.AUTHORISATION
    project.expired = True
    with pytest.raises(TaskFailed, match="invalid_grant") as caught:
        validate_usage(fleet_of("europe-west1"), google_environ)
    assert caught.value.error_class is ErrorClass.AUTHORISATION
    assert "gcloud auth application-default login" in caught.value.way_out
    nowhere = google_environ | {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "none.json")}
    with pytest.raises(TaskFailed, match="was not found") as caught:
        validate_usage(fleet_of("europe-west1"), nowhere)
    assert caught.value.error_class is ErrorClass.AUTHORISATION


def test_without_the_sdk_the_way_to_it_is_told(google_environ: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.auth.transport.requests", None)
    with pytest.raises(EnvironmentProblem) as caught:
        validate_usage(fleet_of("europe-west1"), google_environ)
    assert caught.value.way_out == "pip install 'chainfleet[gcp]'"


def test_an_address_where_nobody_answers_is_told(google_environ: Any, waits: list[float]) -> None:
    nowhere = google_environ | {"GOOGLE_COMPUTE_CUSTOM_ENDPOINT": "http://127.0.0.1:9/"}
    with pytest.raises(TaskFailed) as caught:
        validate_usage(fleet_of("europe-west1"), nowhere)
    assert caught.value.error_class is ErrorClass.TRANSIENT


def test_the_command_and_the_preflight_of_a_deployment(
    project: Any, google_environ: Any, tmp_path: Path, commands: Any
) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(
        "name: mixed\nnetwork: {chain_id: 9, validators_per_region: 1}\n"
        "regions: [{name: europe-west1, cloud: gcp}, {name: europe-west2, cloud: gcp}, {name: europe-west3, cloud: gcp}, {name: europe-west4, cloud: gcp}]\n"
    )
    project.limits["europe-west2", "N2_CPUS"] = 8
    run = commands(fleet, google_environ)
    told = run("usage")
    assert told.returncode == 1, told.stderr
    assert "vCPUs, N2_CPUS" in told.stdout
    document = json.loads(run("usage", "--json").stdout)
    assert document["instead"] == {"europe-west2": "europe-west9"}
    refused = run("deploy", "--yes")
    assert refused.returncode == 2
    assert "europe-west2: vCPUs, N2_CPUS: 24 needed, 0 of 8 used (N2_CPUS)" in refused.stderr
    assert {verb for verb, _ in project.calls} == {"GET"}
