"""What the server is, who the caller is, and how to sign in."""

from __future__ import annotations

from fastapi import APIRouter, Response

from ..models.access import LoginGiven, LoginStarted, Meta, SessionGiven, SessionStarted, SessionView
from ..permissions import Permission
from ..problems import ProblemError
from .declaring import route

router = APIRouter(tags=["meta"])


@route(router, "GET", "/meta", permission=Permission.PUBLIC)
async def get_meta() -> Meta:
    """What a page needs before it signs in."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "POST", "/session", permission=Permission.PUBLIC, status=201, problems=(401,))
async def start_session(given: SessionGiven) -> SessionStarted:
    """Exchange the one-time code of the address fragment for a bearer token."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "GET", "/session", permission=Permission.READ)
async def get_session() -> SessionView:
    """Who the caller is, and what they may do."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "DELETE", "/session", permission=Permission.READ, status=204)
async def end_session() -> Response:
    """Sign out: the token is no longer valid."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "POST", "/oidc/logins", permission=Permission.PUBLIC, status=201, problems=(409, 503))
async def start_login(given: LoginGiven) -> LoginStarted:
    """Begin signing in with the configured OpenID Connect issuer."""
    raise ProblemError(501, "not-done", "not done yet")


@route(
    router,
    "GET",
    "/oidc/callback",
    permission=Permission.PUBLIC,
    status=302,
    problems=(409, 503),
    response_class=Response,
)
async def finish_login(state: str = "", code: str = "", error: str = "") -> Response:
    """Where the issuer sends the browser back to; goes on to `/#t=CODE`."""
    raise ProblemError(501, "not-done", "not done yet")
