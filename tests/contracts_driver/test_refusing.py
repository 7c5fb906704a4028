"""Wrong input ends in one clear error before anything is signed, and nothing is lost by it."""

from __future__ import annotations

import json
import secrets

import pytest
from eth_account import Account

from chainfleet.drivers.contracts.artefacts import load
from chainfleet.drivers.contracts.signer import load_signer
from chainfleet.model.errors import ErrorClass, TaskFailed

DEPLOY, DEPLOY_138 = "contracts/deploy/mainnet", "contracts/deploy/chain-138"
ANVIL_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"

# Deployed code that answers every call with 1: a mock router says that it knows every chain.
YES_MAN = "0x600160005260206000f3"


def refused(world, task, match):
    with pytest.raises(TaskFailed, match=match) as caught:
        world.change(task)
    assert not (world.workspace / "contracts" / f"{task.rsplit('/', 1)[1]}.journal.jsonl").exists()
    assert world.key not in str(caught.value)
    return caught.value


def test_a_chain_of_another_id_gets_nothing_signed(world):
    world.environ["MAINNET_RPC_URL"] = world.besu.url
    error = refused(world, DEPLOY, "answers with chain id 138, not 1")
    assert error.error_class is ErrorClass.CONFIGURATION


def test_too_little_balance_is_told_with_what_it_may_cost(world):
    world.mainnet.fund(world.deployer, 1000)
    error = refused(world, DEPLOY, "has 1000 wei, and it may cost")
    assert error.error_class is ErrorClass.CONFIGURATION
    assert error.way_out == "fund it"


def test_mainnet_has_to_be_allowed(world):
    del world.environ["CHAINFLEET_ALLOW_MAINNET"]
    error = refused(world, DEPLOY, "Ethereum Mainnet")
    assert error.error_class is ErrorClass.AUTHORISATION
    assert "--allow-mainnet" in error.way_out
    world.change(DEPLOY_138)


@pytest.mark.parametrize("key", [ANVIL_KEY, "0x" + "00" * 31 + "01"], ids=["anvil's first", "number one"])
def test_development_keys_are_refused_on_mainnet_only(world, key):
    world.environ["CHAINFLEET_DEPLOYER_KEY"] = key
    refused(world, DEPLOY, "well-known development account")
    world.change(DEPLOY_138)


def test_a_router_without_code_is_refused(world):
    world.with_chain("chain-138", ccip_router="0x" + "12" * 20)
    refused(world, DEPLOY_138, "has no code")


def test_a_router_that_is_none_is_refused(world):
    router = "0x" + "12" * 20
    world.besu.call("anvil_setCode", router, "0x60006000fd")
    world.with_chain("chain-138", ccip_router=router)
    refused(world, DEPLOY_138, "doesn't answer like a CCIP router")


def test_a_mock_router_is_refused_on_mainnet_and_taken_elsewhere(world):
    router = "0x" + "12" * 20
    for chain, name in ((world.mainnet, "mainnet"), (world.besu, "chain-138")):
        chain.call("anvil_setCode", router, YES_MAN)
        world.with_chain(name, ccip_router=router)
    refused(world, DEPLOY, "is a mock router")
    outputs = world.change(DEPLOY_138).outputs
    assert outputs["contract"] == "OracleWithCCIP"
    assert router in outputs["ccip"]
    assert world.observe(DEPLOY_138) is not None


def test_a_fork_that_lacks_opcodes_is_found_before_sending(world, start_anvil):
    old = start_anvil(138, "--hardfork", "byzantium", "--gas-price", "0")
    world.with_chain("chain-138", rpc_url=old.url)
    refused(world, DEPLOY_138, "opcode|NotActivated|fork|reverted")


def test_numbers_that_dont_fit_the_contract_are_named(world):
    for changes, match in (
        ({"first_answer": 0}, "first_answer is out of bounds"),
        ({"maximum_answer": 2**130}, "exceed 128 bits"),
        ({"timeout_seconds": 2**24}, "timeout_seconds exceeds"),
    ):
        before = world.fleet
        world.with_oracle(**changes)
        refused(world, DEPLOY_138, match)
        world.fleet = before


def test_an_address_that_isnt_set_is_named(world):
    del world.environ["MAINNET_RPC_URL"]
    refused(world, DEPLOY, r"\$MAINNET_RPC_URL is not set")


def test_a_chain_that_doesnt_answer_is_tried_again(world):
    world.environ["MAINNET_RPC_URL"] = "http://127.0.0.1:1/secret-api-key"
    error = refused(world, DEPLOY, "can't be reached")
    assert error.error_class.retryable
    assert "secret" not in str(error)


def test_keys_are_read_from_the_environment_or_a_keystore(tmp_path):
    key = "0x" + secrets.token_hex(32)
    address = Account.from_key(key).address
    (tmp_path / "key.json").write_text(json.dumps(Account.encrypt(key, "right", kdf="pbkdf2", iterations=2)))
    (tmp_path / "password").write_text("right\n")
    file = {"CHAINFLEET_KEYSTORE_PASSWORD_FILE": str(tmp_path / "password")}
    assert load_signer("${KEY}", {"KEY": key}, tmp_path).address == address
    assert load_signer("keystore:key.json", file, tmp_path).address == address
    assert (
        load_signer("keystore:key.json", {"CHAINFLEET_KEYSTORE_PASSWORD": "right"}, tmp_path).address
        == address
    )


@pytest.mark.parametrize(
    ("reference", "environ", "match"),
    [
        ("${KEY}", {}, r"\$KEY is empty"),
        ("${KEY}", {"KEY": "0x1234"}, "not a private key"),
        ("${KEY}", {"KEY": "correct horse"}, "not a private key"),
        ("0x" + "11" * 32, {}, "neither"),
        ("keystore:missing.json", {"CHAINFLEET_KEYSTORE_PASSWORD": "x"}, "can't be read"),
        ("keystore:key.json", {"CHAINFLEET_KEYSTORE_PASSWORD": "wrong"}, "password of keystore"),
        ("keystore:key.json", {}, "needs a password"),
        ("keystore:key.json", {"CHAINFLEET_KEYSTORE_PASSWORD_FILE": "/nowhere"}, "password file"),
        ("keystore:other.json", {"CHAINFLEET_KEYSTORE_PASSWORD": "x"}, "not a keystore of version 3"),
    ],
)
def test_a_wrong_key_or_password_is_named_without_showing_it(tmp_path, reference, environ, match):
    keystore = Account.encrypt("0x" + "42" * 32, "right", kdf="pbkdf2", iterations=2)
    (tmp_path / "key.json").write_text(json.dumps(keystore))
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(TaskFailed, match=match) as caught:
        load_signer(reference, environ, tmp_path)
    assert caught.value.error_class is ErrorClass.CONFIGURATION
    assert all(secret not in str(caught.value) for secret in ("1111", "4242", "correct horse"))


def test_both_artefacts_fit_every_chain():
    assert all(len(load(name).runtime) < 24_576 for name in ("Aggregator", "OracleWithCCIP"))
