"""What a fleet's account has in each of its regions, for an import: one surveyor for each cloud. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from chainfleet.drivers.azure import setting
from chainfleet.drivers.terraform.findings import UNKNOWN_TO_MODULES, Finder, Finding, Found
from chainfleet.drivers.terraform.plan_finding import PlanFinder
from chainfleet.model.fleet import Fleet, Region


class Surveyor(Protocol):
    """Finds a fleet's resources in one cloud; used by several threads. Methods raise TaskFailed."""

    def finder(self, region: Region) -> Finder | None:
        """What finds resources of a region's roots; None leaves it to Azure's own."""
        ...

    def foreign(self, region: Region, found: Sequence[Found]) -> list[tuple[str, Found]]:
        """What is there besides what was found, by stage; empty where it can't be told."""
        ...

    def close(self) -> None:
        """Give its connections back."""
        ...


def surveyor(cloud: str, fleet: Fleet, environ: Mapping[str, str]) -> Surveyor:
    """The surveyor of a cloud; its SDK is imported only where the fleet is in it.

    Raises:
        TaskFailed: the account can't be read.
        EnvironmentProblem: the SDK isn't installed.
    """
    if cloud == "aws":
        return AwsSurveyor(fleet, environ)
    if cloud == "gcp":
        return GoogleSurveyor(fleet, environ)
    from .azure_existing import AzureSurveyor

    return AzureSurveyor(fleet, environ)


class AwsSurveyor:
    """One AWS account."""

    def __init__(self, fleet: Fleet, environ: Mapping[str, str]) -> None:
        from chainfleet.drivers.aws import AwsReader

        from .aws_existing import AwsExisting
        from .aws_usage import home_region, require_account

        account = setting(fleet.clouds.aws.account_id, environ)
        self._reader = AwsReader(environ)
        self._fleet = fleet.name
        require_account(self._reader, home_region(fleet, environ), account)
        self._regions = {
            region.name: AwsExisting(self._reader, account, fleet.name, region.name)
            for region in fleet.regions
            if region.cloud == "aws"
        }

    def finder(self, region: Region) -> Finder:
        """What finds resources of a region's roots."""
        return PlanFinder(self._regions[region.name], self._fleet)

    def foreign(self, region: Region, found: Sequence[Found]) -> list[tuple[str, Found]]:
        """What carries the fleet's tags and is none of the modules' resources."""
        return _strangers(self._regions[region.name].strangers({each.id for each in found}), found)

    def close(self) -> None:
        """Give its connections back."""
        self._reader.close()


class GoogleSurveyor:
    """One Google Cloud project."""

    def __init__(self, fleet: Fleet, environ: Mapping[str, str]) -> None:
        from chainfleet.drivers.gcp import GoogleReader

        from .gcp_existing import Assets, GoogleExisting

        self._fleet = fleet.name
        self._reader = GoogleReader(environ, setting(fleet.clouds.gcp.project, environ))
        assets = Assets(self._reader)
        self._regions = {
            region.name: GoogleExisting(assets, fleet.name, region.name)
            for region in fleet.regions
            if region.cloud == "gcp"
        }

    def finder(self, region: Region) -> Finder:
        """What finds resources of a region's roots."""
        return PlanFinder(self._regions[region.name], self._fleet)

    def foreign(self, region: Region, found: Sequence[Found]) -> list[tuple[str, Found]]:
        """What carries the fleet's labels and is none of the modules' resources."""
        return _strangers(self._regions[region.name].strangers({each.id for each in found}), found)

    def close(self) -> None:
        """Give its connections back."""
        self._reader.close()


def _strangers(names: Collection[str], found: Sequence[Found]) -> list[tuple[str, Found]]:
    """Foreign ones; what an ambiguous resource names is told there already."""
    told = " ".join(each.detail for each in found if each.finding is Finding.AMBIGUOUS)
    foreign = [name for name in names if name.rpartition("/")[2] not in told]
    return [("", Found(Finding.FOREIGN, id=name, detail=UNKNOWN_TO_MODULES)) for name in foreign]
