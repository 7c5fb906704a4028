"""The feed as it is deployed (the committed bytecode), in an EVM inside this process."""

from __future__ import annotations

from statistics import median

import pyrevm
import pytest
from eth_abi import encode
from eth_utils import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

ADMIN, STRANGER, READER = ("0x" + f"{number:040x}" for number in (0xA, 0xB, 0xC))
ORACLES = ["0x" + f"{number:040x}" for number in range(0x10, 0x17)]
LOW, HIGH = 1, 10**14
TIMEOUT, HEARTBEAT = 600, 3600


def make(evm, artefact, *, oracles=3, minimum=2, maximum=3, delay=0, low=LOW):
    settings_ = (minimum, maximum, delay, TIMEOUT, 50, HEARTBEAT)
    bounds = [low, HIGH]
    return evm.deploy(
        *artefact("Aggregator"), "ETH / USD", 8, bounds, settings_, ORACLES[:oracles], ADMIN, 86400
    )


@pytest.fixture
def feed(evm, artefact):
    return make(evm, artefact)


def test_tells_what_it_is(feed):
    assert feed.call("description") == "ETH / USD"
    assert feed.call("decimals") == 8
    assert feed.call("version") == 1
    assert feed.call("typeAndVersion") == "Aggregator 1.0.0"
    assert (feed.call("minAnswer"), feed.call("maxAnswer")) == (LOW, HIGH)
    assert feed.call("settings") == (2, 3, 0, TIMEOUT, 50, HEARTBEAT)
    assert list(feed.call("oracles")) == ORACLES[:3]


def test_before_data_new_getters_revert_with_fluxs_words_and_old_ones_are_zero(feed, reverted):
    for call in (("latestRoundData",), ("getRoundData", 1)):
        with pytest.raises(reverted) as caught:
            feed.call(*call)
        assert caught.value.revert.arguments == {"reason": "No data present"}
    for call in (
        ("latestAnswer",),
        ("latestTimestamp",),
        ("latestRound",),
        ("getAnswer", 1),
        ("getTimestamp", 1),
    ):
        assert feed.call(*call) == 0


def test_a_round_is_answered_by_the_median_of_enough(feed, evm):
    feed.call("submit", 1, 100, sender=ORACLES[0])
    assert feed.call("latestRound") == 0
    evm.warp(7)
    feed.call("submit", 1, 300, sender=ORACLES[1])
    assert feed.call("latestRoundData") == (1, 200, evm.now - 7, evm.now, 1)
    feed.call("submit", 1, 290, sender=ORACLES[2])
    assert feed.call("latestAnswer") == 290


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.integers(LOW, HIGH), min_size=1, max_size=7))
def test_the_median_is_pythons(values, artefact, new_evm):
    feed = make(new_evm(), artefact, oracles=len(values), minimum=len(values), maximum=len(values))
    for oracle, value in zip(ORACLES, values, strict=False):
        feed.call("submit", 1, value, sender=oracle)
    assert feed.call("latestAnswer") == int(median(values))


def test_keepers_see_deviation_and_heartbeat(feed, evm):
    assert feed.call("updateDue", 1)[0]
    for oracle in ORACLES[:3]:
        feed.call("submit", 1, 10_000, sender=oracle)
    assert feed.call("updateDue", 10_049) == (False, 49, 0)
    assert feed.call("updateDue", 9_950) == (True, 50, 0)
    evm.warp(HEARTBEAT)
    assert feed.call("updateDue", 10_000) == (True, 0, HEARTBEAT)


@pytest.mark.parametrize("answer", [LOW - 1, HIGH + 1, -1, -(2**255), 2**255 - 1])
def test_an_answer_out_of_bounds_is_refused_not_clamped(feed, reverted, answer):
    with pytest.raises(reverted) as caught:
        feed.call("submit", 1, answer, sender=ORACLES[0])
    assert caught.value.revert.name == "AggregatorAnswerOutOfBounds"
    assert caught.value.revert.arguments["answer"] == answer


def test_nobody_without_a_role_changes_anything(feed, reverted):
    calls = [
        ("submit", 1, 100),
        ("relayRound", 1, 100, 1, 1),
        ("changeOracles", [], [STRANGER], (1, 1, 0, 0, 0, 0)),
        ("setSettings", (1, 1, 0, 0, 0, 0)),
        ("setRestricted", True),
        ("pause",),
        ("unpause",),
        ("grantRole", feed.call("RELAYER_ROLE"), STRANGER),
        ("beginDefaultAdminTransfer", STRANGER),
    ]
    for call in calls:
        with pytest.raises(reverted) as caught:
            feed.call(*call, sender=STRANGER)
        assert caught.value.revert.name in ("AggregatorUnknownOracle", "AccessControlUnauthorizedAccount")


