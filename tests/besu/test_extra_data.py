from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
import rlp as reference_rlp
from hypothesis import given, settings
from hypothesis import strategies as st

from chainfleet.model.besu import rlp
from chainfleet.model.besu.extra_data import (
    Codec,
    ExtraData,
    ExtraDataError,
    Vote,
    decode_extra_data,
    encode_extra_data,
    extra_data_from_json,
    extra_data_to_json,
    genesis_extra_data,
)
from chainfleet.model.errors import InputError

VECTORS = json.loads((Path(__file__).parent / "data" / "qbft_vectors.json").read_text())["extra_data"]
KEYS = ("vanity", "validators", "vote", "round", "seals")

addresses = st.binary(min_size=20, max_size=20).map(lambda b: "0x" + b.hex())
extras = st.builds(
    ExtraData,
    validators=st.lists(addresses, max_size=60, unique=True).map(tuple),
    vanity=st.binary(min_size=32, max_size=32),
    vote=st.none() | st.builds(Vote, addresses, st.booleans()),
    round=st.integers(0, 2**31 - 1),
    seals=st.lists(st.binary(min_size=65, max_size=65), max_size=4).map(tuple),
)
codecs = st.sampled_from(Codec)
items = st.recursive(st.binary(max_size=70), lambda inner: st.lists(inner, max_size=5), max_leaves=20)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["id"])
def test_besus_own_vectors_are_encoded_and_decoded(vector):
    codec = Codec.of(vector["type"])
    extra = extra_data_from_json({key: vector[key] for key in KEYS})
    assert "0x" + encode_extra_data(extra, codec).hex() == vector["extraData"]
    decoded = decode_extra_data(bytes.fromhex(vector["extraData"][2:]), codec)
    assert extra_data_to_json(decoded) == {key: vector[key] for key in KEYS}


@given(extras, codecs)
def test_decoding_gives_back_what_was_encoded(extra, codec):
    assert decode_extra_data(encode_extra_data(extra, codec), codec) == extra
    assert extra_data_from_json(json.loads(json.dumps(extra_data_to_json(extra)))) == extra


@settings(max_examples=60, deadline=None)
@given(extras, codecs, st.data())
def test_a_changed_byte_is_refused_or_means_something_else(extra, codec, data):
    good = encode_extra_data(extra, codec)
    position = data.draw(st.integers(0, len(good) - 1))
    flip = data.draw(st.integers(1, 255))
    bad = good[:position] + bytes([good[position] ^ flip]) + good[position + 1 :]
    with suppress(InputError):
        assert decode_extra_data(bad, codec) != extra


@pytest.mark.parametrize("codec", list(Codec))
def test_every_single_bit_of_a_genesis_for_48_counts(codec):
    validators = [f"0x{i:040x}" for i in range(1, 49)]
    good = genesis_extra_data(validators, codec)
    meant = decode_extra_data(good, codec)
    for position in range(len(good)):
        for bit in range(8):
            bad = bytearray(good)
            bad[position] ^= 1 << bit
            with suppress(InputError):
                assert decode_extra_data(bytes(bad), codec) != meant


@given(st.binary(max_size=80), codecs)
def test_random_bytes_are_refused_with_one_clear_error(data, codec):
    try:
        extra = decode_extra_data(data, codec)
    except InputError:
        return
    assert encode_extra_data(extra, codec) == data


def test_48_validators_make_1050_bytes():
    data = genesis_extra_data([f"0x{i:040x}" for i in range(1, 49)])
    assert len(data) == 1050
    assert data.hex().startswith("f90417")
    assert data.hex().endswith("c080c0")


def test_a_genesis_lists_validators_ascending_whatever_their_order_was():
    shuffled = ["0x" + "bb" * 20, "0x" + "AA" * 20, "0x" + "01" * 20]
    assert decode_extra_data(genesis_extra_data(shuffled)).validators == (
        "0x" + "01" * 20,
        "0x" + "aa" * 20,
        "0x" + "bb" * 20,
    )


