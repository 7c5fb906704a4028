"""Asks Azure what one region has room for: quotas and their usage, VM sizes, zones, restrictions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chainfleet.drivers.arm import ArmReader
from chainfleet.drivers.azure import setting
from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.fleet import Fleet, Region
from chainfleet.model.region import azure_regions

from .azure_vaults import AzureVaults
from .needs import Check, Pool, Verdict, azure_counts, judge, pools_of, standing

_SUBSCRIPTION = "2022-12-01"
_COMPUTE, _NETWORK, _AKS, _SKUS = "2024-07-01", "2024-05-01", "2025-05-01", "2021-07-01"

_PROVIDERS = (
    ("Microsoft.Compute", _COMPUTE),
    ("Microsoft.Network", _NETWORK),
    ("Microsoft.ContainerService", _AKS),
)
_REGIONAL_CORES = "cores"


@dataclass(frozen=True, slots=True)
class Quota:
    """One row of a provider's usages."""

    provider: str
    name: str
    label: str
    used: int
    limit: int


class AzureUsage:
    """Checks regions of one subscription; one for all threads.

    Raises:
        TaskFailed: the subscription can't be read at all.
    """

    concurrent = 10
    """Regions asked at once, as many as the SDK keeps connections; four reads each, far below ARM's bucket of 250."""

    def __init__(self, fleet: Fleet, environ: Mapping[str, str], deployed: Collection[str]) -> None:
        self._fleet, self._deployed = fleet, deployed
        self._reader = ArmReader(environ, setting(fleet.clouds.azure.subscription_id, environ))
        try:
            _require_access(self._reader)
            in_vaults = fleet.network.node_keys == "vault"
            self._vaults = AzureVaults(self._reader, fleet, environ) if in_vaults else None
        except TaskFailed:
            self.close()
            raise

    def close(self) -> None:
        """Give its connections back."""
        self._reader.close()

    def check(self, region: Region) -> list[Check]:
        """Everything that region needs, checked; raises TaskFailed where Azure can't be asked."""
        found = check_region(self._reader, self._fleet, region, deployed=region.name in self._deployed)
        return found if self._vaults is None else [*found, self._vaults.check(region.name)]


def check_region(reader: ArmReader, fleet: Fleet, region: Region, *, deployed: bool) -> list[Check]:
    """Everything that region needs, checked.

    Args:
        reader: of the fleet's subscription.
        fleet: the fleet.
        region: one that the fleet has, or could have instead.
        deployed: whether the fleet stands there already, so that nothing more is needed.

    Raises:
        TaskFailed: Azure can't be asked.
    """
    quotas = {quota.name: quota for quota in _quotas(reader, region.name)}
    skus = _skus(reader, region.name)
    pools = pools_of(fleet, "azure")
    checks = [*_sizes(region.name, pools, skus), *_cores(region.name, pools, skus, quotas)]
    checks += _counts(region.name, azure_counts(fleet, region), quotas)
    if deployed:
        return standing(checks)
    return [_with_way_out(check, quotas, reader.subscription) for check in checks]


def _quotas(reader: ArmReader, region: str) -> Iterable[Quota]:
    for provider, version in _PROVIDERS:
        for row in reader.rows(f"/providers/{provider}/locations/{region}/usages", version):
            name = row["name"]
            label = name.get("localizedValue") or name["value"]
            yield Quota(provider, name["value"], label, int(row["currentValue"]), int(row["limit"]))


def _skus(reader: ArmReader, region: str) -> Mapping[str, dict[str, Any]]:
    rows = reader.rows("/providers/Microsoft.Compute/skus", _SKUS, **{"$filter": f"location eq '{region}'"})
    return {row["name"].lower(): row for row in rows if row.get("resourceType") == "virtualMachines"}


def _sizes(region: str, pools: Iterable[Pool], skus: Mapping[str, dict[str, Any]]) -> Iterable[Check]:
    facts = azure_regions().get(region)
    wanted = {str(number + 1) for number in range(min(3, facts.zones if facts else 0))}
    for size in dict.fromkeys(pool.size for pool in pools):
        row = skus.get(size.lower())
        what = f"VM size {size}"
        if row is None:
            reason = "not offered there: choose another size or region"
            yield Check(region, what, verdict=Verdict.UNAVAILABLE, way_out=reason)
            continue
        reason = _restriction(row) or _missing_zones(row, region, wanted)
        verdict = Verdict.UNAVAILABLE if reason else Verdict.OK
        yield Check(region, what, verdict=verdict, way_out=reason)


