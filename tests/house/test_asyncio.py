"""What of asyncio is not used here, because Python 3.11 has it wrong, and what stands for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "src" / "chainfleet"

INSTEAD = {
    r"asyncio\.wait_for\(": "loses a cancellation that comes together with the answer: `asyncio.timeout`, or `background.within`",
    r"asyncio\.start_(unix_)?server\(": "forgets the tasks of its handlers, which are cut short with a line open: a Protocol, see `drivers.scraping`",
}


@pytest.mark.parametrize("call", INSTEAD)
def test_it_is_not_used(call: str) -> None:
    found = [
        f"{path.relative_to(SOURCES)}:{number}"
        for path in sorted(SOURCES.rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(call, line)
    ]
    assert found == [], INSTEAD[call]
