"""The ledger's database as a schema of PostgreSQL, reached by psycopg.

Writers queue up behind one advisory lock for each schema, so that places are given in the order of commits: whoever
reads "all after the last one I saw" misses nothing. A line that breaks is taken up again for `PATIENCE_S`; whether a
batch was committed before it broke is asked of the `writer` table, so that nothing is written twice.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from chainfleet.model.errors import ChainfleetError, EnvironmentProblem, LedgerAway, LedgerError

from .database import PATIENCE_S, Entry, Postgres, Row

try:
    import psycopg
    from psycopg import errors
    from psycopg import sql as quoting
except ImportError as _missing:
    raise EnvironmentProblem(
        f"a ledger in PostgreSQL needs a package that isn't installed: {_missing.name}",
        way_out="pip install 'chainfleet[distributed]'",
    ) from None

MIGRATIONS = (
    (
        # Names are compared byte by byte, as SQLite does.
        """CREATE TABLE record (
    seq BIGINT PRIMARY KEY,
    run TEXT COLLATE "C" NOT NULL,
    wall DOUBLE PRECISION NOT NULL,
    at DOUBLE PRECISION NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL
)""",
        "CREATE INDEX record_run ON record (run, seq)",
        "CREATE INDEX record_environment ON record (seq) WHERE kind = 'environment'",
        "CREATE INDEX record_outputs ON record (seq) WHERE kind = 'outputs'",
        """CREATE TABLE lease (
    name TEXT PRIMARY KEY, holder TEXT NOT NULL, fence BIGINT NOT NULL, expires DOUBLE PRECISION NOT NULL
)""",
        """CREATE TABLE request (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    wall DOUBLE PRECISION NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL
)""",
        "CREATE TABLE sample (wall DOUBLE PRECISION PRIMARY KEY, body TEXT NOT NULL)",
        "CREATE TABLE writer (id UUID PRIMARY KEY, batch BIGINT NOT NULL, seq BIGINT NOT NULL)",
        "INSERT INTO meta VALUES ('id', replace(gen_random_uuid()::text, '-', ''))",
    ),
)
"""What takes a schema from each version to the next; never changed, only added to."""

SILENCE_S = 10.0
"""A line that is silent for so long is dead, unless said otherwise."""

APPEND = """
WITH base AS (SELECT coalesce(max(seq), 0) AS last FROM record),
added AS (
    INSERT INTO record SELECT base.last + n, run, %s, at, kind, subject, body FROM base,
    unnest(%s::text[], %s::float8[], %s::text[], %s::text[], %s::text[])
        WITH ORDINALITY AS new (run, at, kind, subject, body, n)
    RETURNING seq
),
noted AS (
    INSERT INTO writer SELECT %s, %s, (SELECT coalesce(max(seq), (SELECT last FROM base)) FROM added)
    ON CONFLICT (id) DO UPDATE SET batch = excluded.batch, seq = excluded.seq
    RETURNING seq
)
SELECT seq FROM noted
"""

T = TypeVar("T")
_Line = psycopg.Connection[Row]


@dataclass(frozen=True, slots=True)
class _Outage:
    """When the outage that is met now began, when it was last met, and how; by the monotonic clock."""

    since: float
    last: float
    error: psycopg.Error

    def is_answer_to(self, asked: float, patience_s: float) -> bool:
        """Whether it was waited out in vain while a question of that time stood in the queue behind it."""
        return self.last > asked and self.last - self.since > patience_s


class PostgresConnection:
    """A `database.Connection` to a schema; used from any thread."""

    whole = "floor({})"

    def __init__(
        self, place: Postgres, *, patience_s: float = PATIENCE_S, silence_s: float = SILENCE_S
    ) -> None:
        self._place = place
        self._patience_s = patience_s
        self._silence_s = silence_s
        self._id = uuid.uuid4()
        self._batch = 0
        self._lock = threading.RLock()
        self._line: _Line | None = None
        self._alone = False
        self._outage: _Outage | None = None
        with self._problems():
            self._connected()

    @property
    def migrations(self) -> Sequence[Sequence[str]]:
        """See `database.Connection`."""
        return MIGRATIONS

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """See `database.Connection`."""
        return self._patiently(lambda line, _: line.execute(_translated(sql), values).fetchall())

    def change(self, sql: str, values: Sequence[Any] = ()) -> int:
        """See `database.Connection`; what is changed so may be changed twice where the line breaks."""
        return self._patiently(lambda line, _: line.execute(_translated(sql), values).rowcount)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """See `database.Connection`."""
        with self._lock:
            # Only what was there a moment ago can be taken up again: a line that broke meanwhile is found here.
            self.rows("SELECT 1")
            with self._problems(), self._connected().transaction():
                self._alone = True
                try:
                    self._lock_out_others(self._connected())
                    yield
                finally:
                    self._alone = False

    def append(self, entries: Sequence[Entry], wall: float, check: Callable[[], None]) -> int:
        """See `database.Connection`; after a broken line it is asked first whether the batch is there."""
        columns = [[getattr(e, name) for e in entries] for name in ("run", "at", "kind", "subject", "body")]
        with self._lock:
            self._batch += 1
            key = (self._id, self._batch)

            def write(line: _Line, tries: int) -> int:
                with line.transaction():
                    self._lock_out_others(line)
                    sql = "SELECT seq FROM writer WHERE id = %s AND batch = %s"
                    there = line.execute(sql, key).fetchone() if tries else None
                    if there is not None:
                        return int(there[0])
                    self._alone = True
                    try:
                        check()
                    finally:
                        self._alone = False
                    row = line.execute(APPEND, (wall, *columns, *key)).fetchone()
                    assert row is not None
                    return int(row[0])

            return self._patiently(write)

    def tables(self) -> frozenset[str]:
        """See `database.Connection`."""
        sql = "SELECT tablename FROM pg_tables WHERE schemaname = ?"
        return frozenset(row[0] for row in self.rows(sql, (self._place.schema,)))

    def make_meta(self) -> None:
        """See `database.Connection`."""
        name = quoting.Identifier(self._place.schema)
        self._connected().execute(quoting.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(name))
        self.change("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)")

    def script(self, statements: str) -> None:
        """Carry out statements that answer nothing and take no values, inside the transaction that is open."""
        self._connected().execute(statements.encode())

    def clock(self) -> float:
        """See `database.Connection`."""
        return float(self.rows("SELECT extract(epoch FROM clock_timestamp())")[0][0])

    def version(self) -> int:
        """See `database.Connection`; the snapshot changes when a transaction has ended and not before."""
        return int(self.rows("SELECT hashtextextended(pg_current_snapshot()::text, 0)")[0][0])

    def close(self) -> None:
        """See `database.Connection`."""
        with self._lock:
            if self._line is not None and self._batch:
                with suppress(psycopg.Error):
                    self._line.execute("DELETE FROM writer WHERE id = %s", (self._id,))
            self._drop()

    def _lock_out_others(self, line: _Line) -> None:
        line.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (self._place.schema,))

    def _patiently(self, work: Callable[[_Line, int], T]) -> T:
        """Do work, again after the line broke; inside a transaction there is nothing to go on with."""
        asked = time.monotonic()
        with self._lock, self._problems():
            if self._outage is not None and self._outage.is_answer_to(asked, self._patience_s):
                raise self._outage.error
            tries, since = 0, None
            while True:
                try:
                    answer = work(self._connected(), tries)
                except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                    if self._alone or not self._is_lost(error):
                        raise
                    now = time.monotonic()
                    since = self._away_since(now) if since is None else since
                    self._outage = _Outage(since, now, error)
                    if now - since > self._patience_s:
                        raise
                    self._drop()
                    time.sleep(min(1.0, 0.05 * 2**tries))
                    tries += 1
                else:
                    self._outage = None
                    return answer

    def _away_since(self, now: float) -> float:
        """When the outage began that is met now: what was waited for in vain a moment ago isn't waited for again."""
        known = self._outage
        return known.since if known is not None and now - known.last <= self._patience_s else now

    def _is_lost(self, error: psycopg.Error) -> bool:
        gone = self._line is None or self._line.closed
        ending = (errors.AdminShutdown, errors.CrashShutdown, errors.CannotConnectNow)
        # A server whose log has no room breaks the line as well, and doesn't come back by itself.
        return (gone or isinstance(error, ending)) and not isinstance(error, errors.DiskFull)

    def _connected(self) -> _Line:
        if self._line is None:
            self._line = open_line(self._place, silence_s=self._silence_s)
        return self._line

    def _drop(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    @contextmanager
    def _problems(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise problem(self._place, error) from None


def open_line(place: Postgres, *, silence_s: float = SILENCE_S) -> _Line:
    """A connection whose names are those of the environment's schema; raises psycopg.Error."""
    line = psycopg.connect(_address(place, silence_s), autocommit=True)
    try:
        line.execute("SELECT set_config('search_path', %s, false)", (f'"{place.schema}"',))
    except BaseException:
        line.close()
        raise
    return line


async def open_line_async(place: Postgres) -> psycopg.AsyncConnection[Row]:
    """The same for an event loop, to listen on."""
    return await psycopg.AsyncConnection.connect(_address(place), autocommit=True)


def line_options(silence_s: float = SILENCE_S) -> dict[str, str]:
    """What libpq is told so that a line which is silent for so long breaks; one second at least."""
    return {
        "connect_timeout": f"{max(2, silence_s / 2):.0f}",
        "keepalives_idle": f"{max(1, silence_s / 2):.0f}",
        "keepalives_interval": f"{max(1, silence_s / 5):.0f}",
        "keepalives_count": "3",
        "tcp_user_timeout": f"{max(1, silence_s) * 1000:.0f}",
    }


def _address(place: Postgres, silence_s: float = SILENCE_S) -> str:
    mine = {**line_options(silence_s), "application_name": "chainfleet"}
    return psycopg.conninfo.make_conninfo("", **{**mine, **psycopg.conninfo.conninfo_to_dict(place.url)})


def has_ledger(place: Postgres) -> bool:
    """Whether the schema holds a ledger; raises EnvironmentProblem where the database can't be asked."""
    connection = PostgresConnection(place)
    try:
        return "meta" in connection.tables()
    finally:
        connection.close()


def problem(place: Postgres, error: psycopg.Error) -> ChainfleetError:
    """What went wrong, for the operator."""
    reason = (error.diag.message_primary or str(error)).strip().splitlines()[0]
    if isinstance(error, (errors.DiskFull, errors.OutOfMemory, errors.ReadOnlySqlTransaction)):
        way_out = "give the database room, or the server that takes writes; `resume` goes on from there"
        return EnvironmentProblem(f"can't write the ledger {place}: {reason}", way_out=way_out)
    if isinstance(error, errors.InsufficientPrivilege):
        way_out = "grant it CREATE on the database, or name another user in --ledger"
        return EnvironmentProblem(f"can't write the ledger {place}: {reason}", way_out=way_out)
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        way_out = "check the address (--ledger), the password (PGPASSFILE) and that PostgreSQL runs"
        return LedgerAway(f"can't reach the ledger {place}: {reason}", way_out=way_out)
    way_out = "give the database that holds this environment, or restore it from a copy"
    return LedgerError(f"the ledger {place} is damaged or none: {reason}", way_out=way_out)


def _translated(sql: str) -> str:
    return sql.replace("?", "%s")
