"""For supervisors and Prometheus: does the process live, can it do its work, what does it count."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from ipaddress import ip_address

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from chainfleet.model.errors import ChainfleetError

from .guards.asked import Asked
from .guards.chain import unauthorised
from .service import Portal

_LAG_S = 1.0
_BEARER = "bearer "


def add_health(app: FastAPI, portal: Portal) -> None:
    """Add `/livez`, `/readyz` and `/metrics`."""

    async def livez(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        checks = {
            "stopping": not portal.streams.stopping,
            "store": await portal.ask_access(partial(_writable, portal)),
        }
        began = time.monotonic()
        await asyncio.sleep(0)
        checks["loop"] = time.monotonic() - began < _LAG_S
        ready = all(checks.values())
        return JSONResponse({"ready": ready, "checks": checks}, 200 if ready else 503)

    async def metrics(request: Request) -> Response:
        asked: Asked = request.state.asked
        given = asked.headers.get("authorization", "")
        secret = given[len(_BEARER) :].strip() if given[: len(_BEARER)].lower() == _BEARER else ""
        known = await portal.ask_access(partial(portal.bearers.find, secret, portal.wall()))
        if not known and (portal.settings.mode == "server" or not _is_loopback(asked.address)):
            raise unauthorised("metrics need a token from here")
        # Of what is open: to look for more may take as long as a database that is away.
        gauges = {
            "environments": float(portal.registry.count()),
            "ledgers_away": float(portal.registry.away()),
        }
        return PlainTextResponse(
            portal.figures.text(gauges), media_type="text/plain; version=0.0.4; charset=utf-8"
        )

    for path, handler in (("/livez", livez), ("/readyz", readyz), ("/metrics", metrics)):
        app.router.routes.append(Route(path, handler, methods=["GET"]))


def _writable(portal: Portal) -> bool:
    try:
        portal.store.check_writable()
    except ChainfleetError:
        return False
    return True


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
