"""Serves metrics to whoever scrapes: a small HTTP server, on loopback unless told otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

LOOPBACK = "127.0.0.1"
TEXT = "text/plain; version=0.0.4; charset=utf-8"
_PATIENCE_S = 5.0

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
    open_: set[asyncio.StreamWriter] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_.add(writer)
        with suppress(TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            async with asyncio.timeout(_PATIENCE_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(head.decode("latin-1"), render, healthy))
                await writer.drain()
        open_.discard(writer)
        writer.close()

    server = await asyncio.start_server(answer, host, port)
    async with server:
        yield server.sockets[0].getsockname()[1]
    for writer in open_:  # Whoever asks in the last moment is left without an answer, and no line stays open.
        writer.transport.abort()


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
