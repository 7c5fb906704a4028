"""The transactions, receipts and logs of a chain: what anvil made, under the chain's own block hashes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .headers import Block

Json = dict[str, Any]

_OURS = ("blobGasPrice", "blockTimestamp")
"""Fields that anvil adds and Besu doesn't have."""


class Bodies:
    """Everything that transactions left on the chain."""

    def __init__(self) -> None:
        self.transactions: dict[int, list[Json]] = {}
        self.receipts: dict[int, list[Json]] = {}
        self._places: dict[str, tuple[int, int]] = {}

    def add(self, block: Block, transactions: Sequence[Json], receipts: Sequence[Json]) -> None:
        """Keep what a block's transactions left."""
        if not transactions:
            return
        digest = "0x" + block.hash.hex()
        self.transactions[block.number] = [_placed(t, digest, block.number) for t in transactions]
        self.receipts[block.number] = [
            {
                **_placed(r, digest, block.number),
                "logs": [_placed(entry, digest, block.number) for entry in r.get("logs", ())],
            }
            for r in receipts
        ]
        self._index(block.number)

    def _index(self, number: int) -> None:
        for index, transaction in enumerate(self.transactions[number]):
            self._places[transaction["hash"]] = (number, index)

    def place(self, transaction_hash: str) -> tuple[int, int] | None:
        """Block number and index of a transaction."""
        return self._places.get(transaction_hash.lower())

    def last_with_transactions(self, at_most: int) -> int:
        """The newest block up to a height that holds transactions; 0 if none does."""
        return max((n for n in self.transactions if n <= at_most), default=0)

    @property
    def newest(self) -> int:
        """The newest block that holds transactions; 0 if none does."""
        return max(self.transactions, default=0)

    def logs(self, first: int, last: int) -> Iterator[Json]:
        """The logs of a range of blocks, in order."""
        for number in sorted(n for n in self.receipts if first <= n <= last):
            for receipt in self.receipts[number]:
                yield from receipt["logs"]

    def dump(self) -> Json:
        """State as JSON values."""
        return {
            "transactions": {str(n): t for n, t in self.transactions.items()},
            "receipts": {str(n): r for n, r in self.receipts.items()},
        }

    def load(self, state: Json) -> None:
        """Take up what `dump` gave."""
        self.transactions = {int(n): t for n, t in state["transactions"].items()}
        self.receipts = {int(n): r for n, r in state["receipts"].items()}
        for number in self.transactions:
            self._index(number)


def _placed(entry: Json, digest: str, number: int) -> Json:
    found = {k: v for k, v in entry.items() if k not in _OURS}
    return {**found, "blockHash": digest, "blockNumber": hex(number)}
