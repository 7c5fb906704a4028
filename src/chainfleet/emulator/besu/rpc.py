"""JSON-RPC as Besu speaks it: which methods exist, which are enabled, and how errors read."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..chain.anvil import RpcError
from .network import Node

if TYPE_CHECKING:
    from .world import BesuWorld

_log = logging.getLogger(__name__)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes:
        world: all nodes.
        node: who is asked.
        method: the method's name, for those that are passed on.
        params: as sent.
    """

    world: BesuWorld
    node: Node
    method: str
    params: list[Any]

    def param(self, index: int, default: Any = None) -> Any:
        """A parameter, or the default if it wasn't sent."""
        return self.params[index] if index < len(self.params) else default

    def required(self, index: int) -> Any:
        """A parameter.

        Raises:
            RpcError: it wasn't sent.
        """
        if index >= len(self.params):
            raise invalid()
        return self.params[index]


Method = Callable[[Call], Any | Awaitable[Any]]


def invalid(message: str = "Invalid params") -> RpcError:
    """-32602."""
    return RpcError(-32602, message)


async def handle(world: BesuWorld, node: Node, asked: Any) -> Json:
    """Answer one request object."""
    if not isinstance(asked, dict) or not isinstance(asked.get("method"), str):
        return {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "Invalid Request"}}
    answer: Json = {"jsonrpc": "2.0", "id": asked.get("id")}
    params = asked.get("params") or []
    try:
        if not isinstance(params, list):
            raise invalid()
        method = _find(node, asked["method"])
        result = method(Call(world, node, asked["method"], params))
        answer["result"] = await result if isinstance(result, Awaitable) else result
    except RpcError as refused:
        answer["error"] = refused.body()
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        _log.debug("%s: %r", asked["method"], problem)
        answer["error"] = invalid().body()
    world.count(asked["method"], failed="error" in answer)
    return answer


def _find(node: Node, name: str) -> Method:
    """The method, if the node has its API enabled.

    Raises:
        RpcError: -32601 unknown, -32604 not enabled.
    """
    from .methods import METHODS

    method = METHODS.get(name)
    if method is None:
        raise RpcError(-32601, "Method not found")
    api = name.partition("_")[0].upper()
    if api not in (*node.options.rpc_apis, "RPC"):
        raise RpcError(-32604, "Method not enabled")
    return method
