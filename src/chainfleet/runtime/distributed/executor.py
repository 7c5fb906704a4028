"""Runs attempts on workers: the coordinator's end.

The coordinator keeps admission; what it starts is handed out at once. An attempt is over when its row says so; a worker
that is not heard of for a lease is lost, its attempts are fenced, and the scheduler decides whether they are tried again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from chainfleet.ledger.codec import decode
from chainfleet.ledger.database import Postgres
from chainfleet.ledger.postgres import PostgresConnection
from chainfleet.model.errors import ErrorClass
from chainfleet.model.event import AttemptFailed, StartAttempt
from chainfleet.model.task import Plan, Task

from ..attempts import AttemptEnd, Surroundings
from ..distribution import Distribution
from .desk import Desk, Ticket
from .hearing import ALIVE, HEARD, POLL_S, Hearing
from .labels import Needs, needs_of
from .tables import engine, open_tables, version
from .tailing import handed_out

WITHDRAWING_LEASES = 3
"""Leases that an attempt which was taken back may go on for until it is taken for cancelled."""


@dataclass(slots=True)
class DistributedExecutor:
    """Hands attempts of one run to workers; opened by `distributed`."""

    desk: Desk
    plan: Plan
    surroundings: Surroundings

    async def run_attempt(self, task: Task, start: StartAttempt) -> AttemptEnd:
        """Hand out one attempt and wait until it is over."""
        name = f"{self.desk.run}/{task.id}/{start.attempt}"
        pool = self.desk.distribution.pool_of(task.phase)
        ticket = Ticket(pool, self._needs(task), asyncio.get_running_loop().create_future())
        try:
            if start.attempt > 1:
                await self._until_over("task = ?", task.id)
            self._begin_log(name, start)
            await self.desk.hand_out(name, task, start, ticket)
            state, event, outputs, worker = await ticket.over
        except asyncio.CancelledError:
            return await asyncio.shield(self._withdraw(name, start))
        finally:
            self.desk.tickets.pop(name, None)
        if state == "lost":
            await self.desk.forget(ticket)
            message = f"worker {worker} of pool {pool} was lost"
            return _failed(start, ErrorClass.TRANSIENT, message, "worker-lost"), {}
        return decode(event), json.loads(outputs or "{}")

    def _needs(self, task: Task) -> Needs:
        private = self.desk.distribution.private_clusters
        return needs_of(task, self.surroundings.fleet, self.plan.limits, private=private)

    def _begin_log(self, name: str, start: StartAttempt) -> None:
        log = self.surroundings.log_path(start.task, start.attempt)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as stream:
            stream.write(f"{handed_out(name)}\n")

    async def _withdraw(self, name: str, start: StartAttempt) -> AttemptEnd:
        """Take an attempt back, and wait until nothing of it happens any more or its worker is lost.

        Not for ever: where the database is full no worker can say so. Whatever comes after waits for it in its turn.
        """
        desk, here = self.desk, self.desk.place.environment
        sql = """UPDATE attempt SET over = (state = 'queued'), state = 'lost'
            WHERE environment = ? AND name = ? AND state IN ('queued', 'running')"""
        await desk.change(sql, (here, name))
        with suppress(TimeoutError):
            async with asyncio.timeout(WITHDRAWING_LEASES * desk.distribution.lease_s):
                await self._until_over("name = ?", name)
        sql = "SELECT event, outputs FROM attempt WHERE environment = ? AND name = ? AND state = 'ended'"
        rows = await desk.ask(sql, (here, name))
        if rows:
            return decode(rows[0][0]), json.loads(rows[0][1] or "{}")
        return _failed(start, ErrorClass.CANCELLED, "stopped while it ran", "cancelled"), {}

    async def take_over(self) -> None:
        """Fence whatever a coordinator before this one handed out, and wait until nothing of it happens any more."""
        desk, here = self.desk, self.desk.place.environment
        await desk.change("DELETE FROM attempt WHERE environment = ? AND over", (here,))
        sql = """UPDATE attempt SET over = (state = 'queued'), state = 'lost'
            WHERE environment = ? AND fence < ? AND state IN ('queued', 'running')"""
        await desk.change(sql, (here, desk.fence))
        await self._until_over("fence < ?", desk.fence)

    async def _until_over(self, which: str, value: str | int) -> None:
        sql = f"SELECT 1 FROM attempt WHERE environment = ? AND {which} AND state = 'lost' AND NOT over AND {ALIVE} LIMIT 1"  # noqa: S608 - of our own texts
        values = (self.desk.place.environment, value)
        while await self.desk.ask(sql, values):  # noqa: ASYNC110 - it is a worker that ends it
            await asyncio.sleep(POLL_S / 2)


@asynccontextmanager
async def distributed(
    place: Postgres,
    plan: Plan,
    run: str,
    fence: int,
    distribution: Distribution,
    surroundings: Surroundings,
    tell: Callable[[str, list[str]], None],
    *,
    undo: bool,
) -> AsyncIterator[DistributedExecutor]:
    """Open the executor of a run; what earlier coordinators handed out has ended or is fenced when it is there.

    Raises:
        EnvironmentProblem: the database can't be reached, or a package is missing.
    """
    tables = await asyncio.to_thread(open_tables, place.url)
    try:
        app = engine(place.url, lines=4)
        async with app.open_async():
            await asyncio.to_thread(_say_version, tables)
            desk = Desk(place, run, fence, distribution, undo, tables, app)
            executor = DistributedExecutor(desk, plan, surroundings)
            await executor.take_over()
            hearing = asyncio.create_task(Hearing(desk, surroundings, tell).listen(), name="workers")
            try:
                yield executor
            finally:
                hearing.cancel()
                await asyncio.gather(hearing, return_exceptions=True)
    finally:
        tables.close()


def _say_version(tables: PostgresConnection) -> None:
    """Workers that join from now on must be of this version."""
    sql = "INSERT INTO meta VALUES ('version', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    tables.change(sql, (version(),))


def _failed(start: StartAttempt, error_class: ErrorClass, message: str, fingerprint: str) -> AttemptFailed:
    return AttemptFailed(start.task, start.attempt, error_class, message, fingerprint=fingerprint)


def machine_of(url: str, pools: Sequence[str]) -> tuple[float, int, int]:
    """Cores, memory (MiB) and number of the workers that serve these pools now."""
    tables = open_tables(url)
    try:
        sql = f"""SELECT coalesce(sum(cores), 0), coalesce(sum(memory_mib), 0)::bigint, count(*) FROM worker
            WHERE pool = ANY(?) AND {HEARD}"""  # noqa: S608 - of our own texts
        cores, memory, count = tables.rows(sql, (list(pools),))[0]
        return float(cores), int(memory), int(count)
    finally:
        tables.close()
