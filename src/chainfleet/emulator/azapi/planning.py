"""What a change of a resource would do, without asking ARM: pure functions on wire values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import schema
from .wire import UNKNOWN, State, dynamic, is_known, plain

_REPLACING = ("name", "parent_id", "location")
_OUTPUT_DEPENDS_ON = ("type", "location", "tags", "identity")
_EMPTY_BODY = dynamic({})


@dataclass(frozen=True, slots=True)
class Planned:
    """The planned state and the attributes that force a replacement."""

    state: State
    replaces: tuple[str, ...] = ()


def plan(prior: State | None, proposed: State, config: State) -> Planned:
    """Plan the creation (no prior state) or update of a resource."""
    planned = {**proposed}
    for name, value in schema.DEFAULTS.items():
        if planned.get(name) is None:
            planned[name] = value
    if planned.get("body") is None:
        planned["body"] = _EMPTY_BODY
    planned["retry"] = _retry(planned.get("retry"))
    return _creation(planned, config) if prior is None else _update(prior, planned, config)


def _creation(planned: State, config: State) -> Planned:
    planned["id"] = UNKNOWN
    planned["output"] = UNKNOWN
    body_known = is_known(planned["body"])
    for name in ("location", "tags"):
        if config.get(name) is None:
            planned[name] = None if body_known else UNKNOWN
    planned["identity"] = [_unknown_ids(block) for block in planned.get("identity") or []]
    return Planned(planned)


def _update(prior: State, planned: State, config: State) -> Planned:
    planned["id"] = prior["id"]
    if is_known(planned["body"]) and plain(planned["body"]) == plain(prior["body"]):
        planned["body"] = prior["body"]
    if _exports(planned) == _exports(prior):
        planned["response_export_values"] = prior.get("response_export_values")
    if config.get("location") is None or _place(config) == _place(prior):
        planned["location"] = prior.get("location")
    if config.get("tags") is None:
        planned["tags"] = prior.get("tags")
    planned["identity"] = _identity(prior, planned)
    changed = (
        plain(planned["body"]) != plain(prior["body"])
        or _exports(planned) != _exports(prior)
        or any(planned.get(name) != prior.get(name) for name in _OUTPUT_DEPENDS_ON)
    )
    planned["output"] = UNKNOWN if changed else prior.get("output")
    replaces = [name for name in _REPLACING if planned.get(name) != prior.get(name)]
    trigger = planned.get("replace_triggers_external_values")
    if trigger is not None and plain(trigger) != plain(prior.get("replace_triggers_external_values")):
        replaces.append("replace_triggers_external_values")
    if replaces:
        planned["id"] = UNKNOWN
        planned["output"] = UNKNOWN
    return Planned(planned, tuple(replaces))


def _exports(state: State) -> Any:
    return plain(state.get("response_export_values"))


def _place(state: State) -> str:
    return str(state.get("location") or "").replace(" ", "").lower()


def _identity(prior: State, planned: State) -> list[State]:
    blocks = planned.get("identity") or []
    before = prior.get("identity") or []
    if [_asked(block) for block in blocks] == [_asked(block) for block in before]:
        return before
    return [_unknown_ids(block) for block in blocks]


def _asked(block: State) -> tuple[Any, Any]:
    return block.get("type"), block.get("identity_ids")


def _unknown_ids(block: State) -> State:
    return {**block, "principal_id": UNKNOWN, "tenant_id": UNKNOWN}


def _retry(retry: Any) -> Any:
    if not isinstance(retry, dict):
        return retry
    defaults = {k: v for k, v in schema.RETRY_DEFAULTS.items() if retry.get(k) is None}
    return {**retry, **defaults}
