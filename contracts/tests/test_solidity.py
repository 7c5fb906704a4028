"""The contracts' own tests, in Solidity: units, fuzzing, invariants."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

CONTRACTS = Path(__file__).parents[1]
FORGE = CONTRACTS / "node_modules" / "@foundry-rs" / "forge-linux-amd64" / "bin" / "forge"


@pytest.mark.timeout(900)
def test_they_pass() -> None:
    if not FORGE.is_file():
        pytest.skip("needs the npm package @foundry-rs/forge-linux-amd64 (`make setup-dev` brings it)")
    done = subprocess.run(
        [FORGE, "test", "--summary"], cwd=CONTRACTS, capture_output=True, text=True, timeout=800
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "0 failed" in done.stdout
