"""A real Prometheus over 24 emulated regions: what it sees, what it tells, and when."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import AsyncExitStack

import pytest
from living import LivingRegions, Webhook, installed, start_alertmanager, start_anvil, watched

from chainfleet.drivers.contracts import ContractsDriver
from chainfleet.drivers.monitoring.configuration import alertmanager_configuration
from chainfleet.drivers.monitoring.dashboards import central_dashboards
from chainfleet.drivers.monitoring.rules import network_alerts, region_alerts, rule_files
from chainfleet.drivers.monitoring.thresholds import Thresholds
from chainfleet.drivers.scraping import served
from chainfleet.emulator.seams import Fault, FaultKind
from chainfleet.emulator.tls import Authority
from chainfleet.model.fleet import Chain, Contracts, Network, Oracle
from chainfleet.model.fleet_monitoring import Monitoring

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not installed("prometheus", "prometheus-alertmanager"),
        reason="Debian packages prometheus and prometheus-alertmanager",
    ),
]

NAMES = tuple(f"region-{i:02d}" for i in range(24))
BY_AGENT = NAMES[12]
DEPLOYER = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
"""The first of anvil's well-known development accounts."""
HEARTBEAT_S = 28
"""Seconds of a feed's heartbeat: longer than it takes to see that all is well, most of the time."""


def fleet_parts(addresses):
    chains = tuple(Chain(name=name, chain_id=chain_id, rpc_url=url) for name, chain_id, url in addresses)
    return {
        "network": Network(chain_id=138, block_period_seconds=1, request_timeout_seconds=2),
        "contracts": Contracts(
            chains=chains, oracle=Oracle(heartbeat_seconds=HEARTBEAT_S, timeout_seconds=2)
        ),
        "monitoring": Monitoring(
            scrape_interval_seconds=2,
            kube_state_image="kube-state-metrics:v2.17.0",
            alert_webhook="${ALERT_WEBHOOK}",
        ),
    }


METRIC = re.compile(
    r"\b(?:up|(?:besu|ethereum|jvm|process|node|kubelet|kube|container|prometheus|chainfleet)_\w+"
    r"|(?:region|network|validator|node|volume|oracle):\w+)\b"
)


def used_metrics(fleet):
    """Every metric that a rule or a panel names."""
    expressions = [
        rule["expr"]
        for file in rule_files(fleet).values()
        for group in file["groups"]
        for rule in group["rules"]
    ]
    expressions += [expr for _, expr in panel_queries(fleet)]
    without_strings = (re.sub(r'"[^"]*"', '""', text) for text in expressions)
    return {name for text in without_strings for name in METRIC.findall(re.sub(r"by \([^)]*\)", "", text))}


def panel_queries(fleet):
    for name, board in central_dashboards(fleet).items():
        for panel in board["panels"]:
            for target in panel["targets"]:
                expression = re.sub(r"\$(region|validator|run)\b", ".*", target["expr"])
                yield f"{name}: {panel['title']}", expression


@pytest.fixture
def run_metrics(chain_138, tmp_path, monkeypatch):
    """The metrics of a real run that met a throttling and a failure."""
    from chainfleet.drivers.driver import Outcome
    from chainfleet.model.errors import ErrorClass, TaskFailed
    from chainfleet.model.event import LimitObserved
    from chainfleet.model.task import Demand, Limit, LimitKind, Mode, Phase, Plan, Policy, RetryPolicy, Task
    from chainfleet.runtime import operations
    from chainfleet.runtime.state import StateFolder
    from chainfleet.runtime.telemetry import RunMetrics

    class Driver:
        async def observe(self, attempt):
            return None

        async def change(self, attempt):
            if attempt.number == 1:
                attempt.observed(LimitObserved("slots", throttled=1, calls=2))
                raise TaskFailed(ErrorClass.THROTTLED, "too many requests")
            return Outcome()

    async def of(_drivers, _task):
        return Driver()

    made = []

    def observe(coordinator):
        made.append(RunMetrics(coordinator, time.time))
        return made

    limit = Limit("slots", LimitKind.CONCURRENCY, 4)
    task = Task("besu/start/a-0", Phase.BESU, demands=(Demand("slots"),))
    plan = Plan("chain-138", "r", Mode.ULTRA, (task,), (limit,), policy=Policy(retry=RetryPolicy(0.01, 0.02)))
    with monkeypatch.context() as patched:
        patched.setattr(operations.Drivers, "of", of)
        with operations.open_environment(chain_138, StateFolder(tmp_path / "run"), {}) as environment:
            asyncio.run(operations.start_run(environment, plan, "r1-deploy", observe))
    return made[0]


def test_what_24_regions_tell_and_when_their_alerts_fire(tmp_path, run_metrics):
    from prometheus_client.exposition import generate_latest

    async def scenario():
        async with AsyncExitStack() as stack:
            anvils = [start_anvil(tmp_path, chain_id) for chain_id in (31337, 31338)]
            for program, _ in anvils:
                stack.callback(program.stop)
            addresses = [("first", 31337, anvils[0][1]), ("second", 31338, anvils[1][1])]
            world = LivingRegions(tmp_path, Authority(tmp_path), names=NAMES, **fleet_parts(addresses))
            webhook = await stack.enter_async_context(Webhook().listening())
            world.environ |= {
                "ALERT_WEBHOOK": f"http://127.0.0.1:{webhook.port}/",
                "CHAINFLEET_DEPLOYER_KEY": DEPLOYER,
            }
            await stack.enter_async_context(world)
            await world.bring_up()
            for kind in ("deploy", "round"):
                answered = time.monotonic()
                tasks = [f"contracts/{kind}/{name}" for name, *_ in addresses]
                await asyncio.gather(*(world.run(ContractsDriver(), task) for task in tasks))
            routes = alertmanager_configuration(world.fleet)
            alertmanager, alertmanager_port = start_alertmanager(tmp_path, routes, webhook.port)
            stack.callback(alertmanager.stop)
            run_port = await stack.enter_async_context(
                served(lambda _: (generate_latest(run_metrics), "text/plain; version=0.0.4"), 0)
            )
            prometheus, _ = await stack.enter_async_context(
                watched(world, tmp_path, run_port, alertmanager=alertmanager_port, by_agent=(BY_AGENT,))
            )
            await healthy(world.fleet, prometheus, answered)
            await loses_a_clock(world, prometheus)
            await asyncio.gather(
                loses_the_oracle(world, prometheus, answered), loses_regions(world, prometheus)
            )
            await is_told(prometheus, webhook)

    asyncio.run(scenario())


