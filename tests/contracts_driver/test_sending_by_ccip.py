"""Where a router and a lane are configured, rounds go by CCIP: the latest one, once, with the fee returned in part."""

from __future__ import annotations

import asyncio
import time

import pytest

from chainfleet.drivers.contracts.abi import abi_of
from chainfleet.drivers.contracts.ccip import CcipCarrier
from chainfleet.drivers.contracts.metrics import Metrics
from chainfleet.drivers.contracts.relay import Feed, Policy
from chainfleet.drivers.contracts.session import open_session
from chainfleet.drivers.contracts.transactions import Intent
from chainfleet.model.errors import ErrorClass, TaskFailed

ABI = abi_of("OracleWithCCIP")
SELECTOR = 1_000_000_000_000_000_001
# A router that answers 1 to everything: every chain is supported, every message costs one wei.
ROUTER, YES_MAN = "0x" + "12" * 20, "0x600160005260206000f3"
LOCAL = 1
DEPLOY = "contracts/deploy/chain-138"


@pytest.fixture
def source(world):
    """Chain 138 with a local router and a local lane; the deployer is admin and sender, and has coins."""
    world.besu.call("anvil_setCode", ROUTER, YES_MAN)
    world.besu.fund(world.deployer)
    world.with_chain("chain-138", ccip_router=ROUTER)
    world.address = world.change(DEPLOY).outputs["address"]
    world.change("contracts/round/chain-138")
    return world


def open_lane(world):
    lane = (LOCAL, True, False, "0x" + "34" * 20, "0x" + "00" * 20, 10, b"")
    do(world, "lane", "setLane", SELECTOR, lane)


def do(world, key, function, *arguments):
    async def work():
        async with open_session(world.attempt(DEPLOY)) as session:
            data = ABI.call(function, *arguments)
            await session.sender.send(Intent(key, function, ABI, data, to=world.address))

    asyncio.run(work())


def carry(world, steps=1):
    """As a carrier that has just been started does it."""

    async def work():
        async with open_session(world.attempt(DEPLOY)) as session:
            feed = Feed(session.chain, world.address, ABI)
            log = world.lines.append
            carrier = CcipCarrier(
                feed, SELECTOR, session.sender, policy=Policy(), metrics=Metrics(time.time), log=log
            )
            await carrier.check()
            return [await carrier.step() for _ in range(steps)]

    return asyncio.run(work())


def sent(world):
    query = {"address": world.address, "topics": [ABI.topic("RoundSent")], "fromBlock": "0x0"}
    return [ABI.event("RoundSent", log) for log in world.besu.call("eth_getLogs", query)]


def test_a_round_is_sent_once_however_often_the_carrier_is_started(source):
    open_lane(source)
    assert carry(source, steps=2) == [1, 0]
    assert carry(source) == [1]  # seen in the journal, not sent again
    assert [(event["roundId"], event["selector"], event["fee"]) for event in sent(source)] == [
        (1, SELECTOR, 1)
    ]
    assert source.besu.number("eth_getBalance", ROUTER, "latest") == 1


def test_only_the_latest_of_several_rounds_is_sent(source):
    open_lane(source)
    for number in (2, 3):
        do(source, f"round {number}", "submit", number, 100 + number)
    carry(source)
    assert [event["roundId"] for event in sent(source)] == [3]


def test_a_disabled_lane_is_told_with_the_way_out(source):
    with pytest.raises(TaskFailed, match="is disabled") as caught:
        carry(source)
    assert caught.value.error_class is ErrorClass.CONFIGURATION
    assert "relay without CCIP" in caught.value.way_out


def test_a_key_without_the_senders_role_is_told(source):
    open_lane(source)
    do(source, "renounce", "renounceRole", bytes.fromhex(role(source)), source.deployer)
    with pytest.raises(TaskFailed, match="may not send rounds"):
        carry(source)


def role(world):
    query = {"to": world.address, "data": ABI.call("SENDER_ROLE")}
    return world.besu.call("eth_call", query, "latest")[2:]
