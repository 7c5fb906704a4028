"""What people do on the pages, in a real Chromium, compared with the API and the ledger."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from chainfleet.emulator import client
from chainfleet.ledger.codec import decode
from chainfleet.ledger.projection import project
from chainfleet.ledger.store import Ledger
from chainfleet.model.event import GateDecided, RetryRequested, TaskState, Verdict

Server = Any
Play = Callable[..., dict[str, Any]]

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "examples" / "chain-138.yaml").read_text(encoding="utf-8")
SMALL = ("northeurope", "westeurope", "uksouth", "japaneast")


def _records(server: Server, environment: str, run: str, fleet: str = "chain-138") -> list[Any]:
    ledger = Ledger(server.home / environment / "ledger.db", fleet)
    try:
        return list(ledger.records(run))
    finally:
        ledger.close()


def on_both(journey: Callable[[str], None]) -> None:
    """Make the same journey on both builds, side by side."""
    with ThreadPoolExecutor(2) as pool:
        for made in [pool.submit(journey, framework) for framework in ("vue", "react")]:
            made.result()


def small_fleet() -> str:
    document = yaml.safe_load(EXAMPLE)
    del document["region_set"], document["contracts"]
    document["regions"] = [{"name": name} for name in SMALL]
    document["network"]["validators_per_region"] = 1
    return yaml.safe_dump(document, sort_keys=False)


@pytest.mark.slow
def test_a_deployment_of_24_regions_is_watched_from_start_to_end(
    server: Server, play: Play, tmp_path: Path
) -> None:
    environment = "fleet"
    file = tmp_path / "run.html"
    seen = play("deployment", "vue", other="react", environment=environment, document=EXAMPLE, file=str(file))

    for steps in (seen["watched"], seen["elsewhere"]):
        # Live: many different moments, never a step back, nothing missed, one link all along.
        assert len({step["done"] for step in steps}) >= 8
        assert [step["done"] for step in steps] == sorted(step["done"] for step in steps)
        assert any(step["running"] >= 10 for step in steps)
        assert any("left" in step["sentence"] for step in steps)
        assert any(step["bound"].startswith("Bound by") for step in steps)
        assert {step["gaps"] for step in steps} == {0}
        # On a busy machine records come late, and the page says so; it is never cut off.
        assert {step["link"] for step in steps if not step["link"].endswith(" behind")} <= {
            "Live",
            "Connecting",
        }
        assert (steps[-1]["rows"], steps[-1]["done"]) == (24, 24 * 7)
    assert seen["twin"].startswith("chainfleet deploy")
    assert "Idempotency-Key" in seen["curl"]
    assert server.token not in seen["curl"]

    # What the page says is what the API and the ledger say.
    detail = server.api(f"/environments/{environment}/runs/{seen['run']}")
    assert (detail["verdict"], len(detail["rows"])) == ("succeeded", 24)
    view = project(seen["run"], _records(server, environment, seen["run"]))
    assert view.finish is not None
    assert view.finish.verdict is Verdict.SUCCEEDED
    assert set(view.finish.regions.values()) == {Verdict.SUCCEEDED}

    # The export carries every record and reaches out to nothing.
    text = file.read_text(encoding="utf-8")
    data = text.split('id="chainfleet-run">', 1)[1].split("</script>", 1)[0]
    assert len(json.loads(data)["data"]["events"]) >= len(view.spans) * 3
    assert "default-src 'none'" in text
    opened = seen["opened"]
    assert opened["sentence"].startswith("All 24 regions deployed")
    assert 0 <= opened["past"] < 24 * 7
    assert (opened["complaints"], opened["asked"]) == ([], [])


def make_small_environment(server: Server, name: str) -> None:
    body = {"name": name, "document": small_fleet(), "target": {"emulated": True}}
    server.api("/environments", method="POST", body=body)


@contextmanager
def emulated_cloud(folder: Path) -> Iterator[client.Running]:
    """A cloud that the test can make trouble in; runs of the environment share it."""
    words = [str(Path(sys.executable).with_name("chainfleet")), "emulator", "--state", str(folder)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while (cloud := client.attach(folder)) is None:
            assert process.poll() is None, "the emulated cloud did not start"
            assert time.monotonic() < deadline, "the emulated cloud does not answer"
            time.sleep(0.1)
        yield cloud
        cloud.stop()
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.mark.slow
def test_a_gate_is_approved_a_region_retried_and_a_run_cancelled(server: Server, play: Play) -> None:
    on_both(lambda framework: _steer(server, play, framework))


def _steer(server: Server, play: Play, framework: str) -> None:
    environment = f"waves-{framework}"
    make_small_environment(server, environment)
    with emulated_cloud(server.home / environment / "emulator") as cloud:
        fault = {
            "kind": "quota",
            "region": "japaneast",
            "resource": "microsoft.containerservice/managedclusters",
        }
        cloud.control("/faults", "POST", fault)
        seen = play(
            "steering",
            framework,
            environment=environment,
            waves="2,2",
            failing="japaneast",
            control={"url": cloud.control_url, "token": cloud.control_token},
        )

    assert "2 of 2" in seen["evidence"] or "up" in seen["evidence"]
    assert "chainfleet approve" in seen["approveTwin"]
    assert "'looks well'" in seen["approveTwin"]
    assert seen["retryTwin"].startswith("chainfleet retry")
    assert "japaneast" in seen["cause"]
    assert (seen["verdict"], seen["cancelled"]) == ("succeeded", "cancelled")

    records = _records(server, environment, seen["run"])
    events = [decode(record.body) for record in records if record.kind == "record"]
    decided = [event for event in events if isinstance(event, GateDecided)]
    assert [(gate.approved, gate.reason) for gate in decided] == [(True, "looks well")]
    assert decided[0].by == "tester"
    assert any(isinstance(event, RetryRequested) for event in events)
    view = project(seen["run"], records)
    assert {span.task for span in view.spans if not span.ok} == {"infrastructure/cluster/japaneast"}
    assert set(view.states.values()) == {TaskState.SUCCEEDED}
    other = project(seen["second"], _records(server, environment, seen["second"]))
    assert other.finish is not None
    assert other.finish.verdict is Verdict.CANCELLED

    done = {
        (entry["action"], entry["subject"])
        for entry in server.api(f"/audit?environment={environment}&limit=100")["items"]
    }
    assert len(done) >= 4


def test_two_people_edit_one_environment(server: Server, play: Play) -> None:
    on_both(lambda framework: _edit_by_two(server, play, framework))


def _edit_by_two(server: Server, play: Play, framework: str) -> None:
    environment = f"shared-{framework}"
    make_small_environment(server, environment)
    seen = play(
        "conflict", framework, environment=environment, tokens=server.tokens, expected=["412", "422", "400"]
    )

    rows = {row[0]: row[1:] for row in seen["shown"]}
    assert rows["network.block_period_seconds"][:3] == ["5", "9", "7"]
    assert rows["deployment.failed_regions_allowed"][3].startswith("theirs")
    assert rows["network.request_timeout_seconds"][3].startswith("mine")
    assert seen["before"] == 2
    assert seen["revision"] == 3
    network = seen["after"]["network"]
    assert network["block_period_seconds"] == 7
    assert seen["after"]["deployment"]["failed_regions_allowed"] == 1
    assert network["request_timeout_seconds"] == 20

    by = [revision["by"] for revision in server.api(f"/environments/{environment}/revisions")["items"]]
    assert by == ["bob", "ada", "tester"]
    assert seen["fault"].startswith("Line 4, column 1")
    assert seen["last"] == 3
