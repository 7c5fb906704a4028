"""Server-side apply and the ownership of fields: what makes two clients able to share an object."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..cloning import clone
from .errors import ApiError
from .fieldsets import Steps, dotted, fields_of, has, leaves, owns_value, remove_path, resolve, union, without
from .kinds import Kind
from .listkeys import Path, is_atomic_map, is_set, key_of, list_keys

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, how and when.

    Attributes:
        manager: the field manager's name.
        operation: `Apply` or `Update`.
        subresource: "" for the object itself.
        now: RFC 3339 time of the write.
    """

    manager: str
    operation: str
    subresource: str
    now: str

    def wrote(self, entry: Json, api_version: str) -> bool:
        """Whether an entry of `managedFields` is this writer's."""
        return (
            entry.get("manager") == self.manager
            and entry.get("operation") == self.operation
            and entry.get("subresource", "") == self.subresource
            and entry.get("apiVersion") == api_version
        )

    def entry(self, fields: Json, api_version: str, time: str) -> Json:
        """An entry of `managedFields`."""
        entry: Json = {
            "manager": self.manager,
            "operation": self.operation,
            "apiVersion": api_version,
            "time": time,
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        }
        if self.subresource:
            entry["subresource"] = self.subresource
        return entry


def apply(live: Json, config: Json, kind: Kind, writer: Writer, *, force: bool) -> Json:
    """Merge an applied configuration into the live object and record who owns what.

    Args:
        live: the object as it is; for a create, just its apiVersion, kind and name.
        config: what the client wants to own.
        kind: the object's kind.
        writer: the client.
        force: take over fields that others own with another value.

    Raises:
        ApiError: 409 with one cause per field that another manager owns with another value.
    """
    custom = not kind.model
    wanted = fields_of(config, custom=custom)
    entries = clone(live.get("metadata", {}).get("managedFields") or [])
    mine = [e for e in entries if writer.wrote(e, kind.api_version)]
    others = [e for e in entries if e not in mine]
    conflicts = list(_conflicts(live, config, wanted, others))
    if conflicts and not force:
        raise _conflict(conflicts)
    for entry, steps in conflicts:
        entry["fieldsV1"] = without(entry["fieldsV1"], steps)
    merged: Json = _merge(_bare(live), _bare(config), (), custom)
    before = mine[0]["fieldsV1"] if mine else {}
    _drop(merged, before, wanted, [e["fieldsV1"] for e in others])
    time = mine[0]["time"] if mine and before == wanted else writer.now
    kept = [e for e in others if e["fieldsV1"]]
    own = [writer.entry(wanted, kind.api_version, time)] if wanted else []
    merged["metadata"]["managedFields"] = own + kept
    return merged


def _bare(obj: Json) -> Json:
    bare = clone(obj)
    bare.setdefault("metadata", {}).pop("managedFields", None)
    return bare


def _conflicts(live: Json, config: Json, wanted: Json, others: list[Json]) -> Iterable[tuple[Json, Steps]]:
    paths = [steps for steps in leaves(wanted) if steps[-1] != "."]
    for entry in others:
        for steps in paths:
            if owns_value(entry["fieldsV1"], steps) and resolve(live, steps) != resolve(config, steps):
                yield entry, steps


def _conflict(conflicts: list[tuple[Json, Steps]]) -> ApiError:
    causes = []
    for entry, steps in conflicts:
        message = f'conflict with "{entry["manager"]}"'
        if entry.get("subresource"):
            message += f' with subresource "{entry["subresource"]}"'
        message += f" using {entry['apiVersion']}"
        causes.append({"reason": "FieldManagerConflict", "message": message, "field": dotted(steps)})
    count = f"{len(causes)} conflict" + ("s" if len(causes) > 1 else "")
    by_manager: dict[str, list[str]] = {}
    for cause in causes:
        by_manager.setdefault(cause["message"], []).append(cause["field"])
    if len(causes) == 1:
        text = f"{causes[0]['message']}: {causes[0]['field']}"
    else:
        text = "\n".join(
            message + ":\n" + "\n".join(f"- {field}" for field in fields)
            for message, fields in by_manager.items()
        )
    return ApiError(409, "Conflict", f"Apply failed with {count}: {text}", {"causes": causes})


def _merge(live: Any, config: Any, path: Path, custom: bool) -> Any:  # noqa: FBT001 - a property of the kind
    if isinstance(live, dict) and isinstance(config, dict):
        if path and is_atomic_map(path, custom):
            return config
        merged = dict(live)
        for name, value in config.items():
            merged[name] = _merge(live[name], value, (*path, name), custom) if name in live else value
        return merged
    if isinstance(live, list) and isinstance(config, list):
        keys = list_keys(path, custom)
        if keys is not None and all(isinstance(v, dict) for v in (*live, *config)):
            return _merge_by_key(live, config, keys, path, custom)
        if is_set(path):
            return live + [v for v in config if v not in live]
    return config


def _merge_by_key(
    live: list[Json],
    config: list[Json],
    keys: tuple[str, ...],
    path: Path,
    custom: bool,  # noqa: FBT001 - a property of the kind
) -> list[Json]:
    old = {key_of(v, keys): v for v in live}
    new = {key_of(v, keys): v for v in config}
    # The client's order counts where it names every item; others' items keep their places.
    order = list(new) if old.keys() <= new.keys() else [*old, *(k for k in new if k not in old)]
    return [
        _merge(old[k], new[k], path, custom) if k in old and k in new else new.get(k, old.get(k, {}))
        for k in order
    ]


def _drop(merged: Json, before: Json, wanted: Json, others: list[Json]) -> None:
    """Remove what this manager alone owned and no longer mentions."""
    for steps in leaves(before):
        if has(wanted, steps) or any(has(fields, steps) for fields in others):
            continue
        if steps[-1] == ".":
            holder = steps[:-1]
            shared = any(has(fields, holder) for fields in (*others, wanted))
            if shared or not holder[-1].startswith("k:"):
                continue
        remove_path(merged, steps)


def take_ownership(live: Json | None, new: Json, kind: Kind, writer: Writer) -> list[Json]:
    """The `managedFields` after an ordinary write: who changes a field owns it alone."""
    custom = not kind.model
    entries = clone((live or {}).get("metadata", {}).get("managedFields") or [])
    wanted = fields_of(new, custom=custom)
    changed: Json = {}
    if live is None:
        changed = wanted
    else:
        for steps in leaves(wanted):
            if resolve(live, steps) != resolve(new, steps):
                changed = union(changed, _branch(steps))
    result = []
    own: Json | None = None
    for entry in entries:
        fields = entry["fieldsV1"]
        for steps in list(leaves(fields)):
            taken = has(changed, steps) and steps[-1] != "."
            if not resolve(new, steps)[0] or (taken and not writer.wrote(entry, kind.api_version)):
                fields = without(fields, steps)
        if writer.wrote(entry, kind.api_version):
            own = entry
            fields = union(fields, changed)
            if fields != entry["fieldsV1"]:
                entry["time"] = writer.now
        entry["fieldsV1"] = fields
        if fields:
            result.append(entry)
    if own is None and changed:
        result.append(writer.entry(changed, kind.api_version, writer.now))
    return result


def _branch(steps: Steps) -> Json:
    branch: Json = {}
    for step in reversed(steps):
        branch = {step: branch}
    return branch
