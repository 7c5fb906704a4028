"""Asks Google Cloud what one region has room for: quotas of region and project, machine types, zones, clusters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from chainfleet.drivers.azure import setting
from chainfleet.drivers.gcp import DENIED, GoogleReader
from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.fleet import Fleet, Region

from .needs import Check, Pool, Verdict, judge, node_disk_gib, pools_of, standing

ZONES = 3
"""Zones that a regional cluster takes where none are named."""

CLUSTERS_PER_REGION = 100
"""Regional clusters in a region of a project (kubernetes-engine/quotas)."""

_SHARED_CORES = frozenset({"e2", "f1", "g1", "n1"})
"""Families that draw from the quota CPUS; every other one has a quota of its own."""

# GKE makes a cluster with a pool of its own, e2-medium on 100 GB in each zone, before the module's pools take over.
_FIRST_POOL_CORES = 2 * ZONES
_FIRST_POOL_GB = 100 * ZONES


class GoogleUsage:
    """Checks regions of one project; one for all threads.

    Raises:
        TaskFailed: the project can't be read at all.
        EnvironmentProblem: google-auth isn't installed.
    """

    concurrent = 16
    """Regions asked at once, one read each; all share the project's budget of reads in a minute."""

    def __init__(self, fleet: Fleet, environ: Mapping[str, str], deployed: Collection[str]) -> None:
        self._fleet, self._deployed = fleet, deployed
        project = setting(fleet.clouds.gcp.project, environ)
        self._reader = GoogleReader(environ, project)
        try:
            self._of_project = _quotas(self._read_project(project))
            self._types = self._machine_types(project)
            self._clusters = self._count_clusters(project)
        except BaseException:
            self.close()
            raise
        mine = [region.name for region in fleet.regions if region.cloud == "gcp"]
        self._coming = [name for name in mine if name not in deployed]

    def close(self) -> None:
        """Give its connections back."""
        self._reader.close()

    def check(self, region: Region) -> list[Check]:
        """Everything that region needs, checked.

        Raises:
            TaskFailed: Google Cloud can't be asked.
        """
        try:
            found = self._reader.get("compute", f"projects/{self._reader.project}/regions/{region.name}")
        except TaskFailed as error:
            if error.fingerprint != "gcp:404":
                raise
            return [_unavailable(region, "the project knows no such region: choose another")]
        if found.get("status") == "DOWN":
            return [_unavailable(region, "Google Cloud says that it is down")]
        zones = sorted(url.rpartition("/")[2] for url in found.get("zones") or ())
        checks = [
            *self._sizes(region, zones),
            *self._in_region(region, _quotas(found)),
            *self._project(region),
        ]
        return standing(checks) if region.name in self._deployed else checks

    def _read_project(self, project: str) -> Mapping[str, Any]:
        try:
            return self._reader.get("compute", f"projects/{project}")
        except TaskFailed as error:
            if error.fingerprint != "gcp:404":
                raise
            message = f"project {project} does not exist, or these credentials may not see it"
            way_out = "check GOOGLE_CLOUD_PROJECT and the roles of the credentials"
            raise TaskFailed(
                ErrorClass.AUTHORISATION, message, fingerprint="gcp:404", way_out=way_out
            ) from error

    def _machine_types(self, project: str) -> dict[str, dict[str, int]]:
        """Number of vCPUs of each machine type that the fleet uses, by zone."""
        wanted = {pool.size for pool in pools_of(self._fleet, "gcp")}
        asked = " OR ".join(f'(name = "{size}")' for size in sorted(wanted))
        found: dict[str, dict[str, int]] = {size: {} for size in wanted}
        for page in self._reader.pages(
            "compute", f"projects/{project}/aggregated/machineTypes", filter=asked, maxResults="500"
        ):
            for place, rows in (page.get("items") or {}).items():
                for row in rows.get("machineTypes") or ():
                    found[row["name"]][place.rpartition("/")[2]] = int(row["guestCpus"])
        return found

    def _count_clusters(self, project: str) -> Counter[str] | None:
        """Regional clusters by region; None where the credentials may not list them."""
        try:
            found = self._reader.get("container", f"projects/{project}/locations/-/clusters")
        except TaskFailed as error:
            if error.fingerprint != DENIED:
                raise
            return None
        return Counter(row["location"] for row in found.get("clusters") or ())

    def _sizes(self, region: Region, zones: list[str]) -> Iterable[Check]:
        for size, offered in sorted(self._types.items()):
            here = [zone for zone in zones if zone in offered]
            reason = ""
            if not here:
                reason = "not offered there: choose another type or region"
            elif len(here) < ZONES:
                reason = f"offered in {', '.join(here)} only, and a cluster takes {ZONES} zones: choose another type"
            verdict = Verdict.UNAVAILABLE if reason else Verdict.OK
            yield Check(region.name, f"machine type {size}", verdict=verdict, way_out=reason)

    def _in_region(self, region: Region, quotas: Mapping[str, tuple[int, int]]) -> Iterable[Check]:
        validators = self._fleet.validators_of(region)
        pools = self._pools()
        disks = node_disk_gib(pools) + validators * self._fleet.network.disk_gib
        spare = self._cores(pools, one_more=True)
        needed = Counter(self._cores(pools))
        needed["CPUS"] = max(needed["CPUS"], _FIRST_POOL_CORES)
        for metric, amount in needed.items():
            yield self._check(region, f"vCPUs, {metric}", metric, amount, quotas, spare=spare[metric])
        for metric, what, amount in (
            ("STATIC_ADDRESSES", "static addresses", validators + 1),
            ("IN_USE_ADDRESSES", "addresses in use", validators + 1),
            ("SSD_TOTAL_GB", "SSD disks, GB", max(disks, _FIRST_POOL_GB)),
        ):
            yield self._check(region, what, metric, amount, quotas)
        if self._clusters is None:
            yield Check(region.name, "GKE clusters", way_out="these credentials may not list clusters")
            return
        used = self._clusters[region.name]
        verdict = judge(1, used, CLUSTERS_PER_REGION)
        yield Check(region.name, "GKE clusters", "", 1, used, CLUSTERS_PER_REGION, verdict)

    def _project(self, region: Region) -> Iterable[Check]:
        """What all regions of the project share: those that come earlier in the fleet are served first."""
        before = self._coming.index(region.name) if region.name in self._coming else len(self._coming)
        cores = max(sum(self._cores(self._pools()).values()), _FIRST_POOL_CORES)
        for metric, what, amount in (
            ("CPUS_ALL_REGIONS", "vCPUs of the whole project", cores),
            ("NETWORKS", "networks of the project", 1),
            ("SUBNETWORKS", "subnetworks of the project", 1),
            ("ROUTERS", "routers of the project", 1),
        ):
            if metric not in self._of_project:
                continue
            used, limit = self._of_project[metric]
            check = self._check(region, what, metric, amount, {metric: (used + before * amount, limit)})
            if check.verdict is Verdict.SHORT:
                # One request for all regions that are still to come, whichever of them tells it.
                wanted = used + max(len(self._coming), before + 1) * amount
                reason = f"with the regions before it in the fleet; {self._request('', metric, wanted)}"
                check = replace(check, way_out=reason)
            yield check

    def _pools(self) -> list[Pool]:
        """The pools as GKE makes them: the same number of nodes in every zone."""
        return [
            Pool(pool.name, pool.size, ZONES * -(-pool.nodes // ZONES))
            for pool in pools_of(self._fleet, "gcp")
        ]

    def _cores(self, pools: Iterable[Pool], *, one_more: bool = False) -> Counter[str]:
        """Number of vCPUs by quota: of all nodes, or of one node more in each pool."""
        found: Counter[str] = Counter()
        for pool in pools:
            each = max(self._types[pool.size].values(), default=0)
            found[_metric(pool.size)] += each * (1 if one_more else pool.nodes)
        return found

    def _check(
        self,
        region: Region,
        what: str,
        metric: str,
        needed: int,
        quotas: Mapping[str, tuple[int, int]],
        *,
        spare: int = 0,
    ) -> Check:
        if metric not in quotas:
            reason = f"Compute Engine doesn't tell {metric}: see the quotas page of the console"
            return Check(region.name, what, metric, needed, way_out=reason)
        used, limit = quotas[metric]
        verdict = judge(needed, used, limit, spare=spare)
        reason = ""
        if verdict is Verdict.TIGHT:
            reason = "deploys, but there is no room for a surge node while pools are upgraded"
        elif verdict is Verdict.SHORT:
            reason = self._request(region.name, metric, used + needed + spare)
        return Check(region.name, what, metric, needed, used, limit, verdict, reason)

    def _request(self, region: str, metric: str, value: int) -> str:
        """The request that raises a quota of a region, or of the whole project where none is named."""
        name = f"{metric.replace('_', '-')}-per-project" + ("-region" if region else "")
        where = f" --dimensions=region={region}" if region else ""
        return (
            f"gcloud quotas preferences create --service=compute.googleapis.com --project={self._reader.project} "
            f"--quota-id={name}{where} --preferred-value={value}"
        )


def _metric(size: str) -> str:
    family = size.partition("-")[0]
    return "CPUS" if family in _SHARED_CORES else f"{family.upper()}_CPUS"


def _quotas(document: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Used and limit by metric."""
    return {row["metric"]: (int(row["usage"]), int(row["limit"])) for row in document.get("quotas") or ()}


def _unavailable(region: Region, reason: str) -> Check:
    return Check(region.name, "region", verdict=Verdict.UNAVAILABLE, way_out=reason)
