"""Label and field selectors, as queries and as parts of objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from .errors import bad_request

Json = dict[str, Any]
Labels = Mapping[str, str]
Test = Callable[[Labels], bool]

_SET = re.compile(r"^\s*([\w./-]+)\s+(in|notin)\s*\(([^)]*)\)\s*$")
_EQUAL = re.compile(r"^\s*([\w./-]+)\s*(==|!=|=)\s*([\w.:-]*)\s*$")
_PRESENT = re.compile(r"^\s*(!?)\s*([\w./-]+)\s*$")


def _split(text: str) -> list[str]:
    return [part for part in re.split(r",(?![^(]*\))", text) if part.strip()]


def _label_test(part: str) -> Test:
    if found := _SET.match(part):
        key, operator, listed = found.groups()
        values = {v.strip() for v in listed.split(",")}
        if operator == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if found := _EQUAL.match(part):
        key, operator, value = found.groups()
        if operator == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if found := _PRESENT.match(part):
        absent, key = found.groups()
        return (lambda labels: key not in labels) if absent else (lambda labels: key in labels)
    raise bad_request(f"unable to parse requirement: {part.strip()!r}")


def labels(query: str) -> Test:
    """Read a `labelSelector` query.

    Raises:
        ApiError: 400, it can't be parsed.
    """
    tests = [_label_test(part) for part in _split(query)]
    return lambda found: all(test(found) for test in tests)


def fields(query: str) -> Callable[[Json], bool]:
    """Read a `fieldSelector` query: equality on dotted paths.

    Raises:
        ApiError: 400, it can't be parsed.
    """
    tests = []
    for part in _split(query):
        found = re.match(r"^\s*([\w.\[\]-]+)\s*(==|!=|=)\s*(.*?)\s*$", part)
        if not found:
            raise bad_request(f"unable to parse field selector: {part.strip()!r}")
        path, operator, value = found.groups()
        tests.append((path.split("."), operator != "!=", value))
    return lambda obj: all((_at(obj, path) == value) is wanted for path, wanted, value in tests)


def _at(obj: Json, path: list[str]) -> str:
    found: Any = obj
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    if found is None:
        return ""
    return str(found).lower() if isinstance(found, bool) else str(found)


def matches(selector: Json | None, found: Labels) -> bool:
    """Whether labels satisfy a `LabelSelector` object; None selects nothing, {} everything."""
    if selector is None:
        return False
    if any(found.get(k) != v for k, v in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression(e, found) for e in selector.get("matchExpressions") or ())


def _expression(expression: Json, found: Labels) -> bool:
    key, operator, values = expression["key"], expression["operator"], expression.get("values") or []
    if operator == "In":
        return found.get(key) in values
    if operator == "NotIn":
        return found.get(key) not in values
    return (key in found) is (operator == "Exists")
