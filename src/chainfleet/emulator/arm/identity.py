"""Who may sign in: tenant, subscription, service principals, and the tokens they get."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

AUDIENCES = ("https://management.azure.com", "https://management.core.windows.net")
"""Of tokens for ARM."""
VAULT_AUDIENCE = "https://vault.azure.net"
"""Of tokens for key vaults."""
TOKEN_LIFETIME_S = 3599
_KEY_ID = "chainfleet-emulator"


@dataclass(frozen=True, slots=True)
class Principal:
    """A service principal.

    Attributes:
        access: whether it may use the subscription.
        secrets: whether it may read and write secrets of all key vaults of the subscription.
    """

    client_id: str
    client_secret: str = field(repr=False)
    object_id: str
    name: str
    access: bool = True
    secrets: bool = True


class TokenError(Exception):
    """A bearer token isn't accepted; the text says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Directory:
    """The tenant: its principals and its signing key. Its `dump` holds secrets: keep it in a private file.

    Args:
        now: real time in seconds since 1970, since clients look at a token's real expiry.
        state: what `dump` gave, to take up; None makes a new tenant.
    """

    def __init__(
        self, state: Mapping[str, Any] | None = None, *, now: Callable[[], float] = time.time
    ) -> None:
        self._now = now
        self._known: dict[tuple[str, tuple[str, ...]], tuple[Principal, float]] = {}
        if state is None:
            self.tenant_id, self.subscription_id = str(uuid.uuid4()), str(uuid.uuid4())
            self.principals = {p.client_id: p for p in [_new_principal("chainfleet-deployer", access=True)]}
            self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        else:
            self.tenant_id, self.subscription_id = state["tenant_id"], state["subscription_id"]
            self.principals = {p["client_id"]: Principal(**p) for p in state["principals"]}
            key = serialization.load_pem_private_key(state["key"].encode(), password=None)
            if not isinstance(key, rsa.RSAPrivateKey):
                raise TypeError("the tenant's signing key isn't an RSA key")
            self._key = key
        self.namespace = uuid.UUID(self.tenant_id)

    @property
    def deployer(self) -> Principal:
        """The principal that was made with the tenant."""
        return next(iter(self.principals.values()))

    def add_principal(self, name: str, *, access: bool, secrets: bool = True) -> Principal:
        """Make a further service principal."""
        principal = replace(_new_principal(name, access=access), secrets=secrets)
        self.principals[principal.client_id] = principal
        return principal

    def knows_object(self, object_id: str) -> bool:
        """Whether a service principal has that object id."""
        return any(p.object_id == object_id for p in self.principals.values())

    def issue(
        self, principal: Principal, audience: str, issuer: str, lifetime_s: float = TOKEN_LIFETIME_S
    ) -> str:
        """Sign an access token for an audience."""
        now = int(self._now())
        claims = {
            "aud": audience,
            "iss": issuer,
            "iat": now,
            "nbf": now - 5,
            "exp": int(now + lifetime_s),
            "appid": principal.client_id,
            "oid": principal.object_id,
            "sub": principal.object_id,
            "tid": self.tenant_id,
            "idtyp": "app",
            "ver": "1.0",
        }
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": _KEY_ID})

    def who(self, token: str, audiences: tuple[str, ...] = AUDIENCES) -> Principal:
        """The principal that a token for one of these audiences was issued to.

        Raises:
            TokenError: not signed here, expired, or for another audience.
        """
        known = self._known.get((token, audiences))
        if known is None:
            known = self._verify(token, audiences)
            self._known[token, audiences] = known
        principal, expires = known
        if expires <= self._now():
            del self._known[token, audiences]
            raise TokenError("ExpiredAuthenticationToken", "The access token expiry UTC time is in the past.")
        return principal

    def _verify(self, token: str, audiences: tuple[str, ...]) -> tuple[Principal, float]:
        accepted = [form for audience in audiences for form in (audience, audience + "/")]
        try:
            claims = jwt.decode(
                token,
                self._key.public_key(),
                algorithms=["RS256"],
                audience=accepted,
                # Expiry is looked at with our own clock, each time the token is used.
                options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except jwt.InvalidAudienceError as error:
            raise TokenError(
                "InvalidAuthenticationTokenAudience",
                "The access token has been obtained for wrong audience or resource. "
                f"It should exactly match one of the allowed audiences '{accepted}'.",
            ) from error
        except jwt.InvalidTokenError as error:
            raise TokenError(
                "InvalidAuthenticationToken", f"The access token is invalid: {error}."
            ) from error
        principal = self.principals.get(claims.get("appid", ""))
        if principal is None:
            raise TokenError("InvalidAuthenticationToken", "The access token's application is unknown.")
        return principal, float(claims["exp"])

    def jwks(self) -> dict[str, Any]:
        """The public signing key."""
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [{**key, "kid": _KEY_ID, "use": "sig", "alg": "RS256"}]}

    def dump(self) -> dict[str, Any]:
        """State as JSON values, secrets included."""
        pem = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "tenant_id": self.tenant_id,
            "subscription_id": self.subscription_id,
            "principals": [asdict(p) for p in self.principals.values()],
            "key": pem.decode(),
        }


def _new_principal(name: str, *, access: bool) -> Principal:
    return Principal(str(uuid.uuid4()), secrets.token_urlsafe(30), str(uuid.uuid4()), name, access)
