"""Patches that clients send: JSON Patch (RFC 6902), JSON Merge Patch (RFC 7386), strategic merge patch."""

from __future__ import annotations

import copy
from typing import Any

from .errors import ApiError, bad_request
from .listkeys import Path, is_set, strategic_key

Json = dict[str, Any]


def merge_patch(target: Any, patch: Any) -> Any:
    """Apply a JSON Merge Patch and return the result; `target` is left alone."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


def json_patch(target: Json, operations: Any) -> Json:
    """Apply a JSON Patch and return the result; `target` is left alone.

    Raises:
        ApiError: 400 for a malformed patch, 422 for one that doesn't fit (a failed `test` among them).
    """
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: a JSON Patch is a list of operations")
    result = copy.deepcopy(target)
    for operation in operations:
        try:
            result = _operate(result, operation)
        except (KeyError, IndexError, ValueError, TypeError) as problem:
            raise _misfit(f"the operation {operation} doesn't apply: {problem}") from None
    return result


def _misfit(message: str) -> ApiError:
    return ApiError(
        422, "Invalid", f"the server rejected our request due to an error in our request: {message}"
    )


def _operate(document: Any, operation: Json) -> Any:
    kind, path = operation["op"], _pointer(operation["path"])
    if kind in ("add", "replace"):
        return _put(document, path, copy.deepcopy(operation["value"]), replace=kind == "replace")
    if kind == "remove":
        _take(document, path)
        return document
    if kind in ("move", "copy"):
        source = _pointer(operation["from"])
        value = _take(document, source) if kind == "move" else copy.deepcopy(_look(document, source))
        return _put(document, path, value, replace=False)
    if kind == "test":
        if _look(document, path) != operation.get("value"):
            raise _misfit(f"testing value {operation['path']} failed")
        return document
    raise ValueError(f"unknown operation {kind!r}")


def _pointer(text: str) -> list[str]:
    if text and not text.startswith("/"):
        raise ValueError(f"{text!r} is no JSON pointer")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _look(document: Any, path: list[str]) -> Any:
    for name in path:
        document = document[int(name)] if isinstance(document, list) else document[name]
    return document


def _put(document: Any, path: list[str], value: Any, *, replace: bool) -> Any:
    if not path:
        return value
    parent, name = _look(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        if replace:
            parent[int(name)] = value
        else:
            index = len(parent) if name == "-" else int(name)
            if not 0 <= index <= len(parent):
                raise IndexError(f"index {index} is out of range")
            parent.insert(index, value)
    else:
        if replace and name not in parent:
            raise KeyError(name)
        parent[name] = value
    return document


def _take(document: Any, path: list[str]) -> Any:
    parent, name = _look(document, path[:-1]), path[-1]
    return parent.pop(int(name)) if isinstance(parent, list) else parent.pop(name)


def strategic_merge(target: Any, patch: Any, path: Path = ()) -> Any:
    """Apply a strategic merge patch, with its `$patch`, `$setElementOrder`, `$retainKeys` directives.

    Raises:
        ApiError: 400 for a directive that isn't known.
    """
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    directive = patch.get("$patch")
    if directive == "replace":
        return {k: copy.deepcopy(v) for k, v in patch.items() if k != "$patch"}
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise bad_request(f"Unknown patch type found: {directive}")
    result = dict(target) if isinstance(target, dict) else {}
    if "$retainKeys" in patch:
        result = {k: v for k, v in result.items() if k in patch["$retainKeys"]}
    for name, value in patch.items():
        if not name.startswith("$"):
            _merge_field(result, name, value, (*path, name), patch)
        elif name.startswith("$deleteFromPrimitiveList/"):
            field = name.partition("/")[2]
            result[field] = [v for v in result.get(field, []) if v not in value]
    return result


def _merge_field(result: Json, name: str, value: Any, path: Path, patch: Json) -> None:
    if value is None:
        result.pop(name, None)
    elif isinstance(value, list):
        merged = _merge_list(result.get(name) or [], value, path)
        result[name] = _ordered(merged, patch.get(f"$setElementOrder/{name}"), path)
    else:
        result[name] = strategic_merge(result.get(name), value, path)


def _merge_list(live: list[Any], patch: list[Any], path: Path) -> list[Any]:
    key = strategic_key(path)
    if is_set(path):
        return live + [v for v in patch if v not in live]
    if key is None or not all(isinstance(v, dict) for v in patch):
        return copy.deepcopy(patch)
    if any(v.get("$patch") == "replace" for v in patch):
        return [copy.deepcopy(v) for v in patch if "$patch" not in v]
    merged = list(live)
    for item in patch:
        at = next((i for i, v in enumerate(merged) if v.get(key) == item.get(key)), None)
        if item.get("$patch") == "delete":
            merged = [v for v in merged if v.get(key) != item.get(key)]
        elif at is None:
            merged.append(strategic_merge({}, item, path))
        else:
            merged[at] = strategic_merge(merged[at], item, path)
    return merged


def _ordered(merged: list[Any], order: list[Any] | None, path: Path) -> list[Any]:
    key = strategic_key(path)
    if not order or key is None:
        return merged
    rank = {item.get(key) if isinstance(item, dict) else item: i for i, item in enumerate(order)}
    return sorted(merged, key=lambda v: rank.get(v.get(key) if isinstance(v, dict) else v, len(rank)))
