"""A node's HTTP port: JSON-RPC, /liveness and /readiness, behind the host allow-list."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from ..kubernetes.node.program import HttpAnswer, HttpRequest
from .network import Node
from .rpc import handle

if TYPE_CHECKING:
    from .world import BesuWorld

MAX_BATCH = 1024
_NOT_ALLOWED = json.dumps({"message": "Host not authorized."}).encode()


async def answer_http(world: BesuWorld, node: Node, request: HttpRequest) -> HttpAnswer:
    """Answer one request to the JSON-RPC port."""
    if not node.options.allows(request.headers.get("host", "")):
        return HttpAnswer(403, _NOT_ALLOWED)
    parts = urlsplit(request.path)
    if request.method == "GET":
        if parts.path == "/liveness":
            return _health(up=True)
        if parts.path == "/readiness":
            return _health(up=_ready(node, parse_qs(parts.query)))
        if parts.path == "/":
            return HttpAnswer(200, b"", "text/plain")
        return HttpAnswer(404, b"<html><body><h1>Resource not found</h1></body></html>", "text/html")
    if request.method != "POST" or parts.path not in ("/", ""):
        return HttpAnswer(405, b"", "text/plain")
    if node.options.authentication:
        return _answer(
            {"jsonrpc": "2.0", "id": None, "error": {"code": -40100, "message": "Unauthorized"}}, 401
        )
    return await _rpc(world, node, request.body)


async def _rpc(world: BesuWorld, node: Node, body: bytes) -> HttpAnswer:
    try:
        asked = json.loads(body)
    except ValueError:
        return _answer(
            {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "Parse error"}}, 400
        )
    if isinstance(asked, list):
        if len(asked) > MAX_BATCH:
            error = {"code": -32005, "message": "Number of requests exceeds max batch size"}
            return _answer({"jsonrpc": "2.0", "id": None, "error": error}, 200)
        return _answer([await handle(world, node, one) for one in asked])
    return _answer(await handle(world, node, asked))


def _answer(body: Any, status: int = 200) -> HttpAnswer:
    return HttpAnswer(status, json.dumps(body, separators=(",", ":")).encode())


def _health(*, up: bool) -> HttpAnswer:
    return _answer({"status": "UP" if up else "DOWN"}, 200 if up else 503)


def _ready(node: Node, query: dict[str, list[str]]) -> bool:
    try:
        peers = int(query.get("minPeers", ["1"])[0])
        behind = int(query.get("maxBlocksBehind", ["2"])[0])
    except ValueError:
        return False
    if peers < 0 or behind < 0 or len(node.peers) < peers:
        return False
    best = max((peer.head for peer in node.peers.values()), default=0)
    return best - node.head <= behind
