"""States kept in a backend, on a real Terraform with its `http` backend against a small server."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chainfleet.drivers.terraform import TerraformDriver
from chainfleet.drivers.terraform.backend import backend_file
from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.fleet import StateBackend

if TYPE_CHECKING:
    from conftest import Workbench

REGION = "northeurope"


class Store(ThreadingHTTPServer):
    """Keeps states and locks by path."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.states: dict[str, bytes] = {}
        self.locks: dict[str, bytes] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Store

    def answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def path_only(self) -> str:
        return self.path.partition("?")[0]

    def do_GET(self) -> None:
        state = self.server.states.get(self.path_only())
        self.answer(404 if state is None else 200, state or b"")

    def do_POST(self) -> None:
        self.server.states[self.path_only()] = self.body()
        self.answer(200)

    def do_LOCK(self) -> None:
        body, held = self.body(), self.server.locks.get(self.path_only())
        if held is None:
            self.server.locks[self.path_only()] = body
        self.answer(200 if held is None else 423, held or b"")

    def do_UNLOCK(self) -> None:
        self.body()
        self.server.locks.pop(self.path_only(), None)
        self.answer(200)

    def log_message(self, *_: Any) -> None:
        """Silence."""


@pytest.fixture
def store() -> Iterator[Store]:
    with Store() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def remote(workbench: Workbench, store: Store) -> Workbench:
    place = f"{store.url}/{{fleet}}/{{region}}/{{stage}}"
    config = {"address": place, "lock_address": place, "unlock_address": place}
    state = StateBackend(type="http", config=config)
    deployment = workbench.fleet.deployment.model_copy(update={"state": state})
    workbench.fleet = workbench.fleet.model_copy(update={"deployment": deployment})
    return workbench


def test_each_region_and_stage_has_a_state_of_its_own_there_and_none_here(
    remote: Workbench, store: Store
) -> None:
    async def run() -> None:
        await remote.change("network", REGION)
        place = f"/{remote.fleet.name}/{REGION}/network"
        assert list(store.states) == [place]
        assert len(json.loads(store.states[place])["resources"]) == 4
        assert store.locks == {}
        assert not (remote.root(REGION, "network") / "terraform.tfstate").exists()
        copy = remote.root(REGION, "network") / ".chainfleet-state.json"
        assert copy.stat().st_mode & 0o077 == 0
        assert await remote.observe("network", REGION) is not None
        assert not (await remote.change("network", REGION)).changed

    asyncio.run(run())


def test_another_machine_goes_on_with_what_is_there(remote: Workbench, tmp_path: Path) -> None:
    async def run() -> None:
        first = await remote.change("network", REGION)
        writes = remote.writes()
        remote.workspace, remote.driver = tmp_path / "elsewhere", TerraformDriver()
        assert await remote.observe("network", REGION) is None
        again = await remote.change("network", REGION)
        assert (again.changed, again.outputs) == (False, first.outputs)
        assert remote.writes() == writes
        await remote.undo("network", REGION)
        assert remote.resources() == []

    asyncio.run(run())


def test_what_somebody_changed_there_is_seen(remote: Workbench, store: Store) -> None:
    async def run() -> None:
        await remote.change("network", REGION)
        place = f"/{remote.fleet.name}/{REGION}/network"
        state = json.loads(store.states[place])
        store.states[place] = json.dumps({**state, "serial": state["serial"] + 1}).encode()
        assert await remote.observe("network", REGION) is None

    asyncio.run(run())


def test_a_lock_is_reported_and_not_broken(
    remote: Workbench, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chainfleet.drivers.terraform.applying._LOCK_WAIT_S", 1)
    lock = {
        "ID": "lock-1",
        "Who": "ann@elsewhere",
        "Operation": "OperationTypeApply",
        "Created": "2026-11-25T12:00:00Z",
    }
    place = f"/{remote.fleet.name}/{REGION}/network"
    store.locks[place] = json.dumps(lock).encode()

    async def run() -> None:
        # Terraform's `http` backend names itself as the holder; blobs and S3 name who it is.
        with pytest.raises(TaskFailed, match="the state is locked by") as caught:
            await remote.change("network", REGION)
        assert caught.value.error_class is ErrorClass.STATE_LOCK
        assert "force-unlock" in caught.value.way_out
        assert json.loads(store.locks[place]) == lock
        assert remote.resources() == []

    asyncio.run(run())


def test_a_backend_that_cant_be_reached_is_an_error(remote: Workbench, store: Store) -> None:
    store.states[f"/{remote.fleet.name}/{REGION}/network"] = b"not a state"

    async def run() -> None:
        with pytest.raises(TaskFailed):
            await remote.change("network", REGION)
        assert remote.resources() == []

    asyncio.run(run())


def test_the_emulated_cloud_keeps_states_local(remote: Workbench, store: Store) -> None:
    remote.environ["CHAINFLEET_LOCAL_STATE"] = "1"
    asyncio.run(remote.change("network", REGION))
    assert store.states == {}
    assert (remote.root(REGION, "network") / "terraform.tfstate").exists()


@pytest.mark.parametrize(
    ("kind", "config", "expected"),
    [
        (
            "azurerm",
            {"storage_account_name": "mystates", "container_name": "tf"},
            {
                "storage_account_name": "mystates",
                "container_name": "tf",
                "key": "demo/uksouth/region.tfstate",
                "use_azuread_auth": True,
            },
        ),
        ("gcs", {"bucket": "b"}, {"bucket": "b", "prefix": "demo/uksouth/region"}),
        (
            "s3",
            {"bucket": "b", "region": "eu-west-1", "key": "{stage}/{region}"},
            {
                "bucket": "b",
                "region": "eu-west-1",
                "key": "region/uksouth",
                "encrypt": True,
                "use_lockfile": True,
            },
        ),
    ],
)
def test_every_cloud_s_backend_gets_a_key_for_each_region_and_stage(
    kind: str, config: dict[str, str], expected: dict[str, Any]
) -> None:
    backend = StateBackend.model_validate({"type": kind, "config": config})
    text = backend_file(backend, fleet="demo", region="uksouth", stage="region")
    assert json.loads(text) == {"terraform": {"backend": {kind: expected}}}


def test_braces_that_mean_nothing_are_refused() -> None:
    with pytest.raises(TaskFailed, match="none of"):
        backend_file(StateBackend(type="gcs", config={"prefix": "{zone}"}), fleet="f", region="r", stage="s")
