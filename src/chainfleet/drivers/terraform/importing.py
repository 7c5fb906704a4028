"""Takes up resources that exist already: finds them by the plan itself, reports, and writes only a clean import.

What a region should hold is not kept in a second list: Terraform's own plan says it. Whatever it would create is
looked for in the cloud; what is there gets an import block, and the plan is made again, since the ids of dependents
are known only then. In the end the plan tells what is matched, drifted and missing.

azapi keeps a resource's whole body on import, so the plan then shows an update in place even where nothing differs.
Whether something really would change is therefore decided by comparing the module's body with what ARM answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from chainfleet.drivers.driver import Attempt

from . import adoption
from .applied import remember
from .modules import modules_folder
from .plans import (
    api_version,
    changes,
    dependents,
    existing_id,
    id_to_be,
    not_only_imports,
    planned_outputs,
    replaced_by,
    without_key,
)
from .reality import Reality, changed_at
from .roots import Root, root_of
from .runner import Runner, failed

IMPORTS = adoption.ADOPTION
"""The file of import blocks in a root."""

_PLAN = "chainfleet-import.tfplan"
_ROUNDS = 6
"""Group, network, cluster, what lies in them, role assignments named after them: each round finds one layer more."""

_ASSIGNMENTS = "Microsoft.Authorization/roleAssignments"
_IDENTITY_DEPTH = 8
"""Slashes in the id of a managed identity itself, not of what lies in it."""


class Finding(StrEnum):
    """What is the matter with one resource."""

    HELD = "held"
    """In the state already."""
    MATCHED = "matched"
    """Exists as the module wants it; will be imported."""
    DRIFTED = "drifted"
    """Exists, but differs from what the module wants."""
    MISSING = "missing"
    """Doesn't exist; a deployment makes it."""
    AMBIGUOUS = "ambiguous"
    """Exists where ours would be, but isn't marked as the fleet's."""
    FOREIGN = "foreign"
    """Lies among ours and the modules don't know it."""


@dataclass(frozen=True, slots=True)
class Found:
    """One resource and what was found.

    Attributes:
        finding: what is the matter.
        address: in the root; empty for a foreign one.
        id: in the cloud; empty for a missing one.
        detail: e.g. where it differs.
    """

    finding: Finding
    address: str = ""
    id: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Survey:
    """What one root would make and what of it exists.

    Attributes:
        resources: one entry for each resource of the root.
        outputs: the root's outputs, as far as they are known.
        imported: whether the state was written.
        refused: why an import was not carried out; empty if it was, or was not asked for.
    """

    resources: tuple[Found, ...]
    outputs: Mapping[str, Any]
    imported: bool = False
    refused: str = ""

    def __iter__(self) -> Iterator[Found]:
        """Its resources."""
        return iter(self.resources)


