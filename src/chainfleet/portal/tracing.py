"""A span for each request, where the environment names an OpenTelemetry endpoint; the caller's trace goes on."""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_STREAM = "/api/v1/events"


class Traced:
    """Wraps an application; what it does while it answers is a child of the request's span.

    Args:
        app: the application.
        tracer: of the OpenTelemetry SDK.
    """

    def __init__(self, app: ASGIApp, tracer: Any) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request within a span; a stream's span would last for hours and is left out."""
        if scope["type"] != "http" or scope["path"] == _STREAM:
            await self._app(scope, receive, send)
            return
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind

        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        method = scope["method"]
        kind, context = SpanKind.SERVER, extract(headers)
        with self._tracer.start_as_current_span(method, context=context, kind=kind) as span:

            async def seen(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            await self._app(scope, receive, seen)
            route = getattr(scope.get("route"), "path", "")
            span.update_name(f"{method} {route}".strip())
            span.set_attribute("http.request.method", method)
            span.set_attribute("http.route", route)
            for name in ("environment", "run"):
                if name in scope.get("path_params", {}):
                    span.set_attribute(f"chainfleet.{name}", str(scope["path_params"][name]))
