"""The main job on the emulated cloud, through the command line, and what it left behind asserted from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chainfleet.drivers.terraform import check_tool
from chainfleet.emulator.client import Running, start
from chainfleet.model.errors import EnvironmentProblem, InputError
from chainfleet.model.event import TaskState
from chainfleet.model.region import region_set
from chainfleet.runtime.operations import read_run
from chainfleet.runtime.state import StateFolder

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "chain-138.yaml"

REGIONS = region_set("azure-non-us-24")

pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]


def _missing() -> str:
    try:
        check_tool(os.environ)
    except EnvironmentProblem as error:
        return str(error)
    return ""


if _missing():
    pytest.skip(_missing(), allow_module_level=True)


@dataclass(frozen=True)
class Deployed:
    cloud: Running
    state: Path
    env_file: Path
    result: dict[str, Any]

    def run(self, *arguments: str, expect: int = 0) -> dict[str, Any]:
        return chainfleet(
            *arguments,
            str(EXAMPLE),
            "--state",
            str(self.state),
            "--env-file",
            str(self.env_file),
            expect=expect,
        )


def command_line(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "chainfleet.cli.main", *arguments]


def chainfleet(*arguments: str, expect: int = 0) -> dict[str, Any]:
    done = subprocess.run(command_line(*arguments, "--json"), capture_output=True, text=True, check=False)
    assert done.returncode == expect, done.stderr + done.stdout
    document: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
    return document


def write_environment(folder: Path, cloud: Running) -> Path:
    path = folder / "environment.json"
    path.write_text(json.dumps(dict(cloud.environment)))
    return path


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("main-job")
    with start(folder / "cloud", time_scale=60) as cloud:
        env_file = write_environment(folder, cloud)
        arguments = [
            "deploy",
            str(EXAMPLE),
            "--yes",
            "--state",
            str(folder / "state"),
            "--env-file",
            str(env_file),
        ]
        result = chainfleet(*arguments, "--time-scale", "60")
        yield Deployed(cloud, folder / "state", env_file, result)


def test_it_ends_with_everything_up(deployed: Deployed) -> None:
    result = deployed.result
    assert (result["verdict"], result["regions_succeeded"]) == ("succeeded", 24)
    network = result["network"]
    assert (network["validators"], network["ready"], network["quorum"]) == (48, 48, 32)
    assert (network["peers_min"], network["peers_max"]) == (47, 47)
    assert network["head"] > network["head_before"]


def test_both_chains_carry_the_oracle_and_agree(deployed: Deployed) -> None:
    assert set(deployed.result["contracts"]) == {"mainnet", "chain-138"}
    assert all(facts["code_equal"] for facts in deployed.result["contracts"].values())
    assert deployed.result["round_equal"] is True


DECLARED = {
    "Microsoft.Resources/resourceGroups": 1,
    "Microsoft.Network/networkSecurityGroups": 1,
    "Microsoft.Network/networkSecurityGroups/securityRules": 1,
    "Microsoft.Network/virtualNetworks": 1,
    "Microsoft.Network/virtualNetworks/subnets": 2,
    "Microsoft.Network/publicIPAddresses": 3,
    "Microsoft.ManagedIdentity/userAssignedIdentities": 2,
    "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials": 1,
    "Microsoft.ContainerService/managedClusters": 1,
    "Microsoft.ContainerService/managedClusters/agentPools": 2,
    "Microsoft.ContainerService/managedClusters/maintenanceConfigurations": 2,
    "Microsoft.KeyVault/vaults": 1,
    "Microsoft.Authorization/roleAssignments": 2,
}
"""What `terraform/azure` declares for one region with two validators, nested resources counted on their own."""


def test_arm_holds_the_declared_resources_and_none_more(deployed: Deployed) -> None:
    by_group: dict[str, Counter[str]] = {}
    for resource in deployed.cloud.control("/resources")["resources"]:
        group = resource["id"].split("/resourceGroups/")[1].split("/")[0]
        by_group.setdefault(group, Counter())[resource["type"]] += 1
    assert set(by_group) == {f"chain-138-{region}" for region in REGIONS}
    assert all(dict(counts) == DECLARED for counts in by_group.values())


def test_a_second_deployment_changes_nothing(deployed: Deployed) -> None:
    before = deployed.cloud.control("/stats")["changes"]["total"]
    result = deployed.run("deploy", "--yes", "--time-scale", "60")
    assert (result["verdict"], result["changed"]) == ("succeeded", 0)
    assert deployed.cloud.control("/stats")["changes"]["total"] == before


def test_verifying_changes_nothing(deployed: Deployed) -> None:
    before = deployed.cloud.control("/stats")["changes"]["total"]
    assert deployed.run("verify")["verdict"] == "succeeded"
    assert deployed.cloud.control("/stats")["changes"]["total"] == before


def test_status_tells_the_last_run(deployed: Deployed) -> None:
    done = subprocess.run(
        command_line("status", str(EXAMPLE), "--state", str(deployed.state), "--json"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    status = json.loads(done.stdout)
    assert status["verdict"] == "succeeded"
    assert not status["failed"]


def test_no_secret_reaches_ledger_log_or_report(deployed: Deployed) -> None:
    secrets = [deployed.cloud.environment[name] for name in ("ARM_CLIENT_SECRET", "CHAINFLEET_DEPLOYER_KEY")]
    secrets = [secret.removeprefix("0x").encode() for secret in secrets]
    for path in (p for p in deployed.state.rglob("*") if p.is_file() and "besu/keys" not in str(p)):
        content = path.read_bytes()
        assert not any(secret in content for secret in secrets), path


def test_destroy_leaves_nothing(tmp_path: Path) -> None:
    fleet = tmp_path / "small.yaml"
    regions = "regions: [northeurope, uksouth, japaneast, brazilsouth]"
    text = EXAMPLE.read_text().replace("region_set: azure-non-us-24", regions)
    fleet.write_text(text.replace("validators_per_region: 2", "validators_per_region: 1"))
    with start(tmp_path / "cloud", time_scale=120) as cloud:
        target = [
            str(fleet),
            "--state",
            str(tmp_path / "state"),
            "--env-file",
            str(write_environment(tmp_path, cloud)),
        ]
        assert chainfleet("deploy", *target, "--yes", "--time-scale", "120")["verdict"] == "succeeded"
        assert cloud.control("/resources")["resources"]
        chainfleet("destroy", *target, "--confirm", "wrong", expect=2)
        assert chainfleet("destroy", *target, "--confirm", "chain-138")["verdict"] == "succeeded"
        assert cloud.control("/resources")["resources"] == []


def wait_until_done(state: StateFolder, tasks: int) -> None:
    """Wait until that many tasks of the run succeeded, by the ledger."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        time.sleep(0.3)
        try:
            states = read_run(state, "chain-138").states.values()
        except InputError:
            continue
        if sum(value is TaskState.SUCCEEDED for value in states) >= tasks:
            return
    pytest.fail(f"{tasks} tasks did not succeed within two minutes")


