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


def test_a_write_goes_on_after_its_answer(slow_cloud, bodies):
    cloud = slow_cloud
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


def test_at_true_speed_operations_suggest_when_to_look_again(true_cloud, bodies):
    cloud = true_cloud
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


def test_a_restart_keeps_resources_operations_and_trust(start_cloud, bodies):
    first = start_cloud(100)
    group = first.group()
    trusted = Path(first.env["SSL_CERT_FILE"]).read_text()
    before = first.made(f"{group}/{VNET}/vnet", bodies["vnet"])
    creating = first.call("PUT", f"{group}/{AKS}/aks", bodies["aks"])
    time.sleep(1.2)
    os.kill(first.running.pid, signal.SIGKILL)
    first.running._process.wait(20)
    second = start_cloud(100)
    assert second.base == first.base
    assert Path(second.env["SSL_CERT_FILE"]).read_text() == trusted
    assert second.env["ARM_CLIENT_SECRET"] == first.env["ARM_CLIENT_SECRET"]
    assert second.call("GET", f"{group}/{VNET}/vnet").json() == before
    assert second.finish(creating)["status"] == "Succeeded"
    made = second.settled(f"{group}/{AKS}/aks")
    second.running.stop()
    third = start_cloud(100)
    assert third.call("GET", f"{group}/{AKS}/aks").json() == made
    assert third.call("POST", f"{group}/{AKS}/aks/listClusterAdminCredential").status_code == 200


def test_a_folder_belongs_to_one_emulator_and_its_secrets_to_one_user(start_cloud, tmp_path):
    cloud = start_cloud()
    folder = tmp_path / "state"
    private = [folder / "environment.json", folder / "control.json", folder / "ca.key"]
    modes = {file.stat().st_mode & 0o777 for file in [*private, *(folder / "state").iterdir()]}
    assert modes == {0o600}
    in_use = f"in use by a running emulator \\(process {cloud.running.pid}\\)"
    with pytest.raises(EnvironmentProblem, match=in_use):
        start(folder, parts="arm")
    cloud.running.stop()
    (folder / "state" / "arm.json").write_text("{")
    with pytest.raises(EnvironmentProblem, match=r"arm\.json can't be read"):
        start(folder, parts="arm")


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
    emulator.wait(timeout=60)
    assert not emulator.is_running()
