"""Resource bodies: merging, comparing intents, reading nested values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

_READ_ONLY = frozenset({"id", "name", "type", "etag", "systemData"})


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> Json:
    """Merge two objects deeply; lists and scalars of `over` win."""
    result = dict(base)
    for key, value in over.items():
        there = result.get(key)
        result[key] = (
            merged(there, value) if isinstance(value, Mapping) and isinstance(there, Mapping) else value
        )
    return result


def patched(base: Mapping[str, Any], patch: Mapping[str, Any]) -> Json:
    """Apply a merge patch: null removes."""
    result = dict(base)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = patched(result[key], value)
        else:
            result[key] = value
    return result


def intent(body: Mapping[str, Any]) -> Json:
    """What a request asks for: read-only parts and nulls left out."""
    wanted = {
        key: _without_nulls(value)
        for key, value in body.items()
        if key not in _READ_ONLY and value is not None
    }
    properties = wanted.get("properties")
    if isinstance(properties, dict):
        properties.pop("provisioningState", None)
    return wanted


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    return value


def same_intent(before: Mapping[str, Any], wanted: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Whether a request asks for nothing that isn't already so.

    Args:
        before: the intent of the last accepted request.
        wanted: the intent of this one.
        body: the resource as it is answered; a client may send it back as it is.
    """
    return wanted == before or (covers(body, wanted) and _mentions(wanted, before))


def covers(body: Any, wanted: Any) -> bool:
    """Whether everything in `wanted` is in `body` with the same value."""
    if isinstance(wanted, Mapping):
        return isinstance(body, Mapping) and all(k in body and covers(body[k], v) for k, v in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(body, list)
            and len(body) == len(wanted)
            and all(covers(b, w) for b, w in zip(body, wanted, strict=True))
        )
    return bool(body == wanted)


def _mentions(wanted: Any, before: Any) -> bool:
    if isinstance(before, Mapping):
        return isinstance(wanted, Mapping) and all(
            k in wanted and _mentions(wanted[k], v) for k, v in before.items()
        )
    return True


def value_at(body: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path, or None."""
    value: Any = body
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value
