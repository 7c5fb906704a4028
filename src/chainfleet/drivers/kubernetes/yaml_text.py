"""Objects as YAML text.

An emitter of our own for plain data only: the general one takes most of the time of rendering 48
validators, and writes block text for long strings only where told. Whatever isn't plainly safe is
written as a JSON string, which YAML reads too. The tests read everything back with PyYAML.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@-]*(?::[A-Za-z0-9_./@-]+)*\Z")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
"""Words that YAML 1.1 takes for something else than text."""


def yaml_text(objects: Iterable[Mapping[str, Any]]) -> str:
    """Return the objects as a YAML stream; keys keep their order."""
    lines: list[str] = []
    for item in objects:
        lines.append("---")
        lines.extend(_mapping(item, ""))
    return "\n".join(lines) + "\n"


def document_text(value: Mapping[str, Any]) -> str:
    """Return one object as a YAML document without a marker."""
    return "\n".join(_mapping(value, "")) + "\n"


def _mapping(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, item in value.items():
        yield from _entry(f"{indent}{_scalar(str(key))}:", item, indent)


def _entry(head: str, item: Any, indent: str) -> Iterator[str]:
    if isinstance(item, Mapping) and item:
        yield head
        yield from _mapping(item, indent + "  ")
    elif isinstance(item, Sequence) and not isinstance(item, str) and item:
        yield head
        yield from _sequence(item, indent)
    elif isinstance(item, str) and "\n" in item and _is_block(item):
        yield f"{head} |"
        yield from (f"{indent}  {line}" if line else "" for line in item[:-1].split("\n"))
    else:
        yield f"{head} {_scalar(item)}"


def _sequence(items: Sequence[Any], indent: str) -> Iterator[str]:
    for item in items:
        if isinstance(item, Mapping) and item:
            body = list(_mapping(item, indent + "  "))
            yield f"{indent}- {body[0][len(indent) + 2 :]}"
            yield from body[1:]
        elif isinstance(item, Sequence) and not isinstance(item, str) and item:
            yield f"{indent}-"
            yield from _sequence(item, indent + "  ")
        else:
            yield f"{indent}- {_scalar(item)}"


def _is_block(text: str) -> bool:
    # A first line that begins with a blank would need an indentation indicator.
    if not text.endswith("\n") or text.endswith("\n\n") or text[0] in " \n":
        return False
    return all(32 <= ord(c) < 127 or c == "\n" for c in text)


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.match(value) and value.lower() not in _WORDS:
        return value
    if isinstance(value, Mapping | str | bool | int | float) or value is None or value == []:
        return json.dumps(value)
    if isinstance(value, Sequence) and not value:
        return "[]"
    raise TypeError(f"{type(value).__name__} can't be written as YAML")
