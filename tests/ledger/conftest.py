"""Every test that asks for a place runs on both stores."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from chainfleet.ledger.database import Place, Postgres

_numbers = itertools.count()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return tmp_path / "l.db"
    return Postgres(request.getfixturevalue("postgresql").url, f"ledger_{next(_numbers)}")
