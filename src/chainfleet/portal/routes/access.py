"""Tokens, roles, audit and settings."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response

from ..models.access import (
    AccessView,
    AuditCheck,
    AuditEntry,
    Settings,
    SettingsGiven,
    TokenGiven,
    TokenMade,
    TokenView,
)
from ..models.common import Page
from ..permissions import Permission
from ..problems import ProblemError
from .declaring import route
from .parameters import Cursor, IdempotencyKey, Limit

router = APIRouter(tags=["access"])
TokenPath = Annotated[str, Path(pattern=r"^[a-z0-9]{4,32}$", description="Id of the token.")]


@route(router, "GET", "/access", permission=Permission.READ)
async def get_access() -> AccessView:
    """Roles, and how people sign in."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "GET", "/tokens", permission=Permission.ADMIN)
async def list_tokens(limit: Limit = 100, cursor: Cursor = None) -> Page[TokenView]:
    """Tokens and sessions, newest first."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "POST", "/tokens", permission=Permission.ADMIN, status=201, problems=(409,))
async def create_token(given: TokenGiven, idempotency_key: IdempotencyKey = None) -> TokenMade:
    """Make a token; its secret is shown this once."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "POST", "/tokens/{token}/rotate", permission=Permission.ADMIN, status=201, problems=(404, 409))
async def rotate_token(token: TokenPath) -> TokenMade:
    """Replace a token's secret; the old one ends at once."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "DELETE", "/tokens/{token}", permission=Permission.ADMIN, status=204, problems=(404,))
async def revoke_token(token: TokenPath) -> Response:
    """End a token at once."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "GET", "/audit", permission=Permission.AUDIT)
async def list_audit(
    limit: Limit = 100,
    cursor: Cursor = None,
    actor: Annotated[str | None, Query(max_length=100)] = None,
    environment: Annotated[str | None, Query(max_length=60)] = None,
    action: Annotated[str | None, Query(max_length=60)] = None,
    result: Literal["done", "denied", "failed"] | None = None,
) -> Page[AuditEntry]:
    """Who did what, newest first."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "GET", "/audit/check", permission=Permission.AUDIT)
async def check_audit() -> AuditCheck:
    """Whether the chain of entries is whole."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "GET", "/audit/export", permission=Permission.AUDIT, response_class=Response,
       responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}},
                                    "text/csv": {"schema": {"type": "string"}}}}})  # fmt: skip
async def export_audit(form: Annotated[Literal["jsonl", "csv"], Query()] = "jsonl") -> Response:
    """The whole audit log as a file."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "GET", "/settings", permission=Permission.READ)
async def get_settings() -> Settings:
    """Settings that everybody shares."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "PUT", "/settings", permission=Permission.ADMIN)
async def change_settings(given: SettingsGiven) -> Settings:
    """Change settings."""
    raise ProblemError(501, "not-done", "not done yet")
