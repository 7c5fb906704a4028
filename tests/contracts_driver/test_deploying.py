"""The oracle is deployed to two chains at once, each exactly once, and read back."""

from __future__ import annotations

import asyncio
import json

import pytest
from eth_account import Account

from chainfleet.drivers.contracts import ContractsDriver
from chainfleet.drivers.contracts.abi import abi_of
from chainfleet.drivers.contracts.artefacts import load
from chainfleet.model.errors import ErrorClass, TaskFailed

DEPLOYS = ("contracts/deploy/mainnet", "contracts/deploy/chain-138")
ROUNDS = ("contracts/round/mainnet", "contracts/round/chain-138")


def test_both_chains_get_the_contract_and_an_equal_first_round_in_parallel(world):
    async def everything():
        driver = ContractsDriver()
        deployed = await asyncio.gather(*(driver.change(world.attempt(task)) for task in DEPLOYS))
        rounds = await asyncio.gather(*(driver.change(world.attempt(task)) for task in ROUNDS))
        return deployed, rounds

    deployed, rounds = asyncio.run(everything())
    assert [outcome.outputs["chain_id"] for outcome in deployed] == [1, 138]
    assert all(outcome.outputs["contract"] == "Aggregator" for outcome in deployed)
    assert "not available" in deployed[1].outputs["ccip"]
    first = [(outcome.outputs["round_id"], outcome.outputs["answer"]) for outcome in rounds]
    assert first == [(1, 300_000_000_000)] * 2


def test_the_code_on_the_chain_is_the_artefacts(world):
    for task, chain in zip(DEPLOYS, (world.mainnet, world.besu), strict=True):
        address = world.change(task).outputs["address"]
        code = bytes.fromhex(chain.call("eth_getCode", address, "latest")[2:])
        assert load("Aggregator").same_code(code)
        assert not load("Aggregator").same_code(code[:-1] + bytes([code[-1] ^ 1]))


def test_a_second_run_observes_and_sends_nothing(world):
    outcomes = {task: world.change(task) for task in (*DEPLOYS, *ROUNDS)}
    before = world.sent(world.mainnet), world.sent(world.besu)
    for task, outcome in outcomes.items():
        seen = world.observe(task)
        assert seen is not None
        assert seen.outputs == outcome.outputs
        assert not seen.changed
        again = world.change(task)
        assert again.outputs == outcome.outputs
        assert not again.changed
    assert (world.sent(world.mainnet), world.sent(world.besu)) == before == (2, 2)


def test_nothing_is_observed_before_anything_was_done(world):
    assert all(world.observe(task) is None for task in (*DEPLOYS, *ROUNDS))


def test_a_lost_address_book_is_found_again_in_the_journal(world):
    outcome = world.change(DEPLOYS[0])
    (world.workspace / "contracts/addresses.json").unlink()
    again = world.change(DEPLOYS[0])
    assert again.outputs == outcome.outputs
    assert world.sent(world.mainnet) == 1


def test_chain_138_is_free_and_mainnet_pays_by_eip_1559(world):
    free = world.besu.call("eth_getTransactionByHash", world.change(DEPLOYS[1]).outputs["transaction"])
    paid = world.mainnet.call("eth_getTransactionByHash", world.change(DEPLOYS[0]).outputs["transaction"])
    assert world.besu.number("eth_getBalance", world.deployer, "latest") == 0
    assert (free["type"], free["maxFeePerGas"], free["maxPriorityFeePerGas"]) == ("0x2", "0x0", "0x0")
    assert paid["type"] == "0x2"
    assert int(paid["maxFeePerGas"], 16) > int(paid["maxPriorityFeePerGas"], 16) > 0


def test_a_configured_admin_holds_every_role_and_the_deployer_none(world):
    admin = Account.create().address
    world.with_contracts(admin=admin)
    address = world.change(DEPLOYS[0]).outputs["address"]
    abi = abi_of("Aggregator")

    def read(function, *arguments):
        data = world.mainnet.call(
            "eth_call", {"to": address, "data": abi.call(function, *arguments)}, "latest"
        )
        return abi.result(function, data)[0]

    assert read("defaultAdmin").lower() == admin.lower()
    for role in ("ORACLE_MANAGER_ROLE", "PAUSER_ROLE"):
        assert read("hasRole", read(role), admin)
        assert not read("hasRole", read(role), world.deployer)
    assert world.change(ROUNDS[0]).outputs["round_id"] == 1


def test_the_file_is_an_address_book_of_both_chains(world):
    outcomes = [world.change(task) for task in DEPLOYS]
    book = json.loads((world.workspace / "contracts/addresses.json").read_text())
    assert {name: row["address"] for name, row in book.items()} == {
        "mainnet": outcomes[0].outputs["address"],
        "chain-138": outcomes[1].outputs["address"],
    }


def test_a_changed_heartbeat_changes_the_settings_of_the_same_contract(world):
    before = world.change(DEPLOYS[1]).outputs["address"]
    for heartbeat in (60, 120, 60):
        world.with_oracle(heartbeat_seconds=heartbeat)
        assert world.observe(DEPLOYS[1]) is None
        outcome = world.change(DEPLOYS[1])
        assert outcome.changed
        assert outcome.outputs["address"] == before
        assert world.observe(DEPLOYS[1]) is not None
    assert world.sent(world.besu) == 4


def test_a_chain_made_anew_gets_its_contract_anew(world, start_anvil):
    world.change(DEPLOYS[1])
    anew = start_anvil(138, "--block-base-fee-per-gas", "0", "--gas-price", "0", "--timestamp", "1700000000")
    world.with_chain("chain-138", rpc_url=anew.url)
    assert world.observe(DEPLOYS[1]) is None
    assert world.change(DEPLOYS[1]).changed


def test_a_chain_whose_first_block_changed_keeps_its_contract(world):
    """As a local chain does that was stopped and started again from its state."""
    before = world.change(DEPLOYS[1]).outputs
    book = world.workspace / "contracts/addresses.json"
    book.write_text(book.read_text().replace(json.loads(book.read_text())["chain-138"]["genesis"], "0x00"))
    (world.workspace / "contracts/chain-138.journal.jsonl").unlink()
    assert world.observe(DEPLOYS[1]).outputs == before
    assert not world.change(DEPLOYS[1]).changed


def test_undo_keeps_what_lies_on_foreign_chains(world):
    world.change(DEPLOYS[0])
    outcome = asyncio.run(ContractsDriver().undo(world.attempt(DEPLOYS[0])))
    assert not outcome.changed
    assert world.observe(DEPLOYS[0]) is not None


def test_the_round_waits_for_its_contract(world):
    with pytest.raises(TaskFailed, match="no contract is known on mainnet") as caught:
        world.change(ROUNDS[0])
    assert caught.value.error_class is ErrorClass.CONFIGURATION
