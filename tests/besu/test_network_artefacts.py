from __future__ import annotations

import json
import stat

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chainfleet.drivers.besu.check import Severity, check_network, slowest_round_trip_s
from chainfleet.drivers.besu.genesis import build_genesis, genesis_text, queue_limits
from chainfleet.drivers.besu.keys import PASSWORD_VARIABLE, KeyStore, system_randomness, validators_of
from chainfleet.drivers.besu.peers import enodes
from chainfleet.model.besu.extra_data import Codec, decode_extra_data
from chainfleet.model.besu.genesis_block import genesis_block
from chainfleet.model.besu.genesis_keys import genesis_key_problems
from chainfleet.model.besu.identity import PrivateKey, neighbours
from chainfleet.model.errors import EnvironmentProblem, InputError
from chainfleet.model.fleet import Allocation, Fleet, Network, Region

ADDRESSES = [f"0x{i:040x}" for i in range(48, 0, -1)]
PLACES = [("alpha", 0), ("alpha", 1), ("beta", 0), ("beta", 1)]


def fleet_of(*regions, **network):
    return Fleet(name="net", network=Network(**{"chain_id": 138, **network}), regions=regions)


# --- keys


def test_keys_are_made_once_and_read_by_nobody_else(tmp_path):
    store = KeyStore(tmp_path / "keys")
    first = store.ensure(PLACES, system_randomness)
    assert KeyStore(tmp_path / "keys").ensure(PLACES, system_randomness) == first
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    for validator in first:
        path = tmp_path / "keys" / f"{validator.name}.key"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert store.key(validator).address() == validator.address


def test_with_a_password_nothing_readable_is_on_disk(tmp_path):
    store = KeyStore.of(tmp_path, {PASSWORD_VARIABLE: "long and random"})
    (validator, *_) = store.ensure(PLACES[:2], system_randomness)
    secret = store.key(validator).secret
    folder = tmp_path / "besu" / "keys"
    assert not list(folder.glob("*.key"))
    assert all(secret.hex() not in path.read_text() for path in folder.iterdir())
    assert json.loads((folder / "alpha-0.json").read_text())["version"] == 3
    with pytest.raises(InputError, match="password is wrong"):
        KeyStore(folder, "another").key(validator)
    with pytest.raises(EnvironmentProblem, match="encrypted"):
        KeyStore(folder).key(validator)


def test_a_key_that_was_cut_off_before_it_was_anybody_s_does_not_hide_the_one_that_follows(
    tmp_path,
):
    KeyStore(tmp_path).ensure(PLACES[:1], system_randomness)
    (tmp_path / "validators.json").unlink()
    store = KeyStore(tmp_path, "a password")
    (validator,) = store.ensure(PLACES[:1], system_randomness)
    assert store.key(validator).address() == validator.address


def test_a_lost_key_is_an_error_and_never_replaced(tmp_path):
    store = KeyStore(tmp_path)
    store.ensure(PLACES, system_randomness)
    (tmp_path / "beta-0.key").unlink()
    with pytest.raises(InputError, match=r"beta-0 .* is gone"):
        store.ensure(PLACES, system_randomness)
    assert not (tmp_path / "beta-0.key").exists()


def test_a_retired_key_is_put_away_and_its_place_gets_a_new_one(tmp_path):
    store = KeyStore(tmp_path)
    first = store.ensure(PLACES, system_randomness)
    region, index = PLACES[0]
    gone = store.retire(region, index)
    assert gone == first[0]
    assert [file.name for file in (tmp_path / "retired").iterdir()] == [f"{gone.address}.key"]
    second = KeyStore(tmp_path).ensure(PLACES, system_randomness)
    assert second[0].address != gone.address
    assert second[1:] == first[1:]
    with pytest.raises(InputError, match="no key of nowhere-0"):
        store.retire("nowhere", 0)


