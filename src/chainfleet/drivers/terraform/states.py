"""What a local state file says: which resources it holds, what was configured for them, and the outputs."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Held:
    """One resource of a state.

    Attributes:
        address: its address in the root.
        id: its id in the cloud.
        type: for `azapi_resource`, `Microsoft.X/y@version`.
        body: what was configured, as last seen; None if unknown.
        tags: its tags.
        tainted: whether its creation failed, so that it is to be replaced.
    """

    address: str
    id: str
    type: str
    body: Any
    tags: Mapping[str, str] | None
    tainted: bool


@dataclass(frozen=True, slots=True)
class State:
    """A state file, read.

    Attributes:
        lineage: identity of the state over its life.
        serial: grows with every change.
        resources: what it holds.
        outputs: values of the root's outputs.
    """

    lineage: str
    serial: int
    resources: tuple[Held, ...]
    outputs: Mapping[str, Any]


def read_state(path: Path) -> State | None:
    """Read a state file; None if there is none.

    Raises:
        ValueError: it is not a state of format 4.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    if not isinstance(document, dict) or document.get("version") != 4:
        raise ValueError(f"{path} is not a Terraform state of format 4")
    held = [
        _held(resource, instance)
        for resource in document.get("resources") or ()
        if resource.get("mode") == "managed"
        for instance in resource.get("instances") or ()
    ]
    outputs = {name: item.get("value") for name, item in (document.get("outputs") or {}).items()}
    return State(str(document.get("lineage", "")), int(document.get("serial", 0)), tuple(held), outputs)


def recover(path: Path) -> str:
    """Put a damaged state aside and its backup in its place; what was done, empty if nothing.

    Terraform writes a local state in place, so one that is killed just then leaves it cut short or empty.
    The backup is from before that run; what the run made since is taken up again when it is met.
    """
    if is_sound(path):
        return ""
    backup = path.with_name(f"{path.name}.backup")
    path.replace(path.with_name(f"{path.name}.damaged"))
    if not backup.exists() or not is_sound(backup):
        return f"{path.name} was cut short while it was written; there is no backup, so it starts anew"
    shutil.copy2(backup, path)
    return f"{path.name} was cut short while it was written; its backup took its place"


def is_sound(path: Path) -> bool:
    """Whether a state file is whole, or not there."""
    try:
        read_state(path)
    except ValueError:
        return False
    return True


def clear_stale_lock(path: Path) -> bool:
    """Remove the note of a lock on a local state that nobody holds; whether there was one.

    Terraform locks the file itself, so the system frees a dead process's lock; only the note stays.
    """
    note = path.with_name(f".{path.name}.lock.info")
    if not note.exists():
        return False
    try:
        with path.open("rb+") as stream:
            fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        pass
    except OSError:
        return False
    note.unlink(missing_ok=True)
    return True


def _held(resource: Mapping[str, Any], instance: Mapping[str, Any]) -> Held:
    attributes = instance.get("attributes") or {}
    key = instance.get("index_key")
    suffix = "" if key is None else f"[{json.dumps(key)}]"
    module = f"{resource['module']}." if resource.get("module") else ""
    return Held(
        address=f"{module}{resource['type']}.{resource['name']}{suffix}",
        id=str(attributes.get("id", "")),
        type=str(attributes.get("type", "")),
        body=_plain(attributes.get("body")),
        tags=attributes.get("tags"),
        tainted=instance.get("status") == "tainted",
    )


def _plain(value: Any) -> Any:
    """The value of a dynamic attribute, which a state keeps together with its type."""
    return value.get("value") if isinstance(value, dict) and set(value) == {"value", "type"} else value
