"""What comes back from workers: ends, logs, progress; and who of them is silent, or missing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg

from chainfleet.ledger.codec import decode
from chainfleet.ledger.database import Row
from chainfleet.ledger.postgres import open_line_async

from ..attempts import Surroundings
from .desk import Desk, Ticket
from .labels import Labels, Needs
from .tables import WAKE, Pools

POLL_S = 0.5
"""How often to look without having been told: a line that listens may have died unnoticed."""

HEARD = "seen > clock_timestamp() - make_interval(secs => lease_s)"
"""Whether a worker is taken for alive: each says itself for how long it may be silent, and stops in time."""
ALIVE = f"worker IN (SELECT id FROM worker WHERE {HEARD})"  # noqa: S608 - of our own texts

_Missing = tuple[str, Needs | None]
"""A pool and what no worker there has; None where there is no worker at all."""


@dataclass(slots=True)
class Hearing:
    """Fetches what workers say to one run."""

    desk: Desk
    surroundings: Surroundings
    tell: Callable[[str, list[str]], None]
    """Takes a line, and what is missing now."""
    _missing: set[_Missing] = field(default_factory=set)

    async def listen(self) -> None:
        """Fetch for ever; where nobody listens any more nobody may wait either."""
        swept = 0.0
        loop = asyncio.get_running_loop()
        try:
            async for _ in _alarm(self.desk.place.url):
                ended = await self._ended()
                # Only now: what a worker has to say it says before the end, and with the last end nobody listens.
                await self._hear()
                for ticket, row in ended:
                    if not ticket.over.done():  # It may have been cancelled meanwhile.
                        ticket.over.set_result(row)
                if loop.time() - swept > self.desk.distribution.lease_s / 4:
                    swept = loop.time()
                    await self._sweep()
        except Exception as error:
            self.desk.deaf = error
            for ticket in self.desk.tickets.values():
                if not ticket.over.done():
                    ticket.over.set_exception(error)

    async def _ended(self) -> list[tuple[Ticket, Row]]:
        """Attempts that are over and wait to be told so, with state, event, outputs and worker."""
        waiting = {name: ticket for name, ticket in self.desk.tickets.items() if not ticket.over.done()}
        if not waiting:
            return []
        sql = """SELECT name, state, event, outputs, worker FROM attempt
            WHERE environment = ? AND name = ANY(?) AND state IN ('ended', 'lost')"""
        rows = await self.desk.ask(sql, (self.desk.place.environment, list(waiting)))
        return [(waiting[name], tuple(rest)) for name, *rest in rows]

    async def _hear(self) -> None:
        sql = "DELETE FROM said WHERE environment = ? RETURNING id, run, task, number, kind, body"
        rows = await self.desk.ask(sql, (self.desk.place.environment,))
        for _, run, task, number, kind, body in sorted(rows):
            if run != self.desk.run:
                continue
            if kind == "progress":
                self.surroundings.progress(task, body)
            elif kind == "observed":
                self.surroundings.observed(decode(body))
            else:
                with self.surroundings.log_path(task, number).open("a", encoding="utf-8") as stream:
                    stream.write(body)

    async def _sweep(self) -> None:
        """Fence the attempts of workers that are silent, and say which attempts nobody may take."""
        lost = f"""UPDATE attempt SET state = 'lost', over = true
            WHERE environment = ? AND state = 'running' AND NOT {ALIVE}"""  # noqa: S608 - of our own texts
        await self.desk.change(lost, (self.desk.place.environment,))
        await self.desk.hand_out_again()
        sql = f"SELECT pool, labels FROM worker WHERE {HEARD}"  # noqa: S608 - of our own texts
        there = {(pool, Labels.decode(labels)) for pool, labels in await self.desk.ask(sql, ())}
        self._complain(there)

    def _complain(self, there: set[tuple[str, Labels]]) -> None:
        """Say once which attempts wait for a worker that isn't there, and once that it has come."""
        manned = {pool for pool, _ in there}
        missing: Counter[_Missing] = Counter()
        for ticket in self.desk.tickets.values():
            pool, needs = ticket.pool, ticket.needs
            if not any(where == pool and labels.meets(needs) for where, labels in there):
                missing[pool, needs if pool in manned else None] += 1
        before, self._missing = self._missing, set(missing)
        lines = {key: _complaint(key, waiting, self.desk.place.url) for key, waiting in missing.items()}
        for pool, lacked in before - self._missing:
            self.tell(
                f"pool {pool} is served{f' by a worker that has {lacked}' if lacked else ''}",
                list(lines.values()),
            )
        for key in self._missing - before:
            self.tell(lines[key], list(lines.values()))


def _complaint(missing: _Missing, waiting: int, url: str) -> str:
    """What waits for whom, and the command that starts one."""
    pool, needs = missing
    lacks = f"no worker serves pool {pool}" if needs is None else f"no worker of pool {pool} has {needs}"
    labels = "".join(f" --label {word}" for word in needs.words()) if needs else ""
    return f"{lacks}: {waiting} attempts wait (chainfleet worker --pool {pool}{labels} --ledger {url})"


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
