"""What comes back from workers, and what if nobody hears it any more."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from chainfleet.ledger.database import Postgres
from chainfleet.model.errors import LedgerError
from chainfleet.model.event import StartAttempt
from chainfleet.model.task import Phase, Task
from chainfleet.runtime.distributed.desk import Desk, Ticket
from chainfleet.runtime.distributed.hearing import Hearing
from chainfleet.runtime.distributed.labels import Needs
from chainfleet.runtime.distributed.tables import engine, open_tables
from chainfleet.runtime.distribution import Distribution

TASK = Task("besu/t/0", Phase.BESU)


def test_what_is_handed_out_when_nobody_listens_any_more_does_not_wait_for_ever(database: str) -> None:
    said = "INSERT INTO said (environment, run, task, number, kind, body) VALUES (?, ?, ?, ?, ?, ?)"

    async def run() -> None:
        tables = open_tables(database)
        app = engine(database, lines=2)
        async with app.open_async():
            desk = Desk(Postgres(database, "e"), "r", 1, Distribution("", 1.0, {"": "p"}), False, tables, app)
            tables.change(said, ("e", "r", TASK.id, 1, "observed", "no event at all"))
            around = cast(Any, SimpleNamespace(observed=lambda _: None))
            await Hearing(desk, around, lambda *_: None).listen()
            ticket = Ticket("p", Needs(), asyncio.get_running_loop().create_future())
            with pytest.raises(LedgerError):
                await desk.hand_out("r/besu/t/0/1", TASK, StartAttempt(TASK.id, 1, 60.0, 1), ticket)
        tables.close()

    asyncio.run(run())