def test_a_key_that_was_exchanged_is_noticed(tmp_path):
    store = KeyStore(tmp_path)
    validator = store.ensure(PLACES, system_randomness)[0]
    (tmp_path / "alpha-0.key").write_text(PrivateKey(b"\x05" * 32).key_file_text())
    with pytest.raises(InputError, match="not the one"):
        store.key(validator)


def test_existing_keys_are_taken_over(tmp_path):
    store, key = KeyStore(tmp_path), PrivateKey(b"\x05" * 32)
    store.add("alpha", 1, key)
    assert store.add("alpha", 1, key).address == key.address()
    found = {(v.region, v.index): v for v in store.ensure(PLACES, system_randomness)}
    assert found["alpha", 1].address == key.address()
    with pytest.raises(InputError, match="already serves alpha-1"):
        store.add("beta", 0, key)
    with pytest.raises(InputError, match="already has the key"):
        store.add("alpha", 1, PrivateKey(b"\x06" * 32))


def test_a_new_region_gets_keys_and_the_others_keep_theirs(tmp_path):
    store = KeyStore(tmp_path)
    before = store.ensure(PLACES, system_randomness)
    after = store.ensure([*PLACES, ("gamma", 0), ("gamma", 1)], system_randomness)
    assert after[:4] == before
    assert len({v.address for v in after}) == 6


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.integers(2, 30), st.integers(1, 3))
def test_validators_of_one_region_are_never_neighbours(tmp_path, seed, regions, each):
    from random import Random

    random = Random(seed)
    store = KeyStore(tmp_path / f"{seed}-{regions}-{each}")
    places = [(f"r{i}", j) for i in range(regions) for j in range(each)]
    found = store.ensure(places, random.randbytes)
    region_of = {v.address: v.region for v in found}
    assert neighbours(sorted(region_of), region_of) == ()


# --- genesis


def test_the_genesis_of_48_validators(chain_138):
    genesis = build_genesis(chain_138, ADDRESSES)
    assert genesis_key_problems(genesis, (26, 8, 0)) == ()
    data = bytes.fromhex(genesis["extraData"][2:])
    assert list(decode_extra_data(data, Codec.QBFT).validators) == sorted(ADDRESSES)
    config = genesis["config"]
    assert (config["chainId"], config["londonBlock"], config["cancunTime"]) == (138, 0, 0)
    assert "pragueTime" not in config
    assert config["zeroBaseFee"] is True
    assert genesis["baseFeePerGas"] == "0x0"
    assert config["qbft"] == {
        "blockperiodseconds": 5,
        "requesttimeoutseconds": 10,
        "epochlength": 30000,
        "messageQueueLimit": 10000,
        "duplicateMessageLimit": 1000,
        "gossipedHistoryLimit": 5000,
        "futureMessagesLimit": 5000,
    }
    assert genesis_block(json.loads(genesis_text(genesis))) == genesis_block(genesis)


def test_the_order_of_keys_does_not_change_the_network(chain_138):
    assert build_genesis(chain_138, ADDRESSES) == build_genesis(chain_138, ADDRESSES[::-1])


@pytest.mark.parametrize(
    ("version", "key"), [("26.4.0", "xemptyblockperiodseconds"), ("26.5.0", "emptyblockperiodseconds")]
)
def test_the_period_of_empty_blocks_is_named_as_the_version_reads_it(version, key):
    fleet = fleet_of(besu_version=version, empty_block_period_seconds=60)
    assert build_genesis(fleet, ADDRESSES[:4])["config"]["qbft"][key] == 60


def test_ibft_has_its_own_section_and_encoding():
    genesis = build_genesis(fleet_of(consensus="ibft2"), ADDRESSES[:4])
    assert "qbft" not in genesis["config"]
    assert genesis["config"]["ibft2"]["blockperiodseconds"] == 5
    assert genesis["extraData"].endswith("808400000000c0")


