"""Who may use the portal and what they did: tokens, sign-in codes, the audit log, settings, answers given.

One database for all environments of a home folder, beside their ledgers. Secrets are kept as SHA-256 only: they are
random and long, so a slow hash would protect nothing. The audit log is a chain: every entry's hash covers the one before.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainfleet.model.errors import LedgerError

from .sqlite import damaged, open_database, write_problem

MIGRATIONS = (
    (
        """CREATE TABLE token (
            id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, name TEXT NOT NULL, role TEXT NOT NULL, kind TEXT NOT NULL,
            environments TEXT, created REAL NOT NULL, created_by TEXT NOT NULL, expires REAL NOT NULL,
            last_used REAL, revoked INTEGER NOT NULL DEFAULT 0
        ) WITHOUT ROWID""",
        "CREATE TABLE code (hash TEXT PRIMARY KEY, facts TEXT NOT NULL, expires REAL NOT NULL) WITHOUT ROWID",
        "CREATE TABLE audit (number INTEGER PRIMARY KEY, body TEXT NOT NULL, hash TEXT NOT NULL)",
        """CREATE TABLE answer (
            key TEXT PRIMARY KEY, request TEXT NOT NULL, answer TEXT, wall REAL NOT NULL
        ) WITHOUT ROWID""",
        "CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    ),
)
"""What takes the database from each schema version to the next; never changed, only added to."""

NO_HASH = "0" * 64
"""What stands for the hash before the first audit entry."""
ANSWERS_KEPT_S = 86_400.0
UNFINISHED_KEPT_S = 60.0


@dataclass(frozen=True, slots=True)
class Token:
    """A token without its secret.

    Attributes:
        id: public name.
        name: whose, or what for.
        role: what it may do.
        kind: `local`, `token` or `oidc`.
        environments: the only ones it sees; None means all.
        created: wall-clock seconds; `expires` and `last_used` too.
        created_by: who made it.
        revoked: whether it was ended early.
    """

    id: str
    name: str
    role: str
    kind: str
    environments: tuple[str, ...] | None
    created: float
    created_by: str
    expires: float
    last_used: float | None = None
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One entry of the audit log."""

    number: int
    body: Mapping[str, Any]
    hash: str


