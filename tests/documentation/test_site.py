"""The built site: nobody is left out, nothing reaches out, search finds."""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LOOKS = [("light", "light", 1280), ("dark", "dark", 1280), ("phone", "dark", 390)]
PICTURED = [
    "",
    "architecture/",
    "contributing/",
    "reference/fleet-file/",
    "operate/portal-pages/",
    "performance/",
]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    mkdocs = str(Path(sys.executable).with_name("mkdocs"))
    words = [mkdocs, "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def base(site: Path) -> Iterator[str]:
    handler = functools.partial(_Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def seen(site: Path, base: str, network: Any) -> dict[str, Any]:
    """Every page as a browser shows it, light, dark and narrow."""
    node = shutil.which("node") or shutil.which("node", path=str(ROOT / ".venv" / "bin"))
    if node is None or not (ROOT / "portal" / "node_modules").is_dir():
        pytest.skip("the pages' packages are not installed: make setup-dev")
    if not any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")):
        pytest.skip("no Chromium: install the Debian package chromium")
    pages = sorted(
        f"{path.parent.relative_to(site).as_posix()}/".removeprefix("./") for path in site.rglob("index.html")
    )
    given = {
        "base": base,
        "pages": pages,
        "looks": LOOKS,
        "pictured": PICTURED,
        "shots": os.environ.get("SITE_SHOTS"),
    }
    with network(False):
        done = subprocess.run(
            [node, "e2e/run.mjs", "site", json.dumps(given)],
            cwd=ROOT / "portal",
            capture_output=True,
            text=True,
            timeout=600,
        )
    assert done.returncode == 0, done.stderr[-4000:]
    told: dict[str, Any] = json.loads(done.stdout)["pages"]
    assert len(told) == len(LOOKS) * len(pages) + 1
    return told


def test_no_page_leaves_anybody_out(seen: dict[str, Any]) -> None:
    assert {name: page["violations"] for name, page in seen.items() if page["violations"]} == {}
    assert min(page["passes"] for name, page in seen.items() if name.endswith(" light")) > 15
    assert min(page["passes"] for name, page in seen.items() if name.endswith(" dark")) >= 1


def test_no_page_is_wider_than_the_screen_or_asks_elsewhere(seen: dict[str, Any]) -> None:
    assert {name: page["overflow"] for name, page in seen.items() if page["overflow"] > 0} == {}
    assert {name: page["wrong"] for name, page in seen.items() if page["wrong"]} == {}


def test_light_and_dark_follow_the_system(seen: dict[str, Any]) -> None:
    schemes = {name.rpartition(" ")[2]: page["scheme"] for name, page in seen.items() if "scheme" in page}
    assert schemes == {"light": "default", "dark": "slate", "phone": "slate"}


def test_search_finds(seen: dict[str, Any]) -> None:
    assert seen["search"]["found"] > 3
