"""What the fields of built-in kinds are called and which types they have.

Kubernetes itself reads this from Go types. Here it comes from lightkube's models, which are generated
from Kubernetes' own OpenAPI document: a field that they don't know is unknown to a real API server too.
"""

from __future__ import annotations

import importlib
import re
import types
import typing
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from .errors import ApiError, bad_request, invalid
from .kinds import Kind

Json = dict[str, Any]

_MISSING = re.compile(r"^Object missing required field `(\w+)`(?: - at `\$\.?(.*)`)?$")
_TYPE = re.compile(r"^Expected `(.*?)`, got `(.*?)`(?: - at `\$\.?(.*)`)?$")


@cache
def model(kind: Kind) -> type | None:
    """The class that describes a built-in kind; None for custom resources, which may hold anything."""
    if not kind.model:
        return None
    found: type | None = getattr(importlib.import_module(f"lightkube.models.{kind.model}"), kind.kind, None)
    return found


@cache
def fields_of(cls: type) -> dict[str, Any]:
    """JSON field name → type of one class."""
    hints = typing.get_type_hints(cls)
    return {f.encode_name: hints[f.name] for f in msgspec.structs.fields(cls)}


def strip_optional(hint: Any) -> Any:
    """`Optional[X]` → `X`."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        inner = [a for a in typing.get_args(hint) if a is not type(None)]
        return inner[0] if len(inner) == 1 else hint
    return hint


def _is_model(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def unknown_fields(kind: Kind, obj: Json) -> list[str]:
    """Dotted paths of the fields that the kind doesn't have."""
    cls = model(kind)
    return list(_unknown(cls, obj, "")) if cls else []


def _unknown(hint: Any, value: Any, path: str) -> Iterator[str]:
    hint = strip_optional(hint)
    if _is_model(hint) and isinstance(value, dict):
        known = fields_of(hint)
        for name, inner in value.items():
            place = f"{path}.{name}" if path else name
            if name not in known:
                yield place
            else:
                yield from _unknown(known[name], inner, place)
        return
    arguments = typing.get_args(hint)
    if isinstance(value, list) and arguments:
        for index, inner in enumerate(value):
            yield from _unknown(arguments[0], inner, f"{path}[{index}]")
    elif isinstance(value, dict) and len(arguments) == 2:
        for name, inner in value.items():
            yield from _unknown(arguments[1], inner, f"{path}.{name}")


def check_types(kind: Kind, obj: Json) -> None:
    """Refuse an object that a typed decoder would refuse.

    Raises:
        ApiError: 400 for a wrong type, 422 for a required field that is missing.
    """
    cls = model(kind)
    if cls is None:
        return
    try:
        msgspec.convert(_without_times(obj), cls)
    except msgspec.ValidationError as problem:
        raise _refusal(kind, obj, str(problem)) from None


def _without_times(obj: Json) -> Json:
    """Metadata is written by the server itself: only the rest needs checking."""
    return {name: value for name, value in obj.items() if name != "metadata"}


def _refusal(kind: Kind, obj: Json, problem: str) -> ApiError:
    name = obj.get("metadata", {}).get("name", "")
    if found := _MISSING.match(problem):
        field, place = found.groups()
        path = f"{place}.{field}" if place else field
        return invalid(kind, name, [("FieldValueRequired", path, "Required value")])
    if found := _TYPE.match(problem):
        wanted, got, place = found.groups()
        return bad_request(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
            f"json: cannot unmarshal {got} into Go struct field {kind.kind}.{place or ''} of type {wanted}"
        )
    return bad_request(f"{kind.kind} cannot be decoded: {problem}")
