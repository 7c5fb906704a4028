"""CCIP's real Router between two real chains (ids 1 and 138), with stubs only where its ramps stand.

A mock router delivers inside the sending transaction and knows every chain, so that it hides just the errors
that matter. Here a message leaves one chain as a log and is brought to the other one later, as in reality.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from eth_abi import decode, encode

# Plainly placeholders: chain 138 has no selector, and a live chain's must not be used for a test.
SELECTOR = {1: 1_000_000_000_000_000_001, 138: 138_138_138_138_138_138}
SUCCESS, FAILURE = 2, 3
GAS = 200_000
FEE = 10**9
LIVE = 2


@dataclass
class Side:
    """One chain with its Router, what stands around it, and our oracle."""

    chain: Any
    router: Any
    on_ramp: Any
    off_ramp: Any
    rmn: Any
    token: Any
    oracle: Any

    @property
    def admin(self):
        return self.chain.accounts[0]

    @property
    def selector(self):
        return SELECTOR[self.chain.chain_id]

    @property
    def stranger(self):
        return self.chain.accounts[9]


def extra_args(gas):
    return bytes.fromhex("181dcf10") + encode(["uint256", "bool"], [gas, True])


def build(chain, fixtures, artefact, description="ETH / USD", decimals=8):
    rmn = chain.deploy(*fixtures["StubRMN"])
    wrapped = chain.deploy(*fixtures["StubWrappedNative"])
    router = chain.deploy(*fixtures["Router"], wrapped.address, rmn.address)
    on_ramp, off_ramp = (
        chain.deploy(*fixtures["StubOnRamp"]),
        chain.deploy(*fixtures["StubOffRamp"], router.address),
    )
    other = SELECTOR[139 - chain.chain_id]
    router.write("applyRampUpdates", [(other, on_ramp.address)], [], [(other, off_ramp.address)])
    settings = (1, 1, 0, 600, 50, 3600)
    admin = chain.accounts[0]
    arguments = (description, decimals, [1, 10**14], settings, [admin], admin, 86400, router.address)
    oracle = chain.deploy(*artefact("OracleWithCCIP"), *arguments)
    token = chain.deploy(*fixtures["StubToken"])
    return Side(chain, router, on_ramp, off_ramp, rmn, token, oracle)


@pytest.fixture
def sides(chains, fixtures, artefact):
    """Two sides whose oracles know each other by a live lane; what a test does is undone after it."""
    snapshots = [chain.rpc("evm_snapshot") for chain in chains]
    one, other = (build(chain, fixtures, artefact) for chain in chains)
    connect(one, other)
    connect(other, one)
    yield one, other
    for chain, snapshot in zip(chains, snapshots, strict=True):
        chain.rpc("evm_revert", snapshot)


def connect(side, peer, **changes):
    lane = {
        "mode": LIVE,
        "outbound": True,
        "inbound": True,
        "peer": peer.oracle.address,
        "token": "0x" + "00" * 20,
        "maximum": 10**15,
        "extra": extra_args(GAS),
    } | changes
    return side.oracle.write("setLane", peer.selector, tuple(lane.values()))


def answer(side, number, price):
    return side.oracle.write("submit", number, price)


def send(side, peer, number, value=FEE, sender=None):
    """Send a round and return it as it leaves the chain: what the off-ramp will be given, and its gas limit."""
    side.oracle.write("sendRound", peer.selector, number, value or FEE, value=value, sender=sender)
    return outgoing(side)[-1]


def outgoing(side):
    topic = side.on_ramp.abi.topic("Sent")
    query = {"address": side.on_ramp.address, "topics": [topic], "fromBlock": "0x0"}
    types = ["bytes32", "uint64", "address", "(bytes,bytes,(address,uint256)[],address,bytes)"]
    found = []
    for log in side.chain.rpc("eth_getLogs", query):
        message_id, _, sender, message = decode(types, bytes.fromhex(log["data"][2:]))
        gas = decode(["uint256", "bool"], message[4][4:])[0]
        (receiver,) = decode(["address"], message[0])
        found.append(
            ((message_id, side.selector, encode(["address"], [sender]), message[1], []), gas, receiver)
        )
    return found


def deliver(side, sent, gas=None):
    """Bring a message to the other chain; returns the state it ends in there and what the receiver returned."""
    message, limit, receiver = sent
    side.off_ramp.write("execute", message, gas or limit, receiver)
    event = side.off_ramp.events("StateChanged")[-1]
    return event["state"], event["returned"]


def latest(side):
    return side.oracle.read("latestRoundData")[:2]


def kept(side, sent):
    return int.from_bytes(side.oracle.read("failedMessage", sent[0][0])) != 0


# --- what goes well ----------------------------------------------------------------------------


def test_a_round_arrives_with_its_number_answer_and_times(sides):
    here, there = sides
    answer(here, 1, 3000)
    assert deliver(there, send(here, there, 1)) == (SUCCESS, b"")
    assert there.oracle.read("latestRoundData") == here.oracle.read("latestRoundData")
    assert there.oracle.events("RoundReceived")[-1]["roundId"] == 1


def test_the_other_direction_works_too(sides):
    there, here = sides
    answer(here, 1, 5)
    there.chain.rpc("evm_increaseTime", 5)
    assert deliver(there, send(here, there, 1))[0] == SUCCESS
    assert latest(there) == (1, 5)


def test_exactly_the_fee_is_paid_and_the_rest_comes_back(sides):
    here, there = sides
    answer(here, 1, 3000)
    before = int(here.chain.rpc("eth_getBalance", here.admin, "latest"), 16)
    receipt = here.oracle.write("sendRound", there.selector, 1, 10**15, value=5 * FEE)
    gas = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    after = int(here.chain.rpc("eth_getBalance", here.admin, "latest"), 16)
    assert before - after == FEE + gas


def test_a_fee_in_a_token_is_paid_exactly(sides):
    here, there = sides
    answer(here, 1, 3000)
    connect(here, there, token=here.token.address)
    here.token.write("mint", here.admin, 10 * FEE)
    here.token.write("approve", here.oracle.address, FEE)
    deliver(there, send(here, there, 1, value=0))
    assert here.token.read("balanceOf", here.on_ramp.address) == FEE
    assert here.token.read("balanceOf", here.oracle.address) == 0
    assert latest(there) == (1, 3000)


# --- what the sender is told -------------------------------------------------------------------


def test_a_destination_that_the_router_doesnt_know_makes_no_live_lane(sides):
    here, there = sides
    lane = (LIVE, True, True, there.oracle.address, "0x" + "00" * 20, FEE, b"")
    why = here.oracle.why("setLane", 424242, lane)
    assert (why.name, why.arguments["selector"]) == ("OracleWithCCIPChainNotSupported", 424242)


def test_a_destination_that_the_router_forgot_is_told_by_the_router(sides):
    here, there = sides
    answer(here, 1, 3000)
    here.router.write("applyRampUpdates", [(there.selector, "0x" + "00" * 20)], [], [])
    why = here.oracle.why("sendRound", there.selector, 1, FEE, value=FEE, abi=here.router.abi)
    assert why.name == "UnsupportedDestinationChain"
    assert here.oracle.read("laneState", there.selector) == 0


def test_one_wei_short_is_refused(sides):
    here, there = sides
    answer(here, 1, 3000)
    why = here.oracle.why("sendRound", there.selector, 1, FEE, value=FEE - 1)
    assert (why.name, dict(why.arguments)) == ("OracleWithCCIPValueTooLow", {"fee": FEE, "value": FEE - 1})


def test_a_fee_above_the_maximum_is_refused(sides):
    here, there = sides
    answer(here, 1, 3000)
    here.on_ramp.write("setFee", 2 * FEE)
    why = here.oracle.why("sendRound", there.selector, 1, FEE, value=2 * FEE)
    assert (why.name, why.arguments["fee"]) == ("OracleWithCCIPFeeTooHigh", 2 * FEE)


def test_value_along_with_a_token_fee_is_refused(sides):
    here, there = sides
    answer(here, 1, 3000)
    connect(here, there, token=here.token.address)
    why = here.oracle.why("sendRound", there.selector, 1, FEE, value=1)
    assert why.name == "OracleWithCCIPUnexpectedValue"


def test_a_token_that_wasnt_approved_is_refused(sides):
    here, there = sides
    answer(here, 1, 3000)
    connect(here, there, token=here.token.address)
    here.token.write("mint", here.admin, 10 * FEE)
    why = here.oracle.why("sendRound", there.selector, 1, FEE)
    assert why.name == "Panic"  # the token's own checked subtraction


def test_a_cursed_lane_sends_nothing_and_delivers_nothing(sides):
    here, there = sides
    answer(here, 1, 3000)
    sent = send(here, there, 1)
    here.rmn.write("setCursed", True)
    assert (
        here.oracle.why("sendRound", there.selector, 1, FEE, value=FEE, abi=here.router.abi).name
        == "BadARMSignal"
    )
    there.rmn.write("setCursed", True)
    message, gas, receiver = sent
    assert there.off_ramp.why("execute", message, gas, receiver, abi=there.router.abi).name == "BadARMSignal"
    there.rmn.write("setCursed", False)
    assert deliver(there, sent)[0] == SUCCESS
    assert latest(there) == (1, 3000)


def test_a_round_without_an_answer_isnt_sent(sides):
    here, there = sides
    why = here.oracle.why("sendRound", there.selector, 1, FEE, value=FEE)
    assert why.name == "OracleWithCCIPRoundWithoutAnswer"


# --- what the receiver takes -------------------------------------------------------------------


def test_only_the_router_delivers(sides):
    here, there = sides
    answer(here, 1, 3000)
    message, _, _ = send(here, there, 1)
    why = there.oracle.why("ccipReceive", message, sender=there.stranger)
    assert (why.name, why.arguments["router"].lower()) == ("InvalidRouter", there.stranger.lower())
    routed = there.router.why("routeMessage", message, 5000, GAS, there.oracle.address, sender=there.stranger)
    assert routed.name == "OnlyOffRamp"


def test_an_unknown_sender_is_dropped_without_a_revert(sides):
    here, there = sides
    answer(here, 1, 3000)
    (message_id, selector, _, data, tokens), gas, receiver = send(here, there, 1)
    forged = ((message_id, selector, encode(["address"], [here.stranger]), data, tokens), gas, receiver)
    assert deliver(there, forged) == (SUCCESS, b"")
    assert there.oracle.read("latestRound") == 0
    assert there.oracle.events("MessageRejected")[-1]["sender"].lower() == here.stranger.lower()


def test_an_unknown_chain_is_dropped_without_a_revert(sides):
    here, there = sides
    answer(here, 1, 3000)
    sent = send(here, there, 1)
    there.router.write("applyRampUpdates", [], [], [(777, there.off_ramp.address)])
    (message_id, _, sender, data, tokens), gas, receiver = sent
    assert deliver(there, ((message_id, 777, sender, data, tokens), gas, receiver)) == (SUCCESS, b"")
    assert there.oracle.read("latestRound") == 0
    assert there.oracle.events("MessageRejected")[-1]["selector"] == 777


def test_a_replay_is_refused_by_the_off_ramp_and_a_resent_round_by_us(sides):
    here, there = sides
    answer(here, 1, 3000)
    sent = send(here, there, 1)
    deliver(there, sent)
    assert there.off_ramp.why("execute", *sent).name == "AlreadyExecuted"
    again = send(here, there, 1)
    assert again[0][0] != sent[0][0]
    assert deliver(there, again)[0] == SUCCESS
    assert len(there.oracle.events("RoundReceived")) == 1
    assert there.oracle.events("RoundIgnored")[-1]["roundId"] == 1


def test_a_late_message_never_overwrites_a_newer_round(sides):
    here, there = sides
    messages = []
    for number, price in ((1, 100), (2, 200), (3, 300)):
        answer(here, number, price)
        messages.append(send(here, there, number))
    there.chain.rpc("evm_increaseTime", 10)
    assert [deliver(there, messages[index])[0] for index in (2, 0, 1)] == [SUCCESS] * 3
    assert latest(there) == (3, 300)
    assert [event["roundId"] for event in there.oracle.events("RoundIgnored")] == [1, 2]


@pytest.mark.parametrize(
    ("gas", "state", "is_kept", "taken"),
    [(30_000, FAILURE, False, 0), (100_000, SUCCESS, True, 0), (200_000, SUCCESS, False, 1)],
)
def test_no_gas_limit_loses_a_message(sides, gas, state, is_kept, taken):
    here, there = sides
    connect(here, there, extra=extra_args(gas))
    answer(here, 1, 3000)
    sent = send(here, there, 1)
    assert deliver(there, sent)[0] == state
    assert kept(there, sent) is is_kept
    assert there.oracle.read("latestRound") == taken
    # What wasn't taken arrives later: by manual execution with more gas, or by a retry.
    if state == FAILURE:
        assert there.off_ramp.why("execute", sent[0], gas - 1, sent[2]).name == "InvalidGasOverride"
        assert deliver(there, sent, gas=GAS)[0] == SUCCESS
    elif is_kept:
        there.oracle.write("retryMessage", sent[0])
    assert latest(there) == (1, 3000)


def test_what_cant_be_processed_is_kept_and_succeeds_on_retry(sides):
    here, there = sides
    # The other chain's clock is behind: the round is of its future.
    here.chain.rpc("evm_increaseTime", 1000)
    answer(here, 1, 3000)
    sent = send(here, there, 1)
    assert deliver(there, sent) == (SUCCESS, b"")
    assert kept(there, sent)
    assert there.oracle.why("retryMessage", sent[0]).name == "AggregatorFutureTimestamp"
    there.chain.rpc("evm_increaseTime", 1000)
    there.oracle.write("retryMessage", sent[0])
    assert not kept(there, sent)
    assert latest(there) == (1, 3000)


def test_undecodable_data_of_the_peer_is_kept_and_can_be_given_up(sides):
    here, there = sides
    sender = encode(["address"], [here.oracle.address])
    for number, data in enumerate((b"", b"\x01", b"\xff" * 224, encode(["uint256"] * 7, [1] * 7)), 1):
        message = ((bytes([number]) * 32, here.selector, sender, data, []), GAS, there.oracle.address)
        assert deliver(there, message) == (SUCCESS, b"")
        assert kept(there, message)
        there.oracle.write("discardMessage", message[0][0])
        assert not kept(there, message)
    assert there.oracle.read("latestRound") == 0


def test_a_feed_in_another_unit_is_kept_not_taken(chains, sides, fixtures, artefact):
    _, there = sides
    finer = build(chains[0], fixtures, artefact, decimals=18)
    connect(finer, there)
    connect(there, finer)
    answer(finer, 1, 3000)
    sent = send(finer, there, 1)
    assert deliver(there, sent) == (SUCCESS, b"")
    assert kept(there, sent)
    assert there.oracle.why("retryMessage", sent[0]).name == "OracleWithCCIPWrongDecimals"


def test_a_message_in_flight_while_paused_is_kept_and_taken_after(sides):
    here, there = sides
    answer(here, 1, 3000)
    sent = send(here, there, 1)
    there.oracle.write("pause")
    assert deliver(there, sent) == (SUCCESS, b"")
    assert kept(there, sent)
    there.oracle.write("unpause")
    there.oracle.write("retryMessage", sent[0])
    assert latest(there) == (1, 3000)


def test_the_off_ramp_asks_whether_we_take_messages_and_we_say_so(sides):
    _, there = sides
    for interface in ("85572ffb", "1bfc84d0", "01ffc9a7", "7965db0b"):
        assert there.oracle.read("supportsInterface", bytes.fromhex(interface))


def test_a_lane_is_live_here_and_there(sides):
    here, there = sides
    assert here.oracle.read("laneState", there.selector) == LIVE
    assert there.oracle.read("laneState", here.selector) == LIVE
