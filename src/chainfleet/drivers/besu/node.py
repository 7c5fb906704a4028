"""One validator as its JSON-RPC shows it, through its cluster's API server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chainfleet.drivers.kubernetes import names
from chainfleet.drivers.kubernetes.client import Cluster, RpcError
from chainfleet.model.besu.text import read_address
from chainfleet.model.errors import ErrorClass, TaskFailed

_METHOD_MISSING = (-32601, -32604)
"""Unknown method, and method not enabled (Besu's RpcErrorType)."""


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

    async def genesis_hash(self) -> str:
        """Hash of block 0."""
        block = await self.block("0x0")
        return str(block["hash"])

    async def head(self) -> int:
        """Number of the newest block."""
        return int(str(await self.call("eth_blockNumber")), 16)

    async def block(self, number: str = "latest") -> dict[str, Any]:
        """A block's header, without transactions."""
        found = await self.call("eth_getBlockByNumber", number, False)
        if not isinstance(found, dict):
            raise TaskFailed(ErrorClass.CHAIN_NOT_READY, f"{self.name} has no block {number}")
        return found

    async def chain_id(self) -> int:
        """The chain's id; `net_version` is the P2P network's, which may differ."""
        return int(str(await self.call("eth_chainId")), 16)

    async def peers(self) -> int:
        """Number of connected peers."""
        return int(str(await self.call("net_peerCount")), 16)

    async def validators(self) -> tuple[str, ...]:
        """Addresses that validate the newest block, ascending."""
        for method in ("qbft_getValidatorsByBlockNumber", "ibft_getValidatorsByBlockNumber"):
            try:
                found = await self.call(method, "latest")
                return tuple(sorted(read_address(address, method) for address in found))
            except RpcError as error:
                if error.code not in _METHOD_MISSING:
                    raise
        raise TaskFailed(ErrorClass.CONFIGURATION, f"{self.name} has neither RPC API QBFT nor IBFT")

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
