"""Signing in with an OpenID Connect issuer: authorization code with PKCE, bound to the browser without a cookie.

The browser keeps a secret that only the exchange of the resulting one-time code accepts; a code that was led to another
browser is of no use there.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from chainfleet.ledger.access import AccessStore

from .models.access import Role
from .problems import ProblemError

if TYPE_CHECKING:
    import httpx2

LOGIN_S = 600.0
CODE_S = 120.0
_SKEW_S = 60.0
_ALGORITHMS = ("RS256", "ES256", "EdDSA")


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """How this server knows its issuer.

    Attributes:
        issuer: address, exactly as in its tokens.
        client_id: of this server there.
        client_secret: for confidential clients; empty for public ones.
        redirect_uri: this server's callback as browsers reach it.
        roles_claim: claim that holds groups or roles.
        roles: role here by value of that claim.
        default_role: of people without such a value; None refuses them.
    """

    issuer: str
    client_id: str
    client_secret: str
    redirect_uri: str
    roles_claim: str
    roles: Mapping[str, Role]
    default_role: Role | None


class Oidc:
    """The client of one issuer.

    Args:
        settings: how it is known.
        store: where logins that are under way are kept.
        wall: wall-clock seconds.
        http: makes a client; each call is closed afterwards.
    """

    def __init__(
        self,
        settings: OidcSettings,
        store: AccessStore,
        wall: Callable[[], float],
        http: Callable[[], httpx2.AsyncClient],
    ) -> None:
        self.settings = settings
        self._store = store
        self._wall = wall
        self._http = http
        self._metadata: dict[str, Any] | None = None

    async def start(self, return_to: str) -> tuple[str, str]:
        """Begin: where to send the browser, and the secret it must keep."""
        metadata = await self._discover()
        state, verifier, login_secret, nonce = (secrets.token_urlsafe(32) for _ in range(4))
        facts = {"verifier": verifier, "nonce": nonce, "return_to": return_to, "login": _sha(login_secret)}
        await asyncio.to_thread(self._store.add_code, f"oidc:{state}", facts, self._wall() + LOGIN_S)
        query = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self.settings.redirect_uri,
            "scope": "openid profile email",
            "state": state,
            "nonce": nonce,
            "code_challenge": _sha(verifier),
            "code_challenge_method": "S256",
        }
        joiner = "&" if urlsplit(metadata["authorization_endpoint"]).query else "?"
        return f"{metadata['authorization_endpoint']}{joiner}{urlencode(query)}", login_secret

    async def finish(self, state: str, code: str, error: str) -> str:
        """The browser is back: where to send it now, with a one-time code in the fragment.

        Raises:
            ProblemError: the issuer refused, or what it says doesn't hold.
        """
        facts = await asyncio.to_thread(self._store.take_code, f"oidc:{state}")
        if facts is None:
            raise ProblemError(
                400, "unknown-login", "this sign-in is not known, or took too long", way_out="begin anew"
            )
        if error or not code:
            raise ProblemError(403, "sign-in-refused", f"the issuer refused: {error[:100] or 'no code'}")
        claims = await self._claims(code, facts)
        role = self._role(claims)
        name = str(claims.get("preferred_username") or claims.get("email") or claims["sub"])[:80]
        one_time = secrets.token_urlsafe(32)
        person = {"kind": "oidc", "name": name, "role": role.value, "login": facts["login"]}
        await asyncio.to_thread(self._store.add_code, one_time, person, self._wall() + CODE_S)
        return f"{facts['return_to']}#t={one_time}"

    def _role(self, claims: Mapping[str, Any]) -> Role:
        values = claims.get(self.settings.roles_claim, [])
        named = [values] if isinstance(values, str) else values if isinstance(values, list) else []
        order = list(Role)
        found = [
            self.settings.roles[value]
            for value in named
            if isinstance(value, str) and value in self.settings.roles
        ]
        role = max(found, key=order.index) if found else self.settings.default_role
        if role is None:
            raise ProblemError(
                403, "no-role", "you have no role here", way_out="ask an admin to give you a group"
            )
        return role

    async def _claims(self, code: str, facts: Mapping[str, Any]) -> dict[str, Any]:
        metadata = await self._discover()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.settings.redirect_uri,
            "client_id": self.settings.client_id,
            "code_verifier": facts["verifier"],
        }
        if self.settings.client_secret:
            form["client_secret"] = self.settings.client_secret
        answer = await self._json("POST", metadata["token_endpoint"], form)
        keys = await self._json("GET", metadata["jwks_uri"])
        claims = self._verified(str(answer.get("id_token", "")), keys)
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), str(facts["nonce"]).encode()):
            raise _untrue("its nonce is not ours")
        return claims

    def _verified(self, token: str, keys: Mapping[str, Any]) -> dict[str, Any]:
        import jwt

        try:
            header = jwt.get_unverified_header(token)
            found = [
                k for k in keys.get("keys", []) if k.get("kid") == header.get("kid") or len(keys["keys"]) == 1
            ]
            if header.get("alg") not in _ALGORITHMS or not found:
                raise _untrue("it is signed with an unknown key")
            claims: dict[str, Any] = jwt.decode(
                token,
                jwt.PyJWK(found[0], algorithm=header["alg"]).key,
                algorithms=[header["alg"]],
                audience=self.settings.client_id,
                issuer=self.settings.issuer,
                leeway=_SKEW_S,
                options={"require": ["exp", "iat", "sub", "aud", "iss"]},
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
            raise _untrue(type(error).__name__) from None
        return claims

    async def _discover(self) -> dict[str, Any]:
        if self._metadata is None:
            url = self.settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
            found = await self._json("GET", url)
            if found.get("issuer") != self.settings.issuer:
                raise _untrue("it calls itself otherwise")
            self._metadata = found
        return self._metadata

    async def _json(self, method: str, url: str, form: Mapping[str, str] | None = None) -> dict[str, Any]:
        import httpx2

        try:
            async with self._http() as client:
                response = await client.request(method, url, data=form)
                document = response.json()
        except (httpx2.HTTPError, json.JSONDecodeError, UnicodeDecodeError) as error:
            message = f"the issuer does not answer: {type(error).__name__}"
            raise ProblemError(503, "issuer-unreachable", message, retryable=True) from None
        if response.status_code != 200 or not isinstance(document, dict):
            raise ProblemError(403, "sign-in-refused", f"the issuer answered {response.status_code}")
        return document


def proves_login(facts: Mapping[str, Any], login_secret: str | None) -> bool:
    """Whether who exchanges a code is the browser that began the sign-in."""
    wanted = facts.get("login")
    return wanted is None or (login_secret is not None and hmac.compare_digest(wanted, _sha(login_secret)))


def _sha(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def _untrue(why: str) -> ProblemError:
    return ProblemError(403, "sign-in-refused", f"what the issuer says can't be trusted: {why}")
