"""The whole emulated cloud: all parts together, over a restart."""

from __future__ import annotations

import json
import time
import urllib.request

import psutil
import pytest

from chainfleet.emulator.client import start


def rpc(url, method, *params):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())["result"]


@pytest.mark.slow
def test_all_parts_start_stop_and_go_on(tmp_path):
    with start(tmp_path / "state", 1) as first:
        url = first.environment["MAINNET_RPC_URL"]
        assert rpc(url, "eth_chainId") == "0x1"
        provider = json.loads(first.environment["TF_REATTACH_PROVIDERS"])
        children = psutil.Process(first.pid).children(recursive=True)
        assert next(iter(provider.values()))["Pid"] in [child.pid for child in children]
        deployer = first.control("/stats")["mainnet"]["deployer"]
        funds = rpc(url, "eth_getBalance", deployer, "latest")
        assert int(funds, 16) > 10**18
        head = rpc(url, "eth_blockNumber")
    assert not any(child.is_running() for child in children)
    # Emulated time stands still meanwhile: Mainnet must still go on from where it was.
    time.sleep(2.5)
    with start(tmp_path / "state", 1) as second:
        url = second.environment["MAINNET_RPC_URL"]
        assert rpc(url, "eth_getBalance", deployer, "latest") == funds
        assert int(rpc(url, "eth_blockNumber"), 16) > int(head, 16)
        assert set(second.control("/stats")) >= {"requests", "changes", "kubernetes", "besu", "mainnet"}
