"""Asynchronous operations, and that they outlive the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from chainfleet.emulator.client import start
from chainfleet.model.errors import EnvironmentProblem, InputError

VNET = "providers/Microsoft.Network/virtualNetworks"
AKS = "providers/Microsoft.ContainerService/managedClusters"


def test_a_write_goes_on_after_its_answer(start_cloud, bodies):
    cloud = start_cloud(20)
    path = f"{cloud.group()}/{VNET}/vnet"
    answer = cloud.call("PUT", path, bodies["vnet"])
    assert answer.status_code == 201
    assert answer.json()["properties"]["provisioningState"] == "Updating"
    assert "Retry-After" not in answer.headers
    assert cloud.call("GET", answer.headers["Azure-AsyncOperation"]).json()["status"] == "InProgress"
    conflict = cloud.call("PUT", path, {**bodies["vnet"], "tags": {"new": "1"}})
    assert (conflict.status_code, conflict.json()["error"]["code"]) == (409, "AnotherOperationInProgress")
    assert cloud.finish(answer)["status"] == "Succeeded"
    assert cloud.call("GET", path).json()["properties"]["provisioningState"] == "Succeeded"


def test_at_true_speed_operations_suggest_when_to_look_again(start_cloud, bodies):
    cloud = start_cloud(1)
    group = cloud.group()
    answer = cloud.call("PUT", f"{group}/{AKS}/aks", bodies["aks"])
    assert answer.headers["Retry-After"] == "10"
    busy = cloud.call("PUT", f"{group}/{AKS}/aks", {**bodies["aks"], "tags": {"a": "b"}})
    assert (busy.status_code, busy.json()["error"]["code"]) == (409, "OperationNotAllowed")


def test_a_deletion_can_be_followed_both_ways(cloud, bodies):
    path = f"{cloud.group()}/{VNET}/vnet"
    cloud.made(path, bodies["vnet"])
    answer = cloud.call("DELETE", path)
    assert answer.status_code == 202
    assert cloud.finish(answer)["status"] == "Succeeded"
    assert cloud.call("GET", answer.headers["Location"]).status_code == 204
    assert cloud.call("GET", path).status_code == 404


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_keeps_resources_operations_and_trust(start_cloud, bodies, how):
    first = start_cloud(100)
    group = first.group()
    before = first.made(f"{group}/{VNET}/vnet", bodies["vnet"])
    creating = first.call("PUT", f"{group}/{AKS}/aks", bodies["aks"])
    time.sleep(1.2)
    os.kill(first.running.pid, how)
    first.running._process.wait(20)
    second = start_cloud(100)
    assert second.base == first.base
    assert second.env["ARM_CLIENT_SECRET"] == first.env["ARM_CLIENT_SECRET"]
    assert second.call("GET", f"{group}/{VNET}/vnet").json() == before
    assert second.finish(creating)["status"] == "Succeeded"
    assert second.settled(f"{group}/{AKS}/aks")["properties"]["powerState"] == {"code": "Running"}


def test_a_folder_in_use_is_refused_with_its_owner(start_cloud, tmp_path):
    cloud = start_cloud()
    with pytest.raises(
        EnvironmentProblem, match=f"in use by a running emulator \\(process {cloud.running.pid}\\)"
    ):
        start(tmp_path / "state", parts="arm")


def test_a_damaged_state_is_refused_with_its_file(start_cloud, tmp_path):
    start_cloud().running.stop()
    (tmp_path / "state" / "state" / "arm.json").write_text("{")
    with pytest.raises(EnvironmentProblem, match=r"arm\.json can't be read"):
        start(tmp_path / "state", parts="arm")


def test_wrong_arguments_are_one_clear_line(tmp_path):
    with pytest.raises(InputError, match="faults 'hail': neither a profile nor a readable file") as refused:
        start(tmp_path / "state", faults="hail", parts="arm")
    assert "storm" in refused.value.way_out
    file = tmp_path / "not-a-folder"
    file.write_text("")
    with pytest.raises(EnvironmentProblem):
        start(file, parts="arm")


def test_it_ends_when_its_owner_is_killed(tmp_path):
    script = (
        "import sys, time; from pathlib import Path; from chainfleet.emulator.client import start; "
        "r = start(Path(sys.argv[1]), parts='arm'); print(r.pid, flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "s")], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    emulator = psutil.Process(int(owner.stdout.readline()))
    owner.kill()
    owner.wait()
    owner.stdout.close()
    emulator.wait(timeout=10)
    assert not emulator.is_running()


def test_secrets_are_in_private_files(start_cloud, tmp_path):
    start_cloud()
    folder = tmp_path / "state"
    private = [
        folder / "environment.json",
        folder / "control.json",
        folder / "ca.key",
        *(folder / "state").iterdir(),
    ]
    assert {oct(Path(file).stat().st_mode & 0o777) for file in private} == {"0o600"}
