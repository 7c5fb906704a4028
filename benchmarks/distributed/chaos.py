"""Shoots at workers, coordinator and database a hundred times (or as often as said) and counts what came of it.

Usage: python benchmarks/distributed/chaos.py [SHOTS] [SEED] [namespaces]. One run takes about 20 shots; the next one
follows with another seed. Workers are cut off by a proxy, or live in network namespaces of their own (needs root).
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import fields
from pathlib import Path

TESTS = Path(__file__).parents[2] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "distributed")]

from chaos import Chaos, Count
from lines import Namespaced

from postgresql_server import PostgresqlServer


def main(shots: int = 100, seed: int = 1, lines: str = "") -> None:
    total = Count()
    server = PostgresqlServer()
    try:
        server.start()
        while shots > 0:
            with tempfile.TemporaryDirectory() as folder:
                ways = [Namespaced(server.port) for _ in range(3)] if lines else None
                if ways:
                    server.admit("198.51.100.0/24", [way.host for way in ways])
                fleet = Chaos(server, Path(folder), seed=seed, seconds=0.6, lines=ways)
                count = fleet.run(min(shots, 25), within_s=300)
            _forget(server)
            print(f"seed {seed}: {count}", flush=True)
            shots -= max(1, count.shots)
            seed += 1
            for field in fields(Count):
                if field.name != "verdict":
                    setattr(total, field.name, getattr(total, field.name) + getattr(count, field.name))
    finally:
        server.remove()
    print(f"all: {total}")


def _forget(server: PostgresqlServer) -> None:
    """Drop what the run left in the database: the next one begins anew."""
    import psycopg

    with psycopg.connect(server.url, autocommit=True) as line:
        line.execute("DROP SCHEMA IF EXISTS chainfleet, chainfleet_chaos CASCADE")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:3]), *sys.argv[3:])
