"""API budgets that several runs share: one token bucket for each limit of an account, in the database they all reach.

A run draws ahead what its tasks are about to spend, so that all together never draw more than the bucket holds,
whichever process or machine it is. The bucket is the scheduler's own, with its pace, Retry-After and all, kept in a row
and moved on by whoever asks, by the database's clock.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from chainfleet.model.task import Limit
from chainfleet.scheduling.adaptive import Level
from chainfleet.scheduling.tokens import Bucket
from chainfleet.scheduling.units import SECOND, micros, seconds

from .database import Connection, Place, connect

FRESH_S = 2.0
"""Seconds for which a run that said it wants more counts as one that waits."""
AGAIN_S = 0.1
"""Seconds after which it is worth asking again; sooner where a bucket would be full by then and refill for nothing."""
KEPT_S = 86_400.0
"""Seconds after which a budget that nobody asked of is forgotten: by then any bucket is full again."""
LEAST = 1.0
"""Fewer tokens than that aren't granted, unless fewer are wanted."""

TABLES = (
    """CREATE TABLE IF NOT EXISTS budget (
    name TEXT PRIMARY KEY, burst DOUBLE PRECISION NOT NULL, rate DOUBLE PRECISION NOT NULL, state TEXT NOT NULL,
    seen DOUBLE PRECISION NOT NULL
)""",
    """CREATE TABLE IF NOT EXISTS claimant (
    budget TEXT NOT NULL, holder TEXT NOT NULL, waits DOUBLE PRECISION NOT NULL, drawn DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (budget, holder)
)""",
)
SAY = """
INSERT INTO claimant VALUES (?, ?, ?, ?) ON CONFLICT (budget, holder)
DO UPDATE SET waits = excluded.waits, drawn = claimant.drawn + excluded.drawn
"""
KEEP = """
INSERT INTO budget VALUES (?, ?, ?, ?, ?) ON CONFLICT (name)
DO UPDATE SET burst = excluded.burst, rate = excluded.rate, state = excluded.state, seen = excluded.seen
"""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a run asks of a budget, and what it tells the others.

    Attributes:
        limit: as the plan declares it.
        tokens: wanted; negative gives tokens back.
        throttled: whether calls were answered 429 since the last time.
        retry_after_s: what they were told to wait.
        left: what a header said is left.
    """

    limit: Limit
    tokens: float = 0.0
    throttled: bool = False
    retry_after_s: float | None = None
    left: float | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a budget answers.

    Attributes:
        tokens: granted.
        closed_s: seconds that a Retry-After keeps it closed.
        pace: share of the documented rate that is drawn.
        again_s: seconds after which it is worth asking for the rest; 0 where all was granted.
        left: tokens that are still there for anybody.
    """

    tokens: float
    closed_s: float
    pace: float
    again_s: float
    left: float


class Budgets:
    """The budgets in one database, as one run sees them.

    Args:
        place: whose database, and within it which schema or file.
        holder: who asks.
    """

    def __init__(self, place: Place, holder: str) -> None:
        self._holder = holder
        self._connection: Connection = connect(place)
        try:
            if isinstance(place, Path):
                # What a loss of power takes of it has refilled by the time there is power again.
                self._connection.change("PRAGMA synchronous = NORMAL")
            with self._connection.writing():
                self._connection.make_meta()
                for table in TABLES:
                    self._connection.change(table)
                self._forget(self._connection.clock() - KEPT_S)
        except BaseException:
            self._connection.close()
            raise

    def _forget(self, before: float) -> None:
        self._connection.change("DELETE FROM budget WHERE seen < ?", (before,))
        self._connection.change("DELETE FROM claimant WHERE budget NOT IN (SELECT name FROM budget)")

    def draw(self, asks: Mapping[str, Ask]) -> Mapping[str, Grant]:
        """Ask of several budgets at once, each by its name in the database."""
        with self._connection.writing():
            now = micros(self._connection.clock())
            return {name: self._draw(name, ask, now) for name, ask in asks.items()}

    def _draw(self, name: str, ask: Ask, now: int) -> Grant:
        bucket, level = self._bucket(name, ask.limit)
        _learn(bucket, ask, now)
        claims = self._others(name, now) + 1
        granted = 0.0
        if ask.tokens < 0:
            bucket.put_back(-ask.tokens, now)
        elif ask.tokens > 0:
            granted = min(ask.tokens, bucket.available(now) / claims)
            granted = 0.0 if granted < min(LEAST, ask.tokens) else granted
            if granted < ask.tokens:
                bucket.calm(now)
            bucket.take(granted, now)
        lacks = max(0.0, ask.tokens - granted)
        waits = seconds(now) + FRESH_S if lacks else 0.0
        self._connection.change(SAY, (name, self._holder, waits, min(ask.tokens, granted)))
        state = json.dumps([bucket.memory(), asdict(level)])
        self._connection.change(KEEP, (name, bucket.burst, bucket.rate, state, seconds(now)))
        closed_s = max(0.0, seconds(bucket.gate_until - now))
        again_s = max(closed_s, min(AGAIN_S, bucket.burst / 4 / (bucket.rate * bucket.pace)))
        return Grant(granted, closed_s, bucket.pace, again_s if lacks else 0.0, bucket.available(now))

    def _bucket(self, name: str, limit: Limit) -> tuple[Bucket, Level]:
        """The bucket as it stands, or a full one; of two declarations the more careful one counts."""
        sql = "SELECT burst, rate, state FROM budget WHERE name = ?"
        row = next(iter(self._connection.rows(sql, (name,))), None)
        if row is None:
            level = Level(_interval(limit))
            return Bucket(limit.capacity, limit.rate_per_s, level), level
        memory, kept = json.loads(row[2])
        level = Level(**kept)
        bucket = Bucket(min(row[0], limit.capacity), min(row[1], limit.rate_per_s), level)
        level.value = kept["value"]
        bucket.recall(memory)
        return bucket, level

    def _others(self, name: str, now: int) -> int:
        """How many other runs wait for this budget now."""
        sql = "SELECT count(*) FROM claimant WHERE budget = ? AND holder <> ? AND waits > ?"
        return int(self._connection.rows(sql, (name, self._holder, seconds(now)))[0][0])

    def drawn(self) -> Mapping[str, Mapping[str, float]]:
        """Tokens drawn so far by budget and holder, less those given back."""
        out: dict[str, dict[str, float]] = {}
        for name, holder, tokens in self._connection.rows("SELECT budget, holder, drawn FROM claimant"):
            out.setdefault(name, {})[holder] = tokens
        return out

    def close(self) -> None:
        """Wait for nothing any more."""
        try:
            self._connection.change("UPDATE claimant SET waits = 0 WHERE holder = ?", (self._holder,))
        finally:
            self._connection.close()


def _interval(limit: Limit) -> int:
    """Microseconds between two moves of a pace: a bucket's own refill, within a second and ten of a real cloud's."""
    return round(max(SECOND // 20, min(10 * SECOND, SECOND * limit.capacity / limit.rate_per_s / 4)))


def _learn(bucket: Bucket, ask: Ask, now: int) -> None:
    """What one run has met holds for all."""
    if ask.throttled:
        bucket.throttled(now, None if ask.retry_after_s is None else micros(ask.retry_after_s))
    if ask.left is not None:
        bucket.drain_to(ask.left, now)
