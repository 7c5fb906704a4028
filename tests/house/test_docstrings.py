"""Everything public says what it is for."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "src" / "chainfleet"
GOAL = 0.95


def public(body: list[ast.stmt], name: str) -> Iterator[tuple[str, bool]]:
    """Public classes, functions and methods, and whether they are described."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_":
            yield f"{name}:{node.name}", bool(ast.get_docstring(node))
            if isinstance(node, ast.ClassDef):
                yield from public(node.body, f"{name}:{node.name}")


def test_public_docstring_coverage(record_property: Callable[[str, object], None]) -> None:
    found = []
    for path in sorted(SOURCES.rglob("*.py")):
        tree = ast.parse(path.read_text())
        name = str(path.relative_to(SOURCES))
        found += [(name, bool(ast.get_docstring(tree))), *public(tree.body, name)]
    bare = [name for name, described in found if not described]
    share = 1 - len(bare) / len(found)
    record_property("docstrings", f"{share:.1%} of {len(found)}")
    assert len(found) > 2000
    assert share >= GOAL, f"without a docstring: {bare[:20]}"
