"""The chain exporter: what it makes of a network, and of validators that fail."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
import tracemalloc
import urllib.error
import urllib.request
import warnings
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from functools import partial

import pytest
from fabric import Chain, Teller, keys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
from prometheus_client.parser import text_string_to_metric_families as parse_text
from watched_network import UNREACHABLE, Network, labels

from chainfleet.drivers.monitoring.exporter import CHAIN_METRICS
from chainfleet.drivers.monitoring.exporter.collector import Sources
from chainfleet.drivers.monitoring.exporter.exposing import regions_left
from chainfleet.drivers.monitoring.exporter.oracles import FeedState
from chainfleet.drivers.monitoring.exporter.window import Window
from chainfleet.drivers.scraping import exposition, served
from chainfleet.model.besu.header import read_header


def test_a_healthy_network_is_told_as_it_is():
    network = Network()
    network.chain.grow(40)
    network.now = network.chain.begin + 203
    seen = network.look()
    assert seen["chainfleet_chain_head",] == 40
    assert seen["chainfleet_chain_head_timestamp_seconds",] == network.chain.begin + 200
    assert seen["chainfleet_network_quorum_margin",] == 2
    assert seen["chainfleet_network_quorum_margin_regions",] == 1
    assert seen["chainfleet_chain_blocks_total", ("round", "0")] == 39
    assert seen["chainfleet_chain_seals",] == 6
    assert seen["chainfleet_chain_gas_used_ratio",] == pytest.approx(0.1)
    assert network.problems() == set()
    proposed = [v for k, v in seen.items() if k[0] == "chainfleet_validator_proposed_blocks_total"]
    assert sum(proposed) == 39
    assert all(value >= 4 for value in proposed)
    assert all(
        seen["chainfleet_validator_seals_total", *labels(region=r, validator=v)] > 0
        for r in network.names
        for v in ("validator-0", "validator-1")
    )


def test_blocks_are_counted_once_and_missed_turns_belong_to_whose_they_were():
    network = Network()
    network.chain.grow(10)
    network.look()
    order = list(network.chain.validators)
    before = network.chain.blocks[-1]["miner"]
    missing = [order[(order.index(before) + 1 + i) % len(order)] for i in range(2)]
    network.chain.grow(at_round=2, silent=missing, late=30)
    network.look()
    seen = network.look()
    assert seen["chainfleet_chain_blocks_total", ("round", "2")] == 1
    assert seen["chainfleet_chain_block_interval_seconds_count",] == 9
    assert seen["chainfleet_chain_block_interval_seconds_sum",] == 8 * 5 + 35
    names = {a: name for name, a in network.collector.sources.addresses.items()}
    missed = {
        f"{dict(key[1:])['region']}-{dict(key[1:])['validator'].rpartition('-')[2]}": value
        for key, value in seen.items()
        if key[0] == "chainfleet_validator_missed_proposals_total" and value
    }
    assert missed == {names[address]: 1 for address in missing}


def test_a_region_that_is_gone_is_zero_and_not_missing():
    network = Network()
    network.chain.grow(5)
    network.look()
    for teller in network.tellers[:2]:
        teller.error = UNREACHABLE
    seen = network.look()
    assert seen["chainfleet_region_validators_up", ("region", "r0")] == 0
    assert seen["chainfleet_network_quorum_margin",] == 0
    assert seen["chainfleet_network_quorum_margin_regions",] == 0
    assert network.problems() == {("r0", f"validator-{i}", "unreachable") for i in (0, 1)}
    for teller in network.tellers:
        teller.error = UNREACHABLE
    seen = network.look()
    assert seen["chainfleet_network_quorum_margin",] == -6
    assert ("chainfleet_chain_head",) not in seen
    assert seen["chainfleet_exporter_collections_total", ("result", "failed")] == 1


@pytest.mark.parametrize(("up", "left"), [(24, 8), (23, 7), (22, 6), (16, 0), (15, 0)])
def test_regions_that_may_still_fall_silent(up, left):
    assert regions_left({f"r{i}": 2 if i < up else 0 for i in range(24)}, 32) == left


def quorum_of(seen):
    """Set, voting, quorum, margin, margin in regions, and where the set is known from."""
    names = ("set_size", "validators_voting", "quorum", "quorum_margin", "quorum_margin_regions")
    sources = [
        dict(key[1:])["source"]
        for key, value in seen.items()
        if key[0] == "chainfleet_network_set_source" and value
    ]
    return [int(seen[f"chainfleet_network_{name}",]) for name in names], sources


def test_the_quorum_is_that_of_the_chains_own_set_whatever_the_fleet_declares():
    network = Network()
    network.chain.grow(5)
    assert quorum_of(network.look()) == ([8, 8, 6, 2, 1], ["chain"])
    # A region is voted out: its validators are up and count for nothing.
    gone = set(list(network.collector.sources.addresses.values())[:2])
    network.chain.validators = {a: k for a, k in network.chain.validators.items() if a not in gone}
    network.chain.grow(3)
    seen = network.look()
    assert quorum_of(seen) == ([6, 6, 4, 2, 1], ["chain"])
    assert (seen["chainfleet_network_validators",], seen["chainfleet_network_validators_up",]) == (8, 8)
    # Of those that vote three fall silent: two regions more than the fleet's own arithmetic would have thought.
    for teller in network.tellers[2:5]:
        teller.error = UNREACHABLE
    assert quorum_of(network.look()) == ([6, 3, 4, -1, 0], ["chain"])
    # Nobody answers: the set is the last one that was proven.
    for teller in network.tellers:
        teller.error = UNREACHABLE
    assert quorum_of(network.look()) == ([6, 0, 4, -4, 0], ["remembered"])


def test_validators_that_were_voted_in_and_that_nobody_asks_count_as_silent():
    network = Network()
    network.chain.grow(5)
    network.look()
    strangers = keys(12)
    network.chain.validators = strangers
    network.chain.grow(2)
    assert quorum_of(network.look()) == ([12, 8, 8, 0, 0], ["chain"])


def test_before_any_block_is_proven_the_fleet_is_all_there_is_to_go_by():
    network = Network()
    for teller in network.tellers:
        teller.error = UNREACHABLE
    assert quorum_of(network.look()) == ([8, 0, 6, -6, 0], ["fleet"])


def test_where_no_keys_are_known_whoever_is_up_counts_as_one_of_the_set():
    network = Network()
    network.collector.sources = replace(network.collector.sources, addresses={})
    network.chain.grow(5)
    network.tellers[0].error = UNREACHABLE
    assert quorum_of(network.look()) == ([8, 7, 6, 1, 0], ["chain"])


def test_a_validator_that_hangs_costs_no_more_than_its_patience():
    network = Network()
    network.chain.grow(5)
    network.tellers[3].delay_s = 300
    began = time.monotonic()
    network.look()
    assert time.monotonic() - began < 150
    assert network.problems() == {("r1", "validator-1", "unreachable")}


def test_48_validators_are_looked_at_all_at_once():
    network = Network(regions=24, patience_s=20.0)
    network.chain.grow(60)
    network.look()
    network.chain.grow(3)
    waiting = set()
    most = []

    async def delayed(teller, *calls):
        waiting.add(id(teller))
        most.append(len(waiting))
        await asyncio.sleep(0.36)  # the longest round trip between Azure's regions
        waiting.discard(id(teller))
        return await Teller.ask(teller, *calls)

    for teller in network.tellers:
        teller.ask = partial(delayed, teller)
    began = time.perf_counter()
    seen = network.look()
    took = time.perf_counter() - began
    assert seen["chainfleet_network_validators_up",] == 48
    assert seen["chainfleet_chain_head",] == 63
    assert max(most) == 48
    # Two round trips: all at once, then the new blocks of one.
    assert 0.72 <= seen["chainfleet_exporter_collection_duration_seconds",] <= took


def test_memory_stays_as_it_is_over_a_hundred_thousand_blocks():
    chain = Chain(keys(4))
    chain.grow(3)
    header = read_header(chain.blocks[3])
    window, signers = Window(list(chain.validators), 5), header.signers()

    def feed(start, count):
        for number in range(start, start + count):
            window.feed(replace(header, number=number, timestamp=header.timestamp + 5 * number), signers)

    feed(1, 20_000)
    growth, highest = [], []
    tracemalloc.start()
    for start in range(20_001, 120_001, 25_000):
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        feed(start, 25_000)
        after, peak = tracemalloc.get_traced_memory()
        growth.append(after - before)
        highest.append(peak - before)
    tracemalloc.stop()
    assert window.rounds["0"] == 120_000
    # All four would grow; one or two do where another test's thread works in this process.
    assert min(growth) < 2_500, growth
    assert min(highest) < 100_000, highest


def test_far_behind_it_leaves_blocks_out_and_says_so():
    window = Window(list(keys(4)), 5)
    chain = Chain(keys(4))
    chain.grow(2)
    header = read_header(chain.blocks[2])
    assert window.next_number(10_000, 256) == 9_745
    window.feed(header, header.signers())
    assert window.next_number(10_000, 256) == 9_745

    window.feed(replace(header, number=9_745), header.signers())
    assert window.skipped == 9_742
    window.feed(header, header.signers())
    assert window.head.number == 9_745, "an older block is nothing new"


def test_feeds_are_compared_with_the_first_chain():
    async def feeds():
        return (
            FeedState("mainnet", 3000.0, 7, 1_800_000_000),
            FeedState("chain-138", 3030.0, 5, 1_799_999_000, Counter(failed=3, retried=1)),
            FeedState("gone", None),
        )

    network = Network(feeds=feeds)
    network.chain.grow(5)
    seen = network.look()
    assert seen["chainfleet_oracle_deviation_ratio", ("chain", "chain-138")] == pytest.approx(0.01)
    assert seen["chainfleet_oracle_lag_rounds", ("chain", "chain-138")] == 2
    assert seen["chainfleet_oracle_lag_rounds", ("chain", "mainnet")] == 0
    assert seen["chainfleet_ccip_failed_messages", ("chain", "chain-138")] == 2
    assert seen["chainfleet_oracle_up", ("chain", "gone")] == 0
    assert ("chainfleet_oracle_answer", ("chain", "gone")) not in seen


def test_a_region_that_could_not_be_reached_once_is_asked_again_soon_and_the_others_stay():
    network = Network()
    regions = sorted({teller.region for teller in network.tellers})
    answers = [{(name, "api-server"): 2e9} for name in regions]

    async def expiries():
        return answers.pop(0) if answers else {}

    network.collector.sources = Sources(
        network.tellers, network.collector.sources.addresses, network.collector.sources.read_feeds, expiries
    )
    network.collector.feeds_every_s = 0.0
    for _ in regions:
        network.chain.grow(1)
        seen = network.look()
    known = {
        tuple(labels) for name, *labels in seen if name == "chainfleet_certificate_expiry_timestamp_seconds"
    }
    assert len(known) == len(regions) > 1


def test_both_formats_hold_the_catalogue_and_nothing_else():
    async def feeds():
        return (FeedState("mainnet", 3000.0, 7, 1_800_000_000),)

    async def expiries():
        return {("r0", "api-server"): 2e9}

    network = Network(feeds=feeds)
    network.collector.sources = Sources(network.tellers, network.collector.sources.addresses, feeds, expiries)
    network.chain.grow(5)
    network.look()
    open_text, kind = exposition(network.collector, "application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    for families in (
        list(parse_open(open_text.decode())),
        list(parse_text(exposition(network.collector)[0].decode())),
    ):
        named = {f.name + ("_total" if f.type == "counter" else ""): f for f in families}
        assert set(named) == {metric.name for metric in CHAIN_METRICS}
        for metric in CHAIN_METRICS:
            family = named[metric.name]
            assert (family.type, family.documentation) == (metric.kind, metric.help)
            for sample in family.samples:
                assert set(sample.labels) - {"le"} == set(metric.labels)


def test_the_server_answers_on_loopback_and_knows_when_it_is_stale():
    network = Network()
    network.chain.grow(5)
    fresh = []

    async def scenario():
        await network.collector.look()
        async with served(
            lambda accept: exposition(network.collector, accept), 0, healthy=lambda: bool(fresh)
        ) as port:
            get = lambda path, **h: asyncio.to_thread(fetch, port, path, h)  # noqa: E731
            status, kind, body = await get("/metrics")
            assert (status, kind.split(";")[0]) == (200, "text/plain")
            assert b"chainfleet_chain_head 5.0" in body
            status, kind, _ = await get("/metrics", Accept="application/openmetrics-text")
            assert kind.startswith("application/openmetrics-text")
            assert (await get("/healthz"))[0] == 503
            fresh.append(True)
            assert (await get("/healthz"))[0] == 200
            assert (await get("/nothing"))[0] == 404
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /metrics HTTP/1.1\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 405")
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"x" * 100_000)
            writer.write_eof()
            assert await reader.read() == b"", "rubbish gets no answer and does no harm"
            writer.close()
            assert (await get("/metrics"))[0] == 200

    def fetch(port, path, headers):
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, "", b""

    asyncio.run(scenario())


def test_whoever_connects_in_the_last_moment_leaves_no_line_open():
    async def scenario(turns):
        async with served(lambda _: (b"", ""), 0) as port:
            line = socket.create_connection(("127.0.0.1", port), timeout=60)
            for _ in range(turns):  # Not yet accepted, accepted, a line, ...
                await asyncio.sleep(0)
        return line

    for turns in range(8):
        with warnings.catch_warnings(record=True) as leaks, asyncio.Runner() as runner:
            warnings.simplefilter("always")
            line = runner.run(scenario(turns))
            runner.close()
            gc.collect()
            with line, suppress(ConnectionError):
                assert line.recv(1) == b""
        assert [str(leak.message) for leak in leaks] == [], turns
