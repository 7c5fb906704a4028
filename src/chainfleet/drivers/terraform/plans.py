"""Reads a Terraform plan (`terraform show -json`): what it would do, with which ids, and what depends on what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_RESTATED = frozenset({"body", "output", "response_export_values", "retry", "timeouts", "identity"})
"""Attributes that azapi fills differently on import; those that reach ARM are compared with its answer."""


_TAINTED = "replace_because_tainted"


def changes(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What the plan does to each managed resource."""
    return [row for row in document.get("resource_changes") or () if row.get("mode") == "managed"]


def existing_id(change: Mapping[str, Any]) -> str:
    """Id of a resource that is in the state or about to be imported; empty for one to be created."""
    importing = change["change"].get("importing")
    if importing:
        return str(importing["id"].partition("?")[0])
    return str((change["change"]["before"] or {}).get("id", ""))


def without_key(address: str) -> str:
    """An address without the key of its instance."""
    return address.partition("[")[0]


def dependents(document: Mapping[str, Any], absent: Sequence[str]) -> set[str]:
    """Resources of the configuration that are absent or depend on absent ones, without keys of instances."""
    rows = document["configuration"]["root_module"].get("resources") or ()
    needs = {
        row["address"]: {*(row.get("depends_on") or ()), *_references(row.get("expressions"))} for row in rows
    }
    blocked = {without_key(address) for address in absent}
    while True:
        more = {
            address
            for address, referred in needs.items()
            if address not in blocked and any(_starts(name, blocked) for name in referred)
        }
        if not more:
            return blocked
        blocked |= more


def _starts(reference: str, addresses: set[str]) -> bool:
    return any(
        reference == address or reference.startswith((f"{address}.", f"{address}[")) for address in addresses
    )


def _references(expression: Any) -> set[str]:
    """Everything that an expression of the configuration refers to."""
    if isinstance(expression, dict):
        own = expression.get("references")
        found = {str(name) for name in own} if isinstance(own, list) else set()
        return found.union(*(_references(value) for value in expression.values()))
    if isinstance(expression, list):
        return set().union(*(_references(item) for item in expression))
    return set()


def planned_outputs(document: Mapping[str, Any]) -> dict[str, Any]:
    """Values of the root's outputs after the plan, those that are known."""
    values = (document.get("planned_values") or {}).get("outputs") or {}
    return {name: item["value"] for name, item in values.items() if "value" in item}


def id_to_be(after: Mapping[str, Any]) -> str:
    """Id that a resource to be created would get; empty while what it lies in is not known."""
    parent, name, kind = (
        after.get("parent_id"),
        after.get("name"),
        str(after.get("type", "")).partition("@")[0],
    )
    if not parent or not name or not kind:
        return ""
    if kind.lower() == "microsoft.resources/resourcegroups":
        return f"{parent}/resourceGroups/{name}"
    if kind.count("/") == 1:
        return f"{parent}/providers/{kind}/{name}"
    return f"{parent}/{kind.rpartition('/')[2]}/{name}"


def api_version(change: Mapping[str, Any]) -> str:
    """API version that the module speaks to this resource with."""
    values = change["change"]["after"] or change["change"]["before"]
    return str(values["type"]).partition("@")[2]


def destroyed(document: Mapping[str, Any]) -> list[str]:
    """Addresses of what the plan would destroy, or replace for another reason than that its creation had failed."""
    return [
        change["address"]
        for change in changes(document)
        if "delete" in change["change"]["actions"] and change.get("action_reason") != _TAINTED
    ]


def replaced_by(change: Mapping[str, Any]) -> list[str]:
    """Attributes because of which a resource would be replaced."""
    return [".".join(map(str, path)) for path in change["change"].get("replace_paths") or ()] or ["its plan"]


def not_only_imports(document: Mapping[str, Any]) -> str:
    """Why a plan does more than take up; empty if it doesn't."""
    for change in changes(document):
        actions = change["change"]["actions"]
        before, after = change["change"]["before"] or {}, change["change"]["after"] or {}
        if actions == ["no-op"]:
            continue
        if actions != ["update"]:
            return f"the plan would {' and '.join(actions)} {change['address']}"
        changed = {name for name in after if after[name] != before.get(name)} - _RESTATED
        changed = {name for name in changed if not _is_default(before.get(name), after[name])}
        if changed:
            return f"the plan would change {', '.join(sorted(changed))} of {change['address']}"
    return ""


def _is_default(before: Any, after: Any) -> bool:
    """Provider settings that are empty in one place and false or absent in the other."""
    return not before and not after
