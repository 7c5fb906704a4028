"""Pictures say what the code does, are described for who can't see them, and ask nobody for anything."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PICTURES = sorted((DOCS / "pictures").iterdir())


@pytest.mark.parametrize("name", ["architecture", "phases"])
def test_what_is_drawn_from_the_code_is_what_the_code_says(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT / "tools" / "pictures")
    drawn = getattr(importlib.import_module(name), name)()
    assert (DOCS / "pictures" / f"{name}.svg").read_text() == drawn, "run: make pictures"


def test_every_picture_is_shown_and_described() -> None:
    shown = {}
    for page in (*DOCS.rglob("*.md"), ROOT / "README.md"):
        for words, target in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", page.read_text()):
            shown[(page.parent / target).resolve()] = words
    assert set(PICTURES) <= set(shown), "not shown: " + ", ".join(p.name for p in set(PICTURES) - set(shown))
    assert {path.name: words for path, words in shown.items() if len(words) < 20} == {}


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
def test_a_picture_is_small_and_asks_nobody(picture: Path) -> None:
    assert picture.stat().st_size < 250_000
    if picture.suffix == ".svg":
        text = picture.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|@import|<script", text)
