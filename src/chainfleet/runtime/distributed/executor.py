"""Runs attempts on workers: the coordinator's end.

The coordinator keeps admission; what it starts is handed out at once. An attempt is over when its row says so; a worker
that is not heard of for a lease is lost, its attempts are fenced, and the scheduler decides whether they are tried again.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg

from chainfleet.ledger.codec import decode, encode
from chainfleet.ledger.database import Postgres, Row
from chainfleet.ledger.postgres import PostgresConnection, open_line_async
from chainfleet.model.errors import ErrorClass
from chainfleet.model.event import AttemptFailed, StartAttempt
from chainfleet.model.task import Task

from ..attempts import AttemptEnd, Surroundings
from ..distribution import LEASE_S, Distribution
from .tables import TASK, WAKE, Pools, engine, open_tables, version

POLL_S = 0.5
"""How often to look without having been told: a line that listens may have died unnoticed."""

ORPHANS = """
SELECT name FROM attempt JOIN unnest(?::text[], ?::bigint[]) AS given (name, job) USING (name)
WHERE environment = ? AND state = 'queued' AND NOT EXISTS (
    SELECT 1 FROM procrastinate_jobs LEFT JOIN procrastinate_workers ON procrastinate_workers.id = worker_id
    WHERE procrastinate_jobs.id = job
    AND (status = 'todo' OR last_heartbeat > clock_timestamp() - make_interval(secs => ?))
)
"""
"""Attempts that wait although their job is gone or lies with a worker of procrastinate's that is silent."""

ALIVE = "worker IN (SELECT id FROM worker WHERE seen > clock_timestamp() - make_interval(secs => ?))"


