"""Serves metrics to whoever scrapes: a small HTTP server, on loopback unless told otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

LOOPBACK = "127.0.0.1"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
_PATIENCE_S = 5.0
_LONGEST_HEAD = 65_536
"""Bytes."""

Answer = tuple[bytes, str]
"""Body and content type."""
Render = Callable[[str], Answer]
"""Value of the request's Accept header → what to answer."""


def exposition(collector: Collector, accept: str = "") -> Answer:
    """Return a collector's metrics in the format that the scraper accepts: Prometheus text or OpenMetrics."""
    from prometheus_client.exposition import choose_encoder

    encode, content_type = choose_encoder(accept)
    return encode(collector), content_type


@asynccontextmanager
async def served(
    render: Render, port: int, *, host: str = LOOPBACK, healthy: Callable[[], bool] = lambda: True
) -> AsyncIterator[int]:
    """Answer `/metrics` and `/healthz` on a port; gives the port (0 takes a free one).

    Raises:
        OSError: the port is taken or the address isn't this machine's.
    """
    lines: set[asyncio.Transport] = set()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Line(render, healthy, lines, ended), host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        # Whoever asks in the last moment is left without an answer, and no line stays open.
        ended.set()
        for line in lines:
            line.abort()
        # Nobody is accepted any more; who was, becomes a task and then a line while the server is still there: asyncio
        # forgets the line of one that comes after its close().
        for listening in server.sockets:
            loop.remove_reader(listening.fileno())
        for _ in range(3):
            await asyncio.sleep(0)
        server.close()


class _Line(asyncio.Protocol):
    """One request and its answer. No task of its own: none can be cut short with the line left open."""

    def __init__(
        self, render: Render, healthy: Callable[[], bool], lines: set[asyncio.Transport], ended: asyncio.Event
    ) -> None:
        self._render = render
        self._healthy = healthy
        self._lines = lines
        self._ended = ended
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._timeout = asyncio.get_running_loop().call_later(_PATIENCE_S, self._transport.abort)
        self._lines.add(self._transport)
        if self._ended.is_set():
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._head += data
        head, complete, _ = self._head.partition(b"\r\n\r\n")
        if complete:
            self._transport.write(_response(head.decode("latin-1"), self._render, self._healthy))
            self._transport.close()
        elif len(head) > _LONGEST_HEAD:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio calls it with that
        self._timeout.cancel()
        self._lines.discard(self._transport)


def _response(head: str, render: Render, healthy: Callable[[], bool]) -> bytes:
    first, *lines = head.split("\r\n")
    method, _, rest = first.partition(" ")
    path = rest.partition(" ")[0].partition("?")[0]
    if method not in ("GET", "HEAD"):
        return _http("405 Method Not Allowed", b"", TEXT)
    if path == "/healthz":
        good = healthy()
        return _http("200 OK" if good else "503 Service Unavailable", b"ok\n" if good else b"stale\n", TEXT)
    if path not in ("/", "/metrics"):
        return _http("404 Not Found", b"try /metrics\n", TEXT)
    headers = (line.partition(":") for line in lines)
    accept = next((value.strip() for name, _, value in headers if name.lower() == "accept"), "")
    body, content_type = render(accept)
    return _http("200 OK", b"" if method == "HEAD" else body, content_type)


def _http(status: str, body: bytes, content_type: str) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body
