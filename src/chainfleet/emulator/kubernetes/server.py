"""The HTTPS server of one cluster: tokens, faults, streams; everything else is `api`'s."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncIterator
from http import HTTPStatus

from aiohttp import web

from ..seams import FaultKind, Traffic
from .api import Answer, Deferred, Request
from .cluster import Cluster
from .errors import ApiError
from .node.program import HttpRequest
from .proxying import follow_log, log_text

_log = logging.getLogger(__name__)

BODY_LIMIT = 8 * 1024 * 1024
_OPEN = ("/healthz", "/livez", "/readyz", "/version")
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
SLOW_S = 2.0
"""Emulated seconds that a slowed call takes, times the fault's factor."""


class ClusterServer:
    """Serves one cluster on a loopback port of its own.

    Args:
        cluster: what is served.
        tls: the emulator's server context.
        traffic: counts requests and changes.
    """

    def __init__(self, cluster: Cluster, tls: ssl.SSLContext, traffic: Traffic) -> None:
        self._cluster = cluster
        self._tls = tls
        self._traffic = traffic
        self._server: asyncio.Server | None = None
        self._web = web.Server(self._handle, access_log=None)
        self._streams: set[asyncio.Task[object]] = set()
        self.port = 0

    async def start(self, port: int = 0) -> None:
        """Listen; on the given port if it's free, else on any."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._web, "127.0.0.1", port, ssl=self._tls, backlog=256)
        except OSError:
            if not port:
                raise
            self._server = await loop.create_server(self._web, "127.0.0.1", 0, ssl=self._tls, backlog=256)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and end all streams."""
        if self._server is not None:
            self._server.close()
        for stream in list(self._streams):
            stream.cancel()
        await self._web.shutdown(0.2)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        region = self._cluster.spec.region
        counters = self._cluster.world.objects.counters
        changes = counters.changes
        counters.requests += 1
        counters.by_verb[request.method] = counters.by_verb.get(request.method, 0) + 1
        kind = _kind_in(request.path)
        try:
            await self._strike(request, kind)
            self._authenticate(request)
            response = await self._respond(request)
        except ApiError as refused:
            counters.refused += 1
            response = _refusal(refused)
        except ConnectionError:
            raise
        except Exception as bug:
            _log.exception("%s %s", request.method, request.path)
            response = _refusal(ApiError(500, "InternalError", f"Internal error occurred: {bug!r}"))
        self._traffic.request(
            system="kubernetes", verb=request.method, kind=kind, region=region, status=response.status
        )
        if request.method in _WRITES and counters.changes > changes:
            self._traffic.change(system="kubernetes", verb=request.method, kind=kind, region=region)
        return response

    async def _strike(self, request: web.BaseRequest, kind: str) -> None:
        """Let the faults in force strike this call.

        Raises:
            ApiError: as the fault wants it.
        """
        world = self._cluster.world
        where = {"region": self._cluster.spec.region, "resource": kind, "verb": request.method}
        if world.faults.strike(FaultKind.REGION_DOWN, **where) or world.faults.strike(
            FaultKind.LOST_CONNECTION, **where
        ):
            if request.transport is not None:
                request.transport.abort()
            raise asyncio.CancelledError
        if slow := world.faults.strike(FaultKind.SLOW, **where):
            await world.clock.sleep(SLOW_S * slow.factor)
        if world.faults.strike(FaultKind.THROTTLE, **where):
            raise ApiError(
                429,
                "TooManyRequests",
                "The server is currently overloaded, please try again later",
                {"retryAfterSeconds": 1},
            )
        if world.faults.strike(FaultKind.SERVER_ERROR, **where):
            raise ApiError(500, "InternalError", "Internal error occurred: etcdserver: request timed out")
        if request.method in _WRITES and world.faults.strike(FaultKind.CONFLICT, **where):
            raise ApiError(409, "Conflict", "Operation cannot be fulfilled: the object has been modified")

    def _authenticate(self, request: web.BaseRequest) -> None:
        if request.path in _OPEN:
            return
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise ApiError(401, "Unauthorized", "Unauthorized")
        if token.strip() != self._cluster.token:
            raise ApiError(
                403,
                "Forbidden",
                f'forbidden: User "system:anonymous" cannot {request.method.lower()} path "{request.path}"',
            )

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.content.read(-1) if request.body_exists else b""
        if len(body) > BODY_LIMIT:
            raise ApiError(413, "RequestEntityTooLarge", f"limit is {BODY_LIMIT} bytes")
        headers = {name.lower(): value for name, value in request.headers.items()}
        answer = self._cluster.api.answer(Request(request.method, request.raw_path, headers, body))
        if isinstance(answer, Deferred):
            return await self._deferred(request, answer, headers, body)
        if answer.watch is not None:
            return await self._stream(request, answer.watch.lines(), "application/json")
        return _plain(answer)

    async def _deferred(
        self, request: web.BaseRequest, asked: Deferred, headers: dict[str, str], body: bytes
    ) -> web.StreamResponse:
        where = asked.target
        if where.subresource == "exec":
            raise ApiError(501, "NotImplemented", "the emulated cluster runs no commands in containers")
        if where.subresource == "log":
            run = self._cluster.proxy.log_run(where, asked.query)
            text = log_text(run, asked.query)
            if asked.query.get("follow") in ("true", "1"):

                async def lines() -> AsyncIterator[bytes]:
                    yield text
                    async for part in follow_log(run):
                        yield part

                return await self._stream(request, lines(), "text/plain")
            return web.Response(body=text, content_type="text/plain")
        passed = HttpRequest(request.method, request.raw_path, headers, body)
        found = await self._cluster.proxy.deliver(where, passed)
        return web.Response(
            status=found.status, body=found.body, headers={"Content-Type": found.content_type}
        )

    async def _stream(
        self, request: web.BaseRequest, lines: AsyncIterator[bytes], content_type: str
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": content_type})
        await response.prepare(request)
        task = asyncio.current_task()
        if task is not None:
            self._streams.add(task)
        try:
            async for line in lines:
                await response.write(line)
        except ConnectionError:
            return response  # the client went away, which is how watches end
        finally:
            if task is not None:
                self._streams.discard(task)
        await response.write_eof()
        return response


def _plain(answer: Answer) -> web.Response:
    return web.Response(
        status=answer.status,
        body=answer.body,
        headers={"Content-Type": answer.content_type, **answer.headers},
    )


def _refusal(refused: ApiError) -> web.Response:
    # Exactly this type, as the real server writes it: clients compare it.
    headers = {"Content-Type": "application/json"}
    if refused.code == HTTPStatus.TOO_MANY_REQUESTS:
        headers["Retry-After"] = "1"
    if refused.code == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="kubernetes"'
    return web.Response(status=refused.code, body=json.dumps(refused.body()).encode(), headers=headers)


def _kind_in(path: str) -> str:
    """The resource in a path, for counters and faults; cheap, and right for what is served."""
    parts = path.strip("/").split("/")
    tail = parts[2:] if parts[0] == "api" else parts[3:]
    if tail[:1] == ["namespaces"] and len(tail) > 2:
        tail = tail[2:]
    return tail[0] if tail else "discovery"