@pytest.mark.parametrize("forks", ["london", "shanghai", "cancun", "prague"])
def test_forks_are_active_from_block_0_up_to_the_one_asked_for(forks):
    config = build_genesis(fleet_of(forks=forks), ADDRESSES[:4])["config"]
    times = [name for name in ("shanghaiTime", "cancunTime", "pragueTime") if config.get(name) == 0]
    assert len(times) == ["london", "shanghai", "cancun", "prague"].index(forks)


def test_a_chain_with_gas_prices_has_balances_and_no_free_gas():
    account = Allocation(address="0x" + "Ab" * 20, balance_wei=5)
    genesis = build_genesis(fleet_of(zero_base_fee=False, allocations=(account,)), ADDRESSES[:4])
    assert "zeroBaseFee" not in genesis["config"]
    assert "baseFeePerGas" not in genesis
    assert genesis["alloc"] == {"0x" + "ab" * 20: {"balance": "0x5"}}


@pytest.mark.parametrize(
    ("fleet", "validators", "said"),
    [
        (fleet_of(), ADDRESSES[:3], "can't bear a single fault"),
        (fleet_of(), [*ADDRESSES[:4], ADDRESSES[0]], "comes twice"),
        (
            fleet_of(
                allocations=(Allocation(address="0x" + "ab" * 20), Allocation(address="0x" + "AB" * 20))
            ),
            ADDRESSES,
            "comes twice",
        ),
    ],
)
def test_a_genesis_that_makes_no_network_is_refused(fleet, validators, said):
    with pytest.raises(InputError, match=said):
        build_genesis(fleet, validators)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("config", "londonBlok"), 0, "londonBlok: unknown key"),
        (("config", "qbft", "blockperiod"), 5, "blockperiod: unknown key"),
        (("config", "qbft", "blockperiodseconds"), "5", "JSON number"),
        (("config", "qbft", "blockreward"), 5, "must be a string"),
        (("config", "qbft", "xemptyblockperiodseconds"), 5, "unknown key"),
        (("difficulti",), "0x1", "difficulti: unknown key"),
        (("alloc", "0x" + "00" * 20), {"privateKey": "0x1"}, "privateKey: unknown key"),
    ],
)
def test_what_besu_would_silently_ignore_is_named(chain_138, path, value, said):
    genesis = json.loads(genesis_text(build_genesis(chain_138, ADDRESSES)))
    place = genesis
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    assert any(said in problem for problem in genesis_key_problems(genesis, (26, 8, 0)))


@given(st.integers(4, 1000))
def test_message_limits_hold_what_arrives_and_never_fall_below_besus_own(n):
    limits = queue_limits(n)
    assert limits["messageQueueLimit"] >= max(1000, 2 * n * (n - 1))
    assert limits["duplicateMessageLimit"] >= max(100, 3 * n)
    assert limits["gossipedHistoryLimit"] >= max(1000, 4 * n)


# --- peers


def test_every_peer_has_an_address_of_its_own(tmp_path):
    validators = KeyStore(tmp_path).ensure(PLACES, system_randomness)
    addresses = {"alpha": ["192.0.2.1", "192.0.2.2"], "beta": ["192.0.2.3", "192.0.2.4"]}
    urls = enodes(validators, addresses, 30303)
    assert [url.rsplit("@")[1] for url in urls] == [f"192.0.2.{i}:30303" for i in (1, 2, 3, 4)]
    with pytest.raises(InputError, match="beta-1 has no address"):
        enodes(validators, {**addresses, "beta": ["192.0.2.3"]}, 30303)
    with pytest.raises(InputError, match="beta-1 and alpha-0 have the same address"):
        enodes(validators, {**addresses, "beta": ["192.0.2.3", "192.0.2.1"]}, 30303)


# --- check


def findings(fleet, severity=Severity.ERROR):
    return [f for f in check_network(fleet) if f.severity is severity]