class Importer:
    """Surveys and imports roots; one for all regions.

    Args:
        modules: folder with the Terraform modules; those of this installation where not given.
    """

    def __init__(self, modules: Path | None = None) -> None:
        self._modules = modules
        self._runner = Runner()

    async def survey(self, attempt: Attempt, *, apply: bool) -> Survey:
        """Look for what the attempt's root would make, and import it if asked to and nothing else would happen.

        Raises:
            TaskFailed: Terraform or the cloud refused.
        """
        root = root_of(attempt, self._modules or modules_folder())
        await self._runner.prepare(attempt, root)
        (root.folder / IMPORTS).unlink(missing_ok=True)
        document, imports = await self._matched(attempt, root)
        resources = await self._judged(attempt, document)
        if not apply or not imports:
            return Survey(tuple(resources), planned_outputs(document))
        refused = _reason_to_refuse(resources)
        layers = 0
        while imports and not refused:
            refused = await self._import_layer(attempt, root, document, imports)
            layers += not refused
            if not refused:
                document, imports = await self._matched(attempt, root)
        if not refused and not any(found.finding is Finding.MISSING for found in resources):
            await self._runner.pull(attempt, root)
            remember(root)
        return Survey(tuple(resources), planned_outputs(document), imported=layers > 0, refused=refused)

    async def _matched(self, attempt: Attempt, root: Root) -> tuple[dict[str, Any], dict[str, str]]:
        """The plan that takes up everything that can be named, and the ids it takes up, by address."""
        imports: dict[str, str] = {}
        document = await self._plan(attempt, root, imports)
        for _ in range(_ROUNDS):
            found = await self._existing(attempt, document, skip=imports)
            if not found:
                break
            imports |= found
            document = await self._plan(attempt, root, imports)
        return document, imports

    async def _import_layer(
        self, attempt: Attempt, root: Root, document: Mapping[str, Any], imports: Mapping[str, str]
    ) -> str:
        """Import what doesn't depend on something that the plan would create; why not, if that is refused.

        Names may follow from what is imported first (a role assignment's from its identity), so this is done
        layer by layer, each by a plan of its own that shows imports only.
        """
        absent = [
            change["address"] for change in changes(document) if change["change"]["actions"] == ["create"]
        ]
        blocked = dependents(document, absent)
        ready = {address: place for address, place in imports.items() if without_key(address) not in blocked}
        if not ready:
            return f"{min(imports)} depends on what is missing ({', '.join(absent)}): `chainfleet deploy` makes it"
        targets = [f"-target={address}" for address in ready]
        refused = not_only_imports(await self._plan(attempt, root, ready, targets))
        if not refused:
            output = await self._runner.run(attempt, root, ["apply", "-json", "-input=false", _PLAN])
            if output.errors:
                raise failed(attempt, output.errors)
            for name in (IMPORTS, _PLAN):
                (root.folder / name).unlink(missing_ok=True)
        return refused

    async def _plan(
        self, attempt: Attempt, root: Root, imports: Mapping[str, str], targets: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Plan with these import blocks; the plan as JSON values."""
        versions = adoption.module_versions(tuple(root.files.values()))
        path = root.folder / IMPORTS
        path.unlink(missing_ok=True)
        if imports:
            path.write_text(adoption.import_blocks(imports, versions), encoding="utf-8")
        arguments = ["plan", "-json", "-input=false", f"-out={_PLAN}", *targets]
        output = await self._runner.run(attempt, root, arguments)
        if output.errors:
            raise failed(attempt, output.errors)
        return await self._runner.show(attempt, root, _PLAN)

    async def _existing(
        self, attempt: Attempt, document: Mapping[str, Any], *, skip: Mapping[str, str]
    ) -> dict[str, str]:
        """Ids, by address, of resources that would be created and are there."""
        reality = self._runner.reality(attempt.environ)
        found = {}
        for change in changes(document):
            resource_id = id_to_be(change["change"]["after"] or {})
            if change["change"]["actions"] != ["create"] or change["address"] in skip or not resource_id:
                continue
            if await reality.read(resource_id, api_version(change)) is not None:
                found[change["address"]] = resource_id
        return found

    async def _judged(self, attempt: Attempt, document: Mapping[str, Any]) -> list[Found]:
        principals = await self._principals(attempt, document)
        return [await self._judge(attempt, change, principals) for change in changes(document)]

    async def _principals(self, attempt: Attempt, document: Mapping[str, Any]) -> frozenset[str]:
        """Principal ids of the root's identities that exist."""
        reality = self._runner.reality(attempt.environ)
        found = set()
        for change in changes(document):
            resource_id = existing_id(change)
            if "/userAssignedIdentities/" in resource_id and resource_id.count("/") == _IDENTITY_DEPTH:
                answered = await reality.read(resource_id, api_version(change)) or {}
                found.add(str((answered.get("properties") or {}).get("principalId", "")))
        return frozenset(found)

    async def _judge(self, attempt: Attempt, change: Mapping[str, Any], principals: frozenset[str]) -> Found:
        address, actions = change["address"], change["change"]["actions"]
        if actions == ["create"]:
            return await self._unnamed(attempt, change, principals)
        before = change["change"]["before"] or {}
        importing = change["change"].get("importing")
        resource_id = existing_id(change)
        if "delete" in actions:
            detail = f"would be replaced because of {', '.join(replaced_by(change))}"
            return Found(Finding.DRIFTED, address, resource_id, detail)
        if address.startswith("azapi_resource.resource_group") and not _is_tagged(before, attempt.fleet.name):
            return Found(
                Finding.AMBIGUOUS, address, resource_id, "the resource group isn't tagged as the fleet's"
            )
        where = await _difference(self._runner.reality(attempt.environ), resource_id, change)
        if where:
            return Found(Finding.DRIFTED, address, resource_id, f"differs at {where}")
        return Found(Finding.MATCHED if importing else Finding.HELD, address, resource_id)

    async def _unnamed(
        self, attempt: Attempt, change: Mapping[str, Any], principals: frozenset[str]
    ) -> Found:
        """A resource that isn't found by its name: a role assignment is, by what it says, once its scope exists."""
        after = change["change"]["after"] or {}
        address, scope, kind = change["address"], after.get("parent_id"), str(after.get("type", ""))
        if after.get("name") or not scope or not kind.lower().startswith(_ASSIGNMENTS.lower()):
            return Found(Finding.MISSING, address)
        wanted = str(((after.get("body") or {}).get("properties") or {}).get("roleDefinitionId", "")).lower()
        listed = await self._runner.reality(attempt.environ).read(
            f"{scope}/providers/{_ASSIGNMENTS}", api_version(change)
        )
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


def _reason_to_refuse(resources: Sequence[Found]) -> str:
    for found in resources:
        if found.finding in (Finding.DRIFTED, Finding.AMBIGUOUS):
            return f"{found.address} is {found.finding}: {found.detail}"
    return ""
