"""The relayer carries answered rounds from one chain to the other: every one, once, in order."""

from __future__ import annotations

import asyncio
import secrets
import time
import urllib.request

import pytest
from eth_account import Account

from chainfleet.drivers.contracts.abi import abi_of
from chainfleet.drivers.contracts.metrics import Metrics
from chainfleet.drivers.contracts.relay import Feed, Policy, Relayer, keep_going
from chainfleet.drivers.contracts.roles import grant_relayer
from chainfleet.drivers.contracts.session import open_chain, open_session, spec_of
from chainfleet.model.errors import ErrorClass, TaskFailed

ABI = abi_of("Aggregator")


@pytest.fixture
def pair(world):
    """Both chains carry the contract; the source has a first round, and the relayer its role."""
    for chain in ("mainnet", "chain-138"):
        world.change(f"contracts/deploy/{chain}")
    world.change("contracts/round/mainnet")
    relayer = "0x" + secrets.token_hex(32)
    world.environ["RELAYER_KEY"] = relayer
    grant(world, Account.from_key(relayer).address)
    return world


def grant(world, account):
    async def work():
        attempt = world.attempt("contracts/relay/chain-138")
        async with open_session(attempt) as session:
            return await grant_relayer(session, address(session), account)

    return asyncio.run(work())


def address(session):
    return session.book.of(session.spec.name, session.chain.chain_id).address


def submit(world, number, answer):
    """The deployer, who is the source's only oracle, submits a round."""
    for chain in (world.mainnet, world.besu):
        chain.call("evm_increaseTime", 1)
    to = world.observe("contracts/deploy/mainnet").outputs["address"]
    send(world, world.mainnet, world.key, to, ABI.call("submit", number, answer))


def send(world, chain, key, to, data, value=0):
    account = Account.from_key(key)
    transaction = {
        "chainId": chain.number("eth_chainId"),
        "nonce": chain.number("eth_getTransactionCount", account.address, "latest"),
        "gas": 1_000_000,
        "to": to,
        "value": value,
        "data": data,
        "maxFeePerGas": 10**11 if chain is world.mainnet else 0,
        "maxPriorityFeePerGas": 10**9 if chain is world.mainnet else 0,
    }
    raw = account.sign_transaction(transaction).raw_transaction.hex()
    sent = chain.call("eth_sendRawTransaction", "0x" + raw)
    while (receipt := chain.call("eth_getTransactionReceipt", sent)) is None:
        time.sleep(0.01)
    assert receipt["status"] == "0x1"
    return receipt


def relay(world, *, steps=1, check=True, key="${RELAYER_KEY}", metrics=None, policy=None):
    """Run the steps of a relayer that has just been started: nothing but files and chains is kept."""

    async def work():
        attempt = world.attempt("contracts/relay/chain-138")
        spec = spec_of(world.fleet, "mainnet")
        async with open_session(attempt, key=key) as session, open_chain(attempt, spec) as (chain, _):
            source = Feed(chain, session.book.of("mainnet", 1).address, ABI, spec.confirmations)
            relayer = Relayer(
                source,
                Feed(session.chain, address(session), ABI),
                session.sender,
                policy=policy or Policy(),
                metrics=metrics or Metrics(time.time),
                log=world.lines.append,
            )
            if check:
                await relayer.check()
            return [await relayer.step() for _ in range(steps)]

    return asyncio.run(work())


def rounds(world, chain, name):
    """Every round of a feed that has an answer of its own, as consumers see it."""
    to = world.observe(f"contracts/deploy/{name}").outputs["address"]

    def read(function, *arguments):
        return ABI.result(
            function, chain.call("eth_call", {"to": to, "data": ABI.call(function, *arguments)}, "latest")
        )

    (latest,) = read("latestRound")
    found = []
    for number in range(1, latest + 1):
        try:
            found.append(read("getRoundData", number))
        except AssertionError:
            continue
    return found


def test_rounds_arrive_with_their_numbers_answers_and_times(pair):
    for number in (2, 3):
        submit(pair, number, 3000 + number)
    assert relay(pair, steps=2) == [3, 0]
    there = rounds(pair, pair.mainnet, "mainnet")
    assert rounds(pair, pair.besu, "chain-138") == there
    assert [data[1] for data in there] == [300_000_000_000, 3002, 3003]


def test_a_relayer_started_anew_goes_on_where_the_last_one_ended(pair):
    assert relay(pair) == [1]
    submit(pair, 2, 7)
    assert relay(pair) == [1]
    assert relay(pair) == [0]


def test_rounds_are_taken_up_after_a_target_that_has_its_own_first_round(pair):
    pair.change("contracts/round/chain-138")
    pair.mainnet.call("evm_increaseTime", 30)
    submit(pair, 2, 7)
    pair.besu.call("evm_increaseTime", 60)
    assert relay(pair) == [1]
    assert [data[1] for data in rounds(pair, pair.besu, "chain-138")] == [300_000_000_000, 7]


def test_a_round_older_than_the_targets_answer_is_left_out_and_counted(pair):
    pair.besu.call("evm_increaseTime", 1000)
    pair.besu.call("evm_mine")
    pair.change("contracts/round/chain-138")
    submit(pair, 2, 7)
    metrics = Metrics(time.time)
    relay(pair, metrics=metrics)
    assert len(rounds(pair, pair.besu, "chain-138")) == 1
    assert 'rounds_total{result="superseded"} 1' in metrics.text()


