"""Turns what was seen into metric families of the catalogue; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chainfleet.model.besu.quorum import quorum_of
from chainfleet.model.metric import Metric

from .catalogue import BY_NAME, CCIP_RESULTS, PROBLEMS, ROUNDS
from .expiry import Expiries
from .judging import SET_SOURCES, Expected, Sample, ValidatorSet, Verdict
from .oracles import FeedState, deviation, lag
from .window import Window

if TYPE_CHECKING:
    from prometheus_client.core import Metric as Family

Labels = tuple[str, ...]
Value = tuple[str, Labels, float]
"""Name of a metric, its labels' values, its value."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything one collection saw.

    Attributes:
        samples: one per declared validator.
        verdict: what to believe of them.
        set: the chain's own validators, by which quorum and margin go.
        expected: what the fleet says.
        addresses: name of a validator → its address.
        feeds: the oracle on every chain.
        heartbeat_s: seconds after which feeds promise a new round.
        expiries: of certificates and tokens.
        at: when it was seen, in seconds since 1970.
        took_s: how long looking took.
    """

    samples: Sequence[Sample]
    verdict: Verdict
    set: ValidatorSet
    expected: Expected
    addresses: Mapping[str, str]
    feeds: Sequence[FeedState]
    heartbeat_s: float
    expiries: Expiries
    at: float
    took_s: float


def families(seen: Seen | None, window: Window, collections: Mapping[str, int]) -> Iterator[Family]:
    """Yield the metric families, each name once, samples in a stable order."""
    values: dict[str, list[tuple[Labels, float]]] = {}
    for name, labels, value in _values(seen, window, collections):
        values.setdefault(f"chainfleet_{name}", []).append((labels, value))
    for name, metric in BY_NAME.items():
        if metric.kind == "histogram":
            yield _histogram(metric, window)
        elif name in values:
            yield _family(metric, values[name])


def _values(seen: Seen | None, window: Window, collections: Mapping[str, int]) -> Iterator[Value]:
    for result in ("complete", "failed"):
        yield "exporter_collections_total", (result,), collections.get(result, 0)
    for round_ in ROUNDS:
        yield "chain_blocks_total", (round_,), window.rounds[round_]
    yield "chain_blocks_skipped_total", (), window.skipped
    if seen is None:
        return
    yield "exporter_collected_timestamp_seconds", (), seen.at
    yield "exporter_collection_duration_seconds", (), seen.took_s
    yield from _of_validators(seen, window)
    yield from _of_network(seen)
    yield from _of_chain(seen)
    yield from _of_feeds(seen)
    for labels, at in seen.expiries.items():
        yield "certificate_expiry_timestamp_seconds", labels, at


def _of_validators(seen: Seen, window: Window) -> Iterator[Value]:
    for sample in seen.samples:
        who = (sample.region, f"validator-{sample.index}")
        problems = seen.verdict.problems.get(sample.name, frozenset())
        yield "validator_up", who, sample.answer is not None
        for problem in PROBLEMS:
            yield "validator_problem", (*who, problem), problem in problems
        address = seen.addresses.get(sample.name, "")
        version = sample.answer.version if sample.answer else ""
        yield "validator_info", (*who, address, version), 1
        if sample.answer is not None:
            yield "validator_head", who, sample.answer.claimed
            yield "validator_peers", who, sample.answer.peers
        if (entry := window.by_validator.get(address)) is not None:
            yield "validator_proposed_blocks_total", who, entry.proposed
            yield "validator_missed_proposals_total", who, entry.missed
            yield "validator_seals_total", who, entry.sealed
            yield "validator_seen_block", who, entry.seen


def _of_network(seen: Seen) -> Iterator[Value]:
    placement = seen.expected.placement
    up = dict.fromkeys(placement, 0)
    for sample in seen.verdict.sound:
        up[sample.region] += 1
    for region, declared in placement.items():
        yield "region_validators", (region,), declared
        yield "region_validators_up", (region,), up[region]
    yield "network_validators", (), sum(placement.values())
    yield "network_validators_up", (), sum(up.values())
    yield from _of_set(seen)
    yield "network_genesis_hashes", (), seen.verdict.genesis_hashes
    yield "network_validator_sets", (), seen.verdict.validator_sets


def _of_set(seen: Seen) -> Iterator[Value]:
    """Quorum and margin by the chain's own set; where no keys are known, whoever is up counts as one of it."""
    addresses = seen.set.addresses if seen.addresses else frozenset()
    voting = Counter(
        sample.region
        for sample in seen.verdict.sound
        if not addresses or seen.addresses.get(sample.name) in addresses
    )
    quorum = quorum_of(seen.set.size).quorum
    yield "network_set_size", (), seen.set.size
    for source in SET_SOURCES:
        yield "network_set_source", (source,), source == seen.set.source
    yield "network_validators_voting", (), voting.total()
    yield "network_quorum", (), quorum
    yield "network_quorum_margin", (), voting.total() - quorum
    yield "network_quorum_margin_regions", (), regions_left(voting, quorum)


def regions_left(voting: Mapping[str, int], quorum: int) -> int:
    """Return how many regions may still fall silent, the largest first, before no block comes.

    Args:
        voting: validators of each region that are up and in the chain's set.
        quorum: how many a block takes.
    """
    spare = sum(voting.values()) - quorum
    left = 0
    for count in sorted((count for count in voting.values() if count), reverse=True):
        spare -= count
        if spare < 0:
            break
        left += 1
    return left


def _of_chain(seen: Seen) -> Iterator[Value]:
    yield "chain_head_spread_blocks", (), seen.verdict.spread
    head = seen.verdict.head
    if head is None:
        return
    yield "chain_head", (), head.number
    yield "chain_head_timestamp_seconds", (), head.timestamp
    yield "chain_head_ahead_seconds", (), max(0.0, head.timestamp - seen.at)
    yield "chain_round", (), head.extra.round
    yield "chain_seals", (), len(head.extra.seals)
    yield "chain_gas_used_ratio", (), head.gas_used / max(1, head.gas_limit)


def _of_feeds(seen: Seen) -> Iterator[Value]:
    for state in seen.feeds:
        chain = (state.chain,)
        yield "oracle_up", chain, state.answer is not None
        yield "oracle_heartbeat_seconds", chain, seen.heartbeat_s
        for result in CCIP_RESULTS:
            yield "ccip_messages_total", (state.chain, result), state.ccip[result]
        yield "ccip_failed_messages", chain, state.failed_messages
        if state.answer is None:
            continue
        yield "oracle_answer", chain, state.answer
        yield "oracle_round", chain, state.round
        yield "oracle_updated_timestamp_seconds", chain, state.updated_at
        for name, value in (
            ("deviation_ratio", deviation(seen.feeds, state)),
            ("lag_rounds", lag(seen.feeds, state)),
        ):
            if value is not None:
                yield f"oracle_{name}", chain, value


def _family(metric: Metric, values: Iterable[tuple[Labels, float]]) -> Family:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    make = GaugeMetricFamily if metric.kind == "gauge" else CounterMetricFamily
    family = make(metric.name, metric.help, labels=metric.labels)
    for labels, value in values:
        family.add_metric(labels, float(value))
    return family


def _histogram(metric: Metric, window: Window) -> Family:
    from prometheus_client.core import HistogramMetricFamily

    total, buckets = 0, []
    for bound, count in zip((*map(str, window.bounds_s), "+Inf"), window.intervals, strict=True):
        total += count
        buckets.append((bound, float(total)))
    family = HistogramMetricFamily(metric.name, metric.help)
    family.add_metric([], buckets, window.interval_sum_s)
    return family
