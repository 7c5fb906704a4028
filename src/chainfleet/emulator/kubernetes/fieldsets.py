"""Sets of fields as `managedFields` writes them (`fieldsV1`), and the operations that ownership needs.

A set is a nested dictionary: `f:name` for a field, `k:{…}` for an item of a list that merges by key,
`v:…` for an item of a set, `.` for the thing itself. An empty dictionary is a leaf: it owns the value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .listkeys import Path, is_atomic_map, is_set, key_of, list_keys

Json = dict[str, Any]
Steps = tuple[str, ...]

# These identify the object or belong to the server: nobody owns them.
_STRIPPED_META = frozenset(
    {
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "generation",
        "managedFields",
        "resourceVersion",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    }
)


def fields_of(obj: Json, *, custom: bool = False) -> Json:
    """The set of all fields of an object, without those that belong to the server."""
    found: Json = {}
    for name, value in obj.items():
        if name in ("apiVersion", "kind"):
            continue
        if name == "metadata":
            value = {k: v for k, v in value.items() if k not in _STRIPPED_META}
            if not value:
                continue
        found[f"f:{name}"] = _value_set(value, (name,), custom)
    return found


def _value_set(value: Any, path: Path, custom: bool) -> Json:  # noqa: FBT001 - a property of the kind
    if isinstance(value, dict) and value and not is_atomic_map(path, custom):
        inner = {f"f:{name}": _value_set(v, (*path, name), custom) for name, v in value.items()}
        return inner if len(path) == 1 else {".": {}, **inner} if path[-1] in _WITH_DOT else inner
    if isinstance(value, list) and value:
        keys = list_keys(path, custom)
        if keys is not None and all(isinstance(v, dict) for v in value):
            return {key_of(v, keys): {".": {}, **_value_set_item(v, path, custom)} for v in value}
        if is_set(path):
            return {f"v:{json.dumps(v)}": {} for v in value}
    return {}


_WITH_DOT = frozenset({"annotations", "labels", "data"})


def _value_set_item(item: Json, path: Path, custom: bool) -> Json:  # noqa: FBT001 - a property of the kind
    return {f"f:{name}": _value_set(v, (*path, name), custom) for name, v in item.items()}


def leaves(fields: Json, prefix: Steps = ()) -> Iterator[Steps]:
    """Every owned path of a set."""
    if not fields and prefix:
        yield prefix
    for step, inner in fields.items():
        yield from leaves(inner, (*prefix, step))


def has(fields: Json, steps: Steps) -> bool:
    """Whether a set owns exactly that path."""
    for step in steps:
        if step not in fields:
            return False
        fields = fields[step]
    return True


def owns_value(fields: Json, steps: Steps) -> bool:
    """Whether a set owns the value at that path, not just something below it."""
    for step in steps:
        if step not in fields:
            return False
        fields = fields[step]
    return not fields


def without(fields: Json, steps: Steps) -> Json:
    """The set less one path; branches that become empty go too."""
    head, *rest = steps
    if head not in fields:
        return fields
    remaining = dict(fields)
    inner = without(fields[head], tuple(rest)) if rest else {}
    if inner:
        remaining[head] = inner
    else:
        del remaining[head]
    return remaining


def union(one: Json, other: Json) -> Json:
    """Both sets together."""
    both = dict(one)
    for step, inner in other.items():
        both[step] = union(both[step], inner) if step in both else inner
    return both


def resolve(obj: Any, steps: Steps) -> tuple[bool, Any]:
    """Whether an object has what a path names, and its value."""
    path: Path = ()
    for step in steps:
        if step == ".":
            return True, None
        path, obj, found = _descend(obj, path, step)
        if not found:
            return False, None
    return True, obj


def _descend(obj: Any, path: Path, step: str) -> tuple[Path, Any, bool]:
    if step.startswith("f:"):
        name = step[2:]
        if not isinstance(obj, dict) or name not in obj:
            return path, None, False
        return (*path, name), obj[name], True
    if not isinstance(obj, list):
        return path, None, False
    if step.startswith("k:"):
        keys = tuple(json.loads(step[2:]))
        for item in obj:
            if isinstance(item, dict) and key_of(item, keys) == step:
                return path, item, True
    elif step.startswith("v:") and json.loads(step[2:]) in obj:
        return path, json.loads(step[2:]), True
    return path, None, False


def remove_path(obj: Any, steps: Steps) -> None:
    """Take what a path names out of an object, in place; what isn't there is no error."""
    *parents, last = steps if steps[-1] != "." else steps[:-1]
    found, holder = resolve(obj, tuple(parents)) if parents else (True, obj)
    if not found:
        return
    if last.startswith("f:") and isinstance(holder, dict):
        holder.pop(last[2:], None)
    elif isinstance(holder, list):
        holder[:] = [v for v in holder if not _is_step(v, last)]


def _is_step(item: Any, step: str) -> bool:
    if step.startswith("v:"):
        return bool(item == json.loads(step[2:]))
    return isinstance(item, dict) and key_of(item, tuple(json.loads(step[2:]))) == step


def dotted(steps: Steps) -> str:
    """A path as conflicts name it: `.spec.template.spec.containers[name="besu"].image`."""
    text = ""
    for step in steps:
        if step.startswith("f:"):
            text += f".{step[2:]}"
        elif step.startswith("k:"):
            keys = json.loads(step[2:])
            text += "[" + ",".join(f"{k}={json.dumps(v)}" for k, v in keys.items()) + "]"
        elif step.startswith("v:"):
            text += f"[={step[2:]}]"
    return text
