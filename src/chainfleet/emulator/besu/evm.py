"""The EVM behind one QBFT chain: anvil holds the state and executes; the chain decides when and on what.

Anvil only ever makes the blocks that hold transactions. Empty blocks between them are skipped by loading
their last header into anvil, so that an idle chain costs nothing and contracts see the right block number
and time. Only BLOCKHASH isn't the chain's: anvil answers it from blocks that it mined itself.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..chain.anvil import Anvil
from .genesis import Genesis
from .headers import Block, Content, hashed_extra, header_json

Json = dict[str, Any]

CHUNK = 500
"""Accounts loaded into anvil at a time."""


@dataclass(frozen=True, slots=True)
class Executed:
    """What came of a block's transactions.

    Attributes:
        content: the roots.
        transactions: as JSON-RPC shows them, block hash still missing.
        receipts: likewise.
    """

    content: Content
    transactions: list[Json]
    receipts: list[Json]


class Evm:
    """Anvil, set up for a genesis.

    Args:
        binary: anvil's executable.
        genesis: of the chain.
        folder: where the state is kept.
    """

    def __init__(self, binary: Path, genesis: Genesis, folder: Path) -> None:
        self._genesis = genesis
        self._file = folder / f"chain-{genesis.hash[2:18]}.json"
        self._fresh = not self._file.exists()
        self.anvil = Anvil(binary, self._arguments())
        self._at = -1
        """Number of the block that anvil stands on."""

    def _arguments(self) -> list[str]:
        genesis = self._genesis
        arguments = ["--chain-id", str(genesis.chain_id), "--accounts", "0", "--no-mining"]
        arguments += ["--hardfork", genesis.fork, "--gas-limit", str(genesis.gas_limit)]
        arguments += ["--timestamp", str(genesis.timestamp), "--order", "fifo"]
        arguments += ["--disable-default-create2-deployer", "--disable-min-priority-fee", "--gas-price", "0"]
        if genesis.base_fee is not None:
            arguments += ["--block-base-fee-per-gas", str(genesis.base_fee)]
        if genesis.code_size_limit:
            arguments += ["--code-size-limit", str(genesis.code_size_limit)]
        return [*arguments, "--state", str(self._file), "--state-interval", "5"]

    async def start(self) -> None:
        """Start anvil on the genesis or on the state that was kept.

        Raises:
            EnvironmentProblem: anvil doesn't start.
        """
        await self.anvil.start()
        if self._fresh:
            accounts = [(a if a.startswith("0x") else f"0x{a}", v) for a, v in self._genesis.alloc.items()]
            for index in range(0, len(accounts), CHUNK):
                chunk = {
                    address.lower(): _account(value) for address, value in accounts[index : index + CHUNK]
                }
                await self._load_state({"accounts": chunk})

    async def stop(self) -> None:
        """Stop anvil; its state is kept."""
        await self.anvil.stop()

    async def send(self, raw: str) -> str:
        """Take a signed transaction; returns its hash.

        Raises:
            RpcError: it's refused.
        """
        return str(await self.anvil.call("eth_sendRawTransaction", raw))

    async def pending(self) -> int:
        """How many transactions could go into the next block."""
        return int((await self.anvil.call("txpool_status"))["pending"], 16)

    async def execute(
        self, parent: Block, number: int, timestamp: int, who: str, base_fee: int | None
    ) -> Executed:
        """Put the waiting transactions into a block.

        Args:
            parent: the block before.
            number: the block's height.
            timestamp: its time in seconds since 1970.
            who: gets the fees.
            base_fee: of the block in wei.
        """
        if self._at != parent.number:
            await self._stand_on(parent)
        await self.anvil.call("anvil_setCoinbase", who)
        if base_fee is not None:
            await self.anvil.call("anvil_setNextBlockBaseFeePerGas", hex(base_fee))
        await self.anvil.call("evm_mine", {"timestamp": timestamp})
        self._at = number
        block = await self.anvil.call("eth_getBlockByNumber", "latest", True)
        receipts = await self.anvil.call("eth_getBlockReceipts", "latest") if block["transactions"] else []
        content = Content(
            bytes.fromhex(block["stateRoot"][2:]),
            bytes.fromhex(block["transactionsRoot"][2:]),
            bytes.fromhex(block["receiptsRoot"][2:]),
            bytes.fromhex(block["logsBloom"][2:]),
            int(block["gasUsed"], 16),
        )
        return Executed(content, block["transactions"], receipts or [])

    async def _stand_on(self, parent: Block) -> None:
        """Make anvil believe that its last block is the parent."""
        extra = (
            self._genesis.extra_data if parent.number == 0 else hashed_extra(parent.validators, parent.vote)
        )
        header = header_json(self._genesis, parent, extra)
        header.pop("hash")
        environment = {
            "number": hex(parent.number),
            "beneficiary": header["miner"],
            "timestamp": hex(parent.timestamp),
            "gas_limit": parent.gas_limit,
            "basefee": parent.base_fee or 0,
            "difficulty": "0x0",
            "prevrandao": header["mixHash"],
            "blob_excess_gas_and_price": {"excess_blob_gas": 0, "blob_gasprice": 1},
            "slot_num": 0,
        }
        block = {"header": header, "transactions": [], "ommers": [], "withdrawals": []}
        await self._load_state(
            {"block": environment, "best_block_number": parent.number, "blocks": [block], "accounts": {}}
        )

    async def _load_state(self, parts: Json) -> None:
        state = {
            "block": None,
            "accounts": {},
            "best_block_number": None,
            "blocks": [],
            "transactions": [],
            "historical_states": None,
            **parts,
        }
        packed = gzip.compress(json.dumps(state).encode(), 1)
        await self.anvil.call("anvil_loadState", "0x" + packed.hex())


def _account(value: Json) -> Json:
    fields = {k.lower(): v for k, v in value.items()}

    def number(name: str) -> int:
        found = fields.get(name, 0)
        return int(found, 0) if isinstance(found, str) else int(found)

    storage = {_word(k): _word(v) for k, v in (fields.get("storage") or {}).items()}
    return {
        "nonce": number("nonce"),
        "balance": hex(number("balance")),
        "code": fields.get("code") or "0x",
        "storage": storage,
    }


def _word(text: str) -> str:
    return "0x" + text.removeprefix("0x").rjust(64, "0")
