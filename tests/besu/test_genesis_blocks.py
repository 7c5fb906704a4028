# ruff: noqa: SIM905 - a list of addresses reads better as text
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainfleet.model.besu.genesis_block import GenesisError, genesis_block
from chainfleet.model.besu.trie import EMPTY_ROOT, secure_root
from chainfleet.model.errors import InputError

CODE = "0x5f804955600180495560028049556003804955"
FUNDED = """
0161e041aad467a890839d5b08b138c1e6373072 0f830fc93e76c8d26ed1f65045e70f5f986da383
2180290b54d5d9e38f85fdaf086bfe35b610f404 763fc7d39ab4cfa496c39077542589819aea5c54
87da6a8c6e9eff15d703fc2773e32f6af8dbe301 9c09de85a373dc3486115cab94c72549029f1103
9d2f18c852eb5b37292dfc9f68ac5ecbf0d22dd2 a995b3ebccfb2b8e8b1db15b7ca8cf2f11ed0310
aa82d35d5eaec5cf87c311a3af844ed682d5a247 b76ae96839fe445670262bce61144e6cda9099b8
b97de4b8c857e4f6bc354f226dc3249aaee49209 c5065c9eeebe6df2c2284d046bfc906501846c51
cf49fda3be353c69b41ed96333cd24302da4556f fb289e2b2b65fb63299a682d000744671c50417b
""".split()
STATE_ROOT = "0x7f5cfe1375a61009a22d24512d18035bc8f855129452fa9c6a6be2ef4e9da7db"


def genesis_state_test(**forks):
    contracts = {f"{i:040x}": {"code": CODE, "balance": "0x0"} for i in range(0x100, 0x4E8)}
    return {
        "config": {"londonBlock": 0, "terminalTotalDifficulty": 0, **forks},
        "nonce": "0x0",
        "timestamp": "0x1234",
        "extraData": "0x",
        "gasLimit": "0x2fefd8",
        "difficulty": "0x0",
        "mixHash": "0x" + "0" * 64,
        "coinbase": "0x" + "0" * 40,
        "alloc": contracts | {address: {"balance": "0x123450000000000000000"} for address in FUNDED},
        "number": "0x0",
        "gasUsed": "0x0",
        "parentHash": "0x" + "0" * 64,
        "baseFeePerGas": "0x3b9aca00",
    }


@pytest.mark.parametrize(
    ("forks", "block_hash"),
    [
        (
            {"shanghaiTime": 0, "cancunTime": 4661},
            "0xfdc41f92053811b877be43e61cab6b0d9ee55501ae2443df0970c753747f12d8",
        ),
        (
            {"shanghaiTime": 0, "cancunTime": 0},
            "0x87846b86c1026fa7d7be2da045716274231de1871065a320659c9b111287c688",
        ),
        (
            {"shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0},
            "0x5d2d02fce02d1b7ca635ec91a4fe6f7aa36f9b3997ec4304e8c68d8f6f15d266",
        ),
    ],
    ids=["shanghai", "cancun", "prague"],
)
def test_besus_hashes_of_forks_at_genesis_are_reproduced(forks, block_hash):
    block = genesis_block(genesis_state_test(**forks))
    assert (block.hash, block.state_root) == (block_hash, STATE_ROOT)


def test_besus_state_roots_and_a_network_with_contracts_are_reproduced(vectors):
    for vector in vectors["genesis_block"]:
        block = genesis_block(vector["genesis"])
        assert block.state_root == vector["state_root"], vector["id"]
        assert vector.get("block_hash", block.hash) == block.hash, vector["id"]


def test_a_fork_that_is_not_named_follows_the_next_one_that_is():
    named = genesis_block(genesis_state_test(shanghaiTime=0, cancunTime=0))
    assert genesis_block(genesis_state_test(cancunTime=0)) == named
    osaka = genesis_block(genesis_state_test(shanghaiTime=0, cancunTime=0, pragueTime=0, osakaTime=0))
    assert genesis_block(genesis_state_test(shanghaiTime=0, cancunTime=0, pragueTime=0)) == osaka


def test_keys_are_read_in_any_case():
    genesis = genesis_state_test(shanghaiTime=0, cancunTime=0)
    loud = {key.upper(): value for key, value in genesis.items()}
    assert genesis_block(loud) == genesis_block(genesis)


def test_without_a_base_fee_london_at_zero_means_one_gwei():
    genesis = genesis_state_test()
    implied = {key: value for key, value in genesis.items() if key != "baseFeePerGas"}
    assert genesis_block(implied) == genesis_block(genesis)
    assert genesis_block({**genesis, "baseFeePerGas": "0x0"}) != genesis_block(genesis)


def test_settings_that_are_not_hashed_do_not_change_the_network():
    plain = genesis_state_test(qbft={"blockperiodseconds": 5})
    slower = genesis_state_test(qbft={"blockperiodseconds": 7, "messageQueueLimit": 10000})
    assert genesis_block(plain) == genesis_block(slower)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"difficulty": None}, "difficulty"),
        ({"gasLimit": "many"}, "gasLimit"),
        ({"alloc": {"0x00": {}}}, "not an address"),
        ({"alloc": {"0x" + "0a" * 20: {"balance": "0x" + "f" * 65}}}, "above 2"),
        ({"alloc": {"0x" + "0a" * 20: {}, "0A" * 20: {}}}, "comes twice"),
        ({"alloc": []}, "must be a JSON object"),
        ({"extraData": "0x0"}, "extraData"),
        ({"mixHash": "0x" + "0" * 66}, "mixHash"),
        ({"coinbase": "0x00"}, "coinbase"),
        ({"nonce": "0x" + "1" * 17}, "nonce"),
        ({"config": {"londonBlock": 0, "amsterdamTime": 0}}, "amsterdam"),
    ],
)
def test_a_wrong_genesis_is_refused_and_named(change, said):
    with pytest.raises(InputError, match=said):
        genesis_block({**genesis_state_test(shanghaiTime=0), **change})


def test_a_time_fork_without_london_is_refused():
    genesis = {k: v for k, v in genesis_state_test().items() if k != "baseFeePerGas"}
    with pytest.raises(GenesisError, match="londonBlock"):
        genesis_block({**genesis, "config": {"shanghaiTime": 0}})


@given(st.dictionaries(st.binary(min_size=20, max_size=20), st.binary(min_size=1, max_size=120), max_size=40))
def test_the_root_does_not_depend_on_the_order_and_depends_on_every_entry(entries):
    root = secure_root(entries)
    assert root == secure_root(dict(reversed(entries.items())))
    if not entries:
        assert root == EMPTY_ROOT
    for key in entries:
        assert secure_root({k: v for k, v in entries.items() if k != key}) != root
        assert secure_root({**entries, key: entries[key] + b"!"}) != root
