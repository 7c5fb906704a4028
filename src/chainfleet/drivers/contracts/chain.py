"""Typed questions to one chain, and what its transactions cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chainfleet.model.errors import ErrorClass, TaskFailed

from .abi import Abi
from .rpc import JsonRpc, RpcError

_GWEI = 10**9
_GAS_MARGIN = (6, 5)
"""Gas limits are estimates times 6/5: state may change before the transaction is mined."""
MAINNET = 1


@dataclass(frozen=True, slots=True)
class Fees:
    """What a transaction offers, in wei per gas.

    Attributes:
        max_fee: most it pays in all.
        priority: of that, what goes to the block's proposer.
        legacy: the chain has no base fee: only one price, `max_fee`.
    """

    max_fee: int
    priority: int
    legacy: bool = False

    def bumped(self) -> Fees:
        """At least an eighth more of each: nodes refuse smaller replacements (10 % is the rule)."""
        return Fees(self.max_fee + self.max_fee // 8 + 1, self.priority + self.priority // 8 + 1, self.legacy)


class Chain:
    """One chain behind a `JsonRpc`.

    Args:
        rpc: how it is asked.
        name: what messages call it.
        chain_id: what it has to be.
        free: whether gas costs nothing there (the fleet's own chain with a base fee of zero).
    """

    def __init__(self, rpc: JsonRpc, name: str, chain_id: int, *, free: bool = False) -> None:
        self.rpc = rpc
        self.name = name
        self.chain_id = chain_id
        self._free = free

    async def check_identity(self) -> str:
        """Make sure it is the chain that was meant; return the hash of its genesis block.

        Raises:
            TaskFailed: CONFIGURATION, its chain id is another one.
        """
        told = _number(await self.rpc.call("eth_chainId"))
        if told != self.chain_id:
            message = f"{self.name} answers with chain id {told}, not {self.chain_id}; nothing was signed"
            way_out = "check rpc_url and chain_id in the fleet file"
            raise TaskFailed(ErrorClass.CONFIGURATION, message, way_out=way_out, fingerprint="chain:wrong-id")
        genesis = await self.rpc.call("eth_getBlockByNumber", ["0x0", False])
        return str(genesis["hash"])

    async def head(self) -> int:
        """Number of the latest block."""
        return _number(await self.rpc.call("eth_blockNumber"))

    async def block(self, number: int) -> Mapping[str, Any]:
        """Return a block without its transactions' bodies."""
        return dict(await self.rpc.call("eth_getBlockByNumber", [hex(number), False]) or {})

    async def code(self, address: str) -> bytes:
        """Code of an account; empty if there is none."""
        return bytes.fromhex((await self.rpc.call("eth_getCode", [address, "latest"]))[2:])

    async def balance(self, address: str) -> int:
        """Balance in wei."""
        return _number(await self.rpc.call("eth_getBalance", [address, "latest"]))

    async def nonce(self, address: str, block: str = "latest") -> int:
        """How many transactions an account has sent."""
        return _number(await self.rpc.call("eth_getTransactionCount", [address, block]))

    async def receipt(self, transaction: str) -> Mapping[str, Any] | None:
        """Receipt of a transaction; None while it isn't mined."""
        found = await self.rpc.call("eth_getTransactionReceipt", [transaction])
        return None if found is None else dict(found)

    async def logs(self, address: str, topic: str, start: int, end: int) -> Sequence[Mapping[str, Any]]:
        """Logs of one event of a contract in blocks `start` to `end`, both included."""
        query = {"address": address, "topics": [topic], "fromBlock": hex(start), "toBlock": hex(end)}
        return list(await self.rpc.call("eth_getLogs", [query]))

    async def read(self, abi: Abi, address: str, function: str, *arguments: Any) -> tuple[Any, ...]:
        """Call a view and decode what it returns.

        Raises:
            TaskFailed: it reverted, or what answers isn't such a contract.
        """
        query = {"to": address, "data": abi.call(function, *arguments)}
        try:
            data = await self.rpc.call("eth_call", [query, "latest"])
        except RpcError as error:
            raise failure_of(error, f"{self.name}: {function}", abi) from error
        if data in ("0x", None):
            message = (
                f"{self.name}: {address} doesn't answer {function}; it is not the contract that was meant"
            )
            raise TaskFailed(
                ErrorClass.CONFIGURATION,
                message,
                fingerprint="contracts:not-ours",
                way_out="check the address and the chain's rpc_url; contracts/addresses.json says what was deployed",
            )
        return abi.result(function, data)

    async def simulate(self, transaction: Mapping[str, Any], abi: Abi, what: str) -> str:
        """Carry a transaction out without sending it; return what it gives, for a creation the deployed code.

        Raises:
            TaskFailed: it would revert; the reason is decoded.
        """
        try:
            return str(await self.rpc.call("eth_call", [_hexed(transaction), "latest"]))
        except RpcError as error:
            raise failure_of(error, what, abi) from error

    async def gas_limit(self, transaction: Mapping[str, Any], abi: Abi, what: str) -> int:
        """Gas limit for a transaction: the estimate and a fifth.

        Raises:
            TaskFailed: it would revert; the reason is decoded.
        """
        try:
            estimate = _number(await self.rpc.call("eth_estimateGas", [_hexed(transaction)]))
        except RpcError as error:
            raise failure_of(error, what, abi) from error
        return estimate * _GAS_MARGIN[0] // _GAS_MARGIN[1]

    async def fees(self) -> Fees:
        """What a transaction has to offer now.

        The base fee is read each time: with a zero base fee it may still creep to 1 wei after a full
        block. A node's suggested tip isn't believed on a free chain: anvil and Besu suggest 1 gwei there.
        """
        block = await self.rpc.call("eth_getBlockByNumber", ["latest", False])
        if block.get("baseFeePerGas") is None:
            return Fees(_number(await self.rpc.call("eth_gasPrice")), 0, legacy=True)
        base = _number(block["baseFeePerGas"])
        if self._free or (base == 0 and self.chain_id != MAINNET):
            return Fees(2 * base, 0)
        try:
            tip = _number(await self.rpc.call("eth_maxPriorityFeePerGas"))
        except RpcError:
            tip = _GWEI
        return Fees(2 * base + tip, tip)

    async def send(self, raw: str) -> None:
        """Send a signed transaction; one that the node knows or has mined already is fine.

        Raises:
            RpcError: the node refuses it for another reason.
        """
        try:
            await self.rpc.call("eth_sendRawTransaction", [raw])
        except RpcError as error:
            text = error.message.lower()
            known = ("already known", "known transaction", "already imported", "nonce too low", "underpriced")
            if not any(phrase in text for phrase in known):
                raise


def failure_of(error: RpcError, what: str, abi: Abi) -> TaskFailed:
    """Turn a node's refusal into a failure that says why."""
    text = error.message.lower()
    if "insufficient funds" in text or "upfront cost exceeds" in text:
        message = f"{what}: the account has too little balance ({error.message})"
        return TaskFailed(ErrorClass.CONFIGURATION, message, way_out="fund it", fingerprint="chain:balance")
    if error.data is not None or "revert" in text:
        reason = str(abi.revert(error.data)) if error.data else error.message
        return TaskFailed(
            ErrorClass.CONFIGURATION,
            f"{what}: {reason}",
            fingerprint=f"chain:revert:{reason[:60]}",
            way_out="the contract refuses it; the reason is its own error's name",
        )
    if "invalid opcode" in text or "out of gas" in text or "opcode" in text:
        message = f"{what}: {error.message}"
        way_out = "the chain's fork may be older than London; the contracts need London"
        return TaskFailed(ErrorClass.CONFIGURATION, message, way_out=way_out, fingerprint="chain:fork")
    return TaskFailed(ErrorClass.TRANSIENT, f"{what}: {error}", fingerprint=f"chain:rpc:{error.code}")


def _hexed(transaction: Mapping[str, Any]) -> dict[str, Any]:
    return {key: hex(value) if isinstance(value, int) else value for key, value in transaction.items()}


def _number(value: Any) -> int:
    return int(value, 16) if isinstance(value, str) else int(value)
