"""Which test file runs which session: each file has a core of its own, so the long ones are kept apart."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from documentation.pages import all_pages, sessions
from documentation.running import run_session

from chainfleet.drivers.terraform import check_tool
from chainfleet.model.errors import EnvironmentProblem

SESSIONS = sessions(all_pages())
APART = {"guide", "operate"}
"""Sessions with a test file of their own."""

OTHERS = [name for name in SESSIONS if name not in APART]


def require_tools() -> None:
    """Skip, with the reason, where there is no Terraform."""
    try:
        check_tool(os.environ)
    except EnvironmentProblem as error:
        pytest.skip(str(error), allow_module_level=True)


def problems(name: str, folder: Path) -> Iterable[str]:
    """Run a session; what its pages show and the commands don't print."""
    return [result.problem for result in run_session(SESSIONS[name], folder) if result.problem]
