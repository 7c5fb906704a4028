"""What the contracts' Python tests share: an EVM in this process, real local chains, compiled fixtures."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyrevm
import pytest

from chainfleet.drivers.contracts.abi import Abi, Revert
from chainfleet.drivers.contracts.artefacts import load

CONTRACTS = Path(__file__).parents[1]
START = 1_700_000_000
_OUTPUT = re.compile(r"output: (0x[0-9a-f]*)")


def account(number: int) -> str:
    """A plain account."""
    return "0x" + f"{number:040x}"


class RevertError(Exception):
    """A call was reverted; `revert` says why."""

    def __init__(self, revert: Revert) -> None:
        super().__init__(str(revert))
        self.revert = revert


@dataclass
class Evm:
    """Ethereum's machine in this process: fast, and without a chain around it."""

    machine: Any = field(default_factory=lambda: pyrevm.EVM(gas_limit=30_000_000))
    now: int = START

    def __post_init__(self) -> None:
        self.warp(0)

    def warp(self, seconds: int) -> None:
        """Let time pass."""
        self.now += seconds
        self.machine.set_block_env(pyrevm.BlockEnv(timestamp=self.now))

    def deploy(self, abi: Abi, bytecode: bytes, *arguments: Any, sender: str = account(1)) -> Deployed:
        """Deploy a contract."""
        self.machine.set_balance(sender, 10**20)
        code = bytecode + (abi.constructor(*arguments) if arguments else b"")
        return Deployed(self, abi, self.machine.deploy(sender, code))


@dataclass
class Deployed:
    """A contract in the machine."""

    evm: Evm
    abi: Abi
    address: str

    def call(self, function: str, *arguments: Any, sender: str = account(1), value: int = 0) -> Any:
        """Call it; changes stay. Returns the value, or a tuple of several."""
        if value:
            self.evm.machine.set_balance(sender, 10**20)
        data = bytes.fromhex(self.abi.call(function, *arguments)[2:])
        try:
            output = self.evm.machine.message_call(sender, self.address, calldata=data, value=value)
        except RuntimeError as error:
            found = _OUTPUT.search(str(error))
            raise RevertError(self.abi.revert(found.group(1) if found else "0x")) from None
        values = self.abi.result(function, "0x" + output.hex())
        return values[0] if len(values) == 1 else values


@pytest.fixture
def evm() -> Evm:
    """A fresh machine."""
    return Evm()


@pytest.fixture(scope="session")
def new_evm() -> type[Evm]:
    """Makes fresh machines, for tests that need one per example."""
    return Evm


@pytest.fixture
def reverted() -> type[RevertError]:
    """What a reverted call raises."""
    return RevertError


@pytest.fixture(scope="session")
def fixtures() -> dict[str, tuple[Abi, bytes]]:
    """CCIP's Router, stubs around it and FluxAggregator, compiled by `scripts/fixtures.mjs`."""
    modules = CONTRACTS / "node_modules/solc-flux"
    node = shutil.which("node")
    if node is None or not modules.is_dir():
        pytest.skip("node and the npm packages aren't installed: npm ci --ignore-scripts in contracts/")
    built = CONTRACTS / "build/fixtures.json"
    sources = [CONTRACTS / "scripts/fixtures.mjs", *(CONTRACTS / "test/mocks").glob("*.sol")]
    if not built.exists() or built.stat().st_mtime < max(path.stat().st_mtime for path in sources):
        subprocess.run([node, "scripts/fixtures.mjs"], cwd=CONTRACTS, check=True, capture_output=True)
    data = json.loads(built.read_text())
    return {name: (Abi(made["abi"]), bytes.fromhex(made["bytecode"][2:])) for name, made in data.items()}


@pytest.fixture(scope="session")
def artefact() -> Callable[[str], tuple[Abi, bytes]]:
    """Interface and creation code of one of our contracts, as committed."""

    def get(name: str) -> tuple[Abi, bytes]:
        return Abi(load(name).abi), load(name).bytecode

    return get


# --- real local chains -------------------------------------------------------------------------


