"""The guards as one ASGI application around the routes."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..figures import Figures
from ..principals import Principal
from ..problems import MEDIA_TYPE, ProblemError
from .asked import Asked, read
from .hosts import Hosts, Origins
from .rates import Rates
from .sizes import check_size, limited

log = logging.getLogger("chainfleet.portal.access")

HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""Of every answer that doesn't say otherwise."""

STREAM = "/api/v1/events"
_BEARER = "bearer "


@dataclass(frozen=True, slots=True)
class Rules:
    """What the guards go by.

    Attributes:
        hosts: names this server answers to.
        origins: where changes may come from.
        public: (method, path) of API routes that need no token, compared exactly.
        find: the bearer of a token.
        callers: rate of each caller; None sets no limit.
        strangers: rate of requests without a valid token, by address; None sets no limit.
        denied: told of refused changes, for the audit log.
        wall: wall-clock seconds.
        figures: counts of this process.
    """

    hosts: Hosts
    origins: Origins
    public: frozenset[tuple[str, str]]
    find: Callable[[str, float], Awaitable[Principal | None]]
    callers: Rates | None
    strangers: Rates | None
    denied: Callable[[Asked, Principal | None, ProblemError], Awaitable[None]]
    wall: Callable[[], float]
    figures: Figures


class Guards:
    """Passes on what may pass; everything else is answered here."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Guard one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            # There are no WebSockets here.
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        asked = read(scope)
        answer = _Answer(asked, scope, send, self._rules.figures)
        try:
            await self._admit(asked, scope)
            await self._app(scope, limited(receive), answer.send)
        except ProblemError as problem:
            if answer.status:
                raise
            await answer.refuse(problem)
        finally:
            answer.over()

    async def _admit(self, asked: Asked, scope: Scope) -> None:
        rules = self._rules
        scope.setdefault("state", {}).update(asked=asked, principal=None)
        rules.hosts.check(asked.headers.get("host"), doubled="host" in asked.doubled)
        check_size(asked)
        principal: Principal | None = None
        try:
            if asked.is_api and (not asked.is_safe or asked.path == STREAM):
                rules.origins.check(asked.headers.get("sec-fetch-site"), asked.headers.get("origin"))
            if not asked.is_api:
                return
            if (asked.method, asked.path) not in rules.public:
                principal = await self._bearer(asked)
                scope["state"]["principal"] = principal
        except ProblemError as problem:
            if rules.strangers is not None:
                rules.strangers.draw(asked.address)
            if not asked.is_safe:
                await rules.denied(asked, principal, problem)
            raise
        if principal is None and rules.strangers is not None:
            rules.strangers.draw(asked.address)
        if principal is not None and rules.callers is not None:
            rules.callers.draw(principal.token_id)

    async def _bearer(self, asked: Asked) -> Principal:
        given = asked.headers.get("authorization", "")
        if "authorization" in asked.doubled or given[: len(_BEARER)].lower() != _BEARER:
            raise unauthorised("a bearer token is needed")
        principal = await self._rules.find(given[len(_BEARER) :].strip(), self._rules.wall())
        if principal is None:
            raise unauthorised("the token is not valid, or no longer")
        return principal


def unauthorised(detail: str) -> ProblemError:
    """401 with the scheme that is wanted."""
    return ProblemError(
        401,
        "not-signed-in",
        detail,
        way_out="open the address that `chainfleet portal` prints, or ask for a token",
        headers={"WWW-Authenticate": 'Bearer realm="chainfleet"'},
    )


class _Answer:
    """Adds what every answer carries, and notes how it went."""

    def __init__(self, asked: Asked, scope: Scope, send: Send, figures: Figures) -> None:
        self._asked = asked
        self._scope = scope
        self._send = send
        self._figures = figures
        self._began = time.monotonic()
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            present = {name.lower() for name, _ in message["headers"]}
            extra = {"X-Request-Id": self._asked.id, **HEADERS}
            if self._asked.is_api:
                extra["Cache-Control"] = "no-store"
            if self._asked.trace:
                extra["traceparent"] = self._asked.trace
            pairs = [(k.lower().encode(), v.encode()) for k, v in extra.items()]
            message = {
                **message,
                "headers": [*message["headers"], *(p for p in pairs if p[0] not in present)],
            }
        await self._send(message)

    async def refuse(self, problem: ProblemError) -> None:
        body = json.dumps(problem.document(self._asked.id)).encode()
        headers = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(body)), **problem.headers}
        pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": problem.status, "headers": pairs})
        await self.send({"type": "http.response.body", "body": b"" if self._asked.method == "HEAD" else body})

    def over(self) -> None:
        seconds = time.monotonic() - self._began
        route = self._scope.get("route")
        template = getattr(route, "path", "") or ("other" if self._asked.is_api else "page")
        self._figures.answered(self._asked.method, template, self.status, seconds)
        if log.isEnabledFor(logging.INFO):
            principal = self._scope.get("state", {}).get("principal")
            line = {
                "id": self._asked.id,
                "method": self._asked.method,
                "path": self._asked.path,
                "status": self.status,
                "ms": round(seconds * 1000, 2),
                "from": self._asked.address,
                "who": principal.name if principal else "",
                **({"trace": self._asked.trace} if self._asked.trace else {}),
            }
            log.info(json.dumps(line))
