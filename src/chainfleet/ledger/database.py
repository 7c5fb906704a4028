"""The seam between the ledger and the database it lies in: a file of its own, or a schema of a PostgreSQL database.

Everything above this seam is written once, in the SQL that both understand; what they don't share (placeholders,
transactions, how a commit is found again after the line broke) is behind `Connection`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from chainfleet.model.errors import InputError

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A record that has no place yet."""

    run: str
    at: float
    kind: str
    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Postgres:
    """A ledger in a PostgreSQL database; every environment has a schema of its own there.

    Attributes:
        url: `postgresql://USER@HOST/DATABASE`, without a password.
        environment: name of the environment.
    """

    url: str
    environment: str

    @property
    def schema(self) -> str:
        """Name of the schema."""
        return f"chainfleet_{self.environment}"

    def exists(self) -> bool:
        """Whether there is a ledger; raises EnvironmentProblem where the database can't be asked."""
        from .postgres import has_ledger

        return has_ledger(self)

    def __str__(self) -> str:
        return f"of {self.environment} in {self.url}"


Place = Path | Postgres
"""Where a ledger lies: a file of SQLite or a schema of PostgreSQL."""

PATIENCE_S = 30.0
"""How long a database that was there is waited for; longer than a restart takes."""


def identity(place: Place) -> int:
    """Tells a file from another one made later in its place; raises OSError if there is none."""
    return place.stat().st_ino if isinstance(place, Path) else 0


class Connection(Protocol):
    """A connection to a ledger's database; `?` stands for a value in its SQL.

    Raises:
        LedgerError: what is there is damaged or no ledger.
        EnvironmentProblem: it can't be reached or written.
    """

    @property
    def migrations(self) -> Sequence[Sequence[str]]:
        """What takes the schema from each version to the next."""
        ...

    @property
    def whole(self) -> str:
        """SQL for the whole part of a number that isn't negative, with `{}` for the number."""
        ...

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """What a statement answers."""
        ...

    def change(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Carry out a statement; returns how many rows it changed."""
        ...

    def writing(self) -> AbstractContextManager[None]:
        """A transaction whose holder is the only writer; undone if the block raises."""
        ...

    def append(self, entries: Sequence[Entry], wall: float, check: Callable[[], None]) -> int:
        """Write records in one transaction in which `check` is asked first; the last record's place once durable."""
        ...

    def tables(self) -> frozenset[str]:
        """Names of the tables."""
        ...

    def make_meta(self) -> None:
        """Make the table that says what this is, unless it is there."""
        ...

    def clock(self) -> float:
        """Seconds since 1970 by the clock that all who use this database share."""
        ...

    def version(self) -> int:
        """A number that changes whenever anything was written; costs next to nothing."""
        ...

    def close(self) -> None:
        """Give it back."""
        ...


def connect(place: Place, *, patience_s: float = PATIENCE_S) -> Connection:
    """Open the database; a file is made if there is none.

    Args:
        place: where it lies.
        patience_s: how long one that was there and is away is waited for, in seconds; a file is there or isn't.

    Raises:
        LedgerError: damaged.
        EnvironmentProblem: it can't be reached, made or written.
    """
    if isinstance(place, Path):
        from .sqlite import SqliteConnection

        return SqliteConnection(place)
    from .postgres import PostgresConnection

    return PostgresConnection(place, patience_s=patience_s)


def postgres_place(url: str, environment: str) -> Postgres:
    """A ledger by its address.

    Raises:
        InputError: it is no address of a PostgreSQL database, or holds a password.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        shown = url.rpartition("@")[2]
        raise InputError(f"--ledger {shown}: not known", way_out="give postgresql://USER@HOST/DATABASE")
    if parts.password is not None or "password" in parse_qs(parts.query):
        message = f"--ledger postgresql://{parts.hostname}{parts.path}: the address holds a password"
        way_out = "leave it out, and name it by PGPASSFILE, PGPASSWORD or a service file (PGSERVICEFILE)"
        raise InputError(message, way_out=way_out)
    if len(f"chainfleet_{environment}".encode()) > 63:
        raise InputError(
            f"{environment}: too long a name for a schema",
            way_out="at most 52 letters: choose another --state",
        )
    return Postgres(url, environment)
