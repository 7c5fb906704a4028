"""The tables that coordinators and workers share: who works, which attempts were handed out, what workers say.

procrastinate's own tables lie in the same schema. Its job rows only carry an attempt to a worker; what counts is the
row in `attempt`, whose state changes under conditions, so that whoever was fenced changes nothing.
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from typing import Any

from chainfleet.ledger.database import PATIENCE_S, Postgres
from chainfleet.ledger.postgres import PostgresConnection, line_options
from chainfleet.model.errors import EnvironmentProblem

SCHEMA = "chainfleet"
WAKE = "chainfleet_over"
"""Channel on which workers say that there is something to fetch; its payload is the environment."""
TASK = "chainfleet.attempt"

TABLES = """
CREATE TABLE worker (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, pool TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL,
    version TEXT NOT NULL, cores DOUBLE PRECISION NOT NULL, memory_mib BIGINT NOT NULL, slots INTEGER NOT NULL,
    tools TEXT NOT NULL, seen TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(), labels TEXT NOT NULL,
    lease_s DOUBLE PRECISION NOT NULL
);
CREATE TABLE attempt (
    name TEXT NOT NULL, environment TEXT NOT NULL, run TEXT NOT NULL, task TEXT NOT NULL, pool TEXT NOT NULL,
    fence BIGINT NOT NULL, body TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'queued', worker BIGINT,
    over BOOLEAN NOT NULL DEFAULT false, event TEXT, outputs TEXT, turn BIGINT NOT NULL,
    PRIMARY KEY (environment, name)
);
CREATE INDEX attempt_turn ON attempt (pool, environment, turn);
CREATE INDEX attempt_served ON attempt (pool, turn) WHERE state <> 'queued';
CREATE INDEX attempt_open ON attempt (environment) WHERE NOT over;
CREATE INDEX attempt_worker ON attempt (worker) WHERE NOT over;
CREATE TABLE said (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, environment TEXT NOT NULL, run TEXT NOT NULL,
    task TEXT NOT NULL, number INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX said_environment ON said (environment, id);
"""
"""States of an attempt: queued, running, ended (its event counts), lost (fenced: nothing of it counts any more).
`over` says that nothing of it happens any more; a lost one may go on for a while. `turn` is its place in the pool:
workers take the lowest first, and every environment's turns begin where the pool has come to (start-time fair queueing)."""

OLDER = "DROP TABLE IF EXISTS worker, attempt, said"
"""Tables without leases were made before the first release; nothing of them outlives the runs that use them."""


HAS_LEASES = """
SELECT 1 FROM pg_attribute WHERE attname = 'lease_s' AND attrelid = to_regclass(quote_ident(?) || '.worker')
"""


@dataclass(frozen=True, slots=True)
class Pools(Postgres):
    """The schema of the workers in a database."""

    environment: str = ""

    @property
    def schema(self) -> str:
        """Name of the schema."""
        return SCHEMA

    def __str__(self) -> str:
        return f"of the workers in {self.url}"


def version() -> str:
    """The version of chainfleet here; worker and coordinator must be of the same."""
    return importlib.metadata.version("chainfleet")


def open_tables(url: str, *, patience_s: float = 30.0) -> PostgresConnection:
    """A connection to the workers' tables, which are made if they are not there."""
    connection = PostgresConnection(Pools(url), patience_s=patience_s)
    try:
        with connection.writing():
            connection.make_meta()
            if "attempt" not in connection.tables():
                _make(connection)
            elif not connection.rows(HAS_LEASES, (SCHEMA,)):
                connection.script(OLDER)
                connection.script(TABLES)
    except BaseException:
        connection.close()
        raise
    return connection


def _make(connection: PostgresConnection) -> None:
    """Make procrastinate's tables and ours, inside the transaction that is open."""
    from procrastinate.schema import SchemaManager

    for script in (SchemaManager.get_schema(), TABLES):
        connection.script(script)


def engine(url: str, *, lines: int, patience_s: float = PATIENCE_S) -> Any:
    """Procrastinate's app over the workers' schema, not opened yet.

    Args:
        url: address of the database.
        lines: connections at most.
        patience_s: how long a statement waits for one while the database is away.
    """
    try:
        from procrastinate import App, PsycopgConnector
    except ImportError as error:
        raise EnvironmentProblem(
            f"workers need a package that isn't installed: {error.name}",
            way_out="pip install 'chainfleet[distributed]'",
        ) from None
    options = {"options": f"-c search_path={SCHEMA}", **line_options()}
    return App(
        connector=PsycopgConnector(
            conninfo=url, min_size=1, max_size=lines, timeout=patience_s, kwargs=options
        )
    )
