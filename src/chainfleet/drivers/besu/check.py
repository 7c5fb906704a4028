"""What is wrong, or risky, with a fleet's network: said before anything is made."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network

from chainfleet.model.besu.options import OLDEST_SUPPORTED, read_version, rpc_api_problem
from chainfleet.model.besu.quorum import (
    MINIMUM_VALIDATORS,
    placement_breaches,
    quorum_of,
    regions_that_may_fail,
)
from chainfleet.model.errors import InputError
from chainfleet.model.fleet import Fleet, Region
from chainfleet.model.region import azure_regions

from .node_config import node_options, placeholder
from .peers import declared_addresses

_LARGEST_TEST = 30
"""Validators that Besu's own tests held under light load; 3 regions halted at 38 (IBFT 2.0, 2021)."""
_SLOWEST_RTT_S = 0.36
"""Worst round trip between two Azure regions (South Africa North to Korea Central, 357 ms)."""
_SECONDS_PER_RADIAN_OF_EARTH = 6371 * 2 / 200_000 * 1.5
"""Round trip per radian of great circle: light in fibre (200 000 km/s), cables 1.5 times the distance."""
_COMMIT_ROUND_TRIPS = 1.5
"""Proposal, prepare and commit: three one-way messages."""
_PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
"""RFC 1918; Azure Key Vault refuses them in its IP rules."""
_TIMEOUT_PER_COMMIT = 8
"""Transfer, execution, 2N² messages and a queue come on top: 4 s for 24 regions, never below (derived)."""


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong or risky.

    Attributes:
        severity: an error keeps the fleet from being deployed.
        message: what, with the number that breaks the rule.
        place: where in the fleet file, as a path of keys: `network.request_timeout_seconds`.
    """

    severity: Severity
    message: str
    place: str


def check_network(fleet: Fleet) -> list[Finding]:
    """Return everything found, errors first."""
    found = [
        *_size(fleet),
        *_regions(fleet),
        *_placement(fleet),
        *_timing(fleet),
        *_node(fleet),
        *_accounts(fleet),
        *_node_keys(fleet),
    ]
    return sorted(found, key=lambda finding: finding.severity)


def slowest_round_trip_s(regions: Iterable[Region]) -> float:
    """Return the longest round trip between any two regions, in seconds, estimated by distance.

    Regions whose place isn't known count as the farthest.
    """
    names = [region.name for region in regions]
    known = azure_regions()
    if len(names) < 2:
        return 0.0
    if any(name not in known for name in names):
        return _SLOWEST_RTT_S
    places = [(math.radians(known[n].latitude), math.radians(known[n].longitude)) for n in names]
    angle = max(_angle(a, b) for i, a in enumerate(places) for b in places[i + 1 :])
    return angle * _SECONDS_PER_RADIAN_OF_EARTH


def _size(fleet: Fleet) -> Iterator[Finding]:
    count = fleet.validator_count
    if count < MINIMUM_VALIDATORS:
        message = f"{count} validators can't bear a single fault; BFT needs at least {MINIMUM_VALIDATORS}"
        yield _error(message, "regions")
    if count > _LARGEST_TEST:
        yield _warning(
            f"{count} validators exceed every published QBFT test (the largest that held had "
            f"{_LARGEST_TEST}, three regions halted at 38): run a load test before production",
            "network.validators_per_region",
        )


def _regions(fleet: Fleet) -> Iterator[Finding]:
    for name, times in Counter(region.name for region in fleet.regions).items():
        if times > 1:
            yield _error(f"region {name} is declared {times} times", f"regions.{name}")
    seen: dict[str, str] = {}
    for region in fleet.regions:
        yield from _region(fleet, region)
        for address in region.addresses:
            if address in seen:
                message = f"address {address} is {seen[address]}'s already"
                yield _error(message, f"regions.{region.name}.addresses")
            seen[address] = region.name


def _region(fleet: Fleet, region: Region) -> Iterator[Finding]:
    count = fleet.validators_of(region)
    if region.cloud == "kubeconfig" and count:
        try:
            for address in declared_addresses(fleet, region):
                node_options(fleet, identity=region.name, p2p_host=address)
        except InputError as error:
            yield _error(error.message, f"regions.{region.name}.addresses")
    nodes = fleet.clouds.azure.validator_nodes
    if region.cloud == "azure" and count > nodes:
        message = f"{count} validators of {region.name} need {count} nodes of their own, there are {nodes}"
        yield _error(message, "clouds.azure.validator_nodes")


def _placement(fleet: Fleet) -> Iterator[Finding]:
    placement = {region.name: fleet.validators_of(region) for region in fleet.regions}
    count = sum(placement.values())
    if count < MINIMUM_VALIDATORS:
        return
    for breach in placement_breaches(placement, _domains(fleet)):
        message = f"{breach.domain} holds {breach.count} validators, {breach.limit} at most: {breach.reason}"
        kind = _error if breach.severity == "error" else _warning
        name = breach.domain.removeprefix("region ")
        yield kind(message, f"regions.{name}" if name in placement else "regions")
    if regions_that_may_fail(placement) < 1:
        rule = quorum_of(count)
        message = f"the chain stops when the largest region is lost: quorum is {rule.quorum} of {count}"
        yield _warning(message, "regions")


def _domains(fleet: Fleet) -> dict[str, dict[str, str]]:
    """Return what fails together beyond a region, where the fleet spreads over more than one of it."""
    known = azure_regions()
    kinds: dict[str, dict[str, str]] = {
        "cloud": {r.name: str(r.cloud) for r in fleet.regions if r.cloud != "kubeconfig"},
        "continent": {r.name: known[r.name].continent for r in fleet.regions if r.name in known},
    }
    return {kind: places for kind, places in kinds.items() if len(set(places.values())) > 1}


def _timing(fleet: Fleet) -> Iterator[Finding]:
    network = fleet.network
    period, timeout = network.block_period_seconds, network.request_timeout_seconds
    carriers = [region for region in fleet.regions if fleet.validators_of(region)]
    commit = _COMMIT_ROUND_TRIPS * slowest_round_trip_s(carriers)
    place = "network.request_timeout_seconds"
    if timeout < _TIMEOUT_PER_COMMIT * commit:
        least = math.ceil(_TIMEOUT_PER_COMMIT * commit)
        message = f"{timeout} s end rounds too early where votes travel {commit:.1f} s: {least} s at least"
        yield _error(message, place)
    elif timeout < 2 * period:
        yield _warning(
            f"request timeout {timeout} s is below Besu's rule of twice the period, {2 * period} s", place
        )
    if period < 2 * commit:
        message = f"a period of {period} s is hardly kept where agreeing takes about {commit:.1f} s"
        yield _warning(message, "network.block_period_seconds")
    empty = network.empty_block_period_seconds
    if empty and empty < period:
        message = f"empty blocks every {empty} s can't come faster than blocks, {period} s"
        yield _error(message, "network.empty_block_period_seconds")


def _node(fleet: Fleet) -> Iterator[Finding]:
    network = fleet.network
    version = read_version(network.besu_version)
    if version < OLDEST_SUPPORTED:
        oldest = ".".join(map(str, OLDEST_SUPPORTED))
        yield _error(f"Besu {network.besu_version} is older than {oldest}", "network.besu_version")
    problems = [p for name in network.rpc_apis if (p := rpc_api_problem(name, version))]
    for problem in problems:
        yield _error(f"{problem}; the node would not start", "network.rpc_apis")
    if not problems:
        try:
            node_options(fleet, identity="check", p2p_host=placeholder("check", 0))
        except InputError as error:
            yield _error(error.message, "network")
    if network.heap_gib > 0.75 * network.memory_gib:
        message = f"a heap of {network.heap_gib} GiB leaves RocksDB too little of {network.memory_gib} GiB"
        yield _error(message, "network.heap_gib")
    if network.image_digest is None:
        message = f"the image {network.image}:{network.besu_version} is not pinned by digest"
        yield _warning(message, "network.image_digest")
    ports = [network.p2p_port, network.rpc_port, network.metrics_port]
    if len(set(ports)) < len(ports):
        yield _error(f"ports for P2P, RPC and metrics must differ: {ports}", "network")


def _node_keys(fleet: Fleet) -> Iterator[Finding]:
    """Key vaults: only where they are made and can be written to."""
    if fleet.network.node_keys != "vault":
        return
    place = "network.node_keys"
    for region in fleet.regions:
        if region.cloud != "azure" and fleet.validators_of(region):
            message = (
                f"node keys in a vault are for Azure only, {region.name} is in {region.cloud}: write `secret`"
            )
            yield _error(message, place)
    for admitted in fleet.clouds.azure.authorized_ip_ranges:
        if any(admitted.overlaps(private) for private in _PRIVATE):
            message = (
                f"a key vault admits public addresses only, {admitted} is private: give the one outside of it"
            )
            yield _error(message, "clouds.azure.authorized_ip_ranges")
    if not fleet.clouds.azure.authorized_ip_ranges:
        yield _error(
            "key vaults admit nobody from outside: give clouds.azure.authorized_ip_ranges, with the address "
            "of the machine that deploys, or write `secret`",
            place,
        )


def _accounts(fleet: Fleet) -> Iterator[Finding]:
    addresses = Counter(allocation.address.lower() for allocation in fleet.network.allocations)
    for address, times in addresses.items():
        if times > 1:
            yield _error(f"account {address} is given a balance {times} times", "network.allocations")
    if not fleet.network.zero_base_fee and not addresses:
        yield _warning("gas has a price and nobody has a balance", "network.allocations")


def _angle(a: tuple[float, float], b: tuple[float, float]) -> float:
    cosine = math.sin(a[0]) * math.sin(b[0]) + math.cos(a[0]) * math.cos(b[0]) * math.cos(a[1] - b[1])
    return math.acos(max(-1.0, min(1.0, cosine)))


def _error(message: str, place: str) -> Finding:
    return Finding(Severity.ERROR, message, place)


def _warning(message: str, place: str) -> Finding:
    return Finding(Severity.WARNING, message, place)
