"""Asks AWS what one region has room for: applied quotas and what is used of them, instance types, zones, opt-in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from chainfleet.drivers.aws import DENIED, AwsReader, is_absent
from chainfleet.drivers.azure import setting
from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.fleet import Fleet, Region
from chainfleet.model.region import known_regions

from .needs import Check, Pool, Verdict, judge, node_disk_gib, pools_of, standing

_GIB_PER_TIB = 1024


@dataclass(frozen=True, slots=True)
class Quota:
    """A quota as Service Quotas names it."""

    service: str
    code: str
    what: str
    scale: int = 1
    """How many of the units that are counted here make one of the quota's own."""


STANDARD = Quota("ec2", "L-1216C47A", "vCPUs, standard instance families")
ADDRESSES = Quota("ec2", "L-0263D0A3", "elastic addresses")
NETWORKS = Quota("vpc", "L-F678F1CE", "VPCs")
NAT = Quota("vpc", "L-FE5A380F", "NAT gateways in a zone")
BALANCERS = Quota("elasticloadbalancing", "L-69A177A2", "network load balancers")
CLUSTERS = Quota("eks", "L-1194D53C", "EKS clusters")
STORAGE = Quota("ebs", "L-7A658B76", "gp3 disks, GiB", _GIB_PER_TIB)
"""Codes: `aws service-quotas list-service-quotas`, EC2, VPC and EKS user guides. Storage is counted in TiB there."""

_STANDARD_FAMILIES = frozenset("acdhimrtz")
_OF_THEIR_OWN = frozenset({"dl", "hpc", "inf", "mac", "trn"})
"""Families whose names start like standard ones and that have quotas of their own."""

_GONE = ("deleted", "failed")


class AwsUsage:
    """Checks regions of one account; one for all threads.

    Raises:
        TaskFailed: the account can't be read at all.
        EnvironmentProblem: boto3 isn't installed.
    """

    concurrent = 32
    """Regions asked at once: AWS counts calls in each region by itself (EC2: 100 at once, then 20/s)."""

    def __init__(self, fleet: Fleet, environ: Mapping[str, str], deployed: Collection[str]) -> None:
        self._fleet, self._deployed = fleet, deployed
        self._reader = AwsReader(environ)
        self._threads = ThreadPoolExecutor(2 * self.concurrent)
        self._home = home_region(fleet, environ)
        try:
            require_account(self._reader, self._home, setting(fleet.clouds.aws.account_id, environ))
            rows = self._reader.read("ec2", self._home, "describe_regions", AllRegions=True)["Regions"]
        except BaseException:
            self.close()
            raise
        self._status = {row["RegionName"]: row.get("OptInStatus", "") for row in rows}

    def close(self) -> None:
        """Give its connections back."""
        self._threads.shutdown()
        self._reader.close()

    def check(self, region: Region) -> list[Check]:
        """Everything that region needs, checked.

        Raises:
            TaskFailed: AWS can't be asked.
        """
        status = self._status.get(region.name)
        if status is None:
            return [_unavailable(region, "the account knows no such region: choose another")]
        if status == "not-opted-in":
            command = f"aws account enable-region --region-name {region.name}"
            return [_unavailable(region, f"not enabled in this account: {command} (takes minutes to hours)")]
        asked = _InRegion(self._reader, region.name)
        found = self._threads.map(asked.answered, self._works(asked, region))
        checks = [check for part in found for check in part]
        return standing(checks) if region.name in self._deployed else checks

    def _sizes(self, asked: _InRegion) -> Iterable[Check]:
        zones = asked.zones[:3]
        sizes = list(dict.fromkeys(pool.size for pool in pools_of(self._fleet, "aws")))
        offered = asked.offerings(sizes)
        for size in sizes:
            missing = [zone for zone in zones if zone not in offered.get(size, ())]
            what = f"instance type {size}"
            if size not in offered:
                reason = "not offered there: choose another type or region"
            else:
                reason = f"not offered in {', '.join(missing)}: choose another type" if missing else ""
            verdict = Verdict.UNAVAILABLE if reason else Verdict.OK
            yield Check(asked.region, what, verdict=verdict, way_out=reason)

    def _works(self, asked: _InRegion, region: Region) -> Iterable[Callable[[], Iterable[Check]]]:
        """What is to be found out of a region; each part asks by itself, so that far regions don't add up."""
        pools = pools_of(self._fleet, "aws")
        validators = self._fleet.validators_of(region)
        disks = node_disk_gib(pools) + validators * self._fleet.network.disk_gib
        yield lambda: self._sizes(asked)
        yield lambda: self._cores(asked, pools)
        # One address for each validator and one to dial out; each validator has a balancer of its own.
        for quota, needed, used in (
            (ADDRESSES, validators + 1, asked.addresses),
            (BALANCERS, validators, asked.balancers),
            (NETWORKS, 1, asked.networks),
            (NAT, 1, asked.nat_gateways),
            (STORAGE, disks, asked.storage_gib),
            (CLUSTERS, 1, asked.clusters),
        ):
            yield partial(asked.checks, quota, needed, used)

    def _cores(self, asked: _InRegion, pools: Iterable[Pool]) -> Iterable[Check]:
        each = asked.vcpus([pool.size for pool in pools])
        known = [pool for pool in pools if pool.size in each]
        if any(not is_standard(pool.size) for pool in known):
            reason = "the quota of such instance types isn't known here"
            yield Check(asked.region, "vCPUs, other instance families", way_out=reason)
        mine = [pool for pool in known if is_standard(pool.size)]
        if mine:
            needed = sum(pool.nodes * each[pool.size] for pool in mine)
            # A node group is upgraded with one node more.
            spare = sum(each[pool.size] for pool in mine)
            yield asked.check(STANDARD, needed, asked.standard_vcpus, spare=spare)


