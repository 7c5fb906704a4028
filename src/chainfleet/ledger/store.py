"""The ledger on SQLite: append-only records, one writer thread, group commit.

Why a thread of its own: a commit waits for the disk; the coordinator must not. Everything that waits in the queue
goes into one transaction, so the price of a commit is shared by all that happened meanwhile. WAL with
`synchronous=FULL` survives a loss of power, not only of the process.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from chainfleet.model.errors import EnvironmentProblem, LedgerError

MIGRATIONS = (
    (
        """CREATE TABLE record (
    seq INTEGER PRIMARY KEY,
    run TEXT NOT NULL,
    wall REAL NOT NULL,
    at REAL NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL
)""",
        "CREATE INDEX record_run ON record (run, seq)",
        """CREATE TABLE lease (
    name TEXT PRIMARY KEY, holder TEXT NOT NULL, fence INTEGER NOT NULL, expires REAL NOT NULL
) WITHOUT ROWID""",
    ),
    (
        "CREATE TABLE request (id INTEGER PRIMARY KEY, wall REAL NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL)",
    ),
    (
        # What happened to the environment itself is little among much.
        "CREATE INDEX record_environment ON record (seq) WHERE kind = 'environment'",
        "CREATE INDEX record_outputs ON record (seq) WHERE kind = 'outputs'",
        "CREATE TABLE sample (wall REAL PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID",
        "INSERT INTO meta VALUES ('id', lower(hex(randomblob(16))))",
    ),
)
"""What takes a ledger from each schema version to the next; never changed, only added to."""

SCHEMA_VERSION = len(MIGRATIONS)

INSERT = "INSERT INTO record (run, wall, at, kind, subject, body) VALUES (?, ?, ?, ?, ?, ?)"
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


@dataclass(frozen=True, slots=True)
class Entry:
    """A record that has no place yet."""

    run: str
    at: float
    kind: str
    subject: str
    body: str


_Batch = tuple[Sequence[Entry], "Future[int]"]


class Ledger:
    """Append-only log of one environment.

    Raises on opening:
        LedgerError: written by a newer version, of another fleet, or damaged.
        EnvironmentProblem: the file can't be made or written.
    """

    def __init__(self, path: Path, fleet: str, *, wall: Callable[[], float] = time.time) -> None:
        self.path = path
        self._wall = wall
        self._queue: queue.Queue[_Batch | None] = queue.Queue(maxsize=10_000)
        self._failure: Exception | None = None
        self._pages: int | None = None
        connection = open_database(path)
        try:
            prepare(connection, path, fleet)
        except BaseException:
            connection.close()
            raise
        self._reader = connection
        self._thread = threading.Thread(target=self._write_all, name="ledger-writer", daemon=True)
        self._thread.start()

    def append(self, entries: Sequence[Entry]) -> Future[int]:
        """Queue records; the future gives the last one's place once they are durable."""
        if self._failure is not None:
            raise write_problem(self.path, self._failure)
        future: Future[int] = Future()
        self._queue.put((entries, future))
        return future

    def records(self, run: str, *, after: int = 0) -> Iterator[Record]:
        """The durable records of a run in order, those after `after` only."""
        try:
            for row in self._reader.execute(f"{SELECT} WHERE run = ? AND seq > ? ORDER BY seq", (run, after)):
                yield Record(*row)
        except sqlite3.DatabaseError as error:
            raise damaged(self.path, error) from None

    def runs(self) -> list[str]:
        """Names of all runs, oldest first."""
        try:
            rows = self._reader.execute(RUNS).fetchall()
        except sqlite3.DatabaseError as error:
            raise damaged(self.path, error) from None
        return [row[0] for row in rows]

    def limit_pages(self, pages: int) -> None:
        """Let the file grow to that many pages at most; a budget against filling a shared disk."""
        self._pages = pages

    def close(self) -> None:
        """Write what is queued and close; raises EnvironmentProblem if something could not be written."""
        self._queue.put(None)
        self._thread.join()
        self._reader.close()
        if self._failure is not None:
            raise write_problem(self.path, self._failure)

    def _write_all(self) -> None:
        connection = open_database(self.path)
        try:
            while (first := self._queue.get()) is not None:
                batches, last = self._gather(first)
                self._commit(connection, batches)
                if last:
                    return
        finally:
            connection.close()

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

    def _commit(self, connection: sqlite3.Connection, batches: list[_Batch]) -> None:
        wall = self._wall()
        try:
            if self._pages is not None:
                connection.execute(f"PRAGMA max_page_count = {self._pages:d}")
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                rows = (
                    (e.run, wall, e.at, e.kind, e.subject, e.body) for entries, _ in batches for e in entries
                )
                connection.executemany(INSERT, rows)
                last = connection.execute("SELECT max(seq) FROM record").fetchone()[0] or 0
        except sqlite3.Error as error:
            self._failure = error
            for _, future in batches:
                future.set_exception(write_problem(self.path, error))
            return
        for _, future in batches:
            future.set_result(last)


def open_database(path: Path) -> sqlite3.Connection:
    """A connection that survives a loss of power and waits for other writers; errors are the operator's."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise write_problem(path, error) from None
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
    except sqlite3.OperationalError as error:
        connection.close()
        raise write_problem(path, error) from None
    except sqlite3.DatabaseError as error:
        connection.close()
        raise damaged(path, error) from None
    return connection


def prepare(connection: sqlite3.Connection, path: Path, fleet: str) -> None:
    """Make the tables or bring them up to this version, and check whose ledger it is.

    Raises:
        LedgerError: written by a newer version, of another fleet, or damaged.
        EnvironmentProblem: it can't be written.
    """
    try:
        meta = _migrated(connection, path, fleet)
    except sqlite3.OperationalError as error:
        raise write_problem(path, error) from None
    except sqlite3.DatabaseError as error:
        raise damaged(path, error) from None
    if meta["fleet"] != fleet:
        message = f"{path.parent} is the state folder of fleet `{meta['fleet']}`, not of `{fleet}`"
        raise LedgerError(message, way_out="give another folder with --state")


def _migrated(connection: sqlite3.Connection, path: Path, fleet: str) -> dict[str, str]:
    """Bring the schema up to this version, in one transaction; what a newer version wrote is left alone."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"
        )
        meta = {"schema": "0", "fleet": fleet, **dict(connection.execute("SELECT key, value FROM meta"))}
        version = int(meta["schema"])
        if version > SCHEMA_VERSION:
            message = f"{path}: the ledger has schema {version}, this version knows up to {SCHEMA_VERSION}"
            raise LedgerError(message, way_out="upgrade chainfleet; nothing was changed")
        for statements in MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        if version < SCHEMA_VERSION:
            rows = (("schema", str(SCHEMA_VERSION)), ("fleet", meta["fleet"]))
            connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)
    return meta


def write_problem(path: Path, error: Exception) -> EnvironmentProblem:
    """The file can't be made or written."""
    reason = getattr(error, "strerror", None) or str(error)
    way_out = "free disk space, allow writing there, or choose another folder with --state"
    return EnvironmentProblem(f"can't write the ledger {path}: {reason.lower()}", way_out=way_out)


def damaged(path: Path, error: Exception) -> LedgerError:
    """The file is not what was written."""
    way_out = "restore it from a copy, or move it away: the clouds keep what exists, and deploy adopts it"
    return LedgerError(f"the ledger {path} is damaged: {error}", way_out=way_out)
