"""How long the oracle takes to two local chains, alone and in parallel, and how fast the relayer is.

    python benchmarks/contracts/deploy_and_relay.py

Two anvils (chain ids 1 and 138) are started on loopback ports. With a block per second on one and five on the other
the parallel run should take as long as the slower chain alone, not as long as both.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eth_account import Account

from chainfleet.drivers.contracts import ContractsDriver
from chainfleet.drivers.contracts.abi import abi_of
from chainfleet.drivers.contracts.metrics import Metrics
from chainfleet.drivers.contracts.relay import Feed, Policy, Relayer
from chainfleet.drivers.contracts.roles import grant_relayer
from chainfleet.drivers.contracts.session import open_chain, open_session, spec_of
from chainfleet.drivers.contracts.transactions import Intent
from chainfleet.drivers.driver import Attempt
from chainfleet.model.fleet import Fleet
from chainfleet.model.task import Phase, Task

ROOT = Path(__file__).parents[2]
ANVIL = ROOT / "contracts/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
FREE = ("--block-base-fee-per-gas", "0", "--gas-price", "0", "--disable-min-priority-fee")
ROUNDS = 100
CHAINS = ("mainnet", "chain-138")


@contextmanager
def anvil(chain_id: int, *options: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(ANVIL), "--chain-id", str(chain_id), "--port", str(port), "--silent", *options]
    process = subprocess.Popen(command)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                call(url, "eth_chainId")
                break
            except OSError:
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait()


def call(url: str, method: str, *params: Any) -> Any:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)["result"]


class World:
    """A fleet on the two chains, with a fresh key and a fresh workspace."""

    def __init__(self, urls: Sequence[str], folder: Path) -> None:
        key = "0x" + secrets.token_hex(32)
        self.deployer = Account.from_key(key).address
        self.workspace = folder / secrets.token_hex(4)
        self.environ = {"CHAINFLEET_DEPLOYER_KEY": key, "CHAINFLEET_ALLOW_MAINNET": "1"}
        call(urls[0], "anvil_setBalance", self.deployer, hex(10**20))
        chains = [
            {"name": name, "chain_id": number, "rpc_url": url}
            for name, number, url in zip(CHAINS, (1, 138), urls, strict=True)
        ]
        self.fleet = Fleet.model_validate(
            {
                "name": "bench",
                "network": {"chain_id": 138},
                "regions": [{"name": "northeurope"}],
                "contracts": {"chains": chains},
                "deployment": {"time_scale": 60},
            }
        )

    def attempt(self, task: str) -> Attempt:
        def outputs(name: str) -> Any:
            raise KeyError(name)

        return Attempt(
            task=Task(task, Phase.CONTRACTS),
            number=1,
            fleet=self.fleet,
            workspace=self.workspace,
            log_file=self.workspace / "log",
            parallelism=1,
            environ=self.environ,
            outputs=outputs,
            log=lambda _: None,
            fence=lambda: None,
            observed=lambda _: None,
            progress=lambda _: None,
        )

    async def one(self, chain: str) -> None:
        driver = ContractsDriver()
        await driver.change(self.attempt(f"contracts/deploy/{chain}"))
        await driver.change(self.attempt(f"contracts/round/{chain}"))

    async def all(self, *chains: str) -> float:
        """Seconds for the contract and its first round on these chains, in parallel."""
        started = time.monotonic()
        await asyncio.gather(*(self.one(chain) for chain in chains))
        return time.monotonic() - started


async def relaying(world: World) -> float:
    """Rounds per second that the relayer brings over, one confirmed transaction after the other."""
    abi = abi_of("Aggregator")
    spec = spec_of(world.fleet, "mainnet")
    async with (
        open_session(world.attempt("contracts/relay/mainnet")) as origin,
        open_session(world.attempt("contracts/relay/chain-138")) as target,
        open_chain(world.attempt("contracts/relay/mainnet"), spec) as (chain, _),
    ):
        there, here = await target.deployed(), await origin.deployed()
        assert there is not None
        assert here is not None
        await grant_relayer(target, there.address, target.signer.address)
        for number in range(2, ROUNDS + 2):
            data = abi.call("submit", number, 3000 + number)
            await origin.sender.send(Intent(f"submit {number}", "submitting", abi, data, to=here.address))
        source, feed = Feed(chain, here.address, abi), Feed(target.chain, there.address, abi)
        metrics = Metrics(time.time)
        relayer = Relayer(source, feed, target.sender, policy=Policy(), metrics=metrics, log=lambda _: None)
        started = time.monotonic()
        await relayer.step()
        assert await feed.latest() == ROUNDS + 1
        return ROUNDS / (time.monotonic() - started)


def main() -> int:
    if not ANVIL.exists():
        print("anvil isn't installed: npm ci --ignore-scripts in contracts/")
        return 3
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with anvil(1) as mainnet, anvil(138, *FREE) as besu:
            World((mainnet, besu), folder)
            asyncio.run(World((mainnet, besu), folder).all(*CHAINS))  # imports and caches
            figures["mined at once: mainnet, s"] = asyncio.run(World((mainnet, besu), folder).all("mainnet"))
            figures["mined at once: chain 138, s"] = asyncio.run(
                World((mainnet, besu), folder).all("chain-138")
            )
            world = World((mainnet, besu), folder)
            figures["mined at once: both, s"] = asyncio.run(world.all(*CHAINS))
            figures["relayed rounds per second"] = asyncio.run(relaying(world))
        with anvil(1, "--block-time", "1") as mainnet, anvil(138, *FREE, "--block-time", "0.2") as besu:
            for label, chains in (("mainnet", ["mainnet"]), ("chain 138", ["chain-138"]), ("both", CHAINS)):
                seconds = asyncio.run(World((mainnet, besu), folder).all(*chains))
                figures[f"blocks of 1 s and 0.2 s: {label}, s"] = seconds
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
