"""Both builds show the same; nobody is left out; nothing reaches out; nothing is too big."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

Server = Any
Play = Callable[..., dict[str, Any]]
Views = dict[str, dict[str, dict[str, Any]]]

ROOT = Path(__file__).parents[2]
ENVIRONMENT = "parity"
# Kilobytes, gzip: what is loaded before the first page stands.
SHELL_BUDGET = {"vue": 80.0, "react": 120.0}
CHUNK_BUDGET = 40.0
# Settings say which build they are and offer the other; access says when a token was last used: just now.
NEVER_TWICE_THE_SAME = {"settings": r"\b(vue|react)\b", "access": r"\d\d:\d\d"}


def _wait_for_end(server: Server, run: str) -> None:
    deadline = time.monotonic() + 120
    while server.api(f"/environments/{ENVIRONMENT}/runs/{run}")["state"] != "finished":
        assert time.monotonic() < deadline, f"{run} does not end"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def views(server: Server, play: Play, tmp_path_factory: pytest.TempPathFactory) -> Views:
    """Every page as both builds show it, of an environment that has seen some life."""
    document = yaml.safe_load((ROOT / "examples" / "chain-138.yaml").read_text(encoding="utf-8"))
    del document["region_set"], document["contracts"]
    document["regions"] = [{"name": name} for name in ("northeurope", "uksouth", "japaneast", "brazilsouth")]
    document["network"]["validators_per_region"] = 1
    text = yaml.safe_dump(document, sort_keys=False)
    server.api(
        "/environments",
        method="POST",
        body={"name": ENVIRONMENT, "document": text, "target": {"emulated": True}},
    )
    run = server.api(f"/environments/{ENVIRONMENT}/runs", method="POST", body={"kind": "deploy"})["run"]
    _wait_for_end(server, run)
    time.sleep(1)
    second = server.api(f"/environments/{ENVIRONMENT}/runs", method="POST", body={"kind": "verify"})["run"]
    _wait_for_end(server, second)
    # The living network goes on and the machine may be busy: both builds are told of the same two moments.
    looks = f"/environments/{ENVIRONMENT}/monitoring"
    samples = [server.api(f"{looks}?fresh=true") for _ in range(2)]
    answers = {looks: samples[-1], f"{looks}/history": server.api(f"{looks}/history?seconds=3600&points=240")}
    at = f"env={ENVIRONMENT}"
    pages = {
        "now": f"now?{at}",
        **{
            f"run-{tab}": f"runs/{run}/{tab}?{at}"
            for tab in ("matrix", "gantt", "graph", "logs", "plan", "events")
        },
        "run-past": f"runs/{run}/matrix?{at}&at=60&region=uksouth",
        "runs": f"runs?{at}",
        "compare": f"compare?{at}&a={run}&b={second}",
        "environments": f"environments?{at}",
        "environment-form": f"environments/{ENVIRONMENT}/form?{at}",
        "environment-yaml": f"environments/{ENVIRONMENT}/yaml?{at}",
        "environment-revisions": f"environments/{ENVIRONMENT}/revisions?{at}",
        "environment-rehearse": f"environments/{ENVIRONMENT}/rehearse?{at}",
        "environment-clone": f"environments/{ENVIRONMENT}/clone?{at}",
        "environment-new": f"environments/new?{at}",
        "regions": f"regions?{at}",
        "region": f"regions/uksouth?{at}",
        "monitoring": f"monitoring?{at}",
        "audit": f"audit?{at}",
        "access": f"access?{at}",
        "settings": f"settings?{at}",
        "nowhere": "no/such/page",
    }

    now = int(time.time() * 1000)
    shots = os.environ.get("PORTAL_SHOTS") or str(tmp_path_factory.mktemp("shots"))

    def see(framework: str) -> dict[str, dict[str, Any]]:
        seen: dict[str, dict[str, Any]] = play(
            "pages",
            framework,
            environment=ENVIRONMENT,
            pages=pages,
            now=now,
            answers=answers,
            axe=framework == "vue",
            shots=shots,
        )["pages"]
        return seen

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(SHELL_BUDGET, pool.map(see, SHELL_BUDGET), strict=True))


@pytest.mark.slow
def test_both_builds_are_one_product(views: Views, play: Play) -> None:
    vue, react = views["vue"], views["react"]
    assert len(react) == 2 * 24
    pairs: list[tuple[str, str, str]] = []
    for name, page in react.items():
        twin = vue[name]
        assert page["title"] == twin["title"]
        if name.split()[0] in NEVER_TWICE_THE_SAME:
            mask = NEVER_TWICE_THE_SAME[name.split()[0]]
            assert re.sub(mask, "…", page["aria"]) == re.sub(mask, "…", twin["aria"])
            assert re.sub(mask, "…", page["html"]) == re.sub(mask, "…", twin["html"])
            continue
        assert page["aria"] == twin["aria"], f"ARIA of {name}"
        assert page["html"] == twin["html"], f"HTML of {name}"
        assert len(page["aria"]) > 200, f"{name} is nearly empty"
        pairs.append((name, page["picture"], twin["picture"]))
    assert len(pairs) == 2 * (24 - len(NEVER_TWICE_THE_SAME))
    different = play("compare", "vue", pairs=pairs)["different"]
    assert {name: pixels for name, pixels in different.items() if pixels} == {}


@pytest.mark.slow
def test_axe_finds_nothing_on_any_page(views: Views) -> None:
    # In light, dark and on a phone; React's documents are the same ones (see above).
    pages = views["vue"]
    assert len(pages) == 3 * 24
    found = [
        f"{name}: {json.dumps(page['axe']['violations'], indent=1)}"
        for name, page in pages.items()
        if page["axe"]["violations"]
    ]
    assert not found, "\n".join(found)
    assert all(page["axe"]["passes"] >= 15 for page in pages.values())


@pytest.mark.slow
def test_no_page_is_wider_than_its_screen(views: Views) -> None:
    wide = {name: page["overflow"] for name, page in views["vue"].items() if page["overflow"] > 0}
    assert wide == {}


def _gzipped(file: Path) -> float:
    return len(gzip.compress(file.read_bytes(), 9)) / 1000


@pytest.mark.parametrize("framework", SHELL_BUDGET)
def test_the_shell_keeps_its_budget(built: Path, framework: str) -> None:
    folder = built / framework
    index = (folder / "index.html").read_text(encoding="utf-8")
    first = [folder / path for path in re.findall(r'(?:src|href)="\./(assets/[^"]+)"', index)]
    assert len(first) >= 2
    shell = _gzipped(folder / "index.html") + _gzipped(folder / "hub.js") + sum(map(_gzipped, first))
    assert shell <= SHELL_BUDGET[framework], f"{shell:.1f} kB"
    later = [file for file in (folder / "assets").glob("*.js") if file not in first]
    assert max(map(_gzipped, later)) <= CHUNK_BUDGET


@pytest.mark.parametrize("framework", SHELL_BUDGET)
def test_every_built_file_is_in_the_manifest_and_packed(built: Path, framework: str) -> None:
    folder = built / framework
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    files = {
        file.relative_to(folder).as_posix()
        for file in folder.rglob("*")
        if file.is_file() and file.suffix not in (".br", ".gz") and file.name != "manifest.json"
    }
    assert files == set(manifest)
    packed = folder / "export" / "viewer.js.gz"
    assert gzip.decompress(packed.read_bytes()) == packed.with_suffix("").read_bytes()


@pytest.mark.parametrize("framework", SHELL_BUDGET)
def test_no_file_names_another_host_or_inline_code(built: Path, framework: str) -> None:
    index = (built / framework / "index.html").read_text(encoding="utf-8")
    assert "<style" not in index
    assert not re.search(r"<script(?![^>]+src=)", index)
    assert not re.search(r'style="|\son\w+="', index)
    allowed = (
        "http://www.w3.org/",
        "https://vuejs.org/",
        "https://react.dev/",
        "http://localhost",
        "https://github.com/vuejs",
    )
    for file in (built / framework / "assets").iterdir():
        if file.suffix in (".js", ".css"):
            text = file.read_text(encoding="utf-8")
            hosts = [
                found for found in re.findall(r"https?://[\w./-]+", text) if not found.startswith(allowed)
            ]
            assert hosts == [], file.name


def test_the_units_and_types_are_sound(node: str) -> None:
    for words in (
        ["node_modules/vitest/vitest.mjs", "run", "--reporter=dot"],
        ["node_modules/typescript/bin/tsc", "--noEmit"],
        ["node_modules/vue-tsc/bin/vue-tsc.js", "--noEmit"],
    ):
        done = subprocess.run(
            [node, *words], cwd=ROOT / "portal", capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-3000:]