def test_a_validator_that_comes_twice_is_refused():
    with pytest.raises(ExtraDataError, match="comes twice"):
        genesis_extra_data(["0x" + "aa" * 20, "0x" + "AA" * 20])


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({}, "validators"),
        ({"validators": "0x00"}, "list of addresses"),
        ({"validators": ["0x00"]}, "not an address"),
        ({"validators": [], "round": -1}, "round -1"),
        ({"validators": [], "round": 2**31}, "not between"),
        ({"validators": [], "round": True}, "whole number"),
        ({"validators": [], "vanity": "0x00"}, "1 bytes, not 32"),
        ({"validators": [], "vote": {"recipient": "0x" + "00" * 20}}, "a vote is an object"),
        ({"validators": [], "vote": {"recipient": "0x" + "00" * 20, "add": "yes"}}, "a vote is an object"),
        ({"validators": [], "seals": ["0x" + "00" * 64]}, "64 bytes, not 65"),
        ({"validators": [], "seals": ["zz"]}, "not hexadecimal"),
        ({"validators": [], "extra": 1}, "unknown key 'extra'"),
        ("text", "JSON object"),
    ],
)
def test_wrong_descriptions_are_refused(value, said):
    with pytest.raises(InputError, match=said):
        extra_data_from_json(value)


@pytest.mark.parametrize(
    ("hexes", "codec", "said"),
    [
        ("", Codec.QBFT, "end in the middle"),
        ("80", Codec.QBFT, "must be a list"),
        ("c0", Codec.QBFT, "0 parts, not 5"),
        (
            "f83aa0" + "00" * 32 + "d594eac51e3fe1afc9894f0dfeab8ceb471899b932dfc080c000",
            Codec.QBFT,
            "left over",
        ),
        (
            "f83aa0" + "00" * 32 + "d594eac51e3fe1afc9894f0dfeab8ceb471899b932dfc080c0",
            Codec.IBFT,
            "0 parts, not 2",
        ),
        (
            "f83aa0" + "00" * 32 + "d594eac51e3fe1afc9894f0dfeab8ceb471899b932dfc000c0",
            Codec.QBFT,
            "zero byte",
        ),
    ],
)
def test_what_is_not_canonical_is_refused(hexes, codec, said):
    with pytest.raises(InputError, match=said):
        decode_extra_data(bytes.fromhex(hexes), codec)


def test_lists_nested_without_end_are_refused():
    data = b"\xc0"
    for _ in range(2000):
        size = len(data)
        data = (bytes([0xC0 + size]) if size < 56 else b"\xf9" + size.to_bytes(2, "big")) + data
    with pytest.raises(rlp.RlpError):
        rlp.decode(data)


@pytest.mark.parametrize(
    ("codec", "add", "bytes_of_the_vote"),
    [
        (Codec.QBFT, True, "d794" + "ab" * 20 + "81ff"),
        (Codec.QBFT, False, "d694" + "ab" * 20 + "80"),
        (Codec.IBFT, True, "d794" + "ab" * 20 + "81ff"),
        (Codec.IBFT, False, "d694" + "ab" * 20 + "00"),
    ],
)
def test_votes_are_written_as_each_protocol_writes_them(codec, add, bytes_of_the_vote):
    extra = ExtraData(validators=(), vote=Vote("0x" + "ab" * 20, add))
    # Header (2 bytes or 1), vanity with its length byte, empty list of validators, then the vote.
    encoded = encode_extra_data(extra, codec).hex()
    assert encoded[encoded.index("c0", 66) + 2 :].startswith(bytes_of_the_vote)


@pytest.mark.parametrize(
    "hexes",
    [
        "b800",
        "b80548656c6c6f",
        "b837" + "00" * 55,
        "f800",
        "f80180",
        "f90001c0",
        "b90001ff",
        "8101",
        "bf",
        "f8",
    ],
)
def test_longer_forms_of_rlp_than_need_be_are_refused(hexes):
    with pytest.raises(reference_rlp.exceptions.DecodingError):
        reference_rlp.decode(bytes.fromhex(hexes), strict=True)
    with pytest.raises(rlp.RlpError):
        rlp.decode(bytes.fromhex(hexes))


@given(items)
def test_rlp_is_that_of_the_reference_library(item):
    encoded = rlp.encode(item)
    assert encoded == reference_rlp.encode(item)
    assert rlp.decode(encoded) == item


@given(st.binary(max_size=60))
def test_rlp_accepts_exactly_what_the_reference_library_accepts(data):
    try:
        expected = reference_rlp.decode(data, strict=True)
    except reference_rlp.exceptions.DecodingError:
        with pytest.raises(rlp.RlpError):
            rlp.decode(data)
        return
    assert rlp.decode(data) == expected
