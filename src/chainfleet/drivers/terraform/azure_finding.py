"""Finds what Azure has of a root's resources: by the ids that the plan's names come to, read from ARM.

azapi keeps a resource's whole body on import, so the plan then shows an update in place even where nothing differs.
Whether something really would change is therefore decided by comparing the module's body with what ARM answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import adoption
from .findings import Finding, Found
from .plans import api_version, changes, existing_id, id_to_be, not_only_imports, replaced_by
from .reality import Reality, changed_at

_ASSIGNMENTS = "Microsoft.Authorization/roleAssignments"
_IDENTITY_DEPTH = 8
"""Slashes in the id of a managed identity itself, not of what lies in it."""


class AzureFinder:
    """Finds the resources of one root.

    Args:
        reality: reads ARM.
        fleet: name of the fleet, which its resource groups carry as a tag.
        versions: API version of each ARM type, from the root's files.
    """

    def __init__(self, reality: Reality, fleet: str, versions: Mapping[str, str]) -> None:
        self._reality = reality
        self._fleet = fleet
        self._versions = versions

    async def existing(self, change: Mapping[str, Any]) -> str:
        """Id of a resource that would be created, where ARM has it."""
        resource_id = id_to_be(change["change"]["after"] or {})
        if not resource_id or await self._reality.read(resource_id, api_version(change)) is None:
            return ""
        return resource_id

    def import_blocks(self, imports: Mapping[str, str]) -> str:
        """A file of import blocks, in Terraform's JSON syntax."""
        return adoption.import_blocks(imports, self._versions)

    def not_only_imports(self, document: Mapping[str, Any]) -> str:
        """Why a plan does more than take up; what azapi merely states once more doesn't count."""
        return not_only_imports(document)

    async def judged(self, document: Mapping[str, Any]) -> list[Found]:
        """What is the matter with each resource of the plan."""
        principals = await self._principals(document)
        return [await self._judge(change, principals) for change in changes(document)]

    async def _principals(self, document: Mapping[str, Any]) -> frozenset[str]:
        """Principal ids of the root's identities that exist."""
        found = set()
        for change in changes(document):
            resource_id = existing_id(change)
            if "/userAssignedIdentities/" in resource_id and resource_id.count("/") == _IDENTITY_DEPTH:
                answered = await self._reality.read(resource_id, api_version(change)) or {}
                found.add(str((answered.get("properties") or {}).get("principalId", "")))
        return frozenset(found)

    async def _judge(self, change: Mapping[str, Any], principals: frozenset[str]) -> Found:
        address, actions = change["address"], change["change"]["actions"]
        if actions == ["create"]:
            return await self._unnamed(change, principals)
        before = change["change"]["before"] or {}
        importing = change["change"].get("importing")
        resource_id = existing_id(change)
        if "delete" in actions:
            detail = f"would be replaced because of {', '.join(replaced_by(change))}"
            return Found(Finding.DRIFTED, address, resource_id, detail)
        if address.startswith("azapi_resource.resource_group") and not _is_tagged(before, self._fleet):
            return Found(
                Finding.AMBIGUOUS, address, resource_id, "the resource group isn't tagged as the fleet's"
            )
        where = await _difference(self._reality, resource_id, change)
        if where:
            return Found(Finding.DRIFTED, address, resource_id, f"differs at {where}")
        return Found(Finding.MATCHED if importing else Finding.HELD, address, resource_id)

    async def _unnamed(self, change: Mapping[str, Any], principals: frozenset[str]) -> Found:
        """A resource that isn't found by its name: a role assignment is, by what it says, once its scope exists."""
        after = change["change"]["after"] or {}
        address, scope, kind = change["address"], after.get("parent_id"), str(after.get("type", ""))
        if after.get("name") or not scope or not kind.lower().startswith(_ASSIGNMENTS.lower()):
            return Found(Finding.MISSING, address)
        wanted = str(((after.get("body") or {}).get("properties") or {}).get("roleDefinitionId", "")).lower()
        listed = await self._reality.read(f"{scope}/providers/{_ASSIGNMENTS}", api_version(change))
        same = [
            row
            for row in (listed or {}).get("value") or ()
            if str(row["properties"].get("roleDefinitionId", "")).lower() == wanted
            and row["properties"].get("principalId") in principals
            and str(row["id"]).lower().startswith(f"{scope}/providers/{_ASSIGNMENTS}/".lower())
        ]
        if not same:
            return Found(Finding.MISSING, address)
        if len(same) > 1:
            return Found(Finding.AMBIGUOUS, address, detail=f"{len(same)} role assignments say the same")
        return Found(Finding.MATCHED, address, same[0]["id"], "imported after its identity")


async def _difference(reality: Reality, resource_id: str, change: Mapping[str, Any]) -> str:
    """Where the cloud differs from what the module wants; empty if nowhere."""
    answered = await reality.read(resource_id, api_version(change))
    if answered is None:
        return "all: it is gone"
    after = change["change"]["after"] or {}
    where = changed_at(after.get("body"), answered)
    if where is None and after.get("tags") is not None and after["tags"] != (answered.get("tags") or {}):
        where = "tags"
    return where or ""


def _is_tagged(group: Mapping[str, Any], fleet: str) -> bool:
    return (group.get("tags") or {}).get("chainfleet-fleet") == fleet
