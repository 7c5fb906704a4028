"""Takes up resources that exist already: finds them by the plan itself, reports, and writes only a clean import.

What a region should hold is not kept in a second list: Terraform's own plan says it. Whatever it would create is
looked for in the cloud; what is there gets an import block, and the plan is made again, since the ids of dependents
are known only then. In the end the plan tells what is matched, drifted and missing. How to look and how to judge is
each cloud's own: see `findings.Finder`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chainfleet.drivers.driver import Attempt

from . import adoption
from .applied import remember
from .azure_finding import AzureFinder
from .findings import Finder, Finding, Found, Survey
from .modules import modules_folder
from .plans import changes, dependents, planned_outputs, without_key
from .roots import Root, root_of
from .runner import Runner, failed

IMPORTS = adoption.ADOPTION
"""The file of import blocks in a root."""

_PLAN = "chainfleet-import.tfplan"
_ROUNDS = 6
"""Group, network, cluster, what lies in them, role assignments named after them: each round finds one layer more."""


class Importer:
    """Surveys and imports roots; one for all regions.

    Args:
        modules: folder with the Terraform modules; those of this installation where not given.
    """

    def __init__(self, modules: Path | None = None) -> None:
        self._modules = modules
        self._runner = Runner()

    async def survey(self, attempt: Attempt, *, apply: bool, finder: Finder | None = None) -> Survey:
        """Look for what the attempt's root would make, and import it if asked to and nothing else would happen.

        Args:
            attempt: of the root.
            apply: whether to import.
            finder: finds resources in the root's cloud; in Azure where not given.

        Raises:
            TaskFailed: Terraform or the cloud refused.
        """
        root = root_of(attempt, self._modules or modules_folder())
        await self._runner.prepare(attempt, root)
        (root.folder / IMPORTS).unlink(missing_ok=True)
        finder = finder or self._azure(attempt, root)
        document, imports = await self._matched(attempt, root, finder)
        resources = await finder.judged(document)
        if not apply or not imports:
            return Survey(tuple(resources), planned_outputs(document))
        refused = _reason_to_refuse(resources)
        layers = 0
        while imports and not refused:
            refused = await self._import_layer(attempt, root, finder, document, imports)
            layers += not refused
            if not refused:
                document, imports = await self._matched(attempt, root, finder)
        if not refused and not any(found.finding is Finding.MISSING for found in resources):
            await self._runner.pull(attempt, root)
            remember(root)
        return Survey(tuple(resources), planned_outputs(document), imported=layers > 0, refused=refused)

    def _azure(self, attempt: Attempt, root: Root) -> Finder:
        versions = adoption.module_versions(tuple(root.files.values()))
        return AzureFinder(self._runner.reality(attempt.environ), attempt.fleet.name, versions)

    async def _matched(
        self, attempt: Attempt, root: Root, finder: Finder
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """The plan that takes up everything that can be named, and the ids it takes up, by address."""
        imports: dict[str, str] = {}
        document = await self._plan(attempt, root, finder, imports)
        for _ in range(_ROUNDS):
            found = await _existing(finder, document, skip=imports)
            if not found:
                break
            imports |= found
            document = await self._plan(attempt, root, finder, imports)
        return document, imports

    async def _import_layer(
        self,
        attempt: Attempt,
        root: Root,
        finder: Finder,
        document: Mapping[str, Any],
        imports: Mapping[str, str],
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
            return f"{min(imports)} depends on what is missing ({', '.join(absent)}): `chainfleet deploy FLEET` makes it"
        targets = [f"-target={address}" for address in ready]
        refused = finder.not_only_imports(await self._plan(attempt, root, finder, ready, targets))
        if not refused:
            output = await self._runner.run(attempt, root, ["apply", "-json", "-input=false", _PLAN])
            if output.errors:
                raise failed(attempt, output.errors)
            for name in (IMPORTS, _PLAN):
                (root.folder / name).unlink(missing_ok=True)
        return refused

    async def _plan(
        self,
        attempt: Attempt,
        root: Root,
        finder: Finder,
        imports: Mapping[str, str],
        targets: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Plan with these import blocks; the plan as JSON values."""
        path = root.folder / IMPORTS
        path.unlink(missing_ok=True)
        if imports:
            path.write_text(finder.import_blocks(imports), encoding="utf-8")
        arguments = ["plan", "-json", "-input=false", f"-out={_PLAN}", *targets]
        output = await self._runner.run(attempt, root, arguments)
        if output.errors:
            raise failed(attempt, output.errors)
        return await self._runner.show(attempt, root, _PLAN)


async def _existing(
    finder: Finder, document: Mapping[str, Any], *, skip: Mapping[str, str]
) -> dict[str, str]:
    """Ids, by address, of resources that would be created and are there."""
    found = {}
    for change in changes(document):
        if change["change"]["actions"] == ["create"] and change["address"] not in skip:
            found[change["address"]] = await finder.existing(change)
    return {address: resource_id for address, resource_id in found.items() if resource_id}


def _reason_to_refuse(resources: Sequence[Found]) -> str:
    for found in resources:
        if found.finding in (Finding.DRIFTED, Finding.AMBIGUOUS):
            return f"{found.address} is {found.finding}: {found.detail}"
    return ""
