"""A network of tellers that the chain exporter looks at, and what it makes of it."""

from __future__ import annotations

import asyncio
import time

from fabric import CHAIN_ID, Chain, Teller, keys
from prometheus_client.parser import text_string_to_metric_families as parse_text

from chainfleet.drivers.monitoring.exporter import ChainCollector
from chainfleet.drivers.monitoring.exporter.collector import Sources
from chainfleet.drivers.monitoring.exporter.judging import Expected
from chainfleet.drivers.scraping import exposition
from chainfleet.model.besu.extra_data import Codec
from chainfleet.model.errors import ErrorClass, TaskFailed

UNREACHABLE = TaskFailed(ErrorClass.CHAIN_NOT_READY, "no pod answers")


async def nothing():
    return ()


async def no_expiries():
    return {}


class Network:
    """Regions of two validators each, all on one chain."""

    def __init__(self, regions=4, **options):
        count = 2 * regions
        self.chain = Chain(keys(count))
        self.names = [f"r{i}" for i in range(regions)]
        self.tellers = [Teller(n, i, self.chain, peers=count - 1) for n in self.names for i in (0, 1)]
        addresses = {f"{t.region}-{t.index}": a for t, a in zip(self.tellers, keys(count), strict=True)}
        self.now = self.chain.begin
        self.collector = ChainCollector(
            expected=Expected(
                CHAIN_ID, self.chain.genesis, frozenset(keys(count)), dict.fromkeys(self.names, 2)
            ),
            sources=Sources(self.tellers, addresses, options.pop("feeds", nothing), no_expiries),
            codec=Codec.QBFT,
            period_s=5,
            heartbeat_s=3600,
            wall=lambda: self.now,
            monotonic=time.monotonic,
            patience_s=options.pop("patience_s", 1.0),
        )

    def look(self):
        asyncio.run(self.collector.look())
        return self.values()

    def values(self):
        text = exposition(self.collector)[0].decode()
        return {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in parse_text(text)
            for sample in family.samples
        }

    def problems(self):
        return {
            (dict(key[1:])["region"], dict(key[1:])["validator"], dict(key[1:])["problem"])
            for key, value in self.values().items()
            if key[0] == "chainfleet_validator_problem" and value
        }


def labels(**pairs):
    return tuple(sorted(pairs.items()))
