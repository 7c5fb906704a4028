"""The benchmarks' tables on the page are those that were kept, and each can be made anew by its name."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
INCLUDED = re.compile(r'--8<-- "benchmarks/results/([a-z-]+)\.md"')


def test_what_was_kept_is_shown_and_can_be_recorded() -> None:
    page = (ROOT / "docs" / "performance.md").read_text()
    kept = {path.stem for path in (ROOT / "benchmarks" / "results").glob("*.md")}
    assert set(INCLUDED.findall(page)) == kept
    words = [sys.executable, str(ROOT / "benchmarks" / "record.py"), "--list"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    assert kept <= {line.partition(":")[0] for line in done.stdout.splitlines()}
    for name in kept:
        first = (ROOT / "benchmarks" / "results" / f"{name}.md").read_text().splitlines()[0]
        assert re.search(r"`python benchmarks/\S+", first), f"{name}.md says not how it was made"
        assert re.search(r"\d{4}-\d\d-\d\d, \d+ cores", first), f"{name}.md says not when and where"
