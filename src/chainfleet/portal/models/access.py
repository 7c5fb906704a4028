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
    """The one-time code of the address' fragment."""
    login_secret: Secret | None = Field(None, description="For sign-in by OIDC: what `startLogin` gave.")


class SessionStarted(Told):
    """A bearer token; it is shown this once."""

    token: str
    """Send it as `Authorization: Bearer`."""
    expires_wall: Wall
    session: SessionView
    """Who the token is, and what it may do."""


class SessionView(Told):
    """Who the caller is and what they may do."""

    name: str
    """Who it is."""
    role: Role
    """What it may do at most."""
    kind: Literal["local", "token", "oidc"]
    """A session, or a token."""
    token_id: str
    """Id of the token or session; no secret."""
    environments: list[str] | None = Field(None, description="The only ones the caller sees; null means all.")
    expires_wall: Wall | None = None
    permissions: list[str]
    """What it may do."""


class LoginGiven(Given):
    """Where to come back to after signing in."""

    return_to: Annotated[str, StringConstraints(max_length=500, pattern=r"^/([^/\\][^\\]*)?$")] = "/"
    """Path of the page to come back to."""


class LoginStarted(Told):
    """Where to send the browser; keep the secret, the exchange asks for it."""

    authorize_url: str
    """Address of the issuer to go to."""
    login_secret: str
    """Keep it until the browser comes back."""


class TokenGiven(Given):
    """A new token for a person or a program."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=80, strip_whitespace=True)]
    """What it is called in lists and in the audit log."""
    role: Role
    """What it may do at most."""
    environments: list[EnvironmentName] | None = Field(None, max_length=100)
    """Environments that it may see; all where empty."""
    days: Annotated[float, Field(gt=0, le=366)] = 30
    """How long it holds."""


class TokenView(Told):
    """A token without its secret."""

    id: str
    """Its id; no secret."""
    name: str
    """What it is called."""
    role: Role
    """What it may do at most."""
    kind: Literal["local", "token", "oidc"]
    """A session, or a token."""
    environments: list[str] | None = None
    """Environments that it may see; all where empty."""
    created_wall: Wall
    created_by: str
    """Who made it."""
    expires_wall: Wall
    last_used_wall: Wall | None = None
    revoked: bool = False
    """Whether it was ended before its time."""


class TokenMade(TokenView):
    """A token with its secret, shown this once."""

    secret: str
    """Shown this once."""


class RoleView(Told):
    """What a role may do."""

    role: Role
    """What it may do at most."""
    permissions: list[str]
    """What it may do."""


class AccessView(Told):
    """Roles, and how people sign in."""

    mode: Literal["local", "server"]
    """Loopback, or a server with a certificate."""
    roles: list[RoleView]
    """What each role may do."""
    oidc_issuer: str | None = None
    """Address of that issuer, if one is configured."""
    four_eyes: bool = Field(description="Whether who started a run may not approve its gates.")


class AuditEntry(Told):
    """One thing that somebody did, or tried to."""

    number: int
    """Counted from 1 without gaps."""
    wall: Wall
    actor: str
    """Name of the token, session or person."""
    role: str
    """What it may do at most."""
    token_id: str
    """Id of the token or session; no secret."""
    address: str
    """Address that the request came from."""
    request_id: str
    """Names the request in the server's log."""
    action: str
    """What was done, e.g. `run.start`."""
    environment: str
    """Name of the environment."""
    subject: str
    """What it was done to."""
    reason: str
    """Why; it is kept in the audit log."""
    result: Literal["done", "denied", "failed"]
    """Done, denied or failed."""
    status: int
    """HTTP status of the answer."""
    details: dict[str, Any] = {}
    """What else is known of it."""
    hash: str = Field(description="SHA-256 over the entry before and this one.")


class AuditCheck(Told):
    """Whether the chain of entries is whole."""

    ok: bool
    """Whether no entry was changed or taken away."""
    entries: int
    """How many there are."""
    head: str = Field(description="Hash of the last entry.")
    broken_at: int | None = None
    """Number of the first entry that doesn't fit, if one doesn't."""


class Settings(Told):
    """Settings of the portal that everybody shares."""

    ui: Literal["vue", "react"] = "vue"
    """Build of the pages that is shown first."""
    links: list[DeepLink] = []
    """Addresses that pages link to, with titles."""
    read_only: bool = Field(False, description="While set, nobody can start or change anything.")


class DeepLink(Given):
    """A link out to another tool; `{environment}`, `{run}`, `{region}` and `{task}` are filled in."""

    title: Annotated[str, StringConstraints(min_length=1, max_length=60)]
    """What the link is called."""
    url: Annotated[str, StringConstraints(max_length=1000, pattern=r"^https://[^\s]+$")]
    """Its address; parts in braces are filled in."""


class SettingsGiven(Given):
    """New settings; what is left out stays."""

    ui: Literal["vue", "react"] | None = None
    """Build of the pages that is shown first."""
    links: list[DeepLink] | None = Field(None, max_length=50)
    """Addresses that pages link to, with titles."""
    read_only: bool | None = None
    """Whether nothing may be changed through the portal."""
    reason: Reason = ""
    """Why; it is kept in the audit log."""


class Meta(Told):
    """What a page needs to know of the server before it signs in."""

    name: Literal["chainfleet"] = "chainfleet"
    """Name of the product."""
    version: str
    """Version of the server."""
    api: Literal["v1"] = "v1"
    """Version of the API."""
    mode: Literal["local", "server"]
    """Loopback, or a server with a certificate."""
    oidc: bool
    """Whether one can sign in with an OpenID Connect issuer."""
    ui: Literal["vue", "react"]
    """Build of the pages that is shown first."""
    available_ui: list[Literal["vue", "react"]]
    """Builds of the pages that are there."""
    read_only: bool
    """Whether nothing may be changed through the portal."""
    now_wall: Wall
    epoch: str = Field(description="Changes when the server restarts.")
    sse_ping_s: float
    """Seconds after which a silent stream sends a comment."""


SessionStarted.model_rebuild()
Settings.model_rebuild()