def _restriction(row: Mapping[str, Any]) -> str:
    for restriction in row.get("restrictions") or ():
        code = restriction.get("reasonCode", "")
        if restriction.get("type") == "Location":
            return f"the subscription may not use it there ({code}): file a region access request"
    return ""


def _missing_zones(row: Mapping[str, Any], region: str, wanted: set[str]) -> str:
    offered = {zone for info in row.get("locationInfo") or () if info.get("location", "").lower() == region
               for zone in info.get("zones") or ()}  # fmt: skip
    barred = {
        zone
        for restriction in row.get("restrictions") or ()
        if restriction.get("type") == "Zone"
        for zone in (restriction.get("restrictionInfo") or {}).get("zones") or ()
    }
    missing = sorted(wanted - (offered - barred))
    return f"not offered in zones {', '.join(missing)}: choose another size" if missing else ""


def _cores(
    region: str,
    pools: tuple[Pool, ...],
    skus: Mapping[str, dict[str, Any]],
    quotas: Mapping[str, Quota],
) -> Iterable[Check]:
    """The two tiers that Azure checks separately: all vCPUs of the region, and those of each VM family."""
    needed: dict[str, int] = {}
    surge: dict[str, int] = {}
    for pool in pools:
        row = skus.get(pool.size.lower())
        if row is None:
            continue
        each = int(next((c["value"] for c in row.get("capabilities", ()) if c["name"] == "vCPUs"), 0))
        for name in (_REGIONAL_CORES, row["family"]):
            needed[name] = needed.get(name, 0) + pool.nodes * each
            # Pools are upgraded with one node more (`maxSurge = 1` in the module).
            surge[name] = surge.get(name, 0) + each
    for name, amount in needed.items():
        yield _check(region, "vCPUs" if name == _REGIONAL_CORES else f"vCPUs, {name}", name, amount,
                     quotas, surge[name])  # fmt: skip


def _counts(region: str, counts: Mapping[str, int], quotas: Mapping[str, Quota]) -> Iterable[Check]:
    for name, amount in counts.items():
        if name in quotas:
            yield _check(region, quotas[name].label, name, amount, quotas)
        elif name == "managedClusters":
            yield Check(region, "managed clusters", name, amount)


def _check(
    region: str, what: str, name: str, needed: int, quotas: Mapping[str, Quota], spare: int = 0
) -> Check:
    quota = quotas.get(name)
    if quota is None:
        return Check(region, what, name, needed)
    verdict = judge(needed, quota.used, quota.limit, spare=spare)
    return Check(region, what, name, needed, quota.used, quota.limit, verdict)


def _with_way_out(check: Check, quotas: Mapping[str, Quota], subscription: str) -> Check:
    """The request that raises a quota, ready to be run."""
    if check.verdict not in (Verdict.SHORT, Verdict.TIGHT) or check.used is None or check.limit is None:
        return check
    limit = check.used + check.needed
    scope = f"/subscriptions/{subscription}/providers/{quotas[check.quota].provider}/locations/{check.region}"
    command = f"az quota update --resource-name {check.quota} --scope {scope} --limit-object value={limit}"
    if check.verdict is Verdict.TIGHT:
        return replace(
            check, way_out="deploys, but there is no room for a surge node while pools are upgraded"
        )
    return replace(check, way_out=command)


def _require_access(reader: ArmReader) -> None:
    found = reader.get("", _SUBSCRIPTION)
    if found is None:
        message = f"subscription {reader.subscription} does not exist, or these credentials may not see it"
        way_out = "check AZURE_SUBSCRIPTION_ID and the roles of the credentials"
        raise TaskFailed(ErrorClass.AUTHORISATION, message, way_out=way_out)
    if found.get("state") not in ("Enabled", "Warned"):
        message = f"subscription {reader.subscription} is {found.get('state')}"
        raise TaskFailed(ErrorClass.AUTHORISATION, message, way_out="enable it")
