"""What a fleet's account has in each of its regions, for an import: one surveyor for each cloud. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from chainfleet.drivers.azure import setting
from chainfleet.drivers.terraform.findings import UNKNOWN_TO_MODULES, Finder, Finding, Found
from chainfleet.drivers.terraform.plan_finding import Existing, PlanFinder
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
        return _of_aws(fleet, environ)
    if cloud == "gcp":
        return _of_google(fleet, environ)
    from .azure_existing import AzureSurveyor

    return AzureSurveyor(fleet, environ)


class _Marked(Existing, Protocol):
    """What one region of a cloud has, and what of it is marked as the fleet's."""

    def strangers(self, known: Collection[str]) -> list[str]:
        """Names of what is marked as the fleet's and is none of the known import ids; raises TaskFailed."""
        ...


class _Reader(Protocol):
    def close(self) -> None: ...


class _MarkSurveyor:
    """Finds what is there by the fleet's tags and labels, as AWS and Google Cloud keep them."""

    def __init__(self, reader: _Reader, fleet: Fleet, regions: Mapping[str, _Marked]) -> None:
        self._reader, self._fleet, self._regions = reader, fleet.name, regions

    def finder(self, region: Region) -> Finder:
        """What finds resources of a region's roots."""
        return PlanFinder(self._regions[region.name], self._fleet)

    def foreign(self, region: Region, found: Sequence[Found]) -> list[tuple[str, Found]]:
        """What is marked as the fleet's and is none of the modules' resources."""
        # What an ambiguous resource names is told there already.
        told = " ".join(each.detail for each in found if each.finding is Finding.AMBIGUOUS)
        names = self._regions[region.name].strangers({each.id for each in found})
        foreign = [name for name in names if name.rpartition("/")[2] not in told]
        return [("", Found(Finding.FOREIGN, id=name, detail=UNKNOWN_TO_MODULES)) for name in foreign]

    def close(self) -> None:
        """Give its connections back."""
        self._reader.close()


def _of_aws(fleet: Fleet, environ: Mapping[str, str]) -> Surveyor:
    from chainfleet.drivers.aws import AwsReader

    from .aws_existing import AwsExisting
    from .aws_usage import home_region, require_account

    account = setting(fleet.clouds.aws.account_id, environ)
    reader = AwsReader(environ)
    require_account(reader, home_region(fleet, environ), account)
    names = [region.name for region in fleet.regions if region.cloud == "aws"]
    regions = {name: AwsExisting(reader, account, fleet.name, name) for name in names}
    return _MarkSurveyor(reader, fleet, regions)


def _of_google(fleet: Fleet, environ: Mapping[str, str]) -> Surveyor:
    from chainfleet.drivers.gcp import GoogleReader

    from .gcp_existing import Assets, GoogleExisting

    reader = GoogleReader(environ, setting(fleet.clouds.gcp.project, environ))
    assets = Assets(reader)
    names = [region.name for region in fleet.regions if region.cloud == "gcp"]
    return _MarkSurveyor(reader, fleet, {name: GoogleExisting(assets, fleet.name, name) for name in names})
