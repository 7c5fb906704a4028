"""Imports a whole fleet: all regions at once, each on its own, so that what failed can be done again alone."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from chainfleet.drivers.arm import ArmReader
from chainfleet.drivers.terraform.findings import Finding, Found
from chainfleet.drivers.terraform.importing import Importer
from chainfleet.model.errors import TaskFailed
from chainfleet.model.event import StartAttempt
from chainfleet.model.fleet import Fleet, Region
from chainfleet.model.task import Phase, Task

from .attempts import Surroundings, opened

CONCURRENT = 8
"""Regions surveyed at once: each plans a few times, which takes a core and about 80 MiB (docs/performance.md)."""

_STAGES = ("network", "cluster")


@dataclass(slots=True)
class RegionReport:
    """What was found of one region.

    Attributes:
        found: every resource that the modules would make, and foreign ones.
        imported: stages whose states were written.
        problem: why the region could not be surveyed or imported; empty if it could.
    """

    found: list[tuple[str, Found]] = field(default_factory=list)
    imported: list[str] = field(default_factory=list)
    problem: str = ""

    def count(self, finding: Finding) -> int:
        """How many resources are in that case."""
        return sum(found.finding is finding for _, found in self.found)


async def import_fleet(
    surroundings: Surroundings, *, apply: bool, only: Collection[str] = ()
) -> dict[str, RegionReport]:
    """Survey the fleet's Azure regions and, if asked to, import what is there; by region, in the fleet's order."""
    regions = [
        region
        for region in surroundings.fleet.regions
        if region.cloud == "azure" and (not only or region.name in only)
    ]
    importer, gate = Importer(), asyncio.Semaphore(CONCURRENT)
    strangers = await asyncio.to_thread(_all_of_fleet, surroundings)

    async def one(region: Region) -> RegionReport:
        async with gate:
            report = await _import_region(surroundings, importer, region, apply=apply)
        report.found += _foreign(surroundings.fleet, region, report, strangers)
        return report

    reports = await asyncio.gather(*(one(region) for region in regions))
    return {region.name: report for region, report in zip(regions, reports, strict=True)}


async def _import_region(
    surroundings: Surroundings, importer: Importer, region: Region, *, apply: bool
) -> RegionReport:
    report = RegionReport()
    outputs: dict[str, Mapping[str, Any]] = {}
    here = replace(surroundings, outputs=outputs.__getitem__)
    for stage in _STAGES:
        task = Task(f"infrastructure/{stage}/{region.name}", Phase.INFRASTRUCTURE, region=region.name)
        with opened(task, StartAttempt(task.id, 1, timeout_s=0), here) as attempt:
            try:
                survey = await importer.survey(attempt, apply=apply)
            except TaskFailed as error:
                attempt.log(f"failed ({error.error_class}): {error}")
                report.problem = f"{stage}: {error.message}"
                return report
        outputs[task.id] = survey.outputs
        report.found += [(stage, found) for found in survey]
        report.imported += [stage] if survey.imported else []
        report.problem = f"{stage}: {survey.refused}" if survey.refused else ""
        nothing = all(found.finding is Finding.MISSING for found in survey)
        # Without a network there is nothing that a cluster could lie in.
        if report.problem or nothing:
            return report
    return report


@dataclass(frozen=True, slots=True)
class _Stranger:
    """A resource as Resource Graph lists it."""

    id: str
    location: str
    group: str
    is_group: bool


def _all_of_fleet(surroundings: Surroundings) -> Sequence[_Stranger]:
    """Everything in the fleet's resource groups, and every group that carries its tag, in two queries."""
    fleet = surroundings.fleet
    names = ", ".join(f"'{group_of(fleet, region)}'" for region in fleet.regions if region.cloud == "azure")
    queries = (
        f"resources | where resourceGroup in~ ({names}) | project id, location, resourceGroup",
        "resourcecontainers | where type =~ 'microsoft.resources/subscriptions/resourcegroups'"
        f" | where tags['chainfleet-fleet'] == '{fleet.name}' | project id, location, resourceGroup",
    )
    found = []
    with ArmReader(surroundings.environ, fleet.clouds.azure.subscription_id) as reader:
        for is_group, query in zip((False, True), queries, strict=True):
            found += [
                _Stranger(row["id"], row["location"], str(row["resourceGroup"]), is_group)
                for row in reader.graph(query)
            ]
    return found


def group_of(fleet: Fleet, region: Region) -> str:
    """Name of a region's resource group, as the modules make it."""
    return f"{fleet.resource_prefix}-{region.name}"


def _foreign(
    fleet: Fleet, region: Region, report: RegionReport, strangers: Sequence[_Stranger]
) -> list[tuple[str, Found]]:
    """What lies in the region's group and no module knows, and other groups that say they are the fleet's there."""
    known = {found.id.lower() for _, found in report.found if found.id}
    group = group_of(fleet, region).lower()
    foreign = []
    for each in strangers:
        if each.is_group and each.location == region.name and not each.id.lower().endswith(f"/{group}"):
            detail = "another resource group carries the fleet's tag"
            foreign.append(("network", Found(Finding.AMBIGUOUS, id=each.id, detail=detail)))
        inside = not each.is_group and each.group.lower() == group
        if inside and not any(
            each.id.lower() == name or name.startswith(f"{each.id.lower()}/") for name in known
        ):
            foreign.append(("", Found(Finding.FOREIGN, id=each.id, detail="the modules don't know it")))
    return foreign
