"""The chain exporter before validators that lie: nothing is believed that a quorum has not sealed."""

from __future__ import annotations

import pytest
from fabric import Chain, keys, make_block
from hypothesis import given, settings
from hypothesis import strategies as st
from watched_network import UNREACHABLE, Network

from chainfleet.model.besu.header import read_header
from chainfleet.model.errors import InputError


def forged(number, signers_of):
    """Claims a head far ahead, sealed by whoever."""

    def lie(answers):
        mine = keys(8)
        block = make_block(
            number, "0x" + "22" * 32, 1_900_000_000, next(iter(mine)), mine, signers=signers_of
        )
        return [block, *answers[1:]] if len(answers) == 5 else answers

    return lie


def test_a_head_without_a_quorum_of_seals_is_not_believed():
    network = Network()
    network.chain.grow(20)
    mine = list(keys(8).values())
    liars = {
        0: forged(10**9, ()),
        1: forged(10**9, mine[:5]),  # one short of the quorum of 6
        2: forged(10**9, list(keys(8, first=7).values())),  # strangers
        3: lambda answers: [{**answers[0], "number": "0x3b9aca00"}, *answers[1:]],
        4: lambda answers: [{**answers[0], "timestamp": "0x77359400"}, *answers[1:]],
    }
    for index, lie in liars.items():
        network.tellers[index].lie = lie
    seen = network.look()
    assert seen["chainfleet_chain_head",] == 20
    assert {problem for *_, problem in network.problems()} == {"implausible-head"}
    assert len(network.problems()) == len(liars)
    assert seen["chainfleet_network_validators_up",] == 8 - len(liars)


def test_a_made_up_validator_set_proves_nothing():
    """A liar may sign whatever it likes with keys of its own: they never validated here."""
    network = Network()
    network.chain.grow(20)
    strangers = keys(8, first=9)

    def lie(answers):
        if len(answers) != 5:
            return answers
        block = make_block(
            99, "0x" + "22" * 32, 1_900_000_000, next(iter(strangers)), strangers, signers=strangers.values()
        )
        return [block, *answers[1:]]

    network.tellers[0].lie = lie
    assert network.look()["chainfleet_chain_head",] == 20
    assert network.problems() == {("r0", "validator-0", "implausible-head")}


def test_another_chain_and_another_genesis_behind_an_address():
    network = Network()
    network.chain.grow(20)
    other = Chain(keys(8), begin=1_700_000_000)
    other.grow(500)
    network.tellers[1].chain = other
    network.tellers[2].chain_id = 1
    seen = network.look()
    assert network.problems() == {
        ("r0", "validator-1", "wrong-genesis"),
        ("r1", "validator-0", "wrong-chain"),
    }
    assert seen["chainfleet_network_genesis_hashes",] == 2
    assert seen["chainfleet_chain_head",] == 20


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("0x" + "f" * 80),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("number", "hash", "extraData", "timestamp", "miner", "parentHash", "gasUsed", "baseFeePerGas")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_a_node_answers_the_exporter_goes_on(data):
    network = fuzzed()
    place = data.draw(st.integers(0, 4))
    value = data.draw(JSON)
    name = data.draw(st.none() | st.sampled_from(FIELDS))

    def lie(answers):
        changed = list(answers)
        at = min(place, len(changed) - 1)
        if name is not None and isinstance(changed[at], dict):
            changed[at] = {**changed[at], name: value}
        else:
            changed[at] = value
        return changed

    network.tellers[0].lie = lie
    seen = network.look()
    assert seen["chainfleet_chain_head",] == 20
    assert len(seen) <= network.series, "no answer makes a series"


_fuzzed = []


def fuzzed():
    if not _fuzzed:
        network = Network(regions=4)
        network.chain.grow(20)
        everything = network.look()
        # Who says nothing of its head and peers has no such series.
        network.tellers[0].error = UNREACHABLE
        network.series = len(everything)
        network.tellers[0].error = None
        _fuzzed.append(network)
    network = _fuzzed[0]
    network.tellers[0].lie = None
    return network


def test_headers_prove_themselves():
    chain = Chain(keys(7))
    chain.grow(3, at_round=1)
    header = read_header(chain.blocks[3])
    assert header.hash == chain.blocks[3]["hash"]
    assert len(header.signers()) == 5
    assert header.signers() <= set(chain.validators)
    for field in ("timestamp", "stateRoot", "miner", "gasUsed", "parentHash"):
        changed = {
            **chain.blocks[3],
            field: chain.blocks[2][field] if field != "stateRoot" else "0x" + "33" * 32,
        }
        if changed != chain.blocks[3]:
            with pytest.raises(InputError):
                read_header(changed)
