"""What the server is, who the caller is, and how to sign in."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response

from chainfleet import __version__

from ..guards.chain import unauthorised
from ..models.access import LoginGiven, LoginStarted, Meta, Role, SessionGiven, SessionStarted, SessionView
from ..oidc import Oidc, proves_login
from ..permissions import Permission, permissions_of
from ..principals import SESSION_S, Kind, Principal, principal_of
from ..problems import ProblemError
from ..service import Portal
from .declaring import new_router, route
from .dependencies import Caller, PortalHere

router = new_router("meta")


@route(router, "GET", "/meta", permission=Permission.PUBLIC)
def get_meta(portal: PortalHere) -> Meta:
    """What a page needs before it signs in."""
    settings = portal.settings
    shared = portal.shared()
    return Meta(
        version=__version__,
        mode=settings.mode,
        oidc=portal.oidc is not None,
        ui=shared.ui,
        available_ui=[name for name in ("vue", "react") if name in settings.pages],
        read_only=shared.read_only,
        now_wall=portal.wall(),
        epoch=portal.epoch,
        sse_ping_s=portal.streams.ping_s,
    )


@route(router, "POST", "/session", permission=Permission.PUBLIC, status=201, problems=(401,))
def start_session(portal: PortalHere, request: Request, given: SessionGiven) -> SessionStarted:
    """Exchange the one-time code of the address fragment for a bearer token."""
    facts = portal.store.take_code(given.code)
    if facts is None or not proves_login(facts, given.login_secret):
        raise unauthorised("the code is not valid, was used before, or is too old")
    kind: Kind = "oidc" if facts["kind"] == "oidc" else "local"
    now = portal.wall()
    token, secret = portal.bearers.make(
        facts["name"], Role(facts["role"]), kind, now=now, lasting_s=SESSION_S, by="sign-in"
    )
    principal = principal_of(token)
    request.state.signed_in = principal
    if kind == "local":
        portal.say(f"signed in; for another browser: {portal.new_address()}")
    return SessionStarted(token=secret, expires_wall=token.expires, session=_view(principal))


@route(router, "GET", "/session", permission=Permission.READ)
def get_session(caller: Caller) -> SessionView:
    """Who the caller is, and what they may do."""
    return _view(caller)


@route(router, "DELETE", "/session", permission=Permission.READ, status=204)
def end_session(portal: PortalHere, caller: Caller) -> Response:
    """Sign out: the token is no longer valid."""
    portal.store.revoke(caller.token_id)
    return Response(status_code=204)


@route(router, "POST", "/oidc/logins", permission=Permission.PUBLIC, status=201, problems=(409, 503))
async def start_login(portal: PortalHere, given: LoginGiven) -> LoginStarted:
    """Begin signing in with the configured OpenID Connect issuer."""
    url, login_secret = await _oidc(portal).start(given.return_to)
    return LoginStarted(authorize_url=url, login_secret=login_secret)


@route(
    router,
    "GET",
    "/oidc/callback",
    permission=Permission.PUBLIC,
    status=302,
    problems=(409, 503),
    response_class=Response,
)
async def finish_login(
    portal: PortalHere,
    state: Annotated[str, Query(max_length=200, description="What was sent to the issuer.")] = "",
    code: Annotated[str, Query(max_length=4000, description="The issuer's code.")] = "",
    error: Annotated[str, Query(max_length=200, description="Why the issuer refused.")] = "",
) -> Response:
    """Where the issuer sends the browser back to; goes on to `/#t=CODE`."""
    where = await _oidc(portal).finish(state, code, error)
    return Response(status_code=302, headers={"Location": where, "Cache-Control": "no-store"})


def _view(principal: Principal) -> SessionView:
    return SessionView(
        name=principal.name,
        role=principal.role,
        kind=principal.kind,
        token_id=principal.token_id,
        environments=None if principal.environments is None else sorted(principal.environments),
        expires_wall=principal.expires,
        permissions=sorted(permission.value for permission in permissions_of(principal.role)),
    )


def _oidc(portal: Portal) -> Oidc:
    if portal.oidc is None:
        raise ProblemError(409, "no-issuer", "no OpenID Connect issuer is configured here")
    return portal.oidc
