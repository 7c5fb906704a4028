"""The blocks of README.md, Start and every page without a session of its own show what the commands print."""

from __future__ import annotations

from pathlib import Path

import pytest
from blocks import OTHERS, problems, require_tools

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
require_tools()


@pytest.mark.parametrize("session", OTHERS)
def test_the_pages_show_what_is_printed(session: str, tmp_path: Path) -> None:
    found = problems(session, tmp_path)
    assert not found, "\n\n".join(found)
