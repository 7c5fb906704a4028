"""Two real local chains (anvil, ids 1 and 138) and what an attempt of the contracts driver is given."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from chainfleet.drivers.contracts import ContractsDriver
from chainfleet.drivers.driver import Attempt, Outcome
from chainfleet.model.fleet import Fleet
from chainfleet.model.task import Phase, Task

ROOT = Path(__file__).parents[2]
ZERO_FEE = ("--block-base-fee-per-gas", "0", "--gas-price", "0", "--disable-min-priority-fee")


def anvil_binary() -> str | None:
    """The anvil that npm installed, else one on PATH."""
    for folder in ("contracts", "tools/anvil"):
        path = ROOT / folder / "node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
        if path.is_file():
            return str(path)
    return shutil.which("anvil")


@dataclass
class Anvil:
    """One local chain."""

    url: str
    process: subprocess.Popen[bytes]

    def call(self, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        if "error" in answer:
            raise AssertionError(answer["error"])
        return answer["result"]

    def fund(self, address: str, wei: int = 10**20) -> None:
        self.call("anvil_setBalance", address, hex(wei))

    def number(self, method: str, *params: Any) -> int:
        return int(self.call(method, *params), 16)


@pytest.fixture
def start_anvil() -> Iterator[Callable[..., Anvil]]:
    """Starts chains; all of them are gone at the end of the test."""
    binary = anvil_binary()
    if binary is None:
        pytest.skip("anvil isn't installed: npm ci --ignore-scripts in contracts/")
    with contextlib.ExitStack() as stack:

        def start(chain_id: int, *options: str) -> Anvil:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            command = [binary, "--chain-id", str(chain_id), "--port", str(port), "--silent", *options]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            stack.callback(_stop, process)
            chain = Anvil(f"http://127.0.0.1:{port}", process)
            _wait(chain)
            return chain

        yield start


def _wait(chain: Anvil) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError):
            chain.call("eth_chainId")
            return
        time.sleep(0.05)
    raise AssertionError("anvil didn't start within 10 s")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclass
class World:
    """A fleet with Ethereum Mainnet and chain 138, both local, and the deployer's fresh key."""

    mainnet: Anvil
    besu: Anvil
    workspace: Path
    key: str
    fleet: Fleet
    environ: dict[str, str]
    lines: list[str] = field(default_factory=list)
    fences: int = 0
    on_fence: Callable[[], None] | None = None

    @property
    def deployer(self) -> str:
        return str(Account.from_key(self.key).address)

    def with_contracts(self, **changes: Any) -> None:
        contracts = self.fleet.contracts.model_copy(update=changes)
        self.fleet = self.fleet.model_copy(update={"contracts": contracts})

    def with_oracle(self, **changes: Any) -> None:
        self.with_contracts(oracle=self.fleet.contracts.oracle.model_copy(update=changes))

    def with_chain(self, name: str, **changes: Any) -> None:
        chains = tuple(
            chain.model_copy(update=changes) if chain.name == name else chain
            for chain in self.fleet.contracts.chains
        )
        self.with_contracts(chains=chains)

    def attempt(self, task_id: str) -> Attempt:
        def fence() -> None:
            self.fences += 1
            if self.on_fence is not None:
                self.on_fence()

        def outputs(task: str) -> Mapping[str, Any]:
            raise KeyError(task)

        return Attempt(
            task=Task(task_id, Phase.CONTRACTS),
            number=1,
            fleet=self.fleet,
            workspace=self.workspace,
            log_file=self.workspace / "log",
            parallelism=1,
            environ=self.environ,
            outputs=outputs,
            log=self.lines.append,
            fence=fence,
            observed=lambda _: None,
            progress=lambda _: None,
        )

    def change(self, task_id: str) -> Outcome:
        return asyncio.run(ContractsDriver().change(self.attempt(task_id)))

    def observe(self, task_id: str) -> Outcome | None:
        return asyncio.run(ContractsDriver().observe(self.attempt(task_id)))

    def sent(self, chain: Anvil) -> int:
        """How many transactions the deployer has had mined."""
        return chain.number("eth_getTransactionCount", self.deployer, "latest")


@pytest.fixture
def world(start_anvil: Callable[..., Anvil], tmp_path: Path) -> World:
    """Both chains are up, the deployer has money on Mainnet and none on 138."""
    mainnet, besu = start_anvil(1), start_anvil(138, *ZERO_FEE)
    key = "0x" + secrets.token_hex(32)
    world = World(
        mainnet=mainnet,
        besu=besu,
        workspace=tmp_path,
        key=key,
        fleet=fleet_of(besu.url),
        environ={
            "CHAINFLEET_DEPLOYER_KEY": key,
            "CHAINFLEET_ALLOW_MAINNET": "1",
            "MAINNET_RPC_URL": mainnet.url,
        },
    )
    mainnet.fund(world.deployer)
    return world


def fleet_of(besu_url: str) -> Fleet:
    """A fleet whose own chain is reached by address, as a local chain is."""
    return Fleet.model_validate(
        {
            "name": "chain-138",
            "network": {"chain_id": 138},
            "regions": [{"name": "northeurope"}],
            "contracts": {
                "chains": [
                    {"name": "mainnet", "chain_id": 1, "rpc_url": "${MAINNET_RPC_URL}"},
                    {"name": "chain-138", "chain_id": 138, "rpc_url": besu_url},
                ]
            },
            "deployment": {"time_scale": 60},
        }
    )
