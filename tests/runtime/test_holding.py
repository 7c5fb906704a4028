"""Work that is no run: it goes on while the lease is renewed, and ends when it is lost."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from chainfleet.cli import inventory
from chainfleet.cli.inventory import run_import
from chainfleet.ledger.database import Postgres
from chainfleet.ledger.lease import Lease, open_lease
from chainfleet.ledger.store import Ledger
from chainfleet.model.errors import LeaseLost, LeaseUnconfirmed
from chainfleet.model.fleet_file import new_fleet
from chainfleet.runtime.holding import holding
from chainfleet.runtime.targets import TargetOptions

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    Ledger(path, "f").close()
    return path


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases that are renewed often."""
    monkeypatch.setattr(Lease, "renew_every_s", 0.02)


def row(path: Path) -> Any:
    with sqlite3.connect(path) as line:
        return line.execute("SELECT fence, expires FROM lease").fetchone()


async def renewed(path: Path, times: int) -> str:
    """Long work: until the lease was renewed so often."""
    seen = set()
    while len(seen) <= times:
        seen.add(row(path)[1])
        await asyncio.sleep(0.01)
    return "done"


def test_the_lease_is_renewed_as_long_as_the_work_takes(path: Path, quick: None) -> None:
    lease = open_lease(path)
    assert asyncio.run(holding(lease, renewed(path, 3))) == "done"
    lease.release()


def test_what_the_work_raises_is_told_and_its_renewing_ends(path: Path, quick: None) -> None:
    lease = open_lease(path)

    async def fails() -> None:
        raise ZeroDivisionError

    async def run() -> None:
        with pytest.raises(ZeroDivisionError):
            await holding(lease, fails())
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())
    lease.release()


@pytest.mark.parametrize("how", ["taken", "removed"])
def test_work_is_stopped_when_its_lease_is_lost(path: Path, quick: None, how: str) -> None:
    lease = open_lease(path)
    ended: list[str] = []

    async def work() -> None:
        if how == "taken":
            with sqlite3.connect(path) as line:
                line.execute("UPDATE lease SET fence = fence + 1")
        else:
            path.unlink()
        try:
            await asyncio.Event().wait()
        finally:
            # What it began is put in order before anybody is told.
            await asyncio.sleep(0)
            ended.append(how)

    with pytest.raises(LeaseLost, match=r"took over|was removed"):
        asyncio.run(holding(lease, work()))
    assert ended == [how]
    lease.release()


def test_work_is_stopped_before_a_lease_in_a_database_that_is_away_can_have_run_out(
    own_postgresql: Any,
) -> None:
    place = Postgres(own_postgresql.url, "e")
    Ledger(place, "f").close()
    lease = open_lease(place, ttl_s=2.0)

    async def work() -> None:
        await asyncio.to_thread(own_postgresql.stop)
        await asyncio.Event().wait()

    with pytest.raises(LeaseUnconfirmed):
        asyncio.run(holding(lease, work()))
    lease.release()


def test_an_import_holds_its_lease_however_long_it_takes(
    tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet, state = tmp_path / "fleet.yaml", tmp_path / "state"
    fleet.write_text(new_fleet("ops", 1138, 4))

    async def long_import(*_: object, **__: object) -> dict[str, Any]:
        await renewed(state / "ledger.db", 3)
        with sqlite3.connect(state / "ledger.db") as line:
            line.execute("UPDATE lease SET fence = fence + 1")
        await asyncio.Event().wait()
        return {}

    monkeypatch.setattr(inventory, "import_fleet", long_import)
    environ = tmp_path / "environment.json"
    account = "00000000-0000-0000-0000-000000000001"
    environ.write_text(json.dumps(dict.fromkeys(("AZURE_SUBSCRIPTION_ID", "AZURE_TENANT_ID"), account)))
    with pytest.raises(LeaseLost, match="took over"):
        run_import(fleet, TargetOptions(state, env_file=environ), apply=True, only=None, as_json=True)
