"""The blocks of docs/guide/ show what the commands print."""

from __future__ import annotations

from pathlib import Path

import pytest
from blocks import problems, require_tools

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
require_tools()


def test_the_pages_show_what_is_printed(tmp_path: Path) -> None:
    found = problems("guide", tmp_path)
    assert not found, "\n\n".join(found)
