"""The emulated Mainnet, and anvil as a child: found, funded, kept, and never left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from eth_account import Account

from chainfleet.emulator.chain import Mainnet, find_anvil
from chainfleet.emulator.clock import ScaledClock
from chainfleet.model.errors import EnvironmentProblem

KEY = "0x" + "5b" * 32


def mainnet(folder: Path, clock: ScaledClock) -> Mainnet:
    start = time.time()
    wall: Callable[[], float] = lambda: start + clock.now()  # noqa: E731 - a clock's face
    return Mainnet(find_anvil(os.environ), clock, deployer_key=KEY, folder=folder, wall=wall)


def test_a_transaction_is_confirmed_at_mainnets_pace_and_kept(tmp_path: Path, run: Any) -> None:
    account = Account.from_key(KEY)

    async def first() -> None:
        chain = mainnet(tmp_path, ScaledClock(120))
        await chain.start()
        try:
            call = chain.anvil.call
            assert await call("eth_chainId") == "0x1"
            assert int(await call("eth_getBalance", account.address, "latest"), 16) == 1000 * 10**18
            head = await call("eth_getBlockByNumber", "latest", False)
            assert int(head["baseFeePerGas"], 16) > 10**9
            fields = {"chainId": 1, "nonce": 0, "gas": 21_000, "to": account.address, "value": 1, "type": 2}
            fields |= {"maxFeePerGas": 10**11, "maxPriorityFeePerGas": 10**9}
            raw = account.sign_transaction(fields).raw_transaction
            digest = await call("eth_sendRawTransaction", "0x" + bytes(raw).hex())
            receipt = None
            while receipt is None:
                await asyncio.sleep(0.02)
                receipt = await call("eth_getTransactionReceipt", digest)
            mined = int(receipt["blockNumber"], 16)
            while int(await call("eth_blockNumber"), 16) < mined + 5:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            later = await call("eth_getBlockByNumber", hex(mined + 5), False)
            there = await call("eth_getBlockByNumber", hex(mined), False)
            assert int(later["timestamp"], 16) - int(there["timestamp"], 16) >= 5
        finally:
            await chain.stop()

    async def second() -> None:
        chain = mainnet(tmp_path, ScaledClock(120))
        await chain.start()
        try:
            assert await chain.anvil.call("eth_getTransactionCount", account.address, "latest") == "0x1"
        finally:
            await chain.stop()

    run(first())
    run(second())


def test_an_idle_chain_makes_hardly_any_blocks(tmp_path: Path, run: Any) -> None:
    async def scenario() -> None:
        chain = mainnet(tmp_path, ScaledClock(1000))
        await chain.start()
        try:
            before = chain.stats()["blocks"]
            await asyncio.sleep(1)
            assert chain.stats()["blocks"] - before <= 1
        finally:
            await chain.stop()

    run(scenario())


CHILD = """
import asyncio, os, sys
from chainfleet.emulator.chain import Anvil, find_anvil

async def main():
    anvil = Anvil(find_anvil(os.environ), ["--accounts", "0"])
    await anvil.start()
    print(anvil.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's help is Linux's")
def test_anvil_ends_with_its_owner_even_when_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert psutil.pid_exists(pid)
        owner.send_signal(signal.SIGKILL)
        owner.wait(10)
    end = time.monotonic() + 60
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end, "anvil was left behind"
        time.sleep(0.02)


def test_a_missing_anvil_is_told_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="make setup"):
        find_anvil({"PATH": ""}, tmp_path)
    with pytest.raises(EnvironmentProblem, match="no executable file"):
        find_anvil({"CHAINFLEET_ANVIL": str(tmp_path / "none")}, tmp_path)
    binary = tmp_path / "anvil"
    binary.write_text("#!/bin/sh\n")
    binary.chmod(0o755)
    assert find_anvil({"CHAINFLEET_ANVIL": str(binary)}, tmp_path) == binary
    assert find_anvil({"PATH": str(tmp_path)}, tmp_path / "nowhere") == binary
