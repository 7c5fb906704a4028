"""Faults on demand, as real clients see them."""

from __future__ import annotations

import time

import httpx2
import pytest

from chainfleet.emulator.faults import FaultBook, fault_from, faults_from
from chainfleet.emulator.profiles import named_faults
from chainfleet.emulator.seams import Fault, FaultKind
from chainfleet.model.errors import InputError

AKS = "providers/Microsoft.ContainerService/managedClusters"
NSG = "providers/Microsoft.Network/networkSecurityGroups"
IP = "providers/Microsoft.Network/publicIPAddresses"
CLUSTERS = "microsoft.containerservice/managedclusters"
BODY = {"location": "northeurope"}


def code(answer):
    return answer.status_code, answer.json()["error"]["code"]


def test_a_throttle_strikes_as_often_as_it_says(cloud, fault):
    fault("throttle", verb="PUT", resource="Microsoft.Network/networkSecurityGroups", count=2)
    path = f"{cloud.group()}/{NSG}/n"
    answers = [cloud.call("PUT", path, BODY) for _ in range(3)]
    assert [a.status_code for a in answers] == [429, 429, 201]
    assert answers[0].headers["Retry-After"] == "1"
    assert cloud.call("GET", path).status_code == 200


def test_server_errors_and_region_outages_hit_only_where_they_are(cloud, fault):
    group = cloud.group()
    fault("server-error", resource="microsoft.network/networksecuritygroups", count=1)
    assert code(cloud.call("PUT", f"{group}/{NSG}/n", BODY)) == (500, "InternalServerError")
    fault("region-down", region="northeurope")
    assert code(cloud.call("PUT", f"{group}/{NSG}/n", BODY)) == (503, "ServiceUnavailable")
    elsewhere = cloud.group("japaneast")
    assert cloud.call("PUT", f"{elsewhere}/{NSG}/n", {"location": "japaneast"}).status_code == 201


def test_no_capacity_for_a_cluster_is_said_at_once_and_for_a_pool_at_the_end(cloud, fault, bodies):
    path = f"{cloud.group()}/{AKS}/aks"
    fault("capacity", region="northeurope", resource=CLUSTERS, count=1)
    assert code(cloud.call("PUT", path, bodies["aks"])) == (400, "AKSCapacityHeavyUsage")
    assert cloud.call("GET", path).status_code == 404
    cloud.made(path, bodies["aks"])
    fault("capacity", region="northeurope", resource=f"{CLUSTERS}/agentpools", count=1)
    pool = {"properties": {"count": 1, "vmSize": "Standard_D4s_v5"}}
    failed = cloud.finish(cloud.call("PUT", f"{path}/agentPools/more", pool))
    assert (failed["status"], failed["error"]["code"]) == ("Failed", "AllocationFailed")
    assert cloud.call("GET", f"{path}/agentPools/more").json()["properties"]["provisioningState"] == "Failed"
    assert cloud.made(f"{path}/agentPools/more", pool)["properties"]["provisioningState"] == "Succeeded"


def test_quota_and_conflict_carry_the_providers_codes(cloud, fault, bodies):
    path = f"{cloud.group()}/{IP}/ip"
    fault("quota", resource="microsoft.network/publicipaddresses", count=1)
    assert code(cloud.call("PUT", path, bodies["ip"])) == (400, "PublicIPCountLimitReached")
    fault("conflict", resource="microsoft.network/publicipaddresses", count=1)
    assert code(cloud.call("PUT", path, bodies["ip"])) == (409, "AnotherOperationInProgress")


def test_a_lost_connection_does_not_stop_the_operation(cloud, fault):
    path = f"{cloud.group()}/{NSG}/lost"
    fault("lost-connection", verb="PUT", resource="microsoft.network/networksecuritygroups", count=1)
    with pytest.raises(httpx2.TransportError):
        cloud.call("PUT", path, BODY)
    assert cloud.settled(path)["properties"]["provisioningState"] == "Succeeded"


def test_slow_makes_operations_take_longer(slow_cloud):
    def seconds(cloud, name):
        path, begin = f"{cloud.group()}/{NSG}/{name}", time.monotonic()
        cloud.finish(cloud.call("PUT", path, BODY))
        return time.monotonic() - begin

    cloud = slow_cloud
    normal = min(seconds(cloud, f"normal{n}") for n in range(3))
    cloud.running.control(
        "/faults",
        "POST",
        {"kind": "slow", "resource": "Microsoft.Network/networkSecurityGroups", "factor": 8},
    )
    assert seconds(cloud, "one") > 3 * normal
    cloud.running.control("/faults", "DELETE")


def test_faults_can_be_listed_and_removed(cloud, fault):
    fault("throttle", count=5, region="nowhere")
    listed = cloud.running.control("/faults")
    assert listed["faults"][-1]["struck"] == 0
    assert "storm" in listed["profiles"]
    assert cloud.running.control(f"/faults/{listed['faults'][-1]['id']}", "DELETE") == {"removed": 1}


def test_a_fault_ends_with_its_time_and_strikes_its_share():
    now = [0.0]
    book = FaultBook(lambda: now[0], seed=1, changed=lambda: None)
    book.add(Fault(FaultKind.THROTTLE, share=0.3, until_s=100))
    struck = sum(book.strike(FaultKind.THROTTLE, region="r", resource="x") is not None for _ in range(2000))
    assert 500 < struck < 700
    now[0] = 100
    assert book.strike(FaultKind.THROTTLE, region="r", resource="x") is None


def test_faults_survive_a_restart():
    book = FaultBook(lambda: 0.0, changed=lambda: None)
    book.add(Fault(FaultKind.POD_CRASH, region="northeurope", resource="northeurope-0", count=3))
    book.strike(FaultKind.POD_CRASH, region="northeurope", resource="northeurope-0")
    again = FaultBook(lambda: 0.0, changed=lambda: None)
    again.load(book.dump())
    assert again.report() == book.report()
    assert again.report()[0]["count"] == 2


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kind": "hail"}, "unknown kind 'hail'"),
        ({"kind": "slow", "colour": 1}, "unknown key 'colour'"),
        ({"kind": "slow", "share": 2}, "share must lie between 0 and 1"),
        ({"kind": "slow", "count": "two"}, "count must be a number"),
        ({"kind": "slow", "region": 7}, "region must be text"),
    ],
)
def test_a_wrong_fault_is_refused_with_what_is_wrong(values, said):
    with pytest.raises(InputError, match=said):
        fault_from(values, now=0.0)


def test_fault_files_are_yaml_or_json_and_times_may_be_relative(tmp_path):
    file = tmp_path / "faults.yaml"
    file.write_text("- {kind: throttle, verb: put, for_s: 60}\n- {kind: region-down, region: japaneast}\n")
    first, second = named_faults(str(file), now=40)
    assert (first.until_s, first.verb) == (100, "PUT")
    assert second.region == "japaneast"
    assert len(named_faults("storm", now=0)) == 4
    file.write_text("kind: [")
    with pytest.raises(InputError, match="not YAML"):
        named_faults(str(file), now=0)
    with pytest.raises(InputError, match="expected an object"):
        faults_from(["x"], now=0)