@dataclass
class Chain:
    """A local chain (anvil) with ten rich unlocked accounts."""

    url: str
    chain_id: int
    accounts: list[str] = field(default_factory=list)
    fee: dict[str, str] = field(default_factory=dict)

    def rpc(self, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def send(
        self, sender: str, to: str | None, data: str, value: int = 0, gas: int = 12_000_000
    ) -> dict[str, Any]:
        """Send a transaction, whatever it does, and return its receipt."""
        transaction = {"from": sender, "data": data, "value": hex(value), "gas": hex(gas), **self.fee}
        if to is not None:
            transaction["to"] = to
        sent = self.rpc("eth_sendTransaction", transaction)
        while (receipt := self.rpc("eth_getTransactionReceipt", sent)) is None:
            time.sleep(0.005)
        return receipt

    def deploy(self, abi: Abi, bytecode: bytes, *arguments: Any) -> OnChain:
        data = bytecode + (abi.constructor(*arguments) if arguments else b"")
        receipt = self.send(self.accounts[0], None, "0x" + data.hex())
        assert receipt["status"] == "0x1"
        return OnChain(self, abi, receipt["contractAddress"], int(receipt["gasUsed"], 16))


class RpcError(Exception):
    """A node refused."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(problem.get("message"))
        self.data = problem.get("data")


@dataclass
class OnChain:
    """A contract on a local chain."""

    chain: Chain
    abi: Abi
    address: str
    deploy_gas: int = 0

    def read(self, function: str, *arguments: Any, sender: str | None = None, abi: Abi | None = None) -> Any:
        query = {"to": self.address, "data": self.abi.call(function, *arguments)}
        if sender:
            query["from"] = sender
        values = self.abi.result(function, self._call(query, abi))
        return values[0] if len(values) == 1 else values

    def write(
        self, function: str, *arguments: Any, sender: str | None = None, value: int = 0
    ) -> dict[str, Any]:
        """Send a call that has to succeed; returns its receipt."""
        who = sender or self.chain.accounts[0]
        receipt = self.chain.send(who, self.address, self.abi.call(function, *arguments), value)
        if receipt["status"] != "0x1":
            raise AssertionError(str(self.why(function, *arguments, sender=who, value=value)))
        return receipt

    def why(
        self,
        function: str,
        *arguments: Any,
        sender: str | None = None,
        value: int = 0,
        abi: Abi | None = None,
    ) -> Revert:
        """Why a call is reverted; it has to be. `abi` decodes errors of a contract further inside."""
        query = {
            "from": sender or self.chain.accounts[0],
            "to": self.address,
            "data": self.abi.call(function, *arguments),
            "value": hex(value),
        }
        try:
            self._call(query, abi)
        except RevertError as error:
            return error.revert
        raise AssertionError(f"{function} isn't reverted")

    def events(self, name: str) -> list[dict[str, Any]]:
        query = {"address": self.address, "topics": [self.abi.topic(name)], "fromBlock": "0x0"}
        return [self.abi.event(name, log) for log in self.chain.rpc("eth_getLogs", query)]

    def _call(self, query: dict[str, Any], abi: Abi | None) -> str:
        try:
            return str(self.chain.rpc("eth_call", query | self.chain.fee, "latest"))
        except RpcError as error:
            data = error.data if isinstance(error.data, str) else "0x"
            raise RevertError((abi or self.abi).revert(data)) from None


ZERO_FEE = ("--block-base-fee-per-gas", "0", "--gas-price", "0", "--disable-min-priority-fee")


@pytest.fixture(scope="module")
def chains() -> Iterator[tuple[Chain, Chain]]:
    """Ethereum Mainnet and chain 138, both local; chain 138 is free."""
    path = CONTRACTS / "node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
    binary = str(path) if path.is_file() else shutil.which("anvil")
    if binary is None:
        pytest.skip("anvil isn't installed: npm ci --ignore-scripts in contracts/")
    with contextlib.ExitStack() as stack:
        first = _start(stack, binary, 1, ())
        second = _start(stack, binary, 138, ZERO_FEE)
        second.fee = {"maxFeePerGas": "0x0", "maxPriorityFeePerGas": "0x0"}
        yield first, second


def _start(stack: contextlib.ExitStack, binary: str, chain_id: int, options: tuple[str, ...]) -> Chain:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [binary, "--chain-id", str(chain_id), "--port", str(port), "--silent", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(process.wait, 10)
    stack.callback(process.terminate)
    chain = Chain(f"http://127.0.0.1:{port}", chain_id)
    for _ in range(400):
        with contextlib.suppress(OSError):
            chain.accounts = chain.rpc("eth_accounts")
            return chain
        time.sleep(0.05)
    raise AssertionError("anvil didn't start within 20 s")
