"""What all pages of the reference are made of: the first lines, tables, and docstrings of attributes."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable, Sequence
from itertools import pairwise

MADE = "Made from the code by `python tools/reference`; a test fails where the two differ."


def page(title: str, *parts: str) -> str:
    """A page that says in its first line, to who edits it, and below its title, to who reads it, where it comes from."""
    return "\n\n".join((f"<!-- {MADE} -->", f"# {title}", MADE, *(part.strip() for part in parts))) + "\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; bars inside cells are escaped."""
    head = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    return "\n".join([*head, *("| " + " | ".join(_cell(value) for value in row) + " |" for row in rows)])


def code(text: object) -> str:
    """Text as code."""
    return f"`{text}`"


def first_paragraph(text: str | None) -> str:
    """What a docstring says first, on one line."""
    return _one_line(inspect.cleandoc(text or "").split("\n\n")[0])


def attribute_docs(cls: type) -> dict[str, str]:
    """What a class says of its attributes: docstrings below them, and the section `Attributes:`."""
    found = _section(cls)
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    for before, after in pairwise(body):
        name = _assigned(before)
        if name and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            found[name] = _one_line(str(after.value.value))
    return found


def _assigned(node: ast.stmt) -> str:
    target = node.target if isinstance(node, ast.AnnAssign) else None
    if isinstance(node, ast.Assign):
        target = node.targets[0]
    return target.id if isinstance(target, ast.Name) else ""


def _section(cls: type) -> dict[str, str]:
    text = inspect.cleandoc(cls.__doc__ or "").partition("Attributes:\n")[2]
    rows = re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", text, flags=re.MULTILINE)
    return {name: _one_line(meaning[:1].upper() + meaning[1:]) for name, meaning in rows}


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", _one_line(text))
