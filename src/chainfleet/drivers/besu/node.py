"""One validator as its JSON-RPC shows it, through its cluster's API server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chainfleet.drivers.kubernetes import names
from chainfleet.drivers.kubernetes.client import Cluster, RpcCall, RpcError
from chainfleet.model.besu.text import read_address
from chainfleet.model.errors import ErrorClass, TaskFailed

_METHOD_MISSING = (-32601, -32604)
"""Unknown method, and method not enabled (Besu's RpcErrorType)."""


GENESIS: RpcCall = ("eth_getBlockByNumber", ("0x0", False))
HEAD: RpcCall = ("eth_blockNumber", ())
LATEST: RpcCall = ("eth_getBlockByNumber", ("latest", False))
CHAIN_ID: RpcCall = ("eth_chainId", ())
"""(`net_version` is the P2P network's id, which may differ.)"""
PEERS: RpcCall = ("net_peerCount", ())
VALIDATORS: tuple[RpcCall, RpcCall] = (
    ("qbft_getValidatorsByBlockNumber", ("latest",)),
    ("ibft_getValidatorsByBlockNumber", ("latest",)),
)
"""A node has one of the two."""


@dataclass(frozen=True, slots=True)
class Node:
    """A validator that can be asked.

    Attributes:
        cluster: where it runs.
        region: name of its region.
        index: which of the region's validators.
        port: its JSON-RPC port.
    """

    cluster: Cluster
    region: str
    index: int
    port: int

    @property
    def name(self) -> str:
        """`region-index`, as tasks name it."""
        return f"{self.region}-{self.index}"

    async def call(self, method: str, *params: Any) -> Any:
        """Call a method; RpcError if the node refuses, TaskFailed if it isn't reached."""
        service = names.validator(self.index)
        return await self.cluster.rpc(names.NAMESPACE, service, self.port, method, params)

    async def ask(self, *calls: RpcCall) -> list[Any]:
        """Call several methods in one request; answers in their order, an RpcError where one is refused."""
        return await self.cluster.rpc_batch(names.NAMESPACE, names.validator(self.index), self.port, calls)

    async def heads(self) -> tuple[str, int]:
        """Hash of block 0 and number of the newest block."""
        genesis, head = _all(await self.ask(GENESIS, HEAD))
        return read_hash(genesis, self.name), int(head, 16)

    async def head(self) -> int:
        """Number of the newest block."""
        return int(str(await self.call("eth_blockNumber")), 16)

    async def block(self, number: str = "latest") -> dict[str, Any]:
        """A block's header, without transactions."""
        return _block(await self.call("eth_getBlockByNumber", number, False), self.name)

    async def blocks(self, first: int, last: int) -> list[dict[str, Any]]:
        """Headers of several blocks, both ends included."""
        calls = [("eth_getBlockByNumber", (hex(number), False)) for number in range(first, last + 1)]
        return [_block(found, self.name) for found in _all(await self.ask(*calls))] if calls else []

    async def validators(self) -> tuple[str, ...]:
        """Addresses that validate the newest block, ascending."""
        return validator_set(await self.ask(*VALIDATORS), self.name)

    async def public_key(self) -> str | None:
        """128 hex digits of the key it runs with; None if it has no RPC API ADMIN."""
        try:
            info = await self.call("admin_nodeInfo")
        except RpcError as error:
            if error.code in _METHOD_MISSING:
                return None
            raise
        return str(info["id"]).removeprefix("0x").lower()


async def ask_all(nodes: Sequence[Node], question: Any) -> dict[str, Any]:
    """Ask every node at once; an answer may be a TaskFailed or RpcError where one came."""
    answers = await asyncio.gather(*(question(node) for node in nodes), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, TaskFailed | RpcError):
            raise answer
    return {node.name: answer for node, answer in zip(nodes, answers, strict=True)}


def answered(answers: dict[str, Any]) -> dict[str, Any]:
    """Return the answers that are no errors."""
    return {name: answer for name, answer in answers.items() if not isinstance(answer, Exception)}


def validator_set(found: Sequence[Any], name: str) -> tuple[str, ...]:
    """Return the addresses that one of the two methods of `VALIDATORS` told, ascending."""
    for answer in found:
        if not isinstance(answer, RpcError):
            return tuple(sorted(read_address(address, name) for address in answer))
    missing = all(answer.code in _METHOD_MISSING for answer in found)
    if missing:
        raise TaskFailed(
            ErrorClass.CONFIGURATION,
            f"{name} has neither RPC API QBFT nor IBFT",
            way_out="add QBFT (or IBFT) to network.rpc_apis and deploy",
        )
    raise found[0]


def read_hash(block: Any, name: str) -> str:
    """Return the hash of a block that a node told; TaskFailed if it has none."""
    return str(_block(block, name)["hash"])


def _all(answers: Sequence[Any]) -> Sequence[Any]:
    for answer in answers:
        if isinstance(answer, RpcError):
            raise answer
    return answers


def _block(found: Any, name: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise TaskFailed(ErrorClass.CHAIN_NOT_READY, f"{name} hasn't this block yet")
    return found
