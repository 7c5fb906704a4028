"""Links of all Markdown files lead somewhere: files, headings; addresses elsewhere are at least well formed.

`mkdocs build --strict` looks at the site; this looks at what lies outside it as well.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from markdown.extensions.toc import slugify

ROOT = Path(__file__).parents[2]
LEFT_OUT = {"node_modules", ".venv", "site", "dist", "build", ".chainfleet", ".pytest_cache"}
PAGES = sorted(path for path in ROOT.rglob("*.md") if not LEFT_OUT.intersection(path.relative_to(ROOT).parts))


@cache
def text_of(page: Path) -> str:
    """Without code, where nothing is a link."""
    text = re.sub(r"^(```+|~~~+).*?^\1\s*$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return re.sub(r"`[^`\n]+`", lambda code: code[0].replace("[", "(").replace("]", ")"), text)


@cache
def anchors(page: Path) -> frozenset[str]:
    """Of its headings, as the site and the forge both make them."""
    titles = re.findall(r"^#{1,6} +(.+?) *$", page.read_text(encoding="utf-8"), re.M)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)|[`*_]", lambda m: m[1] or "", title) for title in titles]
    return frozenset(slugify(title, "-") for title in plain)


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)(?: \"[^\"]*\")?\)", text_of(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        if re.match(r"[a-z][a-z+.-]*:", link):
            parts = urlsplit(link)
            if parts.scheme not in ("https", "http", "mailto") or not (parts.hostname or parts.path):
                broken.append(link)
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_there_are_pages_and_links() -> None:
    assert len(PAGES) > 20
    assert sum(len(links(page)) for page in PAGES) > 100