def test_kill_9_then_resume_ends_where_an_undisturbed_run_ends(tmp_path: Path) -> None:
    with start(tmp_path / "cloud", time_scale=60) as cloud:
        target = [
            str(EXAMPLE),
            "--state",
            str(tmp_path / "state"),
            "--env-file",
            str(write_environment(tmp_path, cloud)),
        ]
        deploy = command_line("deploy", *target, "--yes", "--time-scale", "60", "--plain")
        for tasks_done in (20, 90):
            process = subprocess.Popen(deploy, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_until_done(StateFolder(tmp_path / "state"), tasks_done)
            process.send_signal(signal.SIGKILL)
            process.wait()
            deploy = command_line("resume", *target, "--plain")
        result = chainfleet("resume", *target)
        assert result["verdict"] == "succeeded"
        assert result["network"]["ready"] == 48
        assert result["round_equal"] is True


def test_a_pager_that_is_quit_ends_nothing_and_a_closed_terminal_or_ctrl_c_stop_cleanly(
    tmp_path: Path,
) -> None:
    with start(tmp_path / "cloud", time_scale=60) as cloud:
        target = [
            str(EXAMPLE),
            "--state",
            str(tmp_path / "state"),
            "--env-file",
            str(write_environment(tmp_path, cloud)),
        ]
        process = subprocess.Popen(
            command_line("deploy", *target, "--yes", "--time-scale", "60", "--plain"),
            stdout=subprocess.PIPE,
            # Under `nohup` these tests would hand its wish on.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )
        assert process.stdout is not None
        wait_until_done(StateFolder(tmp_path / "state"), 1)
        process.stdout.close()
        # Progress is written every two seconds; the run goes on although nobody takes it.
        wait_until_done(StateFolder(tmp_path / "state"), 30)
        process.send_signal(signal.SIGHUP)
        assert process.wait(timeout=60) == 130
        assert not _terraform_of(tmp_path)
        process = subprocess.Popen(command_line("resume", *target, "--plain"), stdout=subprocess.PIPE)
        wait_until_done(StateFolder(tmp_path / "state"), 60)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 130, output.decode()
        assert b"CANCELLED" in output
        assert not _terraform_of(tmp_path)
        assert chainfleet("resume", *target)["verdict"] == "succeeded"


def _terraform_of(folder: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if "terraform" in command and str(folder) in command and "azapi" not in command:
            found.append(command)
    return found
