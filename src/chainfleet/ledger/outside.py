"""A ledger seen from outside the run: read it, ask something of a run, note what happened to the environment.

Whoever runs the environment writes through `Ledger`; this is for everybody else, at the same time and from any thread.
It keeps one connection of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from chainfleet.model.errors import LedgerError

from .database import PATIENCE_S, Connection, Place, connect
from .lease import holder_in
from .store import RUNS, SELECT, Entry, Record, prepare

SAMPLES = """
SELECT wall, body FROM sample
WHERE wall IN (SELECT max(wall) FROM sample WHERE wall >= ? GROUP BY {}) ORDER BY wall
"""

EVERYTHING = 2**62
"""More records than there are."""


class Changed(Exception):
    """The environment's records went on since they were read; nothing was written."""


class Outside:
    """One environment's ledger, opened for looking and asking.

    Args:
        place: where it lies.
        wall: wall-clock seconds, for what is written.
        patience_s: how long a database that was there and is away is waited for, in seconds.

    Raises on opening:
        LedgerError: there is none, it is damaged, or written by a newer version.
        EnvironmentProblem: it can't be opened.
    """

    def __init__(
        self, place: Place, *, wall: Callable[[], float] = time.time, patience_s: float = PATIENCE_S
    ) -> None:
        if not place.exists():
            raise LedgerError(f"there is no ledger {place}", way_out="deploy first")
        self.place = place
        self._wall = wall
        self._lock = threading.RLock()
        self._connection = connect(place, patience_s=patience_s)
        try:
            with self._reading() as connection:
                fleet = "SELECT value FROM meta WHERE key = 'fleet'"
                found = connection.rows(fleet) if "meta" in connection.tables() else []
                if not found:
                    raise LedgerError(f"{place} is no ledger", way_out="give another folder with --state")
                prepare(connection, place, found[0][0])
                meta: dict[str, str] = dict(connection.rows("SELECT key, value FROM meta"))
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
            return connection.version()

    def head(self) -> int:
        """The last record's place; 0 where there is none."""
        with self._reading() as connection:
            return int(connection.rows("SELECT coalesce(max(seq), 0) FROM record")[0][0])

    def stamp(self) -> tuple[str, int]:
        """The id of what lies there now, and its last record's place: it may have been made anew since it was opened."""
        with self._reading() as connection:
            sql = (
                "SELECT (SELECT value FROM meta WHERE key = 'id'), (SELECT coalesce(max(seq), 0) FROM record)"
            )
            found, head = connection.rows(sql)[0]
            return str(found), int(head)

    def runs(self) -> list[str]:
        """Names of all runs, oldest first."""
        with self._reading() as connection:
            return [row[0] for row in connection.rows(RUNS)]

    def records(
        self, *, after: int = 0, until: int | None = None, run: str | None = None, limit: int = EVERYTHING
    ) -> list[Record]:
        """Durable records in order: those after `after`, up to and with `until`, of one run or of all."""
        sql, values = f"{SELECT} WHERE seq > ?", [after]
        named: list[int | str] = [*values]
        if until is not None:
            sql, named = sql + " AND seq <= ?", [*named, until]
        if run is not None:
            sql, named = sql + " AND run = ?", [*named, run]
        with self._reading() as connection:
            rows = connection.rows(f"{sql} ORDER BY seq LIMIT ?", (*named, limit))
            return [Record(*row) for row in rows]

    def last(self, run: str) -> Record | None:
        """The last record of a run."""
        with self._reading() as connection:
            rows = connection.rows(f"{SELECT} WHERE run = ? ORDER BY seq DESC LIMIT 1", (run,))
            return Record(*rows[0]) if rows else None

    def environment(self, *, after: int = 0) -> list[Record]:
        """What happened to the environment itself."""
        with self._reading() as connection:
            sql = f"{SELECT} WHERE kind = 'environment' AND seq > ? ORDER BY seq"
            return [Record(*row) for row in connection.rows(sql, (after,))]

    def outputs(self, *, after: int = 0) -> list[Record]:
        """What tasks left behind, in all runs."""
        with self._reading() as connection:
            sql = f"{SELECT} WHERE kind = 'outputs' AND seq > ? ORDER BY seq"
            return [Record(*row) for row in connection.rows(sql, (after,))]

    def notes(self, run: str, subject: str, limit: int) -> list[Record]:
        """The last notes of a run on a subject, oldest first."""
        with self._reading() as connection:
            sql = f"{SELECT} WHERE run = ? AND kind = 'note' AND subject = ? ORDER BY seq DESC LIMIT ?"
            return [Record(*row) for row in connection.rows(sql, (run, subject, limit))][::-1]

    def holder(self) -> str | None:
        """Who runs the environment now (`process PID on HOST`), or None."""
        with self._reading() as connection:
            return holder_in(connection, connection.clock())

    # --- writing ------------------------------------------------------------------------------

    def append(self, entries: Sequence[Entry], *, based_on: int | None = None) -> int:
        """Write records durably; returns the last one's place.

        Args:
            entries: what to write.
            based_on: place of the environment's last record that the caller knows; None doesn't care.

        Raises:
            Changed: the environment's records went on since.
        """
        with self._reading() as connection:

            def check() -> None:
                sql = "SELECT coalesce(max(seq), 0) FROM record WHERE kind = 'environment'"
                if based_on is not None and connection.rows(sql)[0][0] != based_on:
                    raise Changed

            return connection.append(entries, self._wall(), check)

    # --- samples of the living network --------------------------------------------------------

    def add_sample(self, wall: float, body: str, *, keep_s: float) -> None:
        """Keep a sample, and drop those older than `keep_s` seconds."""
        with self._reading() as connection, connection.writing():
            sql = "INSERT INTO sample VALUES (?, ?) ON CONFLICT (wall) DO UPDATE SET body = excluded.body"
            connection.change(sql, (wall, body))
            connection.change("DELETE FROM sample WHERE wall < ?", (wall - keep_s,))

    def samples(self, *, since: float, step_s: float) -> list[tuple[float, str]]:
        """Samples since that wall-clock time, the last of every `step_s` seconds, oldest first."""
        with self._reading() as connection:
            sql = SAMPLES.format(connection.whole.format("wall / ?"))
            return [(row[0], row[1]) for row in connection.rows(sql, (since, step_s))]

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._lock:
            yield self._connection
