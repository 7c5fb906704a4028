"""What tests of workers share."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def database(postgresql: Any) -> Iterator[str]:
    """A database of its own: workers of other tests must not be seen."""
    import psycopg

    name = f"workers_{time.monotonic_ns()}"
    with psycopg.connect(postgresql.url, autocommit=True) as line:
        line.execute(f"CREATE DATABASE {name}")
    yield postgresql.url.removesuffix("postgres") + name
    with psycopg.connect(postgresql.url, autocommit=True) as line:
        line.execute(f"DROP DATABASE {name} WITH (FORCE)")
