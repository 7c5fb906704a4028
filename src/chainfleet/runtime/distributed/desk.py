"""The counter where attempts are handed out: rows that say what is to be done, and procrastinate's jobs that carry them.

Whoever claims a row first has the attempt, so a job that died with a worker may be given out again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from chainfleet.ledger.codec import encode
from chainfleet.ledger.database import Postgres, Row
from chainfleet.ledger.postgres import PostgresConnection
from chainfleet.model.event import StartAttempt
from chainfleet.model.task import Task

from ..distribution import Distribution
from .labels import Needs
from .tables import TASK, version

HAND_OUT = """
WITH added AS (
    INSERT INTO attempt (name, environment, run, task, pool, fence, body, turn)
    SELECT ?, ?, ?, ?, ?, ?, ?, 1 + greatest(0,
        (SELECT max(turn) FROM attempt WHERE pool = ? AND environment = ?),
        (SELECT max(turn) FROM attempt WHERE pool = ? AND state <> 'queued'))
    ON CONFLICT DO NOTHING RETURNING turn
)
SELECT turn FROM added UNION ALL SELECT turn FROM attempt WHERE environment = ? AND name = ?
"""
"""An environment's turns follow one another, and begin no earlier than where the pool has come to: one that has a
thousand attempts waiting holds up nobody who has three."""

ORPHANS = """
SELECT name FROM attempt JOIN unnest(?::text[], ?::bigint[]) AS given (name, job) USING (name)
WHERE environment = ? AND state = 'queued' AND NOT EXISTS (
    SELECT 1 FROM procrastinate_jobs LEFT JOIN procrastinate_workers ON procrastinate_workers.id = worker_id
    WHERE procrastinate_jobs.id = job
    AND (status = 'todo' OR last_heartbeat > clock_timestamp() - make_interval(secs => ?))
)
"""
"""Attempts that wait although their job is gone or lies with a worker of procrastinate's that is silent."""


@dataclass(slots=True)
class Ticket:
    """An attempt that was handed out and is waited for.

    Attributes:
        pool: whose workers may take it.
        needs: what they must have.
        over: is given state, event, outputs and worker once it is over.
        turn: its place in the pool.
        job: number of its job; None while there is none.
    """

    pool: str
    needs: Needs
    over: asyncio.Future[Row]
    turn: int = 0
    job: int | None = None


@dataclass(slots=True)
class Desk:
    """Hands out the attempts of one run.

    Attributes:
        tables: a line to the workers' tables.
        tickets: what was handed out and is not over, by name.
        deaf: why nobody hears workers any more; None while somebody does.
    """

    place: Postgres
    run: str
    fence: int
    distribution: Distribution
    undo: bool
    tables: PostgresConnection
    engine: Any
    tickets: dict[str, Ticket] = field(default_factory=dict)
    deaf: Exception | None = None

    async def ask(self, sql: str, values: Sequence[Any]) -> list[Row]:
        """What a statement answers, without keeping the loop."""
        return await asyncio.to_thread(self.tables.rows, sql, values)

    async def change(self, sql: str, values: Sequence[Any]) -> int:
        """Carry out a statement without keeping the loop."""
        return await asyncio.to_thread(self.tables.change, sql, values)

    async def hand_out(self, name: str, task: Task, start: StartAttempt, ticket: Ticket) -> None:
        """Write down what is to be done, and call a worker."""
        here, pool = self.place.environment, ticket.pool
        row = (name, here, self.run, task.id, pool, self.fence, json.dumps(self._body(start)))
        rows = await self.ask(HAND_OUT, (*row, pool, here, pool, here, name))
        ticket.turn = rows[0][0]
        self.tickets[name] = ticket
        if self.deaf is not None:
            raise self.deaf
        await self._call(name, ticket)

    def _body(self, start: StartAttempt) -> Mapping[str, Any]:
        return {
            "start": encode(start),
            "undo": self.undo,
            "version": version(),
            "document": self.distribution.document,
            "time_scale": self.distribution.time_scale,
        }

    async def _call(self, name: str, ticket: Ticket) -> None:
        job = self.engine.configure_task(TASK, queue=ticket.needs.queue(ticket.pool), priority=-ticket.turn)
        ticket.job = await job.defer_async(environment=self.place.environment, attempt=name)

    async def forget(self, ticket: Ticket) -> None:
        """Take the job of a lost worker away; that it ended meanwhile is as good."""
        from procrastinate.exceptions import ConnectorException
        from procrastinate.jobs import Status

        if ticket.job is not None:
            with suppress(ConnectorException):
                await self.engine.job_manager.finish_job_by_id_async(
                    ticket.job, Status.FAILED, delete_job=True
                )

    async def hand_out_again(self) -> None:
        """Give a new job to attempts whose job died with a worker that had not begun; only one can claim them."""
        jobs = {name: ticket.job for name, ticket in self.tickets.items() if ticket.job is not None}
        values = (list(jobs), list(jobs.values()), self.place.environment, self.distribution.lease_s)
        for (name,) in await self.ask(ORPHANS, values):
            ticket = self.tickets.get(name)
            if ticket is not None:
                await self.forget(ticket)
                await self._call(name, ticket)
