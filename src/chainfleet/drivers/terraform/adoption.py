"""Takes up resources that exist but are missing from a state: what an attempt that was killed left behind.

Azure made the resource, but the process that asked was gone before the state was written. Terraform then
refuses to make it again; an import block for exactly that resource lets the next apply take it up. Only what
lies in the region's own resource group is taken, and the group itself only if it carries the fleet's tags.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from chainfleet.model.errors import ErrorClass, TaskFailed

from .messages import Diagnostic

ADOPTION = "chainfleet_adoption.tf.json"

_EXISTS = re.compile(r'with the ID "([^"]+)" already exists')
_GROUP = re.compile(r"^/subscriptions/[^/]+/resourceGroups/[^/]+", re.IGNORECASE)

# Versions to read the resources with; the import id must name one. The group's is read for its tags too.
_GROUP_VERSION = "2024-03-01"

Reader = Callable[[str, str], Awaitable[dict[str, Any] | None]]


def orphans(errors: Sequence[Diagnostic]) -> dict[str, str]:
    """Ids of resources that exist already, by their address; empty if any error is of another kind."""
    found = {}
    for error in errors:
        match = _EXISTS.search(error.detail)
        if match is None or not error.address:
            return {}
        found[error.address] = match[1]
    return found


async def adopt(
    folder: Path, found: dict[str, str], *, group: str, fleet: str, versions: dict[str, str], read: Reader
) -> None:
    """Write import blocks for resources of ours.

    Args:
        folder: of the root.
        found: ids by address.
        group: name of the region's resource group.
        fleet: name of the fleet, which the group's tags must carry.
        versions: API version of each ARM type, in lower case, from the module.
        read: reads a resource by id and API version.

    Raises:
        TaskFailed: a resource is not the fleet's.
    """
    tagged: dict[str, bool] = {}
    for address, resource_id in found.items():
        match = _GROUP.match(resource_id)
        owner = match[0] if match else ""
        if owner.rpartition("/")[2].lower() != group.lower():
            raise _foreign(address, resource_id, f"it lies outside the resource group {group}")
        if owner not in tagged:
            answered = await read(owner, _GROUP_VERSION) or {}
            tagged[owner] = (answered.get("tags") or {}).get("chainfleet-fleet") == fleet
        if not tagged[owner]:
            raise _foreign(address, resource_id, f"the resource group {group} is not tagged as the fleet's")
    path = folder / ADOPTION
    path.write_text(import_blocks(found, versions, earlier=_blocks(path)), encoding="utf-8")


def import_blocks(
    found: Mapping[str, str], versions: Mapping[str, str], *, earlier: Sequence[dict[str, str]] = ()
) -> str:
    """A file of import blocks, in Terraform's JSON syntax.

    Args:
        found: ids by address.
        versions: API version of each ARM type, from `module_versions`.
        earlier: blocks that the file has already.
    """
    blocks = [
        {"to": address, "id": f"{resource_id}?api-version={version_of(resource_id, versions)}"}
        for address, resource_id in sorted(found.items())
    ]
    return json.dumps({"import": [*earlier, *blocks]}, indent=2)


def module_versions(files: Sequence[str]) -> dict[str, str]:
    """API version of each ARM type, in lower case, as a module's files name them."""
    pattern = re.compile(r'type\s*=\s*"([^"@]+)@([^"]+)"')
    return {kind.lower(): version for text in files for kind, version in pattern.findall(text)}


def _blocks(path: Path) -> list[dict[str, str]]:
    try:
        blocks: list[dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))["import"]
    except (OSError, ValueError, KeyError):
        return []
    return blocks


def version_of(resource_id: str, versions: Mapping[str, str]) -> str:
    """API version to read a resource with, from those that `module_versions` found."""
    _, marker, tail = resource_id.rpartition("/providers/")
    parts = tail.split("/")
    kind = "/".join([parts[0], *parts[1::2]]) if marker else "Microsoft.Resources/resourceGroups"
    return versions.get(kind.lower(), _GROUP_VERSION)


def _foreign(address: str, resource_id: str, reason: str) -> TaskFailed:
    name = address.removeprefix("azapi_resource.")
    return TaskFailed(
        ErrorClass.CONFIGURATION,
        f"{name}: {resource_id} exists already and is not ours: {reason}",
        way_out="choose another resource_prefix, or remove it",
    )
