"""How a resource's body, its outputs and its identity follow from what ARM answers."""

from __future__ import annotations

from typing import Any

_ENVELOPE = frozenset({"id", "name", "type", "location", "tags", "identity", "etag", "systemData"})


class ExportError(ValueError):
    """`response_export_values` has a form that this provider can't follow."""


def request_body(state: dict[str, Any], body: Any) -> dict[str, Any]:
    """The body to send: what was configured, with location, tags and identity put in."""
    sent = dict(body or {})
    if state.get("location") and "location" not in sent:
        sent["location"] = state["location"]
    if state.get("tags") and "tags" not in sent:
        sent["tags"] = state["tags"]
    if state.get("identity") and "identity" not in sent:
        block = state["identity"][0]
        sent["identity"] = {"type": block["type"]}
        if block.get("identity_ids"):
            sent["identity"]["userAssignedIdentities"] = {name: {} for name in block["identity_ids"]}
    return _without_null(sent) if state.get("ignore_null_property") else sent


def observed(configured: Any, answered: Any, *, ignore_casing: bool, keep_missing: bool) -> Any:
    """What was configured, with the values that ARM now has: a difference is drift."""
    if isinstance(configured, dict):
        if not isinstance(answered, dict):
            return configured if answered is None and keep_missing else answered
        return {
            key: observed(value, answered.get(key), ignore_casing=ignore_casing, keep_missing=keep_missing)
            for key, value in configured.items()
            if key in answered or keep_missing
        }
    if isinstance(configured, list) and isinstance(answered, list):
        return _observed_list(configured, answered, ignore_casing=ignore_casing, keep_missing=keep_missing)
    if answered is None:
        return configured if keep_missing else None
    if isinstance(configured, str) and isinstance(answered, str):
        # ARM changes the case of ids and locations at will.
        same = configured.lower() == answered.lower()
        if same and (ignore_casing or configured.startswith("/subscriptions/")):
            return configured
    return answered


def _observed_list(configured: list[Any], answered: list[Any], **options: bool) -> list[Any]:
    named = {item["name"]: item for item in answered if isinstance(item, dict) and "name" in item}
    if len(named) == len(answered) and all(isinstance(item, dict) and "name" in item for item in configured):
        kept = [
            observed(item, named[item["name"]], **options) for item in configured if item["name"] in named
        ]
        ours = {item["name"] for item in configured}
        return kept + [item for name, item in named.items() if name not in ours]
    if len(configured) != len(answered):
        return answered
    return [observed(old, new, **options) for old, new in zip(configured, answered, strict=True)]


def exported(answered: dict[str, Any], wanted: Any) -> dict[str, Any]:
    """The outputs asked for by `response_export_values`; without it, the resource's properties."""
    if wanted is None:
        return {"properties": answered.get("properties", {})}
    if isinstance(wanted, dict):
        raise ExportError(
            "response_export_values as a map of queries is not supported here: give a list of paths"
        )
    result: dict[str, Any] = {}
    for path in wanted:
        if path == "*":
            return answered
        _copy(answered, result, path.split("."))
    return result


def _copy(source: Any, target: dict[str, Any], path: list[str]) -> None:
    head, *rest = path
    if not isinstance(source, dict) or head not in source:
        return
    if rest:
        _copy(source[head], target.setdefault(head, {}), rest)
    else:
        target[head] = source[head]


def imported_body(answered: dict[str, Any]) -> dict[str, Any]:
    """The body of a resource that was found rather than made."""
    body = {key: value for key, value in answered.items() if key not in _ENVELOPE}
    if isinstance(body.get("properties"), dict):
        body["properties"] = {k: v for k, v in body["properties"].items() if k != "provisioningState"}
    return body


def identity_block(block: dict[str, Any], answered: Any) -> dict[str, Any]:
    """The identity block with the ids that ARM gave it."""
    answered = answered if isinstance(answered, dict) else {}
    return {
        **block,
        "principal_id": answered.get("principalId", ""),
        "tenant_id": answered.get("tenantId", ""),
    }


def found_identity(answered: Any) -> list[dict[str, Any]]:
    """The identity of a resource that was found rather than made, as blocks."""
    if not isinstance(answered, dict) or answered.get("type", "None") == "None":
        return []
    ids = sorted(answered.get("userAssignedIdentities") or {})
    return [identity_block({"type": answered["type"], "identity_ids": ids or None}, answered)]


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_null(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_null(item) for item in value]
    return value