@dataclass(slots=True)
class DistributedExecutor:
    """Hands attempts of one run to workers; opened by `distributed`."""

    place: Postgres
    run: str
    fence: int
    distribution: Distribution
    surroundings: Surroundings
    tell: Callable[[str], None]
    undo: bool
    _tables: PostgresConnection
    _engine: Any
    _jobs: dict[str, int] = field(default_factory=dict)
    _unserved: set[str] = field(default_factory=set)
    _waiting: dict[str, asyncio.Future[Row]] = field(default_factory=dict)
    _pool_of: dict[str, str] = field(default_factory=dict)

    async def run_attempt(self, task: Task, start: StartAttempt) -> AttemptEnd:
        """Hand out one attempt and wait until it is over."""
        name = f"{self.run}/{task.id}/{start.attempt}"
        pool = self.distribution.pools.get(task.phase.value, self.distribution.pools[""])
        future: asyncio.Future[Row] = asyncio.get_running_loop().create_future()
        try:
            if start.attempt > 1:
                await self._until_over("task = ?", task.id)
            await self._hand_out(name, pool, task, start, future)
            state, event, outputs, worker = await future
        except asyncio.CancelledError:
            return await asyncio.shield(self._withdraw(name, start))
        finally:
            self._waiting.pop(name, None)
            self._pool_of.pop(name, None)
            job = self._jobs.pop(name, None)
        if state == "lost":
            await self._forget(job)
            return _failed(
                start, ErrorClass.TRANSIENT, f"worker {worker} of pool {pool} was lost", "worker-lost"
            ), {}
        return decode(event), json.loads(outputs or "{}")

    async def _hand_out(
        self, name: str, pool: str, task: Task, start: StartAttempt, future: asyncio.Future[Row]
    ) -> None:
        body = json.dumps(
            {
                "start": encode(start),
                "undo": self.undo,
                "version": version(),
                "document": self.distribution.document,
                "time_scale": self.distribution.time_scale,
            }
        )
        sql = """INSERT INTO attempt (name, environment, run, task, pool, fence, body)
            VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"""
        row = (name, self.place.environment, self.run, task.id, pool, self.fence, body)
        await asyncio.to_thread(self._tables.change, sql, row)
        log = self.surroundings.log_path(task.id, start.attempt)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as stream:
            stream.write(f"{handed_out(name)}\n")
        self._waiting[name] = future
        self._pool_of[name] = pool
        await self._defer(name, pool)

    async def _forget(self, job: int | None) -> None:
        """Take the job of a lost worker away; that it ended meanwhile is as good."""
        from procrastinate.exceptions import ConnectorException
        from procrastinate.jobs import Status

        if job is not None:
            with suppress(ConnectorException):
                await self._engine.job_manager.finish_job_by_id_async(job, Status.FAILED, delete_job=True)

    async def _withdraw(self, name: str, start: StartAttempt) -> AttemptEnd:
        """Take an attempt back, and wait until nothing of it happens any more or its worker is lost."""
        sql = """UPDATE attempt SET over = (state = 'queued'), state = 'lost'
            WHERE environment = ? AND name = ? AND state IN ('queued', 'running')"""
        await asyncio.to_thread(self._tables.change, sql, (self.place.environment, name))
        await self._until_over("name = ?", name)
        sql = "SELECT event, outputs FROM attempt WHERE environment = ? AND name = ? AND state = 'ended'"
        rows = await asyncio.to_thread(self._tables.rows, sql, (self.place.environment, name))
        if rows:
            return decode(rows[0][0]), json.loads(rows[0][1] or "{}")
        return _failed(start, ErrorClass.CANCELLED, "cancelled", "cancelled"), {}

    async def take_over(self) -> None:
        """Fence whatever a coordinator before this one handed out, and wait until nothing of it happens any more."""
        here = self.place.environment
        await asyncio.to_thread(
            self._tables.change, "DELETE FROM attempt WHERE environment = ? AND over", (here,)
        )
        sql = """UPDATE attempt SET over = (state = 'queued'), state = 'lost'
            WHERE environment = ? AND fence < ? AND state IN ('queued', 'running')"""
        await asyncio.to_thread(self._tables.change, sql, (here, self.fence))
        await self._until_over("fence < ?", self.fence)

    async def _until_over(self, which: str, value: str | int) -> None:
        sql = f"SELECT 1 FROM attempt WHERE environment = ? AND {which} AND state = 'lost' AND NOT over AND {ALIVE} LIMIT 1"  # noqa: S608
        values = (self.place.environment, value, self.distribution.lease_s)
        while await asyncio.to_thread(self._tables.rows, sql, values):  # noqa: ASYNC110
            await asyncio.sleep(POLL_S / 2)

    # --- what comes back ----------------------------------------------------------------------

    async def look(self, alarm: AsyncIterator[None]) -> None:
        """Fetch what workers say, for ever."""
        swept = 0.0
        loop = asyncio.get_running_loop()
        async for _ in alarm:
            await self._hear()
            if loop.time() - swept > self.distribution.lease_s / 4:
                swept = loop.time()
                await self._sweep()
            await self._fetch()

    async def _fetch(self) -> None:
        names = list(self._waiting)
        sql = """SELECT name, state, event, outputs, worker FROM attempt
            WHERE environment = ? AND name = ANY(?) AND state IN ('ended', 'lost')"""
        for name, *rest in (
            await asyncio.to_thread(self._tables.rows, sql, (self.place.environment, names)) if names else ()
        ):
            future = self._waiting.get(name)
            if future is not None and not future.done():
                future.set_result(tuple(rest))

    async def _hear(self) -> None:
        sql = "DELETE FROM said WHERE environment = ? RETURNING id, run, task, number, kind, body"
        rows = await asyncio.to_thread(self._tables.rows, sql, (self.place.environment,))
        for _, run, task, number, kind, body in sorted(rows):
            if run != self.run:
                continue
            if kind == "progress":
                self.surroundings.progress(task, body)
            elif kind == "observed":
                self.surroundings.observed(decode(body))
            else:
                with self.surroundings.log_path(task, number).open("a", encoding="utf-8") as stream:
                    stream.write(body)

    async def _sweep(self) -> None:
        """Fence the attempts of workers that are silent, and say which pools nobody serves."""
        lost = f"""UPDATE attempt SET state = 'lost', over = true
            WHERE environment = ? AND state = 'running' AND NOT {ALIVE}"""  # noqa: S608
        await asyncio.to_thread(
            self._tables.change, lost, (self.place.environment, self.distribution.lease_s)
        )
        sql = "SELECT DISTINCT pool FROM worker WHERE seen > clock_timestamp() - make_interval(secs => ?)"
        rows = await asyncio.to_thread(self._tables.rows, sql, (self.distribution.lease_s,))
        served = {row[0] for row in rows}
        await self._hand_out_again()
        wanted = Counter(self._pool_of.values())
        for pool, waiting in wanted.items():
            if pool not in served and pool not in self._unserved:
                self._unserved.add(pool)
                self.tell(
                    f"no worker serves pool {pool}: {waiting} attempts wait (chainfleet worker --pool {pool})"
                )
        for pool in self._unserved & served:
            self._unserved.remove(pool)
            self.tell(f"pool {pool} is served")

    async def _hand_out_again(self) -> None:
        """Give a new job to attempts whose job died with a worker that had not begun; only one can claim them."""
        jobs = dict(self._jobs)
        values = (list(jobs), list(jobs.values()), self.place.environment, self.distribution.lease_s)
        for (name,) in await asyncio.to_thread(self._tables.rows, ORPHANS, values):
            if name in self._waiting:
                await self._forget(jobs[name])
                await self._defer(name, self._pool_of[name])

    async def _defer(self, name: str, pool: str) -> None:
        job = self._engine.configure_task(TASK, queue=pool)
        self._jobs[name] = await job.defer_async(environment=self.place.environment, attempt=name)


