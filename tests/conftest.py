"""What many tests share: the example fleet, and a PostgreSQL."""

from __future__ import annotations

import fcntl
import gc
import importlib.util
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from chainfleet.model.fleet import Fleet
from chainfleet.model.fleet_file import LoadedFleet, load_fleet

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "chain-138.yaml"


@pytest.fixture(scope="module", autouse=True)
def _leaks_are_blamed_on_the_file_that_made_them() -> Iterator[None]:
    """What a file leaves open is collected at its end, or a later file's test would fail for it, by chance."""
    yield
    gc.collect()


Network = Callable[[bool], AbstractContextManager[None]]


@pytest.fixture(scope="session")
def network() -> Network:
    """Held by whoever shows pages in a browser, and by whoever changes the machine's network (True) alone.

    Chromium breaks off what it loads whenever an address of the machine comes or goes.
    """

    @contextmanager
    def held(changes: bool) -> Iterator[None]:
        with Path(tempfile.gettempdir(), "chainfleet-tests.network").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX if changes else fcntl.LOCK_SH)
            yield

    return held


@pytest.fixture(scope="session")
def chain_138_loaded() -> LoadedFleet:
    return load_fleet(str(EXAMPLE), lambda name: Path(name).read_text(encoding="utf-8"), {})


@pytest.fixture(scope="session")
def chain_138(chain_138_loaded: LoadedFleet) -> Fleet:
    return chain_138_loaded.fleet


def postgresql_module() -> Any:
    """`postgresql_server`, which lies beside this file; tests are no package."""
    name = "postgresql_server"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def _server() -> Iterator[Any]:
    module = postgresql_module()
    if module.binaries() is None:
        pytest.skip(f"needs the Debian package {module.PACKAGE}")
    server = module.PostgresqlServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Any]:
    """A PostgreSQL that all tests share; those that stop theirs start one of their own."""
    yield from _server()


@pytest.fixture
def own_postgresql() -> Iterator[Any]:
    """A PostgreSQL that the test may stop and start."""
    yield from _server()
