"""What happens around every handler: its permission, sound JSON, idempotency keys, and the audit log."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from chainfleet.model.errors import ChainfleetError

from ..guards.asked import SAFE
from ..permissions import Permission
from ..principals import Principal
from ..problems import ProblemError, from_error
from ..service import Portal

Handle = Callable[[Request], Coroutine[Any, Any, Response]]

_KEPT_HEADERS = ("content-type", "etag", "location")
_SECRETS = frozenset({"createToken", "rotateToken", "startSession"})
"""Answers that hold a secret are never kept."""
_ALWAYS_OPEN = frozenset({"startSession", "endSession", "startLogin", "changeSettings"})
"""What is allowed while the portal is read-only."""
_CHANGES_NOTHING = frozenset({"checkFleet", "planEnvironment", "rehearseEnvironment"})


class GuardedRoute(APIRoute):
    """A route whose permission was declared; see `declaring.route`."""

    def get_route_handler(self) -> Handle:
        """The handler with everything around it."""
        inner = super().get_route_handler()
        permission = Permission((self.openapi_extra or {})["x-permission"])
        action = self.operation_id or self.name

        async def handle(request: Request) -> Response:
            if request.method in SAFE or action in _CHANGES_NOTHING:
                await _admit(request, permission, action)
                await _require_sound_body(request)
                return await inner(request)
            return await _audited(request, permission, action, inner)

        return handle


async def _audited(request: Request, permission: Permission, action: str, inner: Handle) -> Response:
    portal: Portal = request.app.state.portal
    principal: Principal | None = request.state.principal
    request.state.audit = {"environment": request.path_params.get("environment", "")}
    status = 500
    try:
        await _admit(request, permission, action)
        await _require_sound_body(request)
        response = await _once(request, action, inner)
        status = response.status_code
        return response
    except ProblemError as problem:
        status = problem.status
        raise
    except ChainfleetError as error:
        status = from_error(error).status
        raise
    except RequestValidationError:
        status = 422
        raise
    finally:
        caller = getattr(request.state, "signed_in", None) or principal
        noted = (portal.wall(), request.state.asked, caller, action, status, request.state.audit)
        await portal.ask_access(partial(portal.auditor.note, *noted))


async def _admit(request: Request, permission: Permission, action: str) -> None:
    principal: Principal | None = request.state.principal
    if permission is Permission.PUBLIC:
        return
    if principal is None or not principal.may(permission):
        role = principal.role.value if principal else "nobody"
        raise ProblemError(
            403, "role-too-low", f"`{role}` may not do that", way_out=f"it needs `{permission.value}`"
        )
    portal: Portal = request.app.state.portal
    changes = request.method not in SAFE and action not in _ALWAYS_OPEN | _CHANGES_NOTHING
    if changes and (await portal.ask_access(portal.shared)).read_only:
        raise ProblemError(
            403,
            "read-only",
            "the portal is read-only now",
            way_out="an admin can change that in the settings",
        )


async def _require_sound_body(request: Request) -> None:
    """JSON that pydantic would take and that can't be answered again: NaN, lone surrogates, bottomless nesting."""
    if request.method not in ("POST", "PUT"):
        return
    body = await request.body()
    if not body:
        return
    media_type = request.headers.get("content-type", "").split(";", 1)[0].strip().lower()
    if media_type != "application/json":
        raise ProblemError(
            415, "not-json", f"`{media_type or 'no type'}` is not taken", way_out="send application/json"
        )
    try:
        value = json.loads(body, parse_constant=_refuse_constant)
        # Numbers that are too large for a double, and text that is no text.
        _require_finite(value)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise _malformed("nested too deeply") from None
    except (ValueError, UnicodeError) as error:
        raise _malformed(str(error).split("\n", 1)[0][:200]) from None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _require_finite(value: Any) -> None:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, float) and not math.isfinite(item):
            raise ValueError("a number is too large")
        if isinstance(item, Mapping):
            stack += item.values()
        elif isinstance(item, list):
            stack += item


def _malformed(detail: str) -> ProblemError:
    return ProblemError(400, "malformed-json", f"the body is not JSON: {detail}")


async def _once(request: Request, action: str, inner: Handle) -> Response:
    """Answer a request with an idempotency key as it was answered before, if it was."""
    given = request.headers.get("idempotency-key")
    principal: Principal | None = request.state.principal
    if given is None or request.method != "POST" or principal is None or not 8 <= len(given) <= 200:
        return await inner(request)
    portal: Portal = request.app.state.portal
    key = f"{principal.token_id}:{given}"
    text = f"{request.method} {request.url.path}?{request.url.query}\n".encode() + await request.body()
    fingerprint = hashlib.sha256(text).hexdigest()
    kept = await portal.ask_access(partial(portal.store.begin_answer, key, fingerprint))
    if kept is not None:
        return _replayed(kept, fingerprint)
    answer: str | None = None
    try:
        response = await inner(request)
        if response.status_code < 500:
            answer = _kept(response, hidden=action in _SECRETS)
        return response
    finally:
        # What failed may be tried again with the same key.
        await portal.ask_access(partial(portal.store.end_answer, key, answer))


def _kept(response: Response, *, hidden: bool) -> str:
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    body = base64.b64encode(b"" if hidden else bytes(response.body)).decode()
    return json.dumps({"status": response.status_code, "headers": headers, "body": body, "hidden": hidden})


def _replayed(kept: tuple[str, str | None], fingerprint: str) -> Response:
    request, answer = kept
    if request != fingerprint:
        raise ProblemError(
            422, "key-used", "this Idempotency-Key came with another request", way_out="take a new key"
        )
    if answer is None:
        raise ProblemError(
            409,
            "still-at-work",
            "the first request with this key is still at work",
            headers={"Retry-After": "1"},
            retryable=True,
        )
    found = json.loads(answer)
    if found["hidden"]:
        raise ProblemError(409, "secret-not-repeated", "this was done before; its secret is shown once only")
    headers = {**found["headers"], "Idempotency-Replayed": "true"}
    return Response(base64.b64decode(found["body"]), found["status"], headers)
