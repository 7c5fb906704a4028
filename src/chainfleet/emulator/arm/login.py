"""The token endpoint: client credentials as Microsoft Entra ID gives them, and its discovery documents."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping

from aiohttp import web

from chainfleet.emulator.seams import Traffic

from .identity import AUDIENCES, TOKEN_LIFETIME_S, VAULT_AUDIENCE, Directory

_ALIASES = ("common", "organizations")


class LoginRefused(Exception):
    """A sign-in is refused, with Entra's error, number and text."""

    def __init__(self, status: int, error: str, number: int, message: str) -> None:
        super().__init__(message)
        self.status, self.error, self.number = status, error, number


class Login:
    """Answers on the authority host."""

    def __init__(self, directory: Directory, traffic: Traffic) -> None:
        self._directory = directory
        self._traffic = traffic
        self.vaults = ""
        """Address of the key vaults' data plane, with a slash at its end: their audience in this cloud."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        try:
            response = await self._respond(request)
        except LoginRefused as refused:
            body = {
                "error": refused.error,
                "error_description": f"AADSTS{refused.number}: {refused}",
                "error_codes": [refused.number],
                "timestamp": time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime()),
                "trace_id": str(uuid.uuid4()),
                "correlation_id": request.headers.get("client-request-id", str(uuid.uuid4())),
            }
            response = web.json_response(body, status=refused.status)
        self._traffic.request(
            system="login", verb=request.method, kind="token", region="", status=response.status
        )
        response.headers["Cache-Control"] = "no-store"
        return response

    async def _respond(self, request: web.BaseRequest) -> web.Response:
        base = f"https://{request.host}"
        parts = request.path.strip("/").split("/")
        if parts[:3] == ["common", "discovery", "instance"]:
            return web.json_response(self._instance(base, request.host))
        if len(parts) < 2:
            raise LoginRefused(404, "invalid_request", 900144, "The request names no endpoint.")
        tenant, rest = parts[0], "/".join(parts[1:])
        if tenant not in (self._directory.tenant_id, *_ALIASES):
            raise LoginRefused(
                400,
                "invalid_request",
                90002,
                f"Tenant '{tenant}' not found. Check to make sure you have the "
                "correct tenant ID and are signing into the correct cloud.",
            )
        if rest in ("v2.0/.well-known/openid-configuration", ".well-known/openid-configuration"):
            return web.json_response(self._configuration(base, tenant))
        if rest in ("discovery/v2.0/keys", "discovery/keys"):
            return web.json_response(self._directory.jwks())
        if rest in ("oauth2/v2.0/token", "oauth2/token") and request.method == "POST":
            form = {key: str(value) for key, value in (await request.post()).items()}
            return web.json_response(self._token(form, base))
        raise LoginRefused(404, "invalid_request", 900144, f"No endpoint answers at '{request.path}'.")

    @staticmethod
    def _instance(base: str, host: str) -> dict[str, object]:
        return {
            "tenant_discovery_endpoint": f"{base}/common/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        }

    @staticmethod
    def _configuration(base: str, tenant: str) -> dict[str, object]:
        place = f"{base}/{tenant}"
        return {
            "issuer": f"{place}/v2.0",
            "authorization_endpoint": f"{place}/oauth2/v2.0/authorize",
            "token_endpoint": f"{place}/oauth2/v2.0/token",
            "device_authorization_endpoint": f"{place}/oauth2/v2.0/devicecode",
            "jwks_uri": f"{place}/discovery/v2.0/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "response_types_supported": ["code", "token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "cloud_instance_name": base.removeprefix("https://"),
            "tenant_region_scope": None,
        }

    def _token(self, form: Mapping[str, str], base: str) -> dict[str, object]:
        if form.get("grant_type") != "client_credentials":
            raise LoginRefused(
                400,
                "unsupported_grant_type",
                70003,
                f"The app requested an unsupported grant type '{form.get('grant_type')}'.",
            )
        principal = self._directory.principals.get(form.get("client_id", "").lower())
        if principal is None:
            raise LoginRefused(
                400,
                "unauthorized_client",
                700016,
                f"Application with identifier '{form.get('client_id')}' was not "
                f"found in the directory '{self._directory.tenant_id}'.",
            )
        if form.get("client_secret") != principal.client_secret:
            raise LoginRefused(
                401,
                "invalid_client",
                7000215,
                "Invalid client secret provided. Ensure the secret being sent in "
                f"the request is the client secret value for app '{principal.client_id}'.",
            )
        audience = self._audience(form)
        issuer = f"{base}/{self._directory.tenant_id}/v2.0"
        return {
            "token_type": "Bearer",
            "expires_in": TOKEN_LIFETIME_S,
            "ext_expires_in": TOKEN_LIFETIME_S,
            "access_token": self._directory.issue(principal, audience, issuer),
        }

    def _audience(self, form: Mapping[str, str]) -> str:
        scope = form.get("scope", "")
        if "resource" in form:
            wanted = form["resource"]
        elif scope.endswith("/.default"):
            wanted = scope.removesuffix("/.default")
        else:
            raise LoginRefused(
                400,
                "invalid_scope",
                1002012,
                f"The provided value for scope {scope} is not valid. Client credential "
                "flows must have a scope value with /.default suffixed to the resource identifier.",
            )
        plain = wanted.rstrip("/")
        if self.vaults and plain == self.vaults.rstrip("/"):
            return VAULT_AUDIENCE
        if plain.startswith("https://127.0.0.1:"):
            # Clients of custom clouds ask for ARM's own address.
            return AUDIENCES[0]
        if plain not in (*AUDIENCES, VAULT_AUDIENCE):
            raise LoginRefused(
                400,
                "invalid_resource",
                500011,
                f"The resource principal named {wanted} was not found in the tenant "
                "named chainfleet emulated.",
            )
        return wanted