def test_a_relayed_round_keeps_its_number_and_times_and_comes_once(feed, evm, reverted):
    feed.call("grantRole", feed.call("RELAYER_ROLE"), STRANGER, sender=ADMIN)
    feed.call("relayRound", 9, 500, evm.now - 20, evm.now - 10, sender=STRANGER)
    assert feed.call("latestRoundData") == (9, 500, evm.now - 20, evm.now - 10, 9)
    for number in (9, 8):
        with pytest.raises(reverted) as caught:
            feed.call("relayRound", number, 1, evm.now, evm.now, sender=STRANGER)
        assert caught.value.revert.name == "AggregatorRoundNotNewer"


# --- CCIP, with an account in the router's place -----------------------------------------------


ROUTER_CODE = bytes.fromhex("600a600c600039600a6000f3") + bytes.fromhex("600160005260206000f3")
SELECTOR = 138_138_138_138_138_138


@pytest.fixture
def oracle(evm, artefact):
    """An oracle with one lane to STRANGER."""
    return make_oracle(evm, artefact)


def make_oracle(evm, artefact):
    """Its router answers 1 to everything while it is set up, and then becomes an account that can call."""
    router = evm.machine.deploy(ADMIN, ROUTER_CODE)
    settings_ = (1, 1, 0, TIMEOUT, 50, HEARTBEAT)
    arguments = ("ETH / USD", 8, [LOW, HIGH], settings_, ORACLES[:1], ADMIN, 86400, router)
    made = evm.deploy(*artefact("OracleWithCCIP"), *arguments)
    made.router = router
    lane = (2, True, True, STRANGER, "0x" + "00" * 20, 10**15, b"")
    made.call("setLane", SELECTOR, lane, sender=ADMIN)
    evm.machine.insert_account_info(router, pyrevm.AccountInfo(balance=10**20, nonce=1, code=b""))
    return made


def payload(evm, number, answer, *, updated=None, feed="ETH / USD", decimals=8, version=1):
    end = evm.now if updated is None else updated
    values = [version, keccak(text=feed), decimals, number, answer, evm.now, end]
    return encode(["uint256", "bytes32", "uint8", "uint32", "int256", "uint64", "uint64"], values)


def receive(oracle, message_id, data, sender=STRANGER, selector=SELECTOR):
    message = (message_id, selector, encode(["address"], [sender]), data, [])
    oracle.call("ccipReceive", message, sender=oracle.router)
    return message


def kept(oracle, message_id):
    return oracle.call("failedMessage", message_id) != bytes(32)


def test_ccip_rounds_only_move_forward(oracle, evm):
    for number, answer in ((5, 100), (4, 90), (5, 777), (6, 110)):
        receive(oracle, number.to_bytes(32), payload(evm, number, answer))
    assert oracle.call("latestRoundData")[:2] == (6, 110)
    assert oracle.call("getAnswer", 5) == 100
    assert oracle.call("getAnswer", 4) == 0


@settings(max_examples=80, deadline=None)
@given(data=st.binary(max_size=300), message_id=st.binary(min_size=32, max_size=32))
def test_no_data_of_the_peer_makes_the_receiver_revert(data, message_id, artefact, new_evm):
    made = make_oracle(new_evm(), artefact)
    receive(made, message_id, data)
    assert kept(made, message_id)


def test_a_failed_message_is_retried_with_the_very_same_content(oracle, evm, reverted):
    message = receive(oracle, b"a" * 32, payload(evm, 1, 100, updated=evm.now + 60))
    assert kept(oracle, b"a" * 32)
    changed = (*message[:3], payload(evm, 1, 999), [])
    with pytest.raises(reverted) as caught:
        oracle.call("retryMessage", changed, sender=ADMIN)
    assert caught.value.revert.name == "OracleWithCCIPUnknownMessage"
    evm.warp(60)
    oracle.call("retryMessage", message, sender=ADMIN)
    assert oracle.call("latestAnswer") == 100
    assert not kept(oracle, b"a" * 32)
