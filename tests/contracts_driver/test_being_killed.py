"""Killed (SIGKILL) at fifty random moments, a deployment or relay goes on: nothing twice, nothing lost."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import signal
import time

import pytest
from eth_account import Account

from chainfleet.drivers.contracts import ContractsDriver
from chainfleet.drivers.contracts.abi import abi_of
from chainfleet.drivers.contracts.metrics import Metrics
from chainfleet.drivers.contracts.relay import Feed, Policy, Relayer
from chainfleet.drivers.contracts.roles import grant_relayer
from chainfleet.drivers.contracts.session import open_chain, open_session, spec_of

MOMENTS = 25
ABI = abi_of("Aggregator")
TASKS = ("contracts/deploy/chain-138", "contracts/round/chain-138")


@pytest.fixture
def world(world, start_anvil):
    """Blocks come every tenth of a second, so that transactions are pending for a while."""
    free = ("--block-base-fee-per-gas", "0", "--gas-price", "0", "--disable-min-priority-fee")
    world.besu = start_anvil(138, *free, "--block-time", "0.1")
    world.with_chain("chain-138", rpc_url=world.besu.url)
    return world


def killed_after(seconds, work):
    """Run work in a process of its own and kill it; whether it was still at it."""
    child = os.fork()
    if child == 0:
        # The child leaves by _exit in any case: no clean-up of pytest's may run in it.
        try:
            asyncio.run(work())
        finally:
            os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1] != 0


def new_key(world):
    world.key = "0x" + secrets.token_hex(32)
    world.environ["CHAINFLEET_DEPLOYER_KEY"] = world.key


async def deploy_all(world):
    driver = ContractsDriver()
    for task in TASKS:
        await driver.change(world.attempt(task))


def duration(world, workspace):
    """Seconds that a deployment of its own takes."""
    new_key(world)
    world.workspace = workspace
    started = time.monotonic()
    asyncio.run(deploy_all(world))
    return time.monotonic() - started


def test_a_deployment_leaves_one_contract_and_one_round(world, tmp_path):
    rng = random.Random(138)
    asyncio.run(deploy_all(world))  # imports and caches are warm from here on, as they are in a forked child
    whole = min(duration(world, tmp_path / f"warm{n}") for n in range(3))
    cut = 0
    for moment in range(MOMENTS):
        new_key(world)
        world.workspace = tmp_path / str(moment)
        cut += killed_after(rng.uniform(0, 0.8 * whole), lambda: deploy_all(world))
        asyncio.run(deploy_all(world))
        outcome = world.observe(TASKS[1])
        assert outcome is not None
        assert outcome.outputs["round_id"] == 1
        # One transaction made the contract and one the round, however often it was tried.
        assert world.besu.number("eth_getTransactionCount", world.deployer, "pending") == 2
    assert cut > MOMENTS / 4  # how many were still at it depends on how busy the machine is


def test_a_relay_brings_every_round_once(world):
    for task in ("contracts/deploy/mainnet", "contracts/round/mainnet", "contracts/deploy/chain-138"):
        world.change(task)
    relayer = "0x" + secrets.token_hex(32)
    world.environ["RELAYER_KEY"] = relayer
    account = Account.from_key(relayer).address
    asyncio.run(grant(world, account))
    rng = random.Random(1)
    cut, newest = 0, 1
    for _ in range(MOMENTS):
        for _ in range(2):
            newest += 1
            submit(world, newest, 1000 + newest)
        cut += killed_after(rng.uniform(0.02, 0.6), lambda: relay(world))
    asyncio.run(relay(world))
    target = world.observe("contracts/deploy/chain-138").outputs["address"]
    source = world.observe("contracts/deploy/mainnet").outputs["address"]
    assert updates(world.besu, target) == updates(world.mainnet, source)
    assert len(updates(world.besu, target)) == newest
    # As many transactions as rounds: none was sent twice, not even to be refused.
    assert world.besu.number("eth_getTransactionCount", account, "pending") == newest
    assert cut > MOMENTS / 4  # how many were still at it depends on how busy the machine is


async def grant(world, account):
    async with open_session(world.attempt("contracts/relay/chain-138")) as session:
        record = session.book.of(session.spec.name, 138)
        await grant_relayer(session, record.address, account)


async def relay(world):
    attempt = world.attempt("contracts/relay/chain-138")
    async with (
        open_session(attempt, key="${RELAYER_KEY}") as session,
        open_chain(attempt, spec_of(world.fleet, "mainnet")) as (chain, _),
    ):
        relayer = Relayer(
            Feed(chain, session.book.of("mainnet", 1).address, ABI),
            Feed(session.chain, session.book.of("chain-138", 138).address, ABI),
            session.sender,
            policy=Policy(),
            metrics=Metrics(time.time),
            log=lambda line: None,
        )
        await relayer.step()


def submit(world, number, answer):
    address = world.observe("contracts/deploy/mainnet").outputs["address"]
    account = Account.from_key(world.key)
    transaction = {
        "chainId": 1,
        "nonce": world.mainnet.number("eth_getTransactionCount", account.address, "latest"),
        "gas": 300_000,
        "to": address,
        "value": 0,
        "data": ABI.call("submit", number, answer),
        "maxFeePerGas": 10**11,
        "maxPriorityFeePerGas": 10**9,
    }
    raw = account.sign_transaction(transaction).raw_transaction.hex()
    sent = world.mainnet.call("eth_sendRawTransaction", "0x" + raw)
    while (receipt := world.mainnet.call("eth_getTransactionReceipt", sent)) is None:
        time.sleep(0.01)
    assert receipt["status"] == "0x1"


def updates(chain, address):
    """Every AnswerUpdated of a feed, in the order of the chain: (round, answer, time)."""
    query = {"address": address, "topics": [ABI.topic("AnswerUpdated")], "fromBlock": "0x0"}
    logs = chain.call("eth_getLogs", query)
    return [tuple(ABI.event("AnswerUpdated", log).values()) for log in logs]
