"""A ledger seen from outside the run: read it, ask something of a run, note what happened to the environment.

Whoever runs the environment writes through `Ledger`; this is for everybody else, at the same time and from any thread.
It speaks SQL to one connection; another database needs another class with these methods and nothing else.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from chainfleet.model.errors import LedgerError

from .lease import holder_in
from .store import INSERT, RUNS, SELECT, Entry, Record, damaged, open_database, prepare, write_problem


class Changed(Exception):
    """The environment's records went on since they were read; nothing was written."""


class Outside:
    """One environment's ledger, opened for looking and asking.

    Raises on opening:
        LedgerError: there is none, it is damaged, or written by a newer version.
        EnvironmentProblem: it can't be opened.
    """

    def __init__(self, path: Path, *, wall: Callable[[], float] = time.time) -> None:
        if not path.exists():
            raise LedgerError(f"there is no ledger {path}", way_out="deploy first")
        self.path = path
        self._wall = wall
        self._lock = threading.RLock()
        self._connection = open_database(path)
        try:
            with self._reading() as connection:
                tables = "SELECT 1 FROM sqlite_master WHERE name = 'meta'"
                fleet = "SELECT value FROM meta WHERE key = 'fleet'"
                row = connection.execute(tables).fetchone() and connection.execute(fleet).fetchone()
                if row is None:
                    raise LedgerError(f"{path} is no ledger", way_out="give another folder with --state")
                prepare(connection, path, row[0])
                meta = dict(connection.execute("SELECT key, value FROM meta").fetchall())
        except BaseException:
            self._connection.close()
            raise
        self.fleet: str = meta["fleet"]
        self.id: str = meta["id"]

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            self._connection.close()

    # --- reading ------------------------------------------------------------------------------

    def version(self) -> int:
        """A number that changes whenever anything was written; costs next to nothing."""
        with self._reading() as connection:
            return int(connection.execute("PRAGMA data_version").fetchone()[0])

    def head(self) -> int:
        """The last record's place; 0 where there is none."""
        with self._reading() as connection:
            return int(connection.execute("SELECT coalesce(max(seq), 0) FROM record").fetchone()[0])

    def runs(self) -> list[str]:
        """Names of all runs, oldest first."""
        with self._reading() as connection:
            return [row[0] for row in connection.execute(RUNS)]

    def records(
        self, *, after: int = 0, until: int | None = None, run: str | None = None, limit: int = -1
    ) -> list[Record]:
        """Durable records in order: those after `after`, up to and with `until`, of one run or of all."""
        sql, values = f"{SELECT} WHERE seq > ?", [after]
        named: list[int | str] = [*values]
        if until is not None:
            sql, named = sql + " AND seq <= ?", [*named, until]
        if run is not None:
            sql, named = sql + " AND run = ?", [*named, run]
        with self._reading() as connection:
            rows = connection.execute(f"{sql} ORDER BY seq LIMIT ?", (*named, limit))
            return [Record(*row) for row in rows]

    def last(self, run: str) -> Record | None:
        """The last record of a run."""
        with self._reading() as connection:
            row = connection.execute(f"{SELECT} WHERE run = ? ORDER BY seq DESC LIMIT 1", (run,)).fetchone()
            return None if row is None else Record(*row)

    def environment(self, *, after: int = 0) -> list[Record]:
        """What happened to the environment itself."""
        with self._reading() as connection:
            sql = f"{SELECT} WHERE kind = 'environment' AND seq > ? ORDER BY seq"
            return [Record(*row) for row in connection.execute(sql, (after,))]

    def outputs(self, *, after: int = 0) -> list[Record]:
        """What tasks left behind, in all runs."""
        with self._reading() as connection:
            sql = f"{SELECT} WHERE kind = 'outputs' AND seq > ? ORDER BY seq"
            return [Record(*row) for row in connection.execute(sql, (after,))]

    def notes(self, run: str, subject: str, limit: int) -> list[Record]:
        """The last notes of a run on a subject, oldest first."""
        with self._reading() as connection:
            sql = f"{SELECT} WHERE run = ? AND kind = 'note' AND subject = ? ORDER BY seq DESC LIMIT ?"
            return [Record(*row) for row in connection.execute(sql, (run, subject, limit))][::-1]

    def holder(self) -> str | None:
        """Who runs the environment now (`process PID on HOST`), or None."""
        with self._reading() as connection:
            return holder_in(connection, self._wall())

    # --- writing ------------------------------------------------------------------------------

    def append(self, entries: Sequence[Entry], *, based_on: int | None = None) -> int:
        """Write records durably; returns the last one's place.

        Args:
            entries: what to write.
            based_on: place of the environment's last record that the caller knows; None doesn't care.

        Raises:
            Changed: the environment's records went on since.
        """
        with self._writing() as connection:
            if based_on is not None:
                sql = "SELECT coalesce(max(seq), 0) FROM record WHERE kind = 'environment'"
                if connection.execute(sql).fetchone()[0] != based_on:
                    raise Changed
            wall = self._wall()
            rows = [(e.run, wall, e.at, e.kind, e.subject, e.body) for e in entries]
            connection.executemany(INSERT, rows)
            return int(connection.execute("SELECT max(seq) FROM record").fetchone()[0])

    # --- samples of the living network --------------------------------------------------------

    def add_sample(self, wall: float, body: str, *, keep_s: float) -> None:
        """Keep a sample, and drop those older than `keep_s` seconds."""
        with self._writing() as connection:
            connection.execute("INSERT OR REPLACE INTO sample VALUES (?, ?)", (wall, body))
            connection.execute("DELETE FROM sample WHERE wall < ?", (wall - keep_s,))

    def samples(self, *, since: float, step_s: float) -> list[tuple[float, str]]:
        """Samples since that wall-clock time, the last of every `step_s` seconds, oldest first."""
        with self._reading() as connection:
            sql = "SELECT max(wall), body FROM sample WHERE wall >= ? GROUP BY CAST(wall / ? AS INTEGER) ORDER BY 1"
            return [(row[0], row[1]) for row in connection.execute(sql, (since, step_s))]

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connection
            except sqlite3.OperationalError as error:
                raise write_problem(self.path, error) from None
            except sqlite3.DatabaseError as error:
                raise damaged(self.path, error) from None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