async def healthy(fleet, prometheus, answered):
    """Everything used exists, every panel has data, and nothing fires."""

    async def all_there():
        missing = used_metrics(fleet) - await prometheus.names()
        prometheus.missing = missing
        return not missing

    try:
        await prometheus.until(all_there, "every metric used is scraped")
    except AssertionError:
        raise AssertionError(f"used but never scraped: {sorted(prometheus.missing)}") from None
    queries = list(panel_queries(fleet))
    assert len(queries) > 50

    async def all_filled():
        answers = await asyncio.gather(*(prometheus.query(expression) for _, expression in queries))
        prometheus.empty = [where for (where, _), answer in zip(queries, answers, strict=True) if not answer]
        return not prometheus.empty

    try:
        await prometheus.until(all_filled, "every panel has data")
    except AssertionError:
        raise AssertionError(f"panels without data: {prometheus.empty}") from None

    async def calm():
        pending = {alert["labels"]["alertname"] for alert in await prometheus.alerts("pending")}
        # On a slow machine the only answer may be old by now.
        old = {"OracleStale"} if time.monotonic() > answered + Thresholds.of(fleet).oracle_stale_s else set()
        return await prometheus.firing() - old == {"Watchdog"} and not pending - old

    await prometheus.until(calm, "no alert but the watchdog")
    assert await prometheus.value("sum(region:validators_up)") == 48
    assert await prometheus.value("chainfleet_network_quorum_margin") == 16
    assert await prometheus.value(f'region:validators_up{{region="{BY_AGENT}"}}') == 2, "by remote write"


async def loses_a_clock(world, prometheus):
    limits = Thresholds.of(world.fleet)
    number = world.faults.add(Fault(FaultKind.CLOCK_SKEW, region=NAMES[20], resource="Node", factor=3.0))
    took = await prometheus.fires({"ClockSkewed"})
    alerts = [a for a in await prometheus.alerts() if a["labels"]["alertname"] == "ClockSkewed"]
    assert {a["labels"]["region"] for a in alerts} == {NAMES[20]}
    off = re.search(r"is off by ([\d.]+)", alerts[0]["annotations"]["summary"])
    assert off is not None
    assert float(off[1]) > 2.5, "3 s, and what a busy machine adds"
    assert took >= limits.hold_s(6) / 2, "not at the first bad sample"
    world.faults.remove(number)


async def loses_the_oracle(world, prometheus, answered):
    limits = Thresholds.of(world.fleet)
    early = "OracleStale" in await prometheus.firing()
    assert not early or time.monotonic() > answered + limits.oracle_stale_s
    await prometheus.fires({"OracleStale"})
    chains = {
        a["labels"]["chain"] for a in await prometheus.alerts() if a["labels"]["alertname"] == "OracleStale"
    }
    assert chains == {"first", "second"}


async def loses_regions(world, prometheus):
    world.lose_regions(*NAMES[:8])
    early = {"RegionSilent", "RegionLost", "NetworkQuorumThin", "QuorumThin"}
    await prometheus.fires(early)
    firing = await prometheus.firing()
    assert not firing & {"NetworkQuorumLost", "NetworkStalled", "ChainStalled"}, "32 of 48 are a quorum"
    assert await prometheus.value("chainfleet_network_quorum_margin") == 0
    height = await prometheus.value("chainfleet_chain_head")
    world.lose_regions(NAMES[8])
    late = {"NetworkQuorumLost", "QuorumLost", "NetworkStalled", "ChainStalled"}
    await prometheus.fires(late)
    assert await prometheus.value("chainfleet_chain_head") - height < 60
    lost = {
        a["labels"]["region"] for a in await prometheus.alerts() if a["labels"]["alertname"] == "RegionLost"
    }
    assert lost >= set(NAMES[:8])


async def is_told(prometheus, webhook):
    async def all_of_it():
        told = webhook.told()
        return told.get("RegionSilent", 0) >= 8 and {"NetworkQuorumThin", "OracleStale"} <= set(told)

    try:
        await prometheus.until(all_of_it, "one message for eight regions")
    except AssertionError:
        raise AssertionError(f"Alertmanager told {webhook.told()}") from None
    annotations = webhook.received[-1]["alerts"][0]["annotations"]
    assert "#" in annotations["runbook_url"]


def test_the_example_uses_no_metric_that_was_renamed(chain_138):
    """Names before Besu 24.12, which most public dashboards still use."""
    old = {"jvm_memory_bytes_used", "jvm_memory_bytes_max", "besu_blockchain_difficulty_total"}
    assert not used_metrics(chain_138) & old
    assert "besu_blockchain_chain_head_timestamp" in used_metrics(chain_138)
    assert len([*region_alerts(chain_138), *network_alerts(chain_138)]) > 30
