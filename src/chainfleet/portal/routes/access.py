"""Tokens, roles, audit and settings."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path, Query, Request, Response

from chainfleet.ledger.access import Token

from ..auditing import checked, entry_of, exported
from ..cursors import as_page
from ..models.access import (
    AccessView,
    AuditCheck,
    AuditEntry,
    Role,
    RoleView,
    Settings,
    SettingsGiven,
    TokenGiven,
    TokenMade,
    TokenView,
)
from ..models.common import Page
from ..permissions import Permission, permissions_of
from ..principals import new_secret, principal_of
from ..problems import ProblemError, not_found
from ..service import Portal
from .declaring import new_router, route
from .dependencies import Caller, PortalHere
from .parameters import Cursor, IdempotencyKey, Limit

router = new_router("access")
_DAY_S = 86_400.0
TokenPath = Annotated[str, Path(pattern=r"^[a-z0-9]{4,32}$", description="Id of the token.")]


@route(router, "GET", "/access", permission=Permission.READ)
def get_access(portal: PortalHere) -> AccessView:
    """Roles, and how people sign in."""
    roles = [RoleView(role=role, permissions=sorted(p.value for p in permissions_of(role))) for role in Role]
    issuer = portal.settings.oidc.issuer if portal.settings.oidc else None
    settings = portal.settings
    return AccessView(mode=settings.mode, roles=roles, oidc_issuer=issuer, four_eyes=settings.four_eyes)


@route(router, "GET", "/tokens", permission=Permission.ADMIN)
def list_tokens(portal: PortalHere, limit: Limit = 100, cursor: Cursor = None) -> Page[TokenView]:
    """Tokens and sessions, newest first."""
    tokens = portal.store.tokens()
    part, following = portal.cursors.page(["tokens"], tokens, cursor, limit, lambda token: token.id)
    return as_page([_view(token) for token in part], following, len(tokens))


@route(router, "POST", "/tokens", permission=Permission.ADMIN, status=201, problems=(409,))
def create_token(
    portal: PortalHere,
    caller: Caller,
    request: Request,
    given: TokenGiven,
    idempotency_key: IdempotencyKey = None,
) -> TokenMade:
    """Make a token; its secret is shown this once."""
    request.state.audit["subject"] = given.name
    token, secret = portal.bearers.make(
        given.name,
        given.role,
        "token",
        now=portal.wall(),
        lasting_s=given.days * _DAY_S,
        by=caller.name,
        environments=None if given.environments is None else tuple(given.environments),
    )
    request.state.audit["details"] = {"token": token.id, "role": given.role.value}
    return TokenMade(**_view(token).model_dump(), secret=secret)


@route(router, "POST", "/tokens/{token}/rotate", permission=Permission.ADMIN, status=201, problems=(404, 409))
def rotate_token(portal: PortalHere, request: Request, token: TokenPath) -> TokenMade:
    """Replace a token's secret; the old one ends at once."""
    found = _living(portal, token)
    request.state.audit["subject"] = found.name
    if found.kind != "token":
        raise ProblemError(
            409, "not-rotatable", "sessions are not rotated", way_out="revoke it; its bearer signs in again"
        )
    secret, expires = new_secret(), portal.wall() + (found.expires - found.created)
    portal.store.replace_secret(token, secret, expires)
    return TokenMade(**_view(found).model_copy(update={"expires_wall": expires}).model_dump(), secret=secret)


@route(router, "DELETE", "/tokens/{token}", permission=Permission.ADMIN, status=204, problems=(404,))
def revoke_token(portal: PortalHere, request: Request, token: TokenPath) -> Response:
    """End a token at once."""
    found = portal.store.token(token)
    if found is None:
        raise not_found("token", token)
    request.state.audit["subject"] = found.name
    portal.store.revoke(token)
    portal.journals.wake_from_thread()
    return Response(status_code=204)


@route(router, "GET", "/audit", permission=Permission.AUDIT)
def list_audit(
    portal: PortalHere,
    limit: Limit = 100,
    cursor: Cursor = None,
    actor: Annotated[str | None, Query(max_length=100, description="Only what they did.")] = None,
    environment: Annotated[str | None, Query(max_length=60, description="Only of that environment.")] = None,
    action: Annotated[str | None, Query(max_length=60, description="Only that kind of thing.")] = None,
    result: Annotated[Literal["done", "denied", "failed"] | None, Query(description="How it ended.")] = None,
) -> Page[AuditEntry]:
    """Who did what, newest first."""
    wanted = {"actor": actor, "environment": environment, "action": action, "result": result}
    matching = {key: value for key, value in wanted.items() if value is not None}
    about = ["audit", sorted(matching.items())]
    before = portal.cursors.read(about, cursor) if cursor else None
    rows = portal.store.audit(before=before, limit=limit + 1, matching=matching)
    following = portal.cursors.make(about, rows[limit - 1].number) if len(rows) > limit else None
    return as_page([entry_of(row) for row in rows[:limit]], following, None)


@route(router, "GET", "/audit/check", permission=Permission.AUDIT)
def check_audit(portal: PortalHere) -> AuditCheck:
    """Whether the chain of entries is whole."""
    return checked(portal.store)


@route(router, "GET", "/audit/export", permission=Permission.AUDIT, response_class=Response,
       responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}},
                                    "text/csv": {"schema": {"type": "string"}}}}})  # fmt: skip
def export_audit(
    portal: PortalHere,
    form: Annotated[
        Literal["jsonl", "csv"], Query(description="A JSON object a line, or a table.")
    ] = "jsonl",
) -> Response:
    """The whole audit log as a file."""
    text, media_type = exported(portal.store, form)
    headers = {"Content-Disposition": f'attachment; filename="audit.{form}"'}
    return Response(text, media_type=media_type, headers=headers)


@route(router, "GET", "/settings", permission=Permission.READ)
def get_settings(portal: PortalHere) -> Settings:
    """Settings that everybody shares."""
    return portal.shared()


@route(router, "PUT", "/settings", permission=Permission.ADMIN)
def change_settings(portal: PortalHere, request: Request, given: SettingsGiven) -> Settings:
    """Change settings."""
    request.state.audit["reason"] = given.reason
    changes = given.model_dump(exclude_none=True, exclude={"reason"})
    request.state.audit["details"] = changes
    settings = Settings(**{**portal.shared().model_dump(), **changes})
    portal.share(settings)
    return settings


def _living(portal: Portal, token_id: str) -> Token:
    found = portal.store.token(token_id)
    if found is None or found.revoked:
        raise not_found("token", token_id)
    return found


def _view(token: Token) -> TokenView:
    return TokenView(
        id=token.id,
        name=token.name,
        role=Role(token.role),
        kind=principal_of(token).kind,
        environments=None if token.environments is None else list(token.environments),
        created_wall=token.created,
        created_by=token.created_by,
        expires_wall=token.expires,
        last_used_wall=token.last_used,
        revoked=token.revoked,
    )
