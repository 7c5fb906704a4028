"""Who is asking: a token's bearer with a role, and what tokens look like."""

from __future__ import annotations

import secrets
import zlib
from dataclasses import dataclass
from typing import Literal, cast

from chainfleet.ledger.access import AccessStore, Token

from .models.access import Role
from .permissions import Permission, permissions_of

PREFIX = "cfp_"
SESSION_S = 12 * 3600.0
_USED_EVERY_S = 60.0

Kind = Literal["local", "token", "oidc"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever a request comes from.

    Attributes:
        name: for people and the audit log.
        role: what they may do.
        kind: how they signed in.
        token_id: of the token they use.
        environments: the only ones they see; None means all.
        expires: wall-clock seconds.
    """

    name: str
    role: Role
    kind: Kind
    token_id: str
    environments: frozenset[str] | None
    expires: float

    def may(self, permission: Permission) -> bool:
        """Whether their role allows that."""
        return permission is Permission.PUBLIC or permission in permissions_of(self.role)

    def sees(self, environment: str) -> bool:
        """Whether that environment is one of theirs."""
        return self.environments is None or environment in self.environments


def new_secret() -> str:
    """A token's secret: a prefix that scanners know, 256 random bits, and a checksum."""
    body = secrets.token_urlsafe(32)
    return f"{PREFIX}{body}{zlib.crc32(body.encode()):08x}"


def well_formed(secret: str) -> bool:
    """Whether that can be a token at all; saves asking the database about guesses."""
    body, check = secret[len(PREFIX) : -8], secret[-8:]
    return secret.startswith(PREFIX) and check == f"{zlib.crc32(body.encode()):08x}"


class Bearers:
    """Makes tokens and finds who bears them.

    Args:
        store: where they are kept.
    """

    def __init__(self, store: AccessStore) -> None:
        self._store = store

    def make(
        self,
        name: str,
        role: Role,
        kind: Kind,
        *,
        now: float,
        lasting_s: float,
        by: str,
        environments: tuple[str, ...] | None = None,
    ) -> tuple[Token, str]:
        """Make a token; the secret is not kept anywhere."""
        secret, token_id = new_secret(), secrets.token_hex(6)
        token = Token(token_id, name, role.value, kind, environments, now, by, now + lasting_s)
        self._store.add_token(token, secret)
        return token, secret

    def find(self, secret: str, now: float) -> Principal | None:
        """Who bears that token; None where it is wrong, expired or revoked."""
        token = self._store.find_token(secret) if well_formed(secret) else None
        if token is None or token.revoked or token.expires <= now:
            return None
        if token.last_used is None or now - token.last_used > _USED_EVERY_S:
            self._store.used(token.id, now)
        return principal_of(token)


def principal_of(token: Token) -> Principal:
    """The bearer of a token."""
    environments = None if token.environments is None else frozenset(token.environments)
    kind = cast("Kind", token.kind)
    return Principal(token.name, Role(token.role), kind, token.id, environments, token.expires)