class _InRegion:
    """Reads of one region, and what they come to."""

    def __init__(self, reader: AwsReader, region: str) -> None:
        self._reader = reader
        self.region = region

    def answered(self, work: Callable[[], Iterable[Check]]) -> list[Check]:
        """What some work finds out; unknown where the credentials may not read it."""
        try:
            return list(work())
        except TaskFailed as error:
            if not error.fingerprint.startswith(DENIED):
                raise
            return [Check(self.region, "usage", way_out=f"{error.message}: {error.way_out}")]

    def checks(self, quota: Quota, needed: int, used: Callable[[], int]) -> Iterable[Check]:
        """The check of one quota."""
        yield self.check(quota, needed, used)

    def check(self, quota: Quota, needed: int, used: Callable[[], int], *, spare: int = 0) -> Check:
        """A quota held against what is needed; unknown where the credentials may not read one of the two."""
        blank = Check(self.region, quota.what, quota.code, needed)
        try:
            limit = self._limit(quota)
            taken = used()
        except TaskFailed as error:
            if not error.fingerprint.startswith(DENIED):
                raise
            return replace(blank, way_out=f"{error.message}: {error.way_out}")
        if limit is None:
            return replace(blank, used=taken)
        verdict = judge(needed, taken, limit, spare=spare)
        return replace(
            blank,
            used=taken,
            limit=limit,
            verdict=verdict,
            way_out=self._way_out(quota, taken + needed + spare, verdict),
        )

    def _way_out(self, quota: Quota, wanted: int, verdict: Verdict) -> str:
        if verdict is Verdict.TIGHT:
            return "deploys, but there is no room for a further node while node groups are upgraded"
        if verdict is not Verdict.SHORT:
            return ""
        value = -(-wanted // quota.scale)
        return (
            f"aws service-quotas request-service-quota-increase --region {self.region} "
            f"--service-code {quota.service} --quota-code {quota.code} --desired-value {value}"
        )

    def _limit(self, quota: Quota) -> int | None:
        """What applies to the account, else AWS's default; None where AWS knows neither."""
        names = {"ServiceCode": quota.service, "QuotaCode": quota.code}
        for operation in ("get_service_quota", "get_aws_default_service_quota"):
            try:
                found = self._reader.read("service-quotas", self.region, operation, **names)
            except TaskFailed as error:
                if not is_absent(error):
                    raise
                continue
            return int(found["Quota"]["Value"] * quota.scale)
        return None

    @cached_property
    def zones(self) -> list[str]:
        """Names of its availability zones that are open, in order, as the module takes them."""
        wanted = [
            {"Name": "zone-type", "Values": ["availability-zone"]},
            {"Name": "state", "Values": ["available"]},
        ]
        found = self._reader.read("ec2", self.region, "describe_availability_zones", Filters=wanted)
        return sorted(row["ZoneName"] for row in found["AvailabilityZones"])

    def offerings(self, sizes: list[str]) -> dict[str, set[str]]:
        """In which zones each instance type is offered; a type that isn't there at all is left out."""
        wanted = [{"Name": "instance-type", "Values": sizes}]
        rows = self._reader.rows(
            "ec2",
            self.region,
            "describe_instance_type_offerings",
            "InstanceTypeOfferings",
            LocationType="availability-zone",
            Filters=wanted,
        )
        found: dict[str, set[str]] = {}
        for row in rows:
            found.setdefault(row["InstanceType"], set()).add(row["Location"])
        return found

    def vcpus(self, sizes: list[str]) -> dict[str, int]:
        """Number of vCPUs of each instance type that the region knows."""
        wanted = [{"Name": "instance-type", "Values": sorted(set(sizes))}]
        rows = self._rows("describe_instance_types", "InstanceTypes", Filters=wanted)
        return {row["InstanceType"]: int(row["VCpuInfo"]["DefaultVCpus"]) for row in rows}

    def standard_vcpus(self) -> int:
        """Number of vCPUs of running on-demand instances of the standard families."""
        wanted = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
        rows = self._rows("describe_instances", "Reservations", Filters=wanted)
        instances = [each for row in rows for each in row["Instances"] if not each.get("InstanceLifecycle")]
        running = Counter(each["InstanceType"] for each in instances if is_standard(each["InstanceType"]))
        each = self.vcpus(list(running)) if running else {}
        return sum(number * each.get(size, 0) for size, number in running.items())

    def addresses(self) -> int:
        """Elastic addresses that the account has there."""
        return len(self._reader.read("ec2", self.region, "describe_addresses")["Addresses"])

    def networks(self) -> int:
        """VPCs."""
        return len(self._rows("describe_vpcs", "Vpcs"))

    def nat_gateways(self) -> int:
        """NAT gateways in the first zone, where the module puts its own."""
        gateways = [
            row for row in self._rows("describe_nat_gateways", "NatGateways") if row["State"] not in _GONE
        ]
        subnets = sorted({row["SubnetId"] for row in gateways if row.get("SubnetId")})
        if not subnets or not self.zones:
            return 0
        rows = self._rows("describe_subnets", "Subnets", SubnetIds=subnets)
        first = {row["SubnetId"] for row in rows if row["AvailabilityZone"] == self.zones[0]}
        return sum(row.get("SubnetId") in first for row in gateways)

    def storage_gib(self) -> int:
        """Size of all gp3 disks."""
        wanted = [{"Name": "volume-type", "Values": ["gp3"]}]
        return sum(int(row["Size"]) for row in self._rows("describe_volumes", "Volumes", Filters=wanted))

    def balancers(self) -> int:
        """Network load balancers."""
        rows = self._reader.rows("elbv2", self.region, "describe_load_balancers", "LoadBalancers")
        return sum(row.get("Type") == "network" for row in rows)

    def clusters(self) -> int:
        """EKS clusters."""
        return len(self._reader.rows("eks", self.region, "list_clusters", "clusters"))

    def _rows(self, operation: str, key: str, **options: Any) -> list[Any]:
        return self._reader.rows("ec2", self.region, operation, key, **options)


def is_standard(size: str) -> bool:
    """Whether instances of a type count towards the quota of the standard families."""
    family = size[: len(size) - len(size.lstrip("abcdefghijklmnopqrstuvwxyz"))]
    return bool(family) and family[0] in _STANDARD_FAMILIES and family not in _OF_THEIR_OWN


def require_account(reader: AwsReader, region: str, wanted: str) -> None:
    """Refuse credentials of another account than the fleet is declared for; raises TaskFailed."""
    found = reader.read("sts", region, "get_caller_identity")["Account"]
    if found != wanted:
        message = f"these credentials are of account {found}, the fleet is declared for {wanted}"
        way_out = "check AWS_PROFILE and AWS_ACCOUNT_ID"
        raise TaskFailed(ErrorClass.AUTHORISATION, message, fingerprint="aws:other-account", way_out=way_out)


def home_region(fleet: Fleet, environ: Mapping[str, str]) -> str:
    """A region that is asked about the account: the one that is configured, else one that needs no opt-in."""
    configured = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    known = known_regions("aws")
    mine = [region.name for region in fleet.regions if region.cloud == "aws"]
    open_ones = [name for name in mine if name in known and not known[name].restricted]
    return configured or next(iter(open_ones), "eu-west-1")


def _unavailable(region: Region, reason: str) -> Check:
    return Check(region.name, "region", verdict=Verdict.UNAVAILABLE, way_out=reason)