def test_an_answer_that_may_still_change_waits_until_it_settles(pair):
    to = pair.observe("contracts/deploy/mainnet").outputs["address"]
    others = ["0x" + secrets.token_hex(32) for _ in range(2)]
    accounts = [Account.from_key(key).address for key in others]
    for account in accounts:
        pair.mainnet.fund(account)
    data = ABI.call("changeOracles", [], accounts, (2, 3, 0, 600, 50, 3600))
    send(pair, pair.mainnet, pair.key, to, data)
    relay(pair)
    submit(pair, 2, 100)
    send(pair, pair.mainnet, others[0], to, ABI.call("submit", 2, 200))
    assert relay(pair) == [0]
    send(pair, pair.mainnet, others[1], to, ABI.call("submit", 2, 190))
    assert relay(pair) == [1]
    assert rounds(pair, pair.besu, "chain-138")[-1][1] == 190
    submit(pair, 3, 100)
    send(pair, pair.mainnet, others[0], to, ABI.call("submit", 3, 200))
    pair.mainnet.call("evm_increaseTime", 31)
    pair.mainnet.call("evm_mine")
    assert relay(pair, policy=Policy(settle_s=30)) == [1]


def test_a_round_waits_for_the_sources_confirmations(pair):
    pair.with_chain("mainnet", confirmations=3)
    pair.mainnet.call("anvil_mine", "0x2")
    assert relay(pair) == [1]
    submit(pair, 2, 7)
    assert relay(pair) == [0]
    pair.mainnet.call("anvil_mine", "0x2")
    assert relay(pair) == [1]


def test_a_timed_out_round_is_left_out(pair):
    to = pair.observe("contracts/deploy/mainnet").outputs["address"]
    other = "0x" + secrets.token_hex(32)
    pair.mainnet.fund(Account.from_key(other).address)
    settings = (2, 2, 0, 600, 50, 3600)
    data = ABI.call("changeOracles", [], [Account.from_key(other).address], settings)
    send(pair, pair.mainnet, pair.key, to, data)
    submit(pair, 2, 100)
    pair.mainnet.call("evm_increaseTime", 700)
    pair.besu.call("evm_increaseTime", 800)
    submit(pair, 3, 100)
    send(pair, pair.mainnet, other, to, ABI.call("submit", 3, 300))
    metrics = Metrics(time.time)
    relay(pair, metrics=metrics)
    assert [data[0] for data in rounds(pair, pair.besu, "chain-138")] == [1, 3]
    assert 'rounds_total{result="unanswered"} 1' in metrics.text()


def test_a_target_whose_clock_is_behind_or_that_is_paused_is_waited_for(pair):
    relay(pair)
    pair.mainnet.call("evm_increaseTime", 500)
    submit(pair, 2, 7)
    with pytest.raises(TaskFailed, match="AggregatorFutureTimestamp") as caught:
        relay(pair)
    assert caught.value.error_class is ErrorClass.CHAIN_NOT_READY
    pair.besu.call("evm_increaseTime", 500)
    to = pair.observe("contracts/deploy/chain-138").outputs["address"]
    send(pair, pair.besu, pair.key, to, ABI.call("pause"))
    with pytest.raises(TaskFailed, match="AggregatorPaused") as caught:
        relay(pair)
    assert caught.value.error_class is ErrorClass.CHAIN_NOT_READY
    send(pair, pair.besu, pair.key, to, ABI.call("unpause"))
    assert relay(pair) == [1]


def test_without_the_role_the_way_out_is_told(pair):
    pair.environ["STRANGER_KEY"] = "0x" + secrets.token_hex(32)
    with pytest.raises(TaskFailed, match="is no relayer of") as caught:
        relay(pair, key="${STRANGER_KEY}")
    assert caught.value.error_class is ErrorClass.AUTHORISATION
    assert "chainfleet oracle grant" in caught.value.way_out


def test_the_role_is_granted_once(pair):
    account = Account.create().address
    assert grant(pair, account)
    assert not grant(pair, account)


def test_feeds_of_different_units_are_refused(world):
    world.change("contracts/deploy/mainnet")
    world.with_oracle(decimals=18)
    world.change("contracts/deploy/chain-138")
    with pytest.raises(TaskFailed, match="the feeds differ"):
        relay(world, key=None)


def test_failures_are_backed_off_from_and_final_ones_end_the_relayer(pair):
    waits = []

    class Failing:
        async def step(self):
            raise errors.pop(0)

    async def sleep(seconds):
        waits.append(seconds)

    errors = [TaskFailed(ErrorClass.TRANSIENT, "gone")] * 2000
    errors += [
        TaskFailed(ErrorClass.THROTTLED, "slow", retry_after_s=99),
        TaskFailed(ErrorClass.CONFIGURATION, "no"),
    ]
    metrics = Metrics(time.time)
    work = keep_going(
        Failing(),
        policy=Policy(),
        metrics=metrics,
        random=lambda: 1.0,
        log=pair.lines.append,
        stopped=lambda: False,
        sleep=sleep,
    )
    with pytest.raises(TaskFailed, match="no"):
        asyncio.run(work)
    assert waits == [1, 2, 4, 8, 16, 32, *[60] * 1994, 99]
    assert 'errors_total{class="transient"} 2000' in metrics.text()


def test_metrics_are_served_on_the_loopback_port():
    async def fetch():
        metrics = Metrics(lambda: 1700000000.5)
        metrics.at(source=9, target=7)
        metrics.relayed(8)
        async with metrics.served(0) as port:
            url = f"http://127.0.0.1:{port}/metrics"
            return await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=60).read().decode())

    text = asyncio.run(fetch())
    assert "chainfleet_relay_lag_rounds 1" in text
    assert 'chainfleet_relay_rounds_total{result="relayed"} 1' in text
    assert "chainfleet_relay_last_relayed_timestamp_seconds 1700000000.5" in text
