"""The control API and what it counts."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest

IDENTITY = "providers/Microsoft.ManagedIdentity/userAssignedIdentities"


def test_health_is_open_and_everything_else_needs_the_token(cloud):
    with urllib.request.urlopen(f"{cloud.running.control_url}/healthz") as answer:
        assert answer.status == 200
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{cloud.running.control_url}/stats")
    assert refused.value.code == 401
    refused.value.close()


def test_writes_count_as_changes_only_when_they_changed_something_and_it_stops_when_told(start_cloud):
    cloud = start_cloud()
    group = cloud.group()
    body = {"location": "northeurope"}
    for _ in range(3):
        cloud.call("PUT", f"{group}/{IDENTITY}/one", body)
    cloud.call("GET", f"{group}/{IDENTITY}/one")
    cloud.call("DELETE", f"{group}/{IDENTITY}/none")
    stats = cloud.running.control("/stats")
    assert stats["changes"]["total"] == 2
    assert stats["requests"]["by_verb"]["PUT"] == 4
    kind = "microsoft.managedidentity/userassignedidentities"
    puts = [d for d in stats["requests"]["detail"] if d["type"] == kind and d["verb"] == "PUT"]
    assert {(d["status"], d["count"], d["region"]) for d in puts} == {
        (201, 1, "northeurope"),
        (200, 2, "northeurope"),
    }
    cloud.running.control("/stats", "DELETE")
    assert cloud.running.control("/stats")["changes"]["total"] == 0
    assert cloud.running.control("/stop", "POST") == {"stopping": True}
    assert cloud.running._process.wait(10) == 0


def test_all_resources_can_be_dumped(cloud):
    group = cloud.group()
    dump = cloud.running.control("/resources")
    assert group in [each["id"] for each in dump["resources"]]
    assert dump["count"] == len(dump["resources"])


@pytest.mark.parametrize(("path", "body"), [("/faults", {"kind": "hail"}), ("/quotas", {"region": "x"})])
def test_wrong_requests_are_refused(cloud, path, body):
    with pytest.raises(urllib.error.HTTPError) as refused:
        cloud.running.control(path, "POST", body)
    assert refused.value.code == 400
    refused.value.close()
