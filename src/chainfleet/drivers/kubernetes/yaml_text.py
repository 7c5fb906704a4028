"""Objects as YAML text.

An emitter of our own for plain data only: the general one takes most of the time of rendering 48
validators, and writes block text for long strings only where told. Whatever isn't plainly safe is
written as a JSON string, which YAML reads too. The tests read everything back with PyYAML.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@-]*(?::[A-Za-z0-9_./@-]+)*\Z")
_LONGEST_KEY = 1000
"""A plain key must end within 1024 characters (YAML 1.1, 7.4.2); Kubernetes' longest have 317."""
_PRINTABLE_LINES = re.compile(r"[\n -~]*\Z")
_UNPRINTABLE = re.compile(r"[^ -~]")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
"""Words that YAML 1.1 takes for something else than text."""


def yaml_text(objects: Iterable[Mapping[str, Any]]) -> str:
    """Return the objects as a YAML stream; keys keep their order."""
    lines: list[str] = []
    for item in objects:
        lines.append("---")
        _mapping(item, "", "", lines)
    return "\n".join(lines) + "\n"


def document_text(value: Mapping[str, Any]) -> str:
    """Return one object as a YAML document without a marker."""
    lines: list[str] = []
    _mapping(value, "", "", lines)
    return "\n".join(lines) + "\n"


def _mapping(value: Mapping[str, Any], first: str, indent: str, lines: list[str]) -> None:
    """Write entries; the first one goes after `first`, which may hold the dash of a list."""
    head = first
    for key, item in value.items():
        name = f"{head}{_key(str(key))}:"
        head = indent
        if isinstance(item, dict) and item:
            lines.append(name)
            _mapping(item, indent + "  ", indent + "  ", lines)
        elif isinstance(item, list | tuple) and item:
            lines.append(name)
            _sequence(item, indent, lines)
        elif isinstance(item, str) and "\n" in item and _is_block(item):
            lines.append(f"{name} |")
            lines.extend([f"{indent}  {line}" if line else "" for line in item[:-1].split("\n")])
        else:
            lines.append(f"{name} {_scalar(item)}")


def _sequence(items: Sequence[Any], indent: str, lines: list[str]) -> None:
    for item in items:
        if isinstance(item, dict) and item:
            _mapping(item, f"{indent}- ", indent + "  ", lines)
        elif isinstance(item, list | tuple) and item:
            lines.append(f"{indent}-")
            _sequence(item, indent + "  ", lines)
        else:
            lines.append(f"{indent}- {_scalar(item)}")


def _is_block(text: str) -> bool:
    # A first line that begins with a blank would need an indentation indicator.
    if not text.endswith("\n") or text.endswith("\n\n") or text[0] in " \n":
        return False
    return _PRINTABLE_LINES.match(text) is not None


def _key(key: str) -> str:
    text = _text(key)
    if len(text) > _LONGEST_KEY:
        raise ValueError(f"the key {key[:40]!r}… is too long for YAML")
    return text


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, dict | list | bool | int | float):
        return json.dumps(value)
    if value == ():
        return "[]"
    raise TypeError(f"{type(value).__name__} can't be written as YAML")


@lru_cache(maxsize=4096)
def _text(value: str) -> str:
    if _PLAIN.match(value) and value.lower() not in _WORDS:
        return value
    # Beyond printable ASCII everything is escaped; JSON's surrogate pairs are not YAML's.
    return _UNPRINTABLE.sub(_escape, json.dumps(value, ensure_ascii=False))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
