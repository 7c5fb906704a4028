"""Lock files say what is installed, by hash; where from is each reader's own setting."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = [
    *sorted((ROOT / "requirements").glob("*.lock")),
    *(ROOT / folder / "package-lock.json" for folder in ("contracts", "portal", "tools/anvil")),
]


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_lock_file_has_hashes_and_no_address(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "sha256:" in text or "sha512-" in text
    assert "://" not in text, "run tools/lock"