def digest(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class AccessStore:
    """The database of a home folder; used from any thread.

    Raises on opening:
        LedgerError: damaged, or written by a newer version.
        EnvironmentProblem: it can't be made or written.
    """

    def __init__(self, path: Path, *, wall: Callable[[], float]) -> None:
        self.path = path
        self._wall = wall
        self._lock = threading.RLock()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._connection = open_database(path)
        try:
            path.chmod(0o600)
            with self._writing() as connection:
                self._migrate(connection)
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            self._connection.close()

    def check_writable(self) -> None:
        """Raise EnvironmentProblem where nothing can be written."""
        with self._writing() as connection:
            connection.execute("INSERT OR REPLACE INTO setting VALUES ('alive', ?)", (str(self._wall()),))

    # --- tokens -------------------------------------------------------------------------------

    def add_token(self, token: Token, secret: str) -> None:
        """Keep a new token."""
        environments = None if token.environments is None else json.dumps(token.environments)
        row = (token.id, digest(secret), token.name, token.role, token.kind, environments)
        times = (token.created, token.created_by, token.expires)
        with self._writing() as connection:
            sql = "INSERT INTO token VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, 0)"
            connection.execute(sql, (*row, *times))

    def find_token(self, secret: str) -> Token | None:
        """The token with that secret, expired or revoked ones too."""
        return next(iter(self._tokens("WHERE hash = ?", digest(secret))), None)

    def token(self, token_id: str) -> Token | None:
        """The token with that id."""
        return next(iter(self._tokens("WHERE id = ?", token_id)), None)

    def tokens(self) -> list[Token]:
        """All tokens, newest first."""
        return self._tokens("ORDER BY created DESC, id")

    def used(self, token_id: str, wall: float) -> None:
        """Note when a token was last used."""
        with self._writing() as connection:
            connection.execute("UPDATE token SET last_used = ? WHERE id = ?", (wall, token_id))

    def revoke(self, token_id: str) -> None:
        """End a token."""
        with self._writing() as connection:
            connection.execute("UPDATE token SET revoked = 1 WHERE id = ?", (token_id,))

    def replace_secret(self, token_id: str, secret: str, expires: float) -> None:
        """Give a token another secret; the old one ends at once. `expires` is in seconds since 1970."""
        with self._writing() as connection:
            sql = "UPDATE token SET hash = ?, expires = ? WHERE id = ?"
            connection.execute(sql, (digest(secret), expires, token_id))

    def _tokens(self, condition: str, *values: str) -> list[Token]:
        columns = "id, name, role, kind, environments, created, created_by, expires, last_used, revoked"
        with self._reading() as connection:
            rows = connection.execute(f"SELECT {columns} FROM token {condition}", values).fetchall()  # noqa: S608 - of our own texts
        return [_token(row) for row in rows]

    # --- one-time codes -----------------------------------------------------------------------

    def add_code(self, code: str, facts: Mapping[str, Any], expires: float) -> None:
        """Keep a code that can be taken once, until `expires` (seconds since 1970)."""
        with self._writing() as connection:
            connection.execute("DELETE FROM code WHERE expires < ?", (self._wall(),))
            connection.execute(
                "INSERT INTO code VALUES (?, ?, ?)", (digest(code), json.dumps(facts), expires)
            )

    def take_code(self, code: str) -> dict[str, Any] | None:
        """The facts of a code that still holds; it is gone afterwards."""
        with self._writing() as connection:
            sql = "DELETE FROM code WHERE hash = ? RETURNING facts, expires"
            row = connection.execute(sql, (digest(code),)).fetchone()
        if row is None or row[1] < self._wall():
            return None
        facts: dict[str, Any] = json.loads(row[0])
        return facts

    # --- audit --------------------------------------------------------------------------------

    def add_audit(self, body: Mapping[str, Any]) -> None:
        """Append an entry to the chain."""
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        with self._writing() as connection:
            row = connection.execute("SELECT hash FROM audit ORDER BY number DESC LIMIT 1").fetchone()
            connection.execute(
                "INSERT INTO audit (body, hash) VALUES (?, ?)", (text, chained(row and row[0], text))
            )

    def audit(self, *, before: int | None = None, limit: int, matching: Mapping[str, str]) -> list[AuditRow]:
        """Entries newest first, before that number, whose fields have these values."""
        sql = "SELECT number, body, hash FROM audit WHERE number < ?"
        values: list[Any] = [2**62 if before is None else before]
        for key, value in matching.items():
            sql += " AND json_extract(body, ?) = ?"
            values += [f"$.{key}", value]
        with self._reading() as connection:
            rows = connection.execute(f"{sql} ORDER BY number DESC LIMIT ?", (*values, limit)).fetchall()
        return [AuditRow(row[0], json.loads(row[1]), row[2]) for row in rows]

    def audit_lines(self) -> list[tuple[int, str, str]]:
        """All entries, oldest first: number, text, hash."""
        with self._reading() as connection:
            return connection.execute("SELECT number, body, hash FROM audit ORDER BY number").fetchall()

    # --- answers to requests with an idempotency key ------------------------------------------

    def begin_answer(self, key: str, request: str) -> tuple[str, str | None] | None:
        """Reserve a key; gives the request and answer kept under it, or None where it was free."""
        now = self._wall()
        with self._writing() as connection:
            sql = "DELETE FROM answer WHERE wall < ? OR (answer IS NULL AND wall < ?)"
            connection.execute(sql, (now - ANSWERS_KEPT_S, now - UNFINISHED_KEPT_S))
            row = connection.execute("SELECT request, answer FROM answer WHERE key = ?", (key,)).fetchone()
            if row is None:
                connection.execute("INSERT INTO answer VALUES (?, ?, NULL, ?)", (key, request, now))
            return None if row is None else (row[0], row[1])

    def end_answer(self, key: str, answer: str | None) -> None:
        """Keep the answer; None frees the key."""
        with self._writing() as connection:
            if answer is None:
                connection.execute("DELETE FROM answer WHERE key = ?", (key,))
            else:
                connection.execute("UPDATE answer SET answer = ? WHERE key = ?", (answer, key))

    # --- settings -----------------------------------------------------------------------------

    def setting(self, key: str) -> Any:
        """The JSON value kept under that key, or None."""
        with self._reading() as connection:
            row = connection.execute("SELECT value FROM setting WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def set_setting(self, key: str, value: Any) -> None:
        """Keep a JSON value."""
        with self._writing() as connection:
            connection.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (key, json.dumps(value)))

    def signing_key(self) -> bytes:
        """A random key that stays the same in this home folder."""
        with self._writing() as connection:
            sql = "INSERT OR IGNORE INTO setting VALUES ('signing-key', ?)"
            connection.execute(sql, (json.dumps(secrets.token_hex(32)),))
        return bytes.fromhex(self.setting("signing-key"))

    def _migrate(self, connection: sqlite3.Connection) -> None:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            message = f"{self.path} has schema {version}, this version knows up to {len(MIGRATIONS)}"
            raise LedgerError(message, way_out="upgrade chainfleet; nothing was changed")
        for statement in (line for step in MIGRATIONS[version:] for line in step):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

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


def _token(row: Sequence[Any]) -> Token:
    token_id, name, role, kind, environments, created, created_by, expires, last_used, revoked = row
    seen = None if environments is None else tuple(json.loads(environments))
    return Token(token_id, name, role, kind, seen, created, created_by, expires, last_used, bool(revoked))


def chained(before: str | None, text: str) -> str:
    """The hash of an audit entry: over the hash before it and its own text."""
    return hashlib.sha256(f"{before or NO_HASH}\n{text}".encode()).hexdigest()


def check_chain(lines: Sequence[tuple[int, str, str]]) -> int | None:
    """Number of the first entry that was changed, or follows one that is missing; None where all is whole."""
    before: str | None = None
    for place, (number, text, found) in enumerate(lines, start=1):
        if number != place or found != chained(before, text):
            return number
        before = found
    return None
