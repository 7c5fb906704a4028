"""Validates the usage of every region of a fleet, all at once, and says where to go instead. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from chainfleet.drivers.arm import ArmReader
from chainfleet.drivers.azure import setting
from chainfleet.model.errors import ErrorClass, InputError, TaskFailed
from chainfleet.model.fleet import Fleet, Region
from chainfleet.model.region import azure_regions

from .azure_usage import check_region
from .needs import Check, Verdict, substitutes

CONCURRENT = 10
"""Regions asked at once, as many as the SDK keeps connections; four reads each, far below ARM's bucket of 250."""

_SUBSCRIPTION = "2022-12-01"


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
    """Check every Azure region of the fleet; regions of other clouds are reported as not checked.

    Args:
        fleet: its declaration.
        environ: endpoint and credentials.
        regions: names of Azure regions to check instead of the fleet's own.
        deployed: regions in which the fleet stands already.

    Raises:
        TaskFailed: the subscription can't be read at all (authorisation, connection).
        InputError: a region is not known.
    """
    wanted = list(fleet.regions) if regions is None else [_region(name) for name in regions]
    checks: dict[str, Sequence[Check]] = {r.name: [_unchecked(r)] for r in wanted if r.cloud != "azure"}
    azure = [region for region in wanted if region.cloud == "azure"]
    if not azure:
        return Usage(checks, {})
    with ArmReader(environ, setting(fleet.clouds.azure.subscription_id, environ)) as reader:
        _require_access(reader)

        def check(region: Region) -> list[Check]:
            return _checked(
                lambda: check_region(reader, fleet, region, deployed=region.name in deployed), region
            )

        with ThreadPoolExecutor(CONCURRENT) as threads:
            checks |= dict(zip((r.name for r in azure), threads.map(check, azure), strict=True))
            instead = _instead(fleet, checks, lambda names: threads.map(check, map(_region, names)))
    order = [region.name for region in wanted]
    return Usage({name: checks[name] for name in order}, instead)


def _instead(
    fleet: Fleet,
    checks: Mapping[str, Sequence[Check]],
    check_all: Callable[[Sequence[str]], Iterable[list[Check]]],
) -> dict[str, str]:
    """For each region that would fail the nearest one that has room; nobody is sent to the same region twice."""
    failing = [name for name, found in checks.items() if any(c.verdict.stops for c in found)]
    if not failing:
        return {}
    taken = {region.name for region in fleet.regions} | set(checks)
    candidates = substitutes(failing[0], taken)
    good = {
        name
        for name, found in zip(candidates, check_all(candidates), strict=True)
        if all(c.verdict in (Verdict.OK, Verdict.TIGHT) for c in found if c.quota or c.what.startswith("VM"))
    }
    instead = {}
    for name in failing:
        instead[name] = next((other for other in substitutes(name, taken) if other in good), "")
        good.discard(instead[name])
    return instead


def _checked(ask: Callable[[], list[Check]], region: Region) -> list[Check]:
    """One region that can't be asked must not hide what is known of the others."""
    try:
        return ask()
    except TaskFailed as error:
        verdict = Verdict.UNAVAILABLE if error.error_class is ErrorClass.AUTHORISATION else Verdict.UNKNOWN
        return [Check(region.name, "usage", verdict=verdict, way_out=error.message)]


def _require_access(reader: ArmReader) -> None:
    found = reader.get("", _SUBSCRIPTION)
    if found is None:
        message = f"subscription {reader.subscription} does not exist, or these credentials may not see it"
        way_out = "check AZURE_SUBSCRIPTION_ID and the roles of the credentials"
        raise TaskFailed(ErrorClass.AUTHORISATION, message, way_out=way_out)
    if found.get("state") not in ("Enabled", "Warned"):
        message = f"subscription {reader.subscription} is {found.get('state')}"
        raise TaskFailed(ErrorClass.AUTHORISATION, message, way_out="enable it")


def _region(name: str) -> Region:
    if name not in azure_regions():
        raise InputError(
            f"unknown Azure region `{name}`", way_out="`chainfleet init` lists the recommended ones"
        )
    return Region(name=name)


def _unchecked(region: Region) -> Check:
    if region.cloud == "kubeconfig":
        return Check(region.name, "existing cluster", verdict=Verdict.OK)
    reason = f"quotas of cloud `{region.cloud}` are not checked"
    return Check(region.name, "usage", verdict=Verdict.UNKNOWN, way_out=reason)