def handed_out(name: str) -> str:
    """The log line by which a worker knows that it writes to the coordinator's own file."""
    return f"handed out as {name}"


@asynccontextmanager
async def distributed(
    place: Postgres,
    run: str,
    fence: int,
    distribution: Distribution,
    surroundings: Surroundings,
    tell: Callable[[str], None],
    *,
    undo: bool,
) -> AsyncIterator[DistributedExecutor]:
    """Open the executor of a run; what earlier coordinators handed out has ended or is fenced when it is there.

    Raises:
        EnvironmentProblem: the database can't be reached, or a package is missing.
    """
    tables = await asyncio.to_thread(open_tables, place.url)
    app = engine(place.url, lines=4)
    executor = DistributedExecutor(place, run, fence, distribution, surroundings, tell, undo, tables, app)
    try:
        async with app.open_async():
            await asyncio.to_thread(_say_version, tables)
            await executor.take_over()
            hearing = asyncio.create_task(executor.look(_alarm(place.url)), name="workers")
            hearing.add_done_callback(lambda done: _tell_all(executor, done))
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


def _tell_all(executor: DistributedExecutor, done: asyncio.Task[None]) -> None:
    """Where nobody listens any more nobody may wait either."""
    if not done.cancelled() and (error := done.exception()) is not None:
        for future in executor._waiting.values():
            if not future.done():
                future.set_exception(error)


async def _alarm(url: str) -> AsyncIterator[None]:
    """Rings when a worker says so, and every `POLL_S` in any case."""
    line = None
    try:
        while True:
            try:
                if line is None:
                    line = await open_line_async(Pools(url))
                    await line.execute(f"LISTEN {WAKE}")
                async for _ in line.notifies(timeout=POLL_S, stop_after=1):
                    pass
            except (psycopg.Error, OSError):
                if line is not None:
                    await line.close()
                line = None
                await asyncio.sleep(POLL_S)
            yield
    finally:
        if line is not None:
            with suppress(psycopg.Error):
                await line.close()


def _failed(start: StartAttempt, error_class: ErrorClass, message: str, fingerprint: str) -> AttemptFailed:
    return AttemptFailed(start.task, start.attempt, error_class, message, fingerprint=fingerprint)


def machine_of(url: str, pools: Sequence[str]) -> tuple[float, int, int]:
    """Cores, memory (MiB) and number of the workers that serve these pools now."""
    tables = open_tables(url)
    try:
        sql = """SELECT coalesce(sum(cores), 0), coalesce(sum(memory_mib), 0)::bigint, count(*) FROM worker
            WHERE pool = ANY(?) AND seen > clock_timestamp() - make_interval(secs => ?)"""
        cores, memory, count = tables.rows(sql, (list(pools), LEASE_S))[0]
        return float(cores), int(memory), int(count)
    finally:
        tables.close()
