"""The reference is what the code says, all of it."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from chainfleet.model.fleet_file import json_schema, load_fleet
from chainfleet.model.variables import Variable

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "reference"


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(ROOT / "tools" / "reference"), "--check", str(folder)]
    return subprocess.run(words, capture_output=True, text=True, timeout=60)


def test_every_page_is_what_the_code_says() -> None:
    done = check(PAGES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_page_that_says_something_else_is_named(tmp_path: Path) -> None:
    shutil.copytree(PAGES, tmp_path / "reference")
    page = tmp_path / "reference" / "commands.md"
    page.write_text(page.read_text().replace("Don't ask.", "Ask."))
    done = check(tmp_path / "reference")
    assert done.returncode == 1
    assert done.stdout.startswith("commands.md is not what the code says")
    assert len(done.stdout.splitlines()) == 1


def test_generated_pages_say_so_in_their_first_line() -> None:
    by_hand = {"portal-api.md"}
    for page in PAGES.glob("*.md"):
        assert page.read_text().startswith("<!-- Made from the code") is (page.name not in by_hand), page


def test_the_examples_of_all_keys_together_are_a_fleet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "tools" / "reference")
    schema = json_schema()
    document = importlib.import_module("fleet_page").example(schema, schema)
    del document["include"], document["region_set"]
    loaded = load_fleet("fleet.yaml", lambda _: yaml.safe_dump(document), {})
    assert loaded.fleet.deployment.waves == (8, 16)
    assert loaded.fleet.contracts.chains[0].name == "mainnet"


def test_every_number_of_the_fleet_file_that_ends_in_a_unit_tells_it() -> None:
    parts = [json_schema(), *json_schema()["$defs"].values()]
    fields = {name: field for part in parts for name, field in part.get("properties", {}).items()}
    measured = {name for name in fields if re.search(r"_(seconds|gib|days|bps|wei)$", name)}
    assert len(measured) > 10
    assert {name for name in measured if "x-unit" not in fields[name]} == set()


def test_every_variable_that_the_code_reads_is_declared() -> None:
    """Found by their names' start, and where they are looked up."""
    read = set()
    for path in (ROOT / "src").rglob("*.py"):
        text = path.read_text()
        read |= set(re.findall(r"\bCHAINFLEET_[A-Z_]+\b", text))
        read |= set(re.findall(r'environ(?:\.get\(|\[)\s*"([A-Z_]+)"', text))
    assert len(read) > 20
    assert read - {v.value for v in Variable} == {"PATH"}
