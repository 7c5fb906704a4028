"""eth_* and debug_* about state: passed on to anvil, with the chain's own heights and Besu's own errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ..chain.anvil import RpcError
from .blocks import block_number
from .rpc import Call, Method, invalid
from .transactions import check

Json = dict[str, Any]

_REFUSALS = (
    ("nonce too low", -32001, "Nonce too low"),
    ("already imported", -32000, "Known transaction"),
    ("already known", -32000, "Known transaction"),
    ("replacement transaction underpriced", -32000, "Replacement transaction underpriced"),
    ("insufficient funds", -32004, "Upfront cost exceeds account balance"),
    ("intrinsic gas", -32003, "Intrinsic gas exceeds gas limit"),
    ("exceeds block gas limit", -32005, "Transaction gas limit exceeds block gas limit"),
    ("gas limit is too high", -32005, "Transaction gas limit exceeds block gas limit"),
    ("chain id", -32000, "Wrong chainId"),
    ("chainid", -32000, "Wrong chainId"),
    ("less than block base fee", -32009, "Gas price below current base fee"),
    ("fee cap less than", -32009, "Gas price below current base fee"),
    ("priority fee", -32000, "Max priority fee per gas exceeds max fee per gas"),
    ("signature", -32002, "Invalid signature"),
)
"""Anvil's words → Besu's code and words (RpcErrorType of Besu 26.8)."""


def besu_error(refused: RpcError) -> RpcError:
    """A refusal of anvil as Besu would word it."""
    text = refused.message.lower()
    if refused.code == 3 or "execution reverted" in text or "revert" in text:
        return RpcError(3, "Execution reverted" + _reason(refused), refused.data or "0x")
    for words, code, message in _REFUSALS:
        if words in text:
            return RpcError(code, message)
    if "outofrange" in text:
        return RpcError(-32000, "World state unavailable")
    if refused.code == -32602 or "decode" in text:
        return invalid()
    return RpcError(-32000, refused.message)


def _reason(refused: RpcError) -> str:
    _, colon, reason = refused.message.partition("execution reverted: ")
    return f": {reason}" if colon and "custom error" not in reason else ""


async def _send(call: Call) -> str:
    raw = call.required(0)
    if not isinstance(raw, str) or not raw.startswith("0x"):
        raise invalid("Invalid transaction params (missing or incorrect)")
    chain = call.node.chain
    check(
        raw,
        chain_id=chain.genesis.chain_id,
        gas_limit=chain.head.gas_limit,
        least_fee=call.node.options.min_gas_price,
    )
    try:
        return await call.node.chain.send(raw)
    except RpcError as refused:
        raise besu_error(refused) from None


def _anvil_block(call: Call, wanted: Any) -> str:
    """The block that anvil is asked about: its newest unless transactions came after the one wanted.

    Raises:
        RpcError: the node hasn't got the block.
    """
    number = block_number(call.node, wanted)
    if number is None:
        raise RpcError(-39001, "Unknown block")
    bodies = call.node.chain.bodies
    if bodies.newest <= number:
        return "pending" if wanted == "pending" else "latest"
    return hex(bodies.last_with_transactions(number))


async def _pass(call: Call, *params: Any) -> Any:
    try:
        return await call.node.chain.evm.anvil.call(call.method, *params)
    except RpcError as refused:
        raise besu_error(refused) from None


def _at_block(index: int) -> Method:
    """A method whose parameter of that index names a block."""

    async def ask(call: Call) -> Any:
        params = list(call.params[:index])
        if len(params) < index:
            raise invalid("Invalid number of params")
        return await _pass(call, *params, _anvil_block(call, call.param(index, "latest")))

    return ask


async def _call(call: Call) -> Any:
    where = _anvil_block(call, call.param(1, "latest"))
    head = call.node.chain.blocks[block_number(call.node, call.param(1, "latest")) or 0]
    overrides = call.param(2) or {}
    # Anvil stands on the last block with transactions; contracts shall see the chain's height and time.
    there = {"number": hex(head.number), "time": hex(head.timestamp), **(call.param(3) or {})}
    return await _pass(call, _object(call.required(0)), where, overrides, there)


async def _estimate(call: Call) -> Any:
    return await _pass(call, _object(call.required(0)), _anvil_block(call, call.param(1, "latest")))


def _object(transaction: Any) -> Json:
    if not isinstance(transaction, dict):
        raise invalid("Invalid call params")
    return transaction


def _gas_price(call: Call) -> str:
    chain = call.node.chain
    return hex(max(call.node.options.min_gas_price, chain.blocks[call.node.head].base_fee or 0))


def _priority_fee(call: Call) -> str:
    return "0x0" if call.node.chain.genesis.zero_base_fee else hex(call.node.options.min_gas_price)


def _forward(call: Call) -> Awaitable[Any]:
    return _pass(call, *call.params)


def _refuse(code: int, message: str) -> Callable[[Call], Any]:
    def refuse(_: Call) -> Any:
        raise RpcError(code, message)

    return refuse


METHODS: dict[str, Method] = {
    "eth_chainId": lambda call: hex(call.node.chain.genesis.chain_id),
    "eth_protocolVersion": lambda _: "0x44",
    "eth_syncing": lambda _: False,
    "eth_accounts": lambda _: [],
    "eth_mining": lambda call: call.node.address in call.node.chain.validators,
    "eth_coinbase": lambda call: call.node.address,
    "eth_gasPrice": _gas_price,
    "eth_maxPriorityFeePerGas": _priority_fee,
    "eth_blobBaseFee": lambda _: "0x1",
    "eth_sendRawTransaction": _send,
    "eth_sendTransaction": _refuse(
        -32604,
        "The method eth_sendTransaction is not supported. Use eth_sendRawTransaction to send a signed "
        "transaction to Besu.",
    ),
    "eth_call": _call,
    "eth_estimateGas": _estimate,
    "eth_createAccessList": _at_block(1),
    "eth_getBalance": _at_block(1),
    "eth_getCode": _at_block(1),
    "eth_getTransactionCount": _at_block(1),
    "eth_getStorageAt": _at_block(2),
    "eth_getProof": _at_block(2),
    "debug_traceTransaction": _forward,
    "debug_traceCall": _forward,
}
