"""The emulated Mainnet: chain id 1, EIP-1559, a block every 12 emulated seconds while somebody cares.

After a transaction blocks come at Mainnet's pace for a while, so that confirmations arrive; a chain that
nobody uses costs next to nothing, because anvil keeps every block in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from chainfleet.model.besu.identity import PrivateKey

from .. import background
from ..seams import Clock
from .anvil import Anvil, RpcError

_log = logging.getLogger(__name__)

CHAIN_ID = 1
SLOT_S = 12.0
"""Mainnet's slot in seconds (EIP-3675)."""
BASE_FEE_WEI = 2 * 10**9
FUNDS_WEI = 1000 * 10**18
FAST_BLOCKS = 160
"""Blocks at full pace after the last transaction: more than two epochs of confirmations."""
SLOWEST_REAL_S = 0.1
IDLE_REAL_S = 5.0
"""Real seconds between blocks of a chain that nobody uses."""


class Mainnet:
    """The second chain of the emulated world (implements `seams.Durable` through anvil's own state file).

    Args:
        binary: anvil's executable.
        clock: emulated time.
        deployer_key: private key, `0x` and 64 hex digits, whose account gets funds.
        folder: where the chain is kept.
        wall: the emulated time of day in seconds since 1970.
        port: where it listens; 0 is any free port.
    """

    def __init__(
        self,
        binary: Path,
        clock: Clock,
        *,
        deployer_key: str,
        folder: Path,
        wall: Callable[[], float],
        port: int = 0,
    ) -> None:
        state = folder / "mainnet.json"
        self._fresh = not state.exists()
        arguments = ["--chain-id", str(CHAIN_ID), "--accounts", "0", "--no-mining", "--hardfork", "prague"]
        arguments += ["--state", str(state), "--state-interval", "5", "--order", "fees"]
        # Anvil refuses blocks older than its own start, and our time of day stood still while we didn't run.
        arguments += ["--timestamp", str(int(wall()))]
        if self._fresh:
            arguments += ["--block-base-fee-per-gas", str(BASE_FEE_WEI)]
        self.anvil = Anvil(binary, arguments, port=port)
        self._clock = clock
        self._wall = wall
        # Not eth-account: its imports alone take a second of the start.
        self._address = PrivateKey(bytes.fromhex(deployer_key.removeprefix("0x"))).address()
        self._wanted = asyncio.Event()
        self._fast_left = 0
        self._last = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._blocks = 0

    @property
    def url(self) -> str:
        """Its JSON-RPC address."""
        return self.anvil.url

    @property
    def deployer(self) -> str:
        """Address of the funded account."""
        return str(self._address)

    async def start(self) -> None:
        """Start the chain and fund the deployer.

        Raises:
            EnvironmentProblem: anvil doesn't start.
        """
        await self.anvil.start()
        if self._fresh:
            await self.anvil.call("anvil_setBalance", self._address, hex(FUNDS_WEI))
        head = await self.anvil.call("eth_getBlockByNumber", "latest", False)
        self._last = int(head["timestamp"], 16)
        await self._mine()
        self._tasks = [
            background.begin(self._listen(), "mainnet: hearing of transactions"),
            background.begin(self._produce(), "mainnet: blocks"),
        ]

    async def stop(self) -> None:
        """Stop it; its state stays in the folder."""
        await background.stop(*self._tasks)
        await self.anvil.stop()

    def stats(self) -> dict[str, Any]:
        """Blocks made in this life."""
        return {"chain_id": CHAIN_ID, "blocks": self._blocks, "url": self.url, "deployer": self.deployer}

    async def _produce(self) -> None:
        while True:
            fast = max(SLOWEST_REAL_S, SLOT_S / self._clock.time_scale)
            if self._fast_left:
                await asyncio.sleep(fast)
                self._fast_left -= 1
            else:
                if await background.within(max(fast, IDLE_REAL_S), self._wanted):
                    await asyncio.sleep(fast / 2)
                    self._fast_left = FAST_BLOCKS
            self._wanted.clear()
            try:
                await self._mine()
            except (RpcError, aiohttp.ClientError, OSError) as problem:
                _log.warning("mainnet: no block: %s", problem)

    async def _mine(self) -> None:
        self._last = max(self._last + 1, int(self._wall()))
        await self.anvil.call("evm_mine", {"timestamp": self._last})
        self._blocks += 1

    async def _listen(self) -> None:
        """Hear of transactions as they arrive, rather than ask again and again."""
        async with aiohttp.ClientSession() as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError, OSError):
                    async with session.ws_connect(self.url) as socket:
                        await socket.send_json(
                            {
                                "jsonrpc": "2.0",
                                "id": 1,
                                "method": "eth_subscribe",
                                "params": ["newPendingTransactions"],
                            }
                        )
                        async for message in socket:
                            if "params" in json.loads(message.data):
                                self._fast_left = FAST_BLOCKS
                                self._wanted.set()
                await asyncio.sleep(0.2)