def test_the_example_is_right_and_warned_about(chain_138):
    assert findings(chain_138) == []
    warnings = findings(chain_138, Severity.WARNING)
    assert any("48 validators exceed every published QBFT test" in f.message for f in warnings)
    assert any("Europe holds 22 validators, 16 at most" in f.message for f in warnings)


FOUR = tuple(
    Region(name=name, validators=1) for name in ("northeurope", "westeurope", "uksouth", "japaneast")
)


@pytest.mark.parametrize(
    ("fleet", "place", "said"),
    [
        (fleet_of(*FOUR[:3]), "regions", "3 validators"),
        (fleet_of(*FOUR, FOUR[0]), "regions.northeurope", "2 times"),
        (
            fleet_of(*FOUR, Region(name="francecentral", validators=2)),
            "regions.francecentral",
            "holds 2 validators, 1 at most",
        ),
        (fleet_of(*FOUR, rpc_apis=("ETH", "CLIQUE")), "network.rpc_apis", "CLIQUE"),
        (fleet_of(*FOUR, besu_version="24.12.1"), "network.besu_version", "older than"),
        (fleet_of(*FOUR, request_timeout_seconds=1), "network.request_timeout_seconds", "too early"),
        (fleet_of(*FOUR, empty_block_period_seconds=3), "network.empty_block_period_seconds", "3 s"),
        (fleet_of(*FOUR, heap_gib=8), "network.heap_gib", "RocksDB"),
        (fleet_of(*FOUR, rpc_port=30303), "network", "must differ"),
        (
            fleet_of(*FOUR, Region(name="own", cloud="kubeconfig", validators=1)),
            "regions.own.addresses",
            "0 addresses for 1",
        ),
        (
            fleet_of(*FOUR, Region(name="own", cloud="kubeconfig", validators=1, addresses=("a.example",))),
            "regions.own.addresses",
            "no IP",
        ),
        (
            fleet_of(*FOUR[:3], Region(name="japaneast", validators=3)),
            "clouds.azure.validator_nodes",
            "3 nodes",
        ),
        (
            fleet_of(*FOUR, allocations=(Allocation(address="0x" + "ab" * 20),) * 2),
            "network.allocations",
            "2 times",
        ),
    ],
)
def test_bad_input_is_one_clear_error_with_its_place(fleet, place, said):
    assert any(f.place == place and said in f.message for f in findings(fleet)), check_network(fleet)


def test_two_regions_on_one_address_are_refused():
    own = [Region(name=n, cloud="kubeconfig", validators=1, addresses=("192.0.2.1",)) for n in ("one", "two")]
    assert any("is one's already" in f.message for f in findings(fleet_of(*FOUR, *own)))


@settings(max_examples=60)
@given(st.lists(st.integers(0, 16), min_size=1, max_size=60))
def test_placement_errors_are_exactly_the_regions_above_a_third(counts):
    regions = [
        Region(name=f"r{i:02}", cloud="kubeconfig", validators=c, addresses=("192.0.2.1",) * c)
        for i, c in enumerate(counts)
    ]
    total = sum(counts)
    places = {f.place for f in findings(fleet_of(*regions)) if "must not hold more than f" in f.message}
    expected = {f"regions.{r.name}" for r in regions if total >= 4 and (r.validators or 0) > (total - 1) // 3}
    assert places == expected


def test_round_trips_are_estimated_by_distance():
    near = slowest_round_trip_s([Region(name="northeurope"), Region(name="westeurope")])
    far = slowest_round_trip_s([Region(name="southafricanorth"), Region(name="koreacentral")])
    assert 0.005 < near < 0.03
    assert 0.15 < far < 0.4
    assert slowest_round_trip_s([Region(name="somewhere"), Region(name="northeurope")]) == pytest.approx(0.36)


def test_all_validators_of_a_fleet_are_named(chain_138):
    places = validators_of(chain_138)
    assert len(places) == len(set(places)) == 48
