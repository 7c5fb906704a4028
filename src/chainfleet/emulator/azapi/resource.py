"""The life of an `azapi_resource`: create, read, update, delete, import, with Microsoft's messages."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any

from . import bodies, schema
from .arm import Arm, ArmError
from .identifiers import ResourceId, parse, resource_id, split_type
from .wire import State, dynamic, plain

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?$")
_DEFAULT_MINUTES = {"create": 30, "update": 30, "delete": 30, "read": 5}


@dataclass(slots=True)
class Result:
    """A new state (None: there is no such resource) and what went wrong, as summary and detail."""

    state: State | None
    problem: tuple[str, str] | None = None
    imported: list[State] = field(default_factory=list)


async def create(arm: Arm, planned: State) -> Result:
    """Make a resource that must not exist yet."""
    target = resource_id(planned["name"], planned["parent_id"], planned["type"])
    try:
        if await arm.get(target.id, target.version) is not None:
            return Result(None, ("Resource already exists", _exists(target)))
    except ArmError as error:
        text = f"checking for presence of existing {target}: {error}"
        return Result(None, ("Failed to retrieve resource", text))
    return await _write(arm, target, planned, "create")


async def update(arm: Arm, prior: State, planned: State) -> Result:
    """Bring a resource to its planned state; no call where only the state's own attributes differ."""
    split = split_type(planned["type"])
    target = ResourceId(prior["id"], split[0], split[1], planned["name"], planned["parent_id"])
    if _sent(prior) == _sent(planned) and plain(planned["output"]) == plain(prior["output"]):
        return Result(planned)
    result = await _write(arm, target, planned, "update")
    return Result(prior, result.problem) if result.problem else result


def _sent(state: State) -> tuple[Any, ...]:
    return (
        plain(state["body"]),
        state.get("tags"),
        state.get("location"),
        state.get("identity"),
        state["type"],
    )


async def _write(arm: Arm, target: ResourceId, planned: State, verb: str) -> Result:
    body = bodies.request_body(planned, plain(planned["body"]))
    try:
        async with asyncio.timeout(_timeout_s(planned, verb)):
            answered = await _put(arm, target, body, planned.get("retry"))
    except (ArmError, TimeoutError) as error:
        reason = "context deadline exceeded" if isinstance(error, TimeoutError) else str(error)
        problem = ("Failed to create/update resource", f"creating/updating {target}: {reason}")
        return Result(await _left_behind(arm, target, planned, verb), problem)
    return Result(_finished(target, planned, answered))


async def _put(arm: Arm, target: ResourceId, body: State, retry: Any) -> State:
    patterns = [re.compile(text) for text in (retry or {}).get("error_message_regex") or ()]
    wait = float((retry or {}).get("interval_seconds") or 10)
    while True:
        try:
            return await arm.put(target.id, target.version, body)
        except ArmError as error:
            if not any(pattern.search(str(error)) for pattern in patterns):
                raise
        await asyncio.sleep(wait)
        wait = min(wait * 1.5, float(retry.get("max_interval_seconds") or 180))


async def _left_behind(arm: Arm, target: ResourceId, planned: State, verb: str) -> State | None:
    """A creation that failed may have left the resource: Terraform then keeps it, marked as tainted."""
    if verb != "create":
        return None
    try:
        answered = await arm.get(target.id, target.version)
    except ArmError:
        return None
    return None if answered is None else _finished(target, planned, answered)


def _finished(target: ResourceId, planned: State, answered: State) -> State:
    identity = planned.get("identity") or []
    return {
        **planned,
        "id": target.id,
        "output": dynamic(bodies.exported(answered, plain(planned.get("response_export_values")))),
        "identity": [bodies.identity_block(block, answered.get("identity")) for block in identity],
        "location": _known_or(planned.get("location"), answered.get("location")),
        "tags": _known_or(planned.get("tags"), answered.get("tags")),
    }


def _known_or(planned: Any, answered: Any) -> Any:
    return planned if planned is None or isinstance(planned, str | dict) else answered


async def read(arm: Arm, state: State) -> Result:
    """Read a resource back; its state says what of its configuration ARM now answers."""
    split = split_type(state["type"])
    target = ResourceId(state["id"], split[0], split[1], state["name"], state["parent_id"])
    try:
        answered = await arm.get(target.id, target.version)
    except ArmError as error:
        return Result(state, ("Failed to retrieve resource", f"reading {target}: {error}"))
    if answered is None:
        return Result(None)
    configured = plain(state["body"])
    body = bodies.observed(
        configured,
        answered,
        ignore_casing=bool(state.get("ignore_casing")),
        keep_missing=state.get("ignore_missing_property") is not False,
    )
    output = bodies.exported(answered, plain(state.get("response_export_values")))
    return Result(
        {
            **state,
            "body": state["body"] if body == configured else dynamic(body),
            "output": state["output"] if output == plain(state["output"]) else dynamic(output),
            "tags": answered.get("tags") or (None if state.get("tags") is None else {}),
            "location": _location(state.get("location"), answered.get("location")),
            "identity": bodies.found_identity(answered.get("identity")) if state.get("identity") else [],
        }
    )


def _location(configured: Any, answered: Any) -> Any:
    if answered is None or str(configured or "").lower() == str(answered).replace(" ", "").lower():
        return configured
    return answered


async def delete(arm: Arm, state: State) -> Result:
    """Delete a resource; one that is gone already is fine."""
    _, version = split_type(state["type"])
    target = ResourceId(state["id"], "", version, state["name"], state["parent_id"])
    try:
        async with asyncio.timeout(_timeout_s(state, "delete")):
            await arm.delete(target.id, version)
    except (ArmError, TimeoutError) as error:
        reason = "context deadline exceeded" if isinstance(error, TimeoutError) else str(error)
        return Result(state, ("Failed to delete resource", f"deleting {target}: {reason}"))
    return Result(None)


async def import_(arm: Arm, text: str) -> Result:
    """Take up a resource that exists, by its id with `?api-version=`."""
    try:
        target = parse(text)
    except ValueError as error:
        return Result(None, ("Invalid Resource ID", str(error)))
    try:
        answered = await arm.get(target.id, target.version)
    except ArmError as error:
        return Result(None, ("Failed to retrieve resource", f"reading {target}: {error}"))
    if answered is None:
        return Result(None)
    state: State = dict.fromkeys(schema.NAMES) | schema.DEFAULTS
    state |= {
        "id": target.id,
        "name": target.name,
        "parent_id": target.parent,
        "type": f"{target.type}@{target.version}",
        "body": dynamic(bodies.imported_body(answered)),
        "output": dynamic(bodies.exported(answered, None)),
        "location": answered.get("location"),
        "tags": answered.get("tags") or None,
        "identity": bodies.found_identity(answered.get("identity")),
    }
    return Result(None, imported=[state])


def _exists(target: ResourceId) -> str:
    return (
        f'A resource with the ID "{target.id}" already exists - to be managed via Terraform this resource '
        'needs to be imported into the State. Please see the resource documentation for "azapi_resource" for '
        "more information."
    )


def _timeout_s(state: State, verb: str) -> float:
    text = (state.get("timeouts") or {}).get(verb)
    match = _DURATION.fullmatch(text) if text else None
    if match is None:
        return _DEFAULT_MINUTES[verb] * 60.0
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds
