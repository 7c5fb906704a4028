"""The control API: health, counts, resources, faults, quotas, principals, stop."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from chainfleet.model.errors import InputError

from .arm.identity import Directory
from .counters import Counters
from .faults import FaultBook, faults_from
from .owners import Owners
from .profiles import PROFILES

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Controls:
    """What the control API may look at and do.

    Attributes:
        token: bearer token that callers must know.
        now: emulated time in seconds.
        health: facts about the process.
        add_fault_set: adds a built-in profile or a file of faults, if it hasn't been added before.
        figures: what the other parts tell about themselves.
        resources: all ARM resources.
        quotas: limits by region and name that differ from the defaults; may be written to.
        changed: the durable state has changed.
        stop: ask the emulator to stop.
        owners: the processes that use it.
    """

    token: str
    now: Callable[[], float]
    health: Callable[[], Json]
    counters: Counters
    faults: FaultBook
    add_fault_set: Callable[[str], None]
    directory: Directory
    figures: Callable[[], Json]
    resources: Callable[[], list[Json]]
    quotas: dict[str, dict[str, int]]
    changed: Callable[[], None]
    stop: Callable[[], None]
    owners: Owners


class Control:
    """Answers the control API."""

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self._routes: dict[tuple[str, str], Callable[[web.BaseRequest], Awaitable[Any]]] = {
            ("GET", "/healthz"): self._health,
            ("GET", "/stats"): self._stats,
            ("DELETE", "/stats"): self._reset_stats,
            ("GET", "/resources"): self._resources,
            ("GET", "/faults"): self._faults,
            ("POST", "/faults"): self._add_faults,
            ("DELETE", "/faults"): self._remove_faults,
            ("POST", "/fault-sets"): self._add_fault_set,
            ("POST", "/quotas"): self._set_quota,
            ("POST", "/principals"): self._add_principal,
            ("POST", "/owners"): self._add_owner,
            ("DELETE", "/owners"): self._remove_owner,
            ("POST", "/stop"): self._stop,
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        if request.path != "/healthz" and not self._known(request):
            return web.json_response({"error": "bearer token missing or wrong: see control.json"}, status=401)
        path = request.path
        if request.method == "DELETE":
            # A number may follow: which of them.
            path = path.rstrip("/0123456789")
        route = self._routes.get((request.method, path))
        if route is None:
            return web.json_response(
                {"error": f"nothing answers {request.method} {request.path}"}, status=404
            )
        try:
            return web.json_response(await route(request))
        except InputError as error:
            return web.json_response({"error": error.message, "way_out": error.way_out}, status=400)

    def _known(self, request: web.BaseRequest) -> bool:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(given.encode(), self._controls.token.encode())

    async def _health(self, _request: web.BaseRequest) -> Json:
        return self._controls.health()

    async def _stats(self, _request: web.BaseRequest) -> Json:
        now = round(self._controls.now(), 3)
        return {"emulated_seconds": now, **self._controls.counters.report(), **self._controls.figures()}

    async def _reset_stats(self, _request: web.BaseRequest) -> Json:
        self._controls.counters.reset()
        return {}

    async def _resources(self, _request: web.BaseRequest) -> Json:
        found = self._controls.resources()
        return {"count": len(found), "resources": found}

    async def _faults(self, _request: web.BaseRequest) -> Json:
        return {"profiles": sorted(PROFILES), "faults": self._controls.faults.report()}

    async def _add_faults(self, request: web.BaseRequest) -> Json:
        body = await _json(request)
        if isinstance(body, Mapping) and "profile" in body:
            if body["profile"] not in PROFILES:
                raise InputError(
                    f"profile {body['profile']!r} is not known", way_out=f"known: {', '.join(PROFILES)}"
                )
            found = list(PROFILES[body["profile"]])
        else:
            found = faults_from(body, now=self._controls.now())
        return {"ids": [self._controls.faults.add(fault) for fault in found]}

    async def _add_fault_set(self, request: web.BaseRequest) -> Json:
        body = await _json(request)
        if not isinstance(body, Mapping) or not isinstance(body.get("name"), str):
            raise InputError("fault set: expected {name}", way_out="name a set that GET /faults lists")
        self._controls.add_fault_set(body["name"])
        self._controls.changed()
        return {"name": body["name"]}

    async def _remove_faults(self, request: web.BaseRequest) -> Json:
        rest = request.path.removeprefix("/faults").strip("/")
        if rest and not rest.isdigit():
            raise InputError(
                f"fault {rest!r} is not a number", way_out="give the fault's number, as GET /faults tells it"
            )
        return {"removed": self._controls.faults.remove(int(rest) if rest else None)}

    async def _set_quota(self, request: web.BaseRequest) -> Json:
        body = await _json(request)
        try:
            region, name, limit = str(body["region"]), str(body["name"]), int(body["limit"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError("quota: expected {region, name, limit}", way_out="give all three") from error
        self._controls.quotas.setdefault(region, {})[name] = limit
        self._controls.changed()
        return {"region": region, "name": name, "limit": limit}

    async def _add_principal(self, request: web.BaseRequest) -> Json:
        body = await _json(request)
        if not isinstance(body, Mapping):
            raise InputError(
                "principal: expected {name, access, secrets}",
                way_out="give the principal's name and what it may do",
            )
        added = self._controls.directory.add_principal(
            str(body.get("name", "principal")),
            access=body.get("access") is not False,
            secrets=body.get("secrets") is not False,
        )
        self._controls.changed()
        return {
            "client_id": added.client_id,
            "client_secret": added.client_secret,
            "object_id": added.object_id,
            "access": added.access,
            "secrets": added.secrets,
        }

    async def _add_owner(self, request: web.BaseRequest) -> Json:
        body = await _json(request)
        pid = body.get("pid") if isinstance(body, Mapping) else None
        if not isinstance(pid, int) or not self._controls.owners.add(pid):
            raise InputError(
                "owner: expected {pid} of a living process",
                way_out="give the number of the process that the cloud belongs to",
            )
        return {"pid": pid}

    async def _remove_owner(self, request: web.BaseRequest) -> Json:
        pid = request.path.removeprefix("/owners").strip("/")
        if not pid.isdigit():
            raise InputError(
                f"owner {pid!r} is not a process number",
                way_out="give the number of the process that the cloud belongs to",
            )
        return {"stopping": self._controls.owners.remove(int(pid))}

    async def _stop(self, _request: web.BaseRequest) -> Json:
        self._controls.stop()
        return {"stopping": True}


async def _json(request: web.BaseRequest) -> Any:
    try:
        return json.loads(await request.read())
    except ValueError as error:
        raise InputError(f"the request isn't JSON: {error}", way_out="send a JSON object") from error
