"""The main job through the API: 24 emulated regions, a gate approved, a failed region retried, a run cancelled.

Runs are processes of their own: one goes on while the portal that started it is killed.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from chainfleet.emulator.client import start as start_cloud
from chainfleet.ledger.replay import replay
from chainfleet.model.event import TaskState, Verdict
from chainfleet.model.fleet_file import new_fleet
from chainfleet.runtime.operations import read_records, read_run
from chainfleet.runtime.state import StateFolder

REGIONS = 24
SCALE = 240.0
BROKEN = "uksouth"
PATIENCE_S = 150.0


class Program:
    """`chainfleet portal` as a process."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.process = subprocess.Popen(
            [sys.executable, "-m", "chainfleet.cli.main", "portal", "--home", str(home), "--port", "0"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert self.process.stdout is not None
        address = re.search(r"(http://\S+)/#t=(\S+)", self.process.stdout.readline())
        assert address is not None
        self.client = httpx2.Client(base_url=f"{address[1]}/api/v1", timeout=60, trust_env=False)
        token = self.client.post("/session", json={"code": address[2]}).json()["token"]
        self.client.headers["Authorization"] = f"Bearer {token}"

    def end(self, number: int) -> None:
        """Send a signal and wait."""
        self.client.close()
        self.process.send_signal(number)
        self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def portals(tmp_path: Path) -> Iterator[Callable[[], Program]]:
    begun: list[Program] = []

    def begin() -> Program:
        begun.append(Program(tmp_path / "home"))
        return begun[-1]

    yield begin
    for program in begun:
        if program.process.poll() is None:
            program.end(signal.SIGTERM)


def wait_for(look: Callable[[], Any], seconds: float = PATIENCE_S) -> Any:
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
    return found


def get(client: httpx2.Client, path: str) -> dict[str, Any]:
    response = client.get(path)
    assert response.is_success, response.text
    return dict(response.json())


def ask(client: httpx2.Client, path: str, **body: Any) -> dict[str, Any]:
    response = client.post(path, json=body)
    assert response.is_success, response.text
    return dict(response.json())


def test_the_main_job_through_the_portal(portals: Callable[[], Program], tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "home" / "night")
    portal = portals()
    body = {
        "name": "night",
        "document": new_fleet("night", 1138, REGIONS),
        "target": {"emulated": True, "time_scale": SCALE},
    }
    assert ask(portal.client, "/environments", **body)["fleet"]["validators"] == 2 * REGIONS
    # Everybody shares the emulated cloud: this process breaks one region of it.
    with start_cloud(state.emulator, SCALE) as cloud:
        clusters = "microsoft.containerservice/managedclusters"
        fault = {"kind": "quota", "region": BROKEN, "resource": clusters, "verb": "PUT"}
        number = cloud.control("/faults", "POST", [fault])["ids"][0]
        run = ask(portal.client, "/environments/night/runs", kind="deploy", waves="8,16", approval=True)[
            "run"
        ]
        one = f"/environments/night/runs/{run}"
        portal = _through_the_gate(portal, portals, one)
        ended = wait_for(lambda: _over(portal.client, one))
        assert ended["verdict"] == "degraded", ended["sentence"]
        assert [cluster["regions"] for cluster in ended["clusters"]] == [[BROKEN]]
        assert read_run(state, "night").states[f"infrastructure/cluster/{BROKEN}"] is TaskState.FAILED
        cloud.control(f"/faults/{number}", "DELETE")
        told = ask(portal.client, f"{one}/actions/retry", tasks=[BROKEN], reason="quota was raised")
        assert told["command"].startswith("chainfleet retry ")
        ended = wait_for(lambda: _over(portal.client, one, "succeeded"))
        # The network was verified before, with the quorum it had.
        assert ended["outputs"]["validators"] == 2 * REGIONS
        assert {row["verdict"] for row in ended["rows"]} == {"succeeded"}
        _check_ledger(state, run, portal.client, one)
        _check_monitoring(portal.client)
        _cancel_a_second_run(portal.client)
        _command_line_shows_too(portal.client, state)


def _through_the_gate(portal: Program, portals: Callable[[], Program], one: str) -> Program:
    """Approve the gate from another portal than the one that started the run and was killed."""
    wait_for(lambda: "approve" in get(portal.client, one)["allowed"])
    portal.end(signal.SIGKILL)
    other = portals()
    found = get(other.client, one)
    assert found["state"] == "running"
    gate = next(gate for gate in found["gates"] if gate["needs_person"])
    # The region that is broken is one of the first wave.
    assert gate["evidence"] == "14 of 16 validators are up"
    assert "waiting for approval" in found["sentence"]
    told = ask(other.client, f"{one}/actions/approve", gate=gate["task"], reason="looks good")
    assert told["command"].startswith(
        f"chainfleet approve {other.home}/night/fleet.yaml besu/gate/wave-1 --state"
    )
    decided = wait_for(lambda: [gate for gate in get(other.client, one)["gates"] if gate["approved"]])
    assert (decided[0]["by"], decided[0]["reason"]) == ("local", "looks good")
    return other


def _check_ledger(state: StateFolder, run: str, client: httpx2.Client, one: str) -> None:
    view = read_run(state, "night", run)
    assert view.finish is not None
    assert view.finish.verdict is Verdict.SUCCEEDED
    assert set(view.states.values()) == {TaskState.SUCCEEDED}
    with read_records(state, "night", run) as (_, records):
        kept = list(records)
    assert replay(kept).processes == 2
    asked = [json.loads(record.body) for record in kept if record.kind == "request"]
    assert [(one_["type"], one_["by"]) for one_ in asked] == [("GateDecided", "local")]
    spans = get(client, f"{one}/spans")["spans"]
    assert len(spans) == len(view.spans)
    limits = get(client, "/environments/night/limits")
    assert limits["history"]


def _check_monitoring(client: httpx2.Client) -> None:
    sample = get(client, "/environments/night/monitoring?fresh=true")
    assert sample["state"] == "live", sample["problem"]
    assert sample["network"]["answering"] == 2 * REGIONS
    assert {region["region"] for region in sample["regions"]} >= {BROKEN}
    assert [(one["round"], one["problem"]) for one in sample["oracle"]] == [(1, "")]
    history = get(client, "/environments/night/monitoring/history")["points"]
    assert history[-1]["answering"] == 2 * REGIONS
    assert get(client, "/environments")["items"][0]["health"] in ("healthy", "degraded")


def _cancel_a_second_run(client: httpx2.Client) -> None:
    run = ask(client, "/environments/night/runs", kind="deploy", waves="8,16", approval=True)["run"]
    one = f"/environments/night/runs/{run}"
    wait_for(lambda: "approve" in get(client, one)["allowed"])
    busy = client.post("/environments/night/runs", json={"kind": "verify"})
    assert (busy.status_code, busy.json()["type"]) == (409, "/problems/busy")
    ask(client, f"{one}/actions/cancel", reason="wrong night")
    ended = wait_for(lambda: _over(client, one))
    assert ended["verdict"] == "cancelled"
    assert "resume" in ended["allowed"]


def _command_line_shows_too(client: httpx2.Client, state: StateFolder) -> None:
    command = [
        sys.executable,
        "-m",
        "chainfleet.cli.main",
        "verify",
        str(state.root / "fleet.yaml"),
        "--state",
    ]
    done = subprocess.run([*command, str(state.root), "--json"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    name = json.loads(done.stdout)["run"]
    shown = get(client, f"/environments/night/runs/{name}")
    assert (shown["verdict"], shown["by"], shown["kind"]) == ("succeeded", "", "verify")
    listed = [item["run"] for item in get(client, "/environments/night/runs")["items"]]
    assert listed[0] == name


def _over(client: httpx2.Client, one: str, verdict: str | None = None) -> dict[str, Any] | None:
    run = get(client, one)
    over = run["state"] == "finished" and (verdict is None or run["verdict"] == verdict)
    return run if over else None
