"""The contracts' verification, where it can't be done."""

from __future__ import annotations

import asyncio

import pytest

from chainfleet.drivers.verification.contracts import verify_contracts
from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.fleet_file import load_fleet, new_fleet
from chainfleet.runtime.looking import looking_attempt

CHAIN = "    - name: far\n      chain_id: 1\n      rpc_url: ${FAR_RPC_URL}\n      deployer: ${KEY}\n"


def test_a_chain_whose_address_is_not_set_is_named_and_not_asked_again_and_again(tmp_path):
    text = new_fleet("net", 138, 4)
    begin = text.index("    - name: net")
    text = text[:begin] + CHAIN + text[text.index("\ndeployment:") :]
    fleet = load_fleet("fleet.yaml", lambda _: text, {}).fleet
    deployed = {"contracts/deploy/far": {"address": "0x" + "1" * 40, "contract": "Aggregator"}}
    attempt = looking_attempt(fleet, tmp_path, {}, deployed, "verification/network/network", print)
    with pytest.raises(TaskFailed, match="FAR_RPC_URL is not set") as refusal:
        asyncio.run(verify_contracts(attempt))
    assert refusal.value.error_class is ErrorClass.CONFIGURATION
    assert refusal.value.way_out
