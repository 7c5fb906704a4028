"""Who may do what: sessions, tokens, audit, settings."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from .common import EnvironmentName, Given, Reason, Told, Wall

Secret = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class Role(StrEnum):
    """Each role may do what the ones before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"


class SessionGiven(Given):
    """The one-time code from the address fragment (`#t=CODE`), to be exchanged for a bearer token."""

    code: Secret
    login_secret: Secret | None = Field(None, description="For sign-in by OIDC: what `startLogin` gave.")


class SessionStarted(Told):
    """A bearer token; it is shown this once."""

    token: str
    expires_wall: Wall
    session: SessionView


class SessionView(Told):
    """Who the caller is and what they may do."""

    name: str
    role: Role
    kind: Literal["local", "token", "oidc"]
    token_id: str
    environments: list[str] | None = Field(None, description="The only ones the caller sees; null means all.")
    expires_wall: Wall | None = None
    permissions: list[str]


class LoginGiven(Given):
    """Where to come back to after signing in."""

    return_to: Annotated[str, StringConstraints(max_length=500, pattern=r"^/([^/\\][^\\]*)?$")] = "/"


class LoginStarted(Told):
    """Where to send the browser; keep the secret, the exchange asks for it."""

    authorize_url: str
    login_secret: str


class TokenGiven(Given):
    """A new token for a person or a program."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=80, strip_whitespace=True)]
    role: Role
    environments: list[EnvironmentName] | None = Field(None, max_length=100)
    days: Annotated[float, Field(gt=0, le=366)] = 30


class TokenView(Told):
    """A token without its secret."""

    id: str
    name: str
    role: Role
    kind: Literal["local", "token", "oidc"]
    environments: list[str] | None = None
    created_wall: Wall
    created_by: str
    expires_wall: Wall
    last_used_wall: Wall | None = None
    revoked: bool = False


class TokenMade(TokenView):
    """A token with its secret, shown this once."""

    secret: str


class RoleView(Told):
    """What a role may do."""

    role: Role
    permissions: list[str]


class AccessView(Told):
    """Roles, and how people sign in."""

    mode: Literal["local", "server"]
    roles: list[RoleView]
    oidc_issuer: str | None = None
    four_eyes: bool = Field(description="Whether who started a run may not approve its gates.")


class AuditEntry(Told):
    """One thing that somebody did, or tried to."""

    number: int
    wall: Wall
    actor: str
    role: str
    token_id: str
    address: str
    request_id: str
    action: str
    environment: str
    subject: str
    reason: str
    result: Literal["done", "denied", "failed"]
    status: int
    details: dict[str, Any] = {}
    hash: str = Field(description="SHA-256 over the entry before and this one.")


class AuditCheck(Told):
    """Whether the chain of entries is whole."""

    ok: bool
    entries: int
    head: str = Field(description="Hash of the last entry.")
    broken_at: int | None = None


class Settings(Told):
    """Settings of the portal that everybody shares."""

    ui: Literal["vue", "react"] = "vue"
    links: list[DeepLink] = []
    read_only: bool = Field(False, description="While set, nobody can start or change anything.")


class DeepLink(Given):
    """A link out to another tool; `{environment}`, `{run}`, `{region}` and `{task}` are filled in."""

    title: Annotated[str, StringConstraints(min_length=1, max_length=60)]
    url: Annotated[str, StringConstraints(max_length=1000, pattern=r"^https://[^\s]+$")]


class SettingsGiven(Given):
    """New settings; what is left out stays."""

    ui: Literal["vue", "react"] | None = None
    links: list[DeepLink] | None = Field(None, max_length=50)
    read_only: bool | None = None
    reason: Reason = ""


class Meta(Told):
    """What a page needs to know of the server before it signs in."""

    name: Literal["chainfleet"] = "chainfleet"
    version: str
    api: Literal["v1"] = "v1"
    mode: Literal["local", "server"]
    oidc: bool
    ui: Literal["vue", "react"]
    available_ui: list[Literal["vue", "react"]]
    read_only: bool
    now_wall: Wall
    epoch: str = Field(description="Changes when the server restarts.")
    sse_ping_s: float


SessionStarted.model_rebuild()
Settings.model_rebuild()
