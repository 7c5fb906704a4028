"""What is wrong with a fleet file, in words for whoever wrote it: pydantic's complaints, and words that were meant."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from .errors import FleetError
from .fleet_document import Document, Path
from .fleet_parts import NAME_PATTERN, REFERENCE_PATTERN


def explain(
    error: ValidationError, document: Document, model: type[BaseModel], secret: frozenset[str]
) -> FleetError:
    """Turn pydantic's complaints into one error: the first with its place and what would be right, the others after it.

    Args:
        error: what pydantic found.
        document: what was read, for the places.
        model: what it was read as, for the keys that would be right.
        secret: keys whose values are not repeated.
    """
    # A misspelt key is also a missing one: the misspelling is the cause.
    details = sorted(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
    first, *others = details
    message = _complaint(first, secret)
    if others:
        named = [f"{document.place(item['loc'])}: {_complaint(item, secret)}" for item in others[:_MORE]]
        named += [f"{len(others) - _MORE} more"] if len(others) > _MORE else []
        message += "; also " + "; ".join(named)
    return FleetError(message, place=document.place(first["loc"]), way_out=_way_out(first, model))


_MORE = 4
"""How many further complaints are told with the first one."""

_WANTED = {
    "tuple_type": "a list is wanted, e.g. [a, b]",
    "dict_type": "a mapping of keys to values is wanted",
    "model_type": "a mapping of keys to values is wanted",
    "model_attributes_type": "a mapping of keys to values is wanted",
    "string_type": "a text is wanted: put it into quotes",
    "int_type": "a whole number is wanted",
    "int_parsing": "a whole number is wanted",
    "int_from_float": "a whole number is wanted",
    "float_type": "a number is wanted",
    "float_parsing": "a number is wanted",
    "bool_type": "true or false is wanted",
    "bool_parsing": "true or false is wanted",
}
"""What pydantic says in Python's words, in YAML's."""

_PATTERNS = {
    NAME_PATTERN: "2 to 40 lower-case letters, digits and hyphens are wanted, a letter first and no hyphen last",
    REFERENCE_PATTERN: "a secret is wanted by the name of its environment variable, ${NAME}",
}


def _complaint(item: ErrorDetails, secret: frozenset[str]) -> str:
    path = item["loc"]
    dotted = ".".join(str(part) for part in path)
    if item["type"] == "extra_forbidden":
        return f"unknown key `{dotted}`"
    if item["type"] == "missing":
        return f"`{dotted}` is missing"
    value = item.get("input")
    # Who writes a secret where a reference belongs mustn't find it in a log as well.
    told = isinstance(value, str | int | float | bool) and path[-1:] not in {(key,) for key in secret}
    shown = f": got {value!r}" if told else ""
    return f"`{dotted}`{shown}: {_wanted(item)}"


def _wanted(item: ErrorDetails) -> str:
    if item["loc"][:1] == ("regions",) and len(item["loc"]) == 2 and item["type"].startswith("model_"):
        return "a region is wanted: its name, or a mapping with `name` and settings of its own"
    if item["type"] == "string_pattern_mismatch":
        meant = _PATTERNS.get(item.get("ctx", {}).get("pattern", ""))
        if meant:
            return meant
    said = item["msg"].removeprefix("Value error, ")
    return _WANTED.get(item["type"]) or said[:1].lower() + said[1:]


def _way_out(item: ErrorDetails, model: type[BaseModel]) -> str:
    path = item["loc"]
    if item["type"] == "extra_forbidden":
        return nearest(str(path[-1]), _keys_at(path[:-1], model))
    if item["type"] == "missing":
        return "add it"
    return "the reference lists what each key takes: `chainfleet schema`, or docs/reference/fleet-file.md"


def _keys_at(path: Path, model: type[BaseModel]) -> list[str]:
    for part in path:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        inner = [a for a in (field.annotation, *get_args(field.annotation)) if field] if field else []
        flat = [
            b for a in inner for b in (a, *get_args(a)) if isinstance(b, type) and issubclass(b, BaseModel)
        ]
        if not flat:
            return []
        model = flat[0]
    return list(model.model_fields)


def nearest(word: str, known: Mapping[str, Any] | list[str]) -> str:
    """A way out for a word that is not known: the one that was meant, or what there is."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    if close:
        return f"did you mean `{close[0]}`?"
    names = sorted(known)
    listed = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"known here: {listed}"
