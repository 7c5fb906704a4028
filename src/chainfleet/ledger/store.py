"""The ledger: append-only records, one writer thread, group commit; in SQLite or PostgreSQL.

Why a thread of its own: a commit waits for the disk; the coordinator must not. Everything that waits in the queue
goes into one transaction, so the price of a commit is shared by all that happened meanwhile.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from chainfleet.model.errors import ChainfleetError, LeaseLost, LedgerError

from .database import Connection, Entry, Place, connect
from .sqlite import SqliteConnection

__all__ = ["RUNS", "SELECT", "Entry", "Ledger", "Record", "prepare"]

PAGE = 5000
"""How many records are read at a time: a long run must not lie in memory as a whole."""

SELECT = "SELECT seq, run, wall, at, kind, subject, body FROM record"
RUNS = """
WITH RECURSIVE name(run) AS (
    SELECT min(run) FROM record WHERE run > ''
    UNION ALL SELECT (SELECT min(run) FROM record WHERE run > name.run) FROM name WHERE name.run IS NOT NULL
)
SELECT run FROM name WHERE run IS NOT NULL ORDER BY (SELECT min(seq) FROM record WHERE record.run = name.run)
"""
"""Names of runs, oldest first, by jumping through the index instead of reading all of it."""


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the ledger.

    Attributes:
        seq: its place, counted from 1 over all runs.
        run: the run it belongs to.
        wall: wall-clock time in seconds since 1970, for people.
        at: seconds on the run's own monotonic axis, for replay.
        kind: `record` (an event, a command or the plan), `outputs`, `note`, `request` (what somebody asked of the run
            from outside), `environment` (what happened to the environment itself; its run is empty).
        subject: task id or empty.
        body: JSON.
    """

    seq: int
    run: str
    wall: float
    at: float
    kind: str
    subject: str
    body: str


_Batch = tuple[Sequence[Entry], "Future[int]"]


class Ledger:
    """Append-only log of one environment.

    Raises on opening:
        LedgerError: written by a newer version, of another fleet, or damaged.
        EnvironmentProblem: the database can't be made, reached or written.
    """

    def __init__(self, place: Place, fleet: str, *, wall: Callable[[], float] = time.time) -> None:
        self.place = place
        self._wall = wall
        self._queue: queue.Queue[_Batch | None] = queue.Queue(maxsize=10_000)
        self._failure: ChainfleetError | None = None
        self._pages: int | None = None
        self._guard: tuple[str, int] | None = None
        self._reader = connect(place)
        try:
            prepare(self._reader, place, fleet)
            self._writer = connect(place)
        except BaseException:
            self._reader.close()
            raise
        self._thread = threading.Thread(target=self._write_all, name="ledger-writer", daemon=True)
        self._thread.start()

    def append(self, entries: Sequence[Entry]) -> Future[int]:
        """Queue records; the future gives the last one's place once they are durable."""
        if self._failure is not None:
            raise self._failure
        future: Future[int] = Future()
        self._queue.put((entries, future))
        return future

    def records(self, run: str, *, after: int = 0) -> Iterator[Record]:
        """The durable records of a run in order, those after `after` only."""
        sql = f"{SELECT} WHERE run = ? AND seq > ? ORDER BY seq LIMIT {PAGE}"
        while rows := self._reader.rows(sql, (run, after)):
            for row in rows:
                yield Record(*row)
            after = rows[-1][0]

    def runs(self) -> list[str]:
        """Names of all runs, oldest first."""
        return [row[0] for row in self._reader.rows(RUNS)]

    def guard(self, lease: str, fence: int) -> None:
        """Write only while that lease has that fence: who was deposed writes nothing more."""
        self._guard = (lease, fence)

    def limit_pages(self, pages: int) -> None:
        """Let the file grow to that many pages at most; a budget against filling a shared disk (SQLite only)."""
        self._pages = pages

    def close(self) -> None:
        """Write what is queued and close; raises EnvironmentProblem if something could not be written."""
        self._queue.put(None)
        self._thread.join()
        self._reader.close()
        # Who was deposed has nothing more to say here, and was told when it tried.
        if self._failure is not None and not isinstance(self._failure, LeaseLost):
            raise self._failure

    def _write_all(self) -> None:
        try:
            while (first := self._queue.get()) is not None:
                batches, last = self._gather(first)
                self._commit(self._writer, batches)
                if last:
                    return
        finally:
            self._writer.close()

    def _gather(self, first: _Batch) -> tuple[list[_Batch], bool]:
        batches = [first]
        while len(batches) < 1000:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return batches, False
            if item is None:
                return batches, True
            batches.append(item)
        return batches, False

    def _commit(self, connection: Connection, batches: list[_Batch]) -> None:
        try:
            if self._failure is not None:
                raise self._failure
            if self._pages is not None and isinstance(connection, SqliteConnection):
                connection.limit_pages(self._pages)
            entries = [entry for batch, _ in batches for entry in batch]
            last = connection.append(entries, self._wall(), self._check_guard)
        except Exception as error:  # whatever it is, everybody who waits must hear of it
            self._failure = error if isinstance(error, ChainfleetError) else _unwritable(error)
            for _, future in batches:
                future.set_exception(self._failure)
            return
        for _, future in batches:
            future.set_result(last)

    def _check_guard(self) -> None:
        if self._guard is None:
            return
        name, fence = self._guard
        rows = self._writer.rows("SELECT fence FROM lease WHERE name = ?", (name,))
        if rows != [(fence,)]:
            raise LeaseLost("another coordinator took over this environment", way_out="leave it to that one")


def _unwritable(error: Exception) -> LedgerError:
    return LedgerError(
        f"a record can't be written: {type(error).__name__}: {error}",
        way_out="report it: this is a mistake in chainfleet; `resume` goes on from what was written before",
    )


def prepare(connection: Connection, place: Place, fleet: str) -> None:
    """Make the tables or bring them up to this version, and check whose ledger it is.

    Raises:
        LedgerError: written by a newer version, of another fleet, or damaged.
        EnvironmentProblem: it can't be written.
    """
    meta = _migrated(connection, place, fleet)
    if meta["fleet"] != fleet:
        where = place.parent if isinstance(place, Path) else place.environment
        message = f"{where} is the state folder of fleet `{meta['fleet']}`, not of `{fleet}`"
        raise LedgerError(message, way_out="give another folder with --state")


def _migrated(connection: Connection, place: Place, fleet: str) -> dict[str, str]:
    """Bring the schema up to this version, in one transaction; what a newer version wrote is left alone."""
    newest = len(connection.migrations)
    with connection.writing():
        connection.make_meta()
        meta = {"schema": "0", "fleet": fleet, **dict(connection.rows("SELECT key, value FROM meta"))}
        version = int(meta["schema"])
        if version > newest:
            message = f"{place}: the ledger has schema {version}, this version knows up to {newest}"
            raise LedgerError(message, way_out="upgrade chainfleet; nothing was changed")
        for statements in connection.migrations[version:]:
            for statement in statements:
                connection.change(statement)
        if version < newest:
            for row in (("schema", str(newest)), ("fleet", meta["fleet"])):
                sql = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
                connection.change(sql, row)
    return meta
