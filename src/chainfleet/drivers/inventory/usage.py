"""Validates the usage of every region of a fleet, all at once, and says where to go instead. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from chainfleet.model.errors import ErrorClass, InputError, TaskFailed
from chainfleet.model.fleet import Cloud, Fleet, Region
from chainfleet.model.region import known_regions

from .needs import VAULT_SECRETS, Check, Verdict, substitutes

CLOUDS: tuple[Cloud, ...] = ("azure", "aws", "gcp")
"""Clouds that have quotas, in the order in which they are asked."""

_CANDIDATES = 7
"""How many regions are looked at for one that has no room: as many as Azure's reserve list has."""


class Inspector(Protocol):
    """Checks regions of one cloud's account; one for all threads. Nothing more is needed where the fleet stands."""

    concurrent: int
    """Regions that may be asked at once."""

    def check(self, region: Region) -> list[Check]:
        """Everything that region needs, checked; raises TaskFailed where the cloud can't be asked."""
        ...

    def close(self) -> None:
        """Give its connections back."""
        ...


@dataclass(frozen=True, slots=True)
class Usage:
    """What was found.

    Attributes:
        checks: by region, in the fleet's order.
        instead: for a region that would fail, the region to take instead; "" if none has room.
    """

    checks: Mapping[str, Sequence[Check]]
    instead: Mapping[str, str]

    @property
    def failed(self) -> list[Check]:
        """What would make a deployment fail."""
        return [check for checks in self.checks.values() for check in checks if check.verdict.stops]


def validate_usage(
    fleet: Fleet,
    environ: Mapping[str, str],
    *,
    regions: Iterable[str] | None = None,
    deployed: Collection[str] = (),
) -> Usage:
    """Check every region of the fleet, in every cloud that it uses.

    Args:
        fleet: its declaration.
        environ: endpoints and credentials.
        regions: names of regions to check instead of the fleet's own.
        deployed: regions in which the fleet stands already.

    Raises:
        TaskFailed: an account can't be read at all (authorisation, connection).
        EnvironmentProblem: a cloud's SDK isn't installed.
        InputError: a region is not known.
    """
    wanted = list(fleet.regions) if regions is None else [_region(name) for name in regions]
    checks: dict[str, Sequence[Check]] = {
        region.name: [Check(region.name, "existing cluster", verdict=Verdict.OK)]
        for region in wanted
        if region.cloud not in CLOUDS
    }
    instead: dict[str, str] = {}
    for cloud in CLOUDS:
        mine = [region for region in wanted if region.cloud == cloud]
        if mine:
            found, others = _in_cloud(fleet, environ, cloud, mine, deployed)
            checks |= found
            instead |= others
    return Usage({region.name: checks[region.name] for region in wanted}, instead)


def _in_cloud(
    fleet: Fleet, environ: Mapping[str, str], cloud: Cloud, wanted: list[Region], deployed: Collection[str]
) -> tuple[dict[str, Sequence[Check]], dict[str, str]]:
    with closing(_inspector(cloud, fleet, environ, deployed)) as inspector:

        def check(region: Region) -> list[Check]:
            return _checked(lambda: inspector.check(region), region)

        with ThreadPoolExecutor(inspector.concurrent) as threads:
            checks: dict[str, Sequence[Check]] = dict(
                zip((r.name for r in wanted), threads.map(check, wanted), strict=True)
            )
            taken = {region.name for region in fleet.regions} | set(checks)
            return checks, _instead(
                cloud, taken, checks, lambda names: threads.map(check, map(_region, names))
            )


def _inspector(
    cloud: Cloud, fleet: Fleet, environ: Mapping[str, str], deployed: Collection[str]
) -> Inspector:
    """What asks that cloud; its SDK is imported only where the fleet is in it."""
    if cloud == "azure":
        from .azure_usage import AzureUsage

        return AzureUsage(fleet, environ, deployed)
    if cloud == "aws":
        from .aws_usage import AwsUsage

        return AwsUsage(fleet, environ, deployed)
    from .gcp_usage import GoogleUsage

    return GoogleUsage(fleet, environ, deployed)


def _instead(
    cloud: Cloud,
    taken: Collection[str],
    checks: Mapping[str, Sequence[Check]],
    check_all: Callable[[Sequence[str]], Iterable[list[Check]]],
) -> dict[str, str]:
    """For each region that has no room the nearest one that has some; nobody is sent to the same region twice."""
    failing = [
        name
        for name, found in checks.items()
        if any(c.verdict.stops and c.what != VAULT_SECRETS for c in found)
    ]
    nearest = {name: substitutes(cloud, name, taken)[:_CANDIDATES] for name in failing}
    candidates = sorted({other for others in nearest.values() for other in others})
    good = {name for name, found in zip(candidates, check_all(candidates), strict=True) if _has_room(found)}
    instead = {}
    for name in failing:
        instead[name] = next((other for other in nearest[name] if other in good), "")
        good.discard(instead[name])
    return instead


def _has_room(checks: Sequence[Check]) -> bool:
    """Whether all that decides is known and fits."""
    decide = [check for check in checks if check.quota or check.what.startswith(_SIZES)]
    return bool(decide) and all(check.verdict in (Verdict.OK, Verdict.TIGHT) for check in decide)


_SIZES = ("VM size", "instance type", "machine type")


def _checked(ask: Callable[[], list[Check]], region: Region) -> list[Check]:
    """One region that can't be asked must not hide what is known of the others."""
    try:
        return ask()
    except TaskFailed as error:
        verdict = Verdict.UNAVAILABLE if error.error_class is ErrorClass.AUTHORISATION else Verdict.UNKNOWN
        return [Check(region.name, "usage", verdict=verdict, way_out=error.message)]


def _region(name: str) -> Region:
    for cloud in CLOUDS:
        if name in known_regions(cloud):
            return Region(name=name, cloud=cloud)
    raise InputError(f"unknown region `{name}`", way_out="`chainfleet init` lists the recommended ones")
