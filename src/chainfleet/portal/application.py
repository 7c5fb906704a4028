"""Puts the application together: routes, errors as problem documents, health, metrics, pages, and the guards around all."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, partial
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from chainfleet import __version__
from chainfleet.model.errors import ChainfleetError

from . import health
from .guards import Guards, Rules
from .guards.asked import Asked
from .guards.hosts import Hosts, Origins
from .guards.rates import Rate, Rates
from .openapi import openapi_document
from .pages import add_pages
from .permissions import Permission
from .principals import Principal
from .problems import MEDIA_TYPE, ProblemError, from_error
from .routes import access, environments, events, meta, monitoring, runs
from .service import Portal
from .tracing import Traced

log = logging.getLogger(__name__)

STRANGERS = Rate(20.0, 100.0)
"""Requests without a valid token, by address."""


def make_api() -> FastAPI:
    """The routes alone, without a portal behind them: enough for the OpenAPI document."""
    app = FastAPI(
        title="chainfleet portal",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=_lifespan,
        redirect_slashes=False,
    )
    for part in (meta, environments, runs, events, monitoring, access):
        # Not `include_router`: it hides the routes in one, and every one is looked at before anything is served.
        app.router.routes.extend(part.router.routes)
    app.openapi = lambda: openapi_document(app)  # type: ignore[method-assign]  # FastAPI's own way to extend it
    return app


def make_application(portal: Portal) -> ASGIApp:
    """The whole application, guarded."""
    app = make_api()
    app.state.portal = portal
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(ChainfleetError, _chainfleet_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _mistake)

    @cache
    def document() -> dict[str, Any]:
        # A fifth of a second that the first request shall not wait for.
        return openapi_document(app)

    async def openapi(_: Request) -> Response:
        return JSONResponse(document())

    app.router.routes.append(Route("/api/v1/openapi.json", openapi, methods=["GET"]))
    health.add_health(app, portal)
    add_pages(app, portal)
    guarded: ASGIApp = Guards(app, rules_of(app, portal))
    return guarded if portal.tracer is None else Traced(guarded, portal.tracer)


def rules_of(app: FastAPI, portal: Portal) -> Rules:
    """What the guards go by.

    Raises:
        RuntimeError: a route of the API declares no permission; nothing is served then.
    """
    public = {("GET", "/api/v1/openapi.json")}
    for route in app.routes:
        if not isinstance(route, APIRoute):
            continue
        permission = (route.openapi_extra or {}).get("x-permission")
        if permission is None:
            raise RuntimeError(f"{route.path} declares no permission")
        if permission == Permission.PUBLIC.value:
            public |= {(method, route.path) for method in route.methods or ()}
    rate = portal.settings.rate

    async def denied(asked: Asked, principal: Principal | None, problem: ProblemError) -> None:
        facts = {"subject": asked.path[:200], "details": {"problem": problem.kind}}
        noted = (portal.wall(), asked, principal, asked.method, problem.status, facts)
        await portal.ask_access(partial(portal.auditor.note, *noted))

    async def find(secret: str, now: float) -> Principal | None:
        return await portal.ask_access(partial(portal.bearers.find, secret, now))

    return Rules(
        hosts=Hosts(portal.settings.hosts),
        origins=Origins(portal.settings.origins),
        public=frozenset(public),
        find=find,
        callers=None if rate is None else Rates(rate, time.monotonic),
        strangers=None if rate is None else Rates(STRANGERS, time.monotonic),
        denied=denied,
        wall=portal.wall,
        figures=portal.figures,
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    portal: Portal = app.state.portal
    portal.start()
    try:
        yield
    finally:
        await portal.close()


def _answer(request: Request, problem: ProblemError) -> Response:
    asked = getattr(request.state, "asked", None)
    body = problem.document(asked.id if asked else "")
    return JSONResponse(body, problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return _answer(request, error)


async def _chainfleet_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ChainfleetError)
    return _answer(request, from_error(error))


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults: list[dict[str, Any]] = []
    for item in error.errors():
        place = item["loc"]
        if place and place[0] == "body":
            pointer = "".join("/" + str(p).replace("~", "~0").replace("/", "~1") for p in place[1:])
            faults.append({"pointer": pointer, "detail": item["msg"], "line": None, "column": None})
        else:
            name = ".".join(str(part) for part in place)
            faults.append({"pointer": "", "detail": f"{name}: {item['msg']}", "line": None, "column": None})
    first = faults[0]["detail"] if faults else "it is not as declared"
    where = f"{faults[0]['pointer']}: " if faults and faults[0]["pointer"] else ""
    return _answer(request, ProblemError(422, "invalid-request", f"{where}{first}", errors=faults[:50]))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        # Starlette names the methods of one route; a path has several.
        methods = _methods_of(request)
        return _answer(
            request,
            ProblemError(
                405, "method-not-allowed", f"{request.method} is not known here", headers={"Allow": methods}
            ),
        )
    if error.status_code == 404:
        return _answer(
            request, ProblemError(404, "no-such-path", f"nothing answers {request.url.path[:200]}")
        )
    return _answer(request, ProblemError(error.status_code, "malformed-request", str(error.detail)[:200]))


async def _mistake(request: Request, error: Exception) -> Response:
    """What nobody foresaw: told in the log, not to the caller."""
    asked = getattr(request.state, "asked", None)
    log.error("request %s failed", asked.id if asked else "", exc_info=error)
    problem = ProblemError(500, "mistake", "this is a mistake of the server; its log tells more")
    return _answer(request, problem)


def _methods_of(request: Request) -> str:
    methods: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, Route | APIRoute) and route.path_regex.match(request.url.path):
            methods |= set(route.methods or ())
    return ", ".join(sorted(methods)) or "GET"
