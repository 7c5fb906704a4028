"""A thousand events a second: the short form of `benchmarks/portal/pages.py`, which measures frames for a minute.

What must never happen, however fast the machine is, is a lost event.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("portal_pages", ROOT / "benchmarks" / "portal" / "pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["vue", "react"])
def test_no_event_is_lost(bench: ModuleType, play: Callable[..., dict[str, Any]], framework: str) -> None:
    seen = bench.measure(framework, seconds=5.0, rate=1000.0)
    assert (seen["lost"], seen["gaps"], seen["cells"]) == (0, 0, 24 * 12)
    assert seen["records"] >= 5000
    assert seen["changes"] > 500
    assert seen["trouble"] == []
