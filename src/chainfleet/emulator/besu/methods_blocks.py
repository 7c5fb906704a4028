"""eth_* about what is on the chain: blocks, transactions, receipts, logs, filters. None of it asks anvil."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..chain.anvil import RpcError
from .blocks import block_number, show
from .rpc import Call, Method, invalid

Json = dict[str, Any]

MAX_LOG_RANGE = 5000
"""Besu's `rpc-max-logs-range`."""


def _block(call: Call) -> Json | None:
    number = block_number(call.node, call.required(0))
    if number is None:
        return None
    chain = call.node.chain
    return show(call.world, chain, chain.blocks[number], full=bool(call.param(1, False)))


def _count_in_block(call: Call) -> str | None:
    number = block_number(call.node, call.required(0))
    if number is None:
        return None
    return hex(len(call.node.chain.bodies.transactions.get(number, [])))


def _uncles(call: Call) -> str | None:
    return None if block_number(call.node, call.required(0)) is None else "0x0"


def _place(call: Call) -> tuple[int, int] | None:
    found = call.node.chain.bodies.place(str(call.required(0)))
    return found if found is not None and found[0] <= call.node.head else None


async def _transaction(call: Call) -> Json | None:
    place = _place(call)
    if place is not None:
        return call.node.chain.bodies.transactions[place[0]][place[1]]
    waiting = await call.node.chain.evm.anvil.call("eth_getTransactionByHash", call.required(0))
    if not waiting:
        return None
    return {**waiting, "blockHash": None, "blockNumber": None, "transactionIndex": None}


def _transaction_in_block(call: Call) -> Json | None:
    number = block_number(call.node, call.required(0))
    listed = call.node.chain.bodies.transactions.get(number, []) if number is not None else []
    index = int(call.required(1), 16)
    return listed[index] if index < len(listed) else None


def _receipt(call: Call) -> Json | None:
    place = _place(call)
    return None if place is None else call.node.chain.bodies.receipts[place[0]][place[1]]


def _receipts(call: Call) -> list[Json] | None:
    number = block_number(call.node, call.required(0))
    return None if number is None else call.node.chain.bodies.receipts.get(number, [])


def _logs(call: Call) -> list[Json]:
    return list(matching(call, call.required(0)))


def matching(call: Call, query: Json, first: int | None = None) -> Iterator[Json]:
    """The logs that a query asks for.

    Args:
        call: who asks whom.
        query: `fromBlock`, `toBlock`, `blockHash`, `address`, `topics`.
        first: only from this block on.

    Raises:
        RpcError: a block that isn't there, or too wide a range.
    """
    if "blockHash" in query:
        number = block_number(call.node, query["blockHash"])
        if number is None:
            raise RpcError(-32000, "Block not found")
        low = high = number
    else:
        low_found = block_number(call.node, query.get("fromBlock", "latest"))
        high_found = block_number(call.node, query.get("toBlock", "latest"))
        low = call.node.head + 1 if low_found is None else low_found
        high = call.node.head if high_found is None else high_found
    if high - low > MAX_LOG_RANGE:
        raise RpcError(-32005, "Requested range exceeds maximum RPC range limit")
    addresses = query.get("address") or []
    wanted = {a.lower() for a in ([addresses] if isinstance(addresses, str) else addresses)}
    for entry in call.node.chain.bodies.logs(max(low, first or 0), high):
        if (not wanted or entry["address"].lower() in wanted) and _topics(entry, query.get("topics") or []):
            yield entry


def _topics(entry: Json, wanted: list[Any]) -> bool:
    topics = entry["topics"]
    if len(wanted) > len(topics):
        return False
    for topic, want in zip(topics, wanted, strict=False):
        choices = want if isinstance(want, list) else [want]
        if want is not None and topic.lower() not in {c.lower() for c in choices if c}:
            return False
    return True


def _new_filter(kind: str) -> Method:
    def make(call: Call) -> str:
        query = call.param(0, {}) if kind == "logs" else {}
        return call.world.filters.add(kind, query, call.node.head)

    return make


def _changes(call: Call) -> list[Any]:
    found = call.world.filters.get(str(call.required(0)))
    if found is None:
        raise RpcError(-32000, "Filter not found")
    after, head = found.seen, call.node.head
    found.seen = head
    if found.kind == "blocks":
        return ["0x" + b.hash.hex() for b in call.node.chain.blocks[after + 1 : head + 1]]
    if found.kind == "transactions":
        return []
    return list(matching(call, {**found.query, "toBlock": "latest"}, after + 1))


def _all_logs(call: Call) -> list[Any]:
    found = call.world.filters.get(str(call.required(0)))
    if found is None or found.kind != "logs":
        raise RpcError(-32000, "Logs filter not found")
    return list(matching(call, found.query))


def _fee_history(call: Call) -> Json:
    count = int(call.required(0), 16) if isinstance(call.required(0), str) else int(call.required(0))
    last = block_number(call.node, call.param(1, "latest"))
    if last is None or not 1 <= count <= 1024:
        raise invalid("Invalid block count params")
    chain = call.node.chain
    blocks = chain.blocks[max(0, last - count + 1) : last + 1]
    fees = [b.base_fee or 0 for b in blocks]
    fees.append(
        chain.blocks[last + 1].base_fee or 0 if last + 1 < len(chain.blocks) else chain.base_fee() or 0
    )
    answer: Json = {
        "oldestBlock": hex(blocks[0].number),
        "baseFeePerGas": [hex(f) for f in fees],
        "gasUsedRatio": [b.content.gas_used / b.gas_limit for b in blocks],
    }
    if call.param(2):
        answer["reward"] = [["0x0"] * len(call.param(2)) for _ in blocks]
    return answer


METHODS: dict[str, Method] = {
    "eth_blockNumber": lambda call: hex(call.node.head),
    "eth_getBlockByNumber": _block,
    "eth_getBlockByHash": _block,
    "eth_getBlockTransactionCountByNumber": _count_in_block,
    "eth_getBlockTransactionCountByHash": _count_in_block,
    "eth_getUncleCountByBlockNumber": _uncles,
    "eth_getUncleCountByBlockHash": _uncles,
    "eth_getTransactionByHash": _transaction,
    "eth_getTransactionByBlockNumberAndIndex": _transaction_in_block,
    "eth_getTransactionByBlockHashAndIndex": _transaction_in_block,
    "eth_getTransactionReceipt": _receipt,
    "eth_getBlockReceipts": _receipts,
    "eth_getLogs": _logs,
    "eth_newFilter": _new_filter("logs"),
    "eth_newBlockFilter": _new_filter("blocks"),
    "eth_newPendingTransactionFilter": _new_filter("transactions"),
    "eth_getFilterChanges": _changes,
    "eth_getFilterLogs": _all_logs,
    "eth_uninstallFilter": lambda call: call.world.filters.remove(str(call.required(0))),
    "eth_feeHistory": _fee_history,
}
