"""A home folder with one finished run, and portals on it."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from chainfleet.ledger.store import Ledger
from chainfleet.model.fleet_file import load_fleet
from chainfleet.runtime import operations
from chainfleet.runtime.environments import note_revision
from chainfleet.runtime.operations import open_environment, start_run
from chainfleet.runtime.state import StateFolder
from chainfleet.scheduling.planning import Overrides, make_plan

sys.path.insert(0, str(Path(__file__).parent))

from running_portal import DEV, RUN, Quick, Running


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with environment `dev`: four regions were deployed by the command line, one failed."""
    home = tmp_path_factory.mktemp("finished")
    loaded = load_fleet("fleet.yaml", lambda _: DEV, {})
    state = StateFolder(home / "dev").prepare()
    plan = make_plan(loaded.fleet, loaded.revision, overrides=Overrides(waves=(2, 2)))

    async def of(self: object, task: object) -> Quick:
        return Quick()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operations.Drivers, "of", of)
        with open_environment(loaded.fleet, state, {}) as environment:
            note_revision(environment.ledger, DEV, loaded.revision, {"emulated": True}, by="ada")
            asyncio.run(start_run(environment, plan, RUN, lambda _: []))
    return home


@pytest.fixture
def home(finished: Path, tmp_path: Path) -> Path:
    """A copy of it to work on."""
    return Path(shutil.copytree(finished, tmp_path / "home"))


@pytest.fixture
def start(home: Path) -> Iterator[Callable[..., Running]]:
    """Starts portals on that home folder."""
    begun: list[Running] = []

    def begin(**settings: Any) -> Running:
        begun.append(Running(home, **settings))
        return begun[-1]

    yield begin
    for running in begun:
        if not running.server.should_exit:
            running.stop()


@pytest.fixture
def portal(start: Callable[..., Running]) -> Running:
    """A portal with usual settings."""
    return start()


@pytest.fixture
def admin(portal: Running) -> httpx2.Client:
    """An admin of it."""
    return portal.client()


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    """The ledger of `dev`, as a coordinator has it."""
    found = Ledger(home / "dev" / "ledger.db", "dev")
    yield found
    found.close()
