"""How a route is declared: its permission, and every answer it may give."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from fastapi import APIRouter

from ..models.common import Problem
from ..permissions import Permission
from ..problems import MEDIA_TYPE
from .guarded import GuardedRoute

Handler = TypeVar("Handler", bound=Callable[..., Any])

_WORDS = {
    400: "The request is malformed.",
    401: "No valid token.",
    403: "Not allowed to this role, or from this origin.",
    404: "There is no such thing.",
    405: "The path knows other methods.",
    406: "None of the accepted types can be given.",
    410: "The stream never was there, or is no longer.",
    409: "The present state doesn't allow it.",
    412: "It was changed meanwhile.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    421: "The Host header names another server.",
    422: "The request is well-formed and wrong.",
    428: "If-Match is missing.",
    429: "Too many requests.",
    431: "The headers are too large.",
    501: "Not done in this version.",
    503: "The server can't do it now.",
}

_ALWAYS = (400, 403, 421, 422, 429)


def new_router(tag: str) -> APIRouter:
    """A router whose routes are guarded."""
    return APIRouter(prefix="/api/v1", tags=[tag], route_class=GuardedRoute)


def route(
    router: APIRouter,
    method: str,
    path: str,
    *,
    permission: Permission,
    status: int = 200,
    problems: Iterable[int] = (),
    **options: Any,
) -> Callable[[Handler], Handler]:
    """Declare a route: like FastAPI's decorators, with a permission and its problems.

    Args:
        router: where it is added.
        method: HTTP method.
        path: under the router's prefix.
        permission: what the caller needs.
        status: of the good answer.
        problems: statuses of problem documents beyond those any route can give.
        options: further arguments of `add_api_route`.
    """
    expected = {*_ALWAYS, *problems}
    if permission is not Permission.PUBLIC:
        expected.add(401)
    if method in ("POST", "PUT", "PATCH"):
        expected |= {413, 415}
    responses: dict[int | str, dict[str, Any]] = {
        code: {"model": Problem, "description": _WORDS[code], "content": {MEDIA_TYPE: {}}}
        for code in sorted(expected)
    }
    responses.update(options.pop("responses", {}))
    extra = {"x-permission": permission.value, **options.pop("openapi_extra", {})}

    def decorate(handler: Handler) -> Handler:
        router.add_api_route(
            path,
            handler,
            methods=[method],
            status_code=status,
            responses=responses,
            openapi_extra=extra,
            operation_id=_camel(handler.__name__),
            summary=(handler.__doc__ or "").split("\n", 1)[0].rstrip("."),
            **options,
        )
        return handler

    return decorate


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
