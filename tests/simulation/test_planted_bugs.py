"""The planted bugs still fit the sources, and the net catches every one; see `benchmarks/planted_bugs.py`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("planted_bugs", ROOT / "benchmarks" / "planted_bugs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["planted_bugs"] = module
    spec.loader.exec_module(module)
    return module


planted = _load()


@pytest.mark.parametrize("bug", planted.BUGS, ids=lambda bug: bug.name)
def test_a_bug_can_be_planted(bug: object) -> None:
    source = ROOT / "src" / "chainfleet" / f"{bug.file}.py"  # type: ignore[attr-defined]
    assert bug.right in source.read_text(), f"{source.name} has changed: mend the planted bug"  # type: ignore[attr-defined]


@pytest.mark.parametrize("bug", planted.BUGS, ids=lambda bug: bug.name)
def test_the_net_catches_it(bug: object) -> None:
    assert planted.hunt(bug, 400)
