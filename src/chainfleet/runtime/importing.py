"""Imports a whole fleet: all regions at once, each on its own, so that what failed can be done again alone."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import Any

from chainfleet.drivers.inventory.existing import Surveyor, surveyor
from chainfleet.drivers.terraform.findings import Finding, Found
from chainfleet.drivers.terraform.importing import Importer
from chainfleet.model.errors import TaskFailed
from chainfleet.model.event import StartAttempt
from chainfleet.model.fleet import Region
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
    """Survey the fleet's regions and, if asked to, import what is there; by region, in the fleet's order."""
    fleet = surroundings.fleet
    regions = [
        region
        for region in fleet.regions
        if region.cloud != "kubeconfig" and (not only or region.name in only)
    ]
    importer, gate = Importer(), asyncio.Semaphore(CONCURRENT)
    clouds = dict.fromkeys(region.cloud for region in regions)
    with ExitStack() as opened_ones:
        surveyors = {
            cloud: opened_ones.enter_context(
                closing(await asyncio.to_thread(surveyor, cloud, fleet, surroundings.environ))
            )
            for cloud in clouds
        }

        async def one(region: Region) -> RegionReport:
            mine = surveyors[region.cloud]
            async with gate:
                report = await _import_region(surroundings, importer, mine, region, apply=apply)
                found = [each for _, each in report.found]
                report.found += await asyncio.to_thread(_foreign, mine, region, found, report)
            return report

        reports = await asyncio.gather(*(one(region) for region in regions))
    return {region.name: report for region, report in zip(regions, reports, strict=True)}


def _foreign(
    mine: Surveyor, region: Region, found: Sequence[Found], report: RegionReport
) -> list[tuple[str, Found]]:
    try:
        foreign = mine.foreign(region, found)
    except TaskFailed as error:
        report.problem = report.problem or f"what else is there can't be told: {error.message}"
        return []
    if report.problem and not any(stage == _STAGES[-1] for stage, _ in report.found):
        # Where the last stage was not looked at, what belongs to it would pass for a stranger.
        return [row for row in foreign if row[1].finding is not Finding.FOREIGN]
    return foreign


async def _import_region(
    surroundings: Surroundings, importer: Importer, mine: Surveyor, region: Region, *, apply: bool
) -> RegionReport:
    report, finder = RegionReport(), mine.finder(region)
    outputs: dict[str, Mapping[str, Any]] = {}
    here = replace(surroundings, outputs=outputs.__getitem__)
    for stage in _STAGES:
        task = Task(f"infrastructure/{stage}/{region.name}", Phase.INFRASTRUCTURE, region=region.name)
        with opened(task, StartAttempt(task.id, 1, timeout_s=0), here) as attempt:
            try:
                survey = await importer.survey(attempt, apply=apply, finder=finder)
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
