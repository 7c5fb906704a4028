"""A whole environment whose driver writes files: a run from its plan to its end in a blink."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from chainfleet.model.fleet import Fleet
from chainfleet.model.task import Task
from chainfleet.runtime import operations
from chainfleet.runtime.operations import Environment, open_environment, scaled
from chainfleet.runtime.state import StateFolder


def _toy() -> ModuleType:
    spec = importlib.util.spec_from_file_location("toy", Path(__file__).with_name("toy.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["toy"] = module
    spec.loader.exec_module(module)
    return module


toy = _toy()


@pytest.fixture
def fast(chain_138: Fleet) -> Fleet:
    return scaled(chain_138, 1000.0)


@pytest.fixture
def environment(fast: Fleet, tmp_path: Path) -> Iterator[Environment]:
    with open_environment(fast, StateFolder(tmp_path / "state"), {}) as opened:
        yield opened


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    world = tmp_path / "world"
    world.mkdir()
    made = toy.FolderDriver(world)

    async def of(_drivers: operations.Drivers, _task: Task) -> Any:
        return made

    monkeypatch.setattr(operations.Drivers, "of", of)
    return made
