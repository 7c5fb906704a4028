"""The table of JSON-RPC methods that an emulated node answers."""

from __future__ import annotations

from . import methods_blocks, methods_node, methods_state
from .rpc import Call, Method

METHODS: dict[str, Method] = {
    **methods_node.METHODS,
    **methods_blocks.METHODS,
    **methods_state.METHODS,
}


def _modules(call: Call) -> dict[str, str]:
    return {api.lower(): "1.0" for api in call.node.options.rpc_apis}


METHODS["rpc_modules"] = _modules
