from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainfleet.model.besu.enode import EnodeError, format_enode, parse_enode, parse_static_peer
from chainfleet.model.besu.identity import (
    CURVE_ORDER,
    PrivateKey,
    address_of,
    neighbours,
    read_key_file,
    read_public_key,
)
from chainfleet.model.errors import InputError

VECTORS = json.loads((Path(__file__).parent / "data" / "qbft_vectors.json").read_text())
PUBLIC_KEY = bytes.fromhex(VECTORS["keys"][0]["public_key"])
scalars = st.integers(1, CURVE_ORDER - 1).map(lambda n: n.to_bytes(32, "big"))


@pytest.mark.parametrize("vector", VECTORS["keys"], ids=lambda v: v["id"])
def test_keys_give_their_address_and_enode(vector):
    if vector["private_key"]:
        key = read_key_file(vector["private_key"])
        assert key.public_key().hex() == vector["public_key"]
        assert key.address() == vector["address"]
    public_key = read_public_key(vector["public_key"])
    assert address_of(public_key) == vector["address"]
    assert parse_enode(format_enode(public_key, "192.0.2.1", 30303)).node_id == vector["public_key"]


@pytest.mark.parametrize("vector", VECTORS["enode"], ids=lambda v: v["id"])
def test_enodes_are_parsed_or_refused_as_besu_does(vector):
    if vector["valid"] is not True:
        with pytest.raises(EnodeError):
            parse_enode(vector["url"])
        return
    enode = parse_enode(vector["url"])
    for name in ("node_id", "host", "tcp", "udp"):
        if name in vector:
            assert getattr(enode, name) == vector[name]


def test_a_static_peer_must_listen():
    listening = next(v["url"] for v in VECTORS["enode"] if v["id"] == "not-listening")
    with pytest.raises(EnodeError, match="listening port"):
        parse_static_peer(listening)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "[::1]", "224.0.0.1"])
def test_a_static_peer_must_be_reachable_from_elsewhere(host):
    with pytest.raises(EnodeError, match="can't dial"):
        parse_static_peer(f"enode://{PUBLIC_KEY.hex()}@{host}:30303")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "enode://",
        "http://example.org",
        f"enode://{'0' * 128}@192.0.2.1:30303",
        f"enode://{'ab' * 64}@192.0.2.1",
        f"enode://{'ab' * 64}@192.0.2.1:-1",
        f"enode://{'ab' * 64}@192.0.2.1:65536",
        f"enode://{'ab' * 64}@192.0.2.1:30303?port=1",
        f"enode://{'ab' * 64}@192.0.2.1:30303\n",
        f"enode://{'ab' * 64}@192.0.2.300:30303",
        f"enode://{'ab' * 64}@[192.0.2.1]:30303",
        f"enode://{'ab' * 64}@2001:db8::1:30303",
        f"enode://{'ab' * 63}@192.0.2.1:30303",
        f"enode://{'zz' * 64}@192.0.2.1:30303",
    ],
)
def test_malformed_enodes_are_refused(url):
    with pytest.raises(EnodeError):
        parse_enode(url)


@given(
    st.binary(min_size=64, max_size=64).filter(any),
    st.ip_addresses(),
    st.integers(1, 65535),
    st.none() | st.integers(0, 65535),
)
def test_an_enodes_url_says_all_that_was_parsed(key, host, tcp, udp):
    text = f"[{host}]" if host.version == 6 else str(host)
    url = f"enode://{key.hex()}@{text}:{tcp}" + ("" if udp is None else f"?discport={udp}")
    enode = parse_enode(url)
    assert parse_enode(enode.url) == enode
    assert (enode.node_id, enode.host, enode.tcp) == (key.hex(), str(host), tcp)
    assert enode.udp == (tcp if udp is None else udp or None)


@settings(max_examples=30, deadline=None)
@given(scalars)
def test_a_key_file_gives_back_its_key(secret):
    key = PrivateKey(secret)
    assert read_key_file(key.key_file_text()) == key
    assert read_key_file("0x" + secret.hex()) == key
    assert address_of(read_public_key("04" + key.public_key().hex())) == key.address()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "ab" * 31,
        "ab" * 33,
        "ab" * 32 + "\n\n",
        "ab" * 32 + "\nab",
        " " + "ab" * 32,
        "00" * 32,
        "ff" * 32,
        VECTORS["node_key_file"]["sample_invalid"],
    ],
)
def test_what_besu_would_not_take_as_a_key_file_is_refused(text):
    with pytest.raises(InputError) as refusal:
        read_key_file(text, "nodekey")
    assert "nodekey" in str(refusal.value)
    assert "abab" not in str(refusal.value), "a message must not show a key"


def test_besus_sample_key_file_is_taken():
    assert read_key_file(VECTORS["node_key_file"]["sample_valid"]).secret[-1] == 10


def test_a_key_never_shows_itself():
    key = PrivateKey(b"\x11" * 32)
    assert "11" not in repr(key)


@pytest.mark.parametrize("text", ["", "00" * 64, "ab" * 64, "05" + "ab" * 64, "zz" * 64])
def test_what_is_no_public_key_is_refused(text):
    with pytest.raises(InputError):
        read_public_key(text)


def test_neighbours_are_found_around_the_circle():
    region_of = {"0x1": "a", "0x2": "b", "0x3": "b", "0x4": "a"}
    assert neighbours(sorted(region_of), region_of) == (("0x2", "0x3"), ("0x4", "0x1"))
