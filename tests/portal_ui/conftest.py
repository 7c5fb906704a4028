"""The real portal, the built pages, and a person with a real Chromium before them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

from portal_program import portal

ROOT = Path(__file__).parents[2]
PORTAL = ROOT / "portal"


@dataclass
class Server:
    """A portal of its own for the tests of a module."""

    home: Path
    base: str
    token: str
    tokens: dict[str, str] = field(default_factory=dict)

    def api(self, path: str, *, method: str = "GET", body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        if method == "POST":
            headers["Idempotency-Key"] = f"test-{time.monotonic_ns()}"
        request = urllib.request.Request(
            f"{self.base}/api/v1{path}", data=data, method=method, headers=headers
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from None


def _command(*words: str) -> list[str]:
    return [str(Path(sys.executable).with_name("chainfleet")), *words]


def make_token(home: Path, name: str, role: str) -> str:
    words = _command("portal", "--home", str(home), "--new-token", name, "--role", role)
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.split()[-1]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    pytest.importorskip("fastapi")
    home = tmp_path_factory.mktemp("portal") / "home"
    home.mkdir()
    tokens = {name: make_token(home, name, "admin") for name in ("tester", "ada", "bob")}
    command = _command("portal", "--home", str(home))
    with (home.parent / "portal.log").open("w") as log, portal(command, log=log) as base:
        yield Server(home, base, tokens["tester"], tokens)


@pytest.fixture(scope="session")
def node() -> str:
    found = shutil.which("node") or shutil.which("node", path=str(ROOT / ".venv" / "bin"))
    if found is None or not (PORTAL / "node_modules").is_dir():
        pytest.skip("the pages' packages are not installed: make setup-dev")
    return found


@pytest.fixture(scope="session")
def built() -> Path:
    for name in ("vue", "react"):
        assert (PORTAL / "dist" / name / "manifest.json").is_file(), "the pages are not built: make portal"
    return PORTAL / "dist"


Play = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def play(server: Server, node: str, built: Path, network: Any) -> Play:
    """Play a scenario of `portal/e2e/scenarios` and return what it saw."""
    if not any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")):
        pytest.skip("no Chromium: install the Debian package chromium")

    def run(
        scenario: str, framework: str, *, expected: Sequence[str] = (), timeout: float = 400, **options: Any
    ) -> dict[str, Any]:
        given = {
            "base": server.base,
            "token": server.token,
            "framework": framework,
            "expected": list(expected),
            "shots": os.environ.get("PORTAL_SHOTS"),
            **options,
        }
        with network(False):
            done = subprocess.run(
                [node, "e2e/run.mjs", scenario, json.dumps(given)],
                cwd=PORTAL,
                capture_output=True,
                text=True,
                timeout=timeout,
            )
        assert done.returncode == 0, f"{scenario} in {framework}:\n{done.stderr[-6000:]}"
        seen: dict[str, Any] = json.loads(done.stdout)
        assert seen["trouble"] == [], "the page complained"
        assert seen["foreign"] == [], "a request left the origin"
        return seen

    return run
