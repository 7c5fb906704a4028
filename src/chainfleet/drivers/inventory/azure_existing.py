"""What an Azure subscription has of a fleet besides what its modules would make: by Resource Graph, in two queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainfleet.drivers.arm import ArmReader
from chainfleet.drivers.azure import setting
from chainfleet.drivers.terraform.findings import UNKNOWN_TO_MODULES, Finding, Found
from chainfleet.model.fleet import Fleet, Region


@dataclass(frozen=True, slots=True)
class _Stranger:
    """A resource as Resource Graph lists it."""

    id: str
    location: str
    group: str
    is_group: bool


def _all_of_fleet(fleet: Fleet, environ: Mapping[str, str]) -> Sequence[_Stranger]:
    """Everything in the fleet's resource groups, and every group that carries its tag, in two queries."""
    names = ", ".join(f"'{group_of(fleet, region)}'" for region in fleet.regions if region.cloud == "azure")
    queries = (
        f"resources | where resourceGroup in~ ({names}) | project id, location, resourceGroup",
        "resourcecontainers | where type =~ 'microsoft.resources/subscriptions/resourcegroups'"
        f" | where tags['chainfleet-fleet'] == '{fleet.name}' | project id, location, resourceGroup",
    )
    found = []
    with ArmReader(environ, setting(fleet.clouds.azure.subscription_id, environ)) as reader:
        for is_group, query in zip((False, True), queries, strict=True):
            found += [
                _Stranger(row["id"], row["location"], str(row["resourceGroup"]), is_group)
                for row in reader.graph(query)
            ]
    return found


def group_of(fleet: Fleet, region: Region) -> str:
    """Name of a region's resource group, as the modules make it."""
    return f"{fleet.resource_prefix}-{region.name}"


class AzureSurveyor:
    """One Azure subscription."""

    def __init__(self, fleet: Fleet, environ: Mapping[str, str]) -> None:
        self._fleet = fleet
        self._strangers = _all_of_fleet(fleet, environ)

    def finder(self, region: Region) -> None:  # noqa: ARG002 - the other clouds' need it
        """Azure's own finder reads resources with the credentials of the attempt."""
        return

    def foreign(self, region: Region, found: Sequence[Found]) -> list[tuple[str, Found]]:
        """What lies in the region's group and no module knows, and other groups that say they are the fleet's there."""
        known = {each.id.lower() for each in found if each.id}
        group = group_of(self._fleet, region).lower()
        foreign = []
        for each in self._strangers:
            if each.is_group and each.location == region.name and not each.id.lower().endswith(f"/{group}"):
                detail = "another resource group carries the fleet's tag"
                foreign.append(("network", Found(Finding.AMBIGUOUS, id=each.id, detail=detail)))
            inside = not each.is_group and each.group.lower() == group
            if inside and not any(
                each.id.lower() == name or name.startswith(f"{each.id.lower()}/") for name in known
            ):
                foreign.append(("", Found(Finding.FOREIGN, id=each.id, detail=UNKNOWN_TO_MODULES)))
        return foreign

    def close(self) -> None:
        """There is nothing to give back."""
