"""The ledger's database as a file: SQLite in WAL. `synchronous=FULL` survives a loss of power, not only of the process."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chainfleet.model.errors import EnvironmentProblem, LedgerError

from .database import Entry, Row

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

WAIT_S = 30.0
"""Seconds to wait for another writer."""
AGAIN_S = 0.01
"""Seconds between two tries where SQLite itself doesn't wait."""

INSERT = "INSERT INTO record (run, wall, at, kind, subject, body) VALUES (?, ?, ?, ?, ?, ?)"


class SqliteConnection:
    """A `database.Connection` to a file."""

    whole = "CAST({} AS INTEGER)"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = open_database(path)

    @property
    def migrations(self) -> Sequence[Sequence[str]]:
        """See `database.Connection`."""
        return MIGRATIONS

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """See `database.Connection`."""
        with self._problems():
            return self._connection.execute(sql, values).fetchall()

    def change(self, sql: str, values: Sequence[Any] = ()) -> int:
        """See `database.Connection`."""
        with self._problems():
            return self._connection.execute(sql, values).rowcount

    @contextmanager
    def writing(self) -> Iterator[None]:
        """See `database.Connection`."""
        with self._problems(), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            yield

    def append(self, entries: Sequence[Entry], wall: float, check: Callable[[], None]) -> int:
        """See `database.Connection`."""
        with self.writing():
            check()
            rows = ((e.run, wall, e.at, e.kind, e.subject, e.body) for e in entries)
            self._connection.executemany(INSERT, rows)
            return self._connection.execute("SELECT max(seq) FROM record").fetchone()[0] or 0

    def tables(self) -> frozenset[str]:
        """See `database.Connection`."""
        return frozenset(row[0] for row in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'"))

    def make_meta(self) -> None:
        """See `database.Connection`."""
        self.change(
            "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"
        )

    def clock(self) -> float:
        """See `database.Connection`."""
        return time.time()

    def version(self) -> int:
        """See `database.Connection`."""
        return int(self.rows("PRAGMA data_version")[0][0])

    def limit_pages(self, pages: int) -> None:
        """Let the file grow to that many pages at most."""
        self.change(f"PRAGMA max_page_count = {pages:d}")

    def close(self) -> None:
        """See `database.Connection`."""
        self._connection.close()

    @contextmanager
    def _problems(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise write_problem(self._path, error) from None
        except sqlite3.DatabaseError as error:
            raise damaged(self._path, error) from None


def open_database(path: Path) -> sqlite3.Connection:
    """A connection that survives a loss of power and waits for other writers; errors are the operator's."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise write_problem(path, error) from None
    try:
        _use_write_ahead_log(connection)
        connection.execute("PRAGMA synchronous=FULL")
    except sqlite3.OperationalError as error:
        connection.close()
        raise write_problem(path, error) from None
    except sqlite3.DatabaseError as error:
        connection.close()
        raise damaged(path, error) from None
    return connection


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """SQLite doesn't wait for others here as it does elsewhere: of two that open a new file at once, one is refused."""
    until = time.monotonic() + WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(AGAIN_S)
        else:
            return


def write_problem(path: Path, error: Exception) -> EnvironmentProblem:
    """The file can't be made or written."""
    reason = getattr(error, "strerror", None) or str(error)
    way_out = "free disk space, allow writing there, or choose another folder with --state"
    return EnvironmentProblem(f"can't write the ledger {path}: {reason.lower()}", way_out=way_out)


def damaged(path: Path, error: Exception) -> LedgerError:
    """The file is not what was written."""
    way_out = "restore it from a copy, or move it away: the clouds keep what exists, and deploy adopts it"
    return LedgerError(f"the ledger {path} is damaged: {error}", way_out=way_out)
