"""A database whose disk is full: the run says so and stops, nothing is lost, and it goes on once there is room."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import pytest

from chainfleet.ledger import distant
from chainfleet.ledger.postgres import PostgresConnection
from chainfleet.ledger.projection import project
from chainfleet.model.errors import EnvironmentProblem
from chainfleet.model.event import Verdict
from chainfleet.model.fleet import Fleet
from chainfleet.model.task import Task
from chainfleet.runtime.distribution import Distribution
from chainfleet.runtime.operations import Environment, continue_run, open_environment, scaled, start_run
from chainfleet.runtime.registry import Drivers
from chainfleet.runtime.state import StateFolder
from chainfleet.scheduling.planning import make_plan

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from programs import EXAMPLE, PROGRAMS, FolderDriver

from postgresql_server import PostgresqlServer


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 24 MiB that PostgreSQL may write to."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small file system")
    folder = Path(tempfile.mkdtemp(prefix="chainfleet-small-"))
    user = pwd.getpwnam("postgres")
    options = f"size=24m,uid={user.pw_uid},gid={user.pw_gid},mode=700"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        folder.rmdir()
        pytest.skip(f"a small file system can't be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


@pytest.fixture
def small_database(small_disk: Path, own_postgresql: Any) -> str:
    """A database whose tables lie on it."""
    import psycopg

    with psycopg.connect(own_postgresql.url, autocommit=True) as line:
        line.execute(f"CREATE TABLESPACE small LOCATION '{small_disk}'".encode())
        line.execute("CREATE DATABASE small TABLESPACE small")
    return str(own_postgresql.url.removesuffix("postgres") + "small")


@pytest.fixture
def small_log(small_disk: Path) -> Iterator[PostgresqlServer]:
    """A server whose write-ahead log lies on it."""
    server = PostgresqlServer(log=small_disk / "log")
    try:
        server.start()
        yield server
    finally:
        server.remove()


class Filling:
    """Fills the disk in the middle of a run, and the write-ahead log of the database at `url`."""

    def __init__(self, disk: Path, world: Path, url: str = "") -> None:
        self.ballast = disk / "ballast"
        self._world = world
        self._url = url

    def see(self, at: float, things: Any) -> None:
        if not self.ballast.exists() and done(self._world) > 20:
            with suppress(OSError), self.ballast.open("ab", buffering=0) as stream:
                while True:  # Until there is no room for another page.
                    stream.write(b"x" * 4096)
            if self._url:
                use_up_the_log(self._url)


def use_up_the_log(url: str) -> None:
    """Write until the last segment of the log that there is has room for a few records only."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as line:
        last = line.execute("SELECT max(name) FROM pg_ls_waldir()").fetchone()
        where = "SELECT file_name, file_offset FROM pg_walfile_name_offset(pg_current_wal_insert_lsn())"
        while (at := line.execute(where).fetchone()) is not None:
            if last is None or at[0] > last[0] or (at[0] == last[0] and at[1] > 1_000_000):
                return
            line.execute("SELECT pg_logical_emit_message(false, 'ballast', repeat('x', 4096))")


def done(world: Path) -> int:
    """How many tasks have had their effect."""
    return len([path for path in world.iterdir() if path.name != "story"])


def story(world: Path) -> list[list[Any]]:
    """What happened there."""
    return [json.loads(line) for line in (world / "story").read_text().splitlines()]


@pytest.mark.parametrize("where", ["here", "on a worker"])
def test_a_full_disk_stops_the_run_which_goes_on_from_there(
    where: str,
    small_database: str,
    small_disk: Path,
    chain_138: Fleet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, home = tmp_path / "world", tmp_path / "home"
    world.mkdir()
    driver = FolderDriver(world, 0.05)

    async def of(_: Drivers, __: Task) -> FolderDriver:
        return driver

    monkeypatch.setattr(Drivers, "of", of)
    worker = None
    if where == "on a worker":
        command = [
            sys.executable,
            str(PROGRAMS),
            "worker",
            small_database,
            str(home),
            str(world),
            "0.05",
            "2",
        ]
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert worker.stdout is not None
        assert "serves pool default" in worker.stdout.readline()
    fleet = scaled(chain_138, 1000.0)
    state = StateFolder(home / "e", small_database)
    filling = Filling(small_disk, world)

    def opened() -> AbstractContextManager[Environment]:
        return open_environment(fleet, state, {})

    def distribute(environment: Environment) -> Environment:
        if worker is not None:
            environment.distribution = Distribution(EXAMPLE.read_text(), 1000.0, {"": "default"}, lease_s=2.0)
        return environment

    def begin() -> None:
        with opened() as environment:
            plan = make_plan(fleet, "r1")
            asyncio.run(start_run(distribute(environment), plan, "r-deploy", lambda _: [filling]))

    with pytest.raises(EnvironmentProblem, match=r"can't write the ledger .*No space left on device") as told:
        begin()
    assert "give the database room" in told.value.way_out
    assert told.value.exit_code == 3
    assert 20 < done(world) < 200
    filling.ballast.unlink()
    with opened() as environment:
        view = project("r-deploy", environment.ledger.records("r-deploy"))
        result = asyncio.run(continue_run(distribute(environment), view, lambda _: []))
    if worker is not None:
        worker.terminate()
        worker.communicate(timeout=60)
    assert result.finish.verdict is Verdict.SUCCEEDED
    effects = [task for _, what, task, *_ in story(world) if what == "effect"]
    assert len(effects) == len(set(effects)) == done(world), "nothing was done twice, nothing is missing"


def test_a_log_without_room_takes_the_database_away_and_nothing_is_lost(
    small_log: PostgresqlServer,
    small_disk: Path,
    chain_138: Fleet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """PostgreSQL itself stops then, and doesn't come back before somebody makes room and starts it."""
    monkeypatch.setitem(PostgresConnection.__init__.__kwdefaults__, "patience_s", 5.0)
    monkeypatch.setattr(distant, "PATIENCE_S", 5.0)
    world = tmp_path / "world"
    world.mkdir()
    driver = FolderDriver(world, 0.05)

    async def of(_: Drivers, __: Task) -> FolderDriver:
        return driver

    monkeypatch.setattr(Drivers, "of", of)
    fleet = scaled(chain_138, 1000.0)
    state = StateFolder(tmp_path / "home" / "e", small_log.url)
    filling = Filling(small_disk, world, small_log.url)

    def begin() -> None:
        with open_environment(fleet, state, {}, lease_s=4.0) as environment:
            asyncio.run(start_run(environment, make_plan(fleet, "r1"), "r-deploy", lambda _: [filling]))

    # Whose statement it is that finds no room, and is told so, is chance; the others find nobody there.
    with pytest.raises(EnvironmentProblem, match=r"can't (write|reach) the ledger") as told:
        begin()
    assert told.value.exit_code == 3
    assert 20 < done(world) < 200
    small_log.stop()
    filling.ballast.unlink()
    small_log.start()
    with open_environment(fleet, state, {}) as environment:
        view = project("r-deploy", environment.ledger.records("r-deploy"))
        result = asyncio.run(continue_run(environment, view, lambda _: []))
    assert result.finish.verdict is Verdict.SUCCEEDED
    effects = [task for _, what, task, *_ in story(world) if what == "effect"]
    assert len(effects) == len(set(effects)) == done(world), "nothing was done twice, nothing is missing"
