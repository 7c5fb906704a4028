"""The data plane of the key vaults: a challenge that names its own audience, roles, firewall, soft delete, throttling.

Texts and codes are those of Azure Key Vault's REST API 7.4, as far as clients read them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from chainfleet.emulator.clock import ScaledClock
from chainfleet.emulator.seams import FaultKind, Faults, Traffic

from .bodies import value_at
from .identity import VAULT_AUDIENCE, Directory, Principal, TokenError
from .kinds_other import VAULT
from .resources import Resource
from .vaults import GET, SET, KeyVaults, Secret, Version

KIND = f"{VAULT}/secrets".lower()
"""What faults and counts call it."""
_RETRY_S = 10.0
"""How long a throttled caller is told to wait; Azure says seconds."""


class _Refused(Exception):
    def __init__(self, status: int, code: str, message: str, inner: str = "", **headers: str) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers
        self.body: dict[str, Any] = {"error": {"code": code, "message": message}}
        if inner:
            self.body["error"]["innererror"] = {"code": inner}


class VaultGateway:
    """Answers for all vaults: `/{vault}/secrets/{name}`."""

    def __init__(
        self, vaults: KeyVaults, directory: Directory, clock: ScaledClock, faults: Faults, traffic: Traffic
    ) -> None:
        self._vaults = vaults
        self._directory = directory
        self._clock = clock
        self._faults = faults
        self._traffic = traffic
        self.authority = ""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        name, *rest = request.path.strip("/").split("/")
        vault = self._vaults.vault(name)
        if vault is None:
            # The name of a vault that doesn't live doesn't resolve: nobody is there to say so.
            return _cut(request)
        try:
            status, body = await self._respond(request, vault, rest)
            headers = {}
        except _Refused as refused:
            status, body, headers = refused.status, refused.body, refused.headers
        where = {"system": "vault", "verb": request.method, "kind": KIND, "region": vault.location}
        self._traffic.request(**where, status=status)
        if request.method != "GET" and status < 300:
            self._traffic.change(**where)
        lost = {"region": vault.location, "resource": KIND, "verb": request.method}
        if status < 400 and self._faults.strike(FaultKind.LOST_CONNECTION, **lost):
            return _cut(request)
        return web.json_response(body, status=status, headers={"Cache-Control": "no-cache", **headers})

    async def _respond(
        self, request: web.BaseRequest, vault: Resource, rest: list[str]
    ) -> tuple[int, dict[str, Any]]:
        principal = self._authenticate(request)
        self._strike(request.method, vault)
        _pass_firewall(vault)
        if "api-version" not in request.query:
            raise _Refused(400, "BadParameter", "api-version must be specified")
        match request.method, rest:
            case "GET", ["secrets"]:
                self._authorise(principal, vault, "readMetadata")
                return 200, {"value": self._list(vault), "nextLink": None}
            case "GET", ["secrets", name, *version] if len(version) < 2:
                self._authorise(principal, vault, GET)
                return 200, self._get(vault, name, *version)
            case "PUT", ["secrets", name]:
                self._authorise(principal, vault, SET)
                return 200, self._set(vault, name, await _json(request))
            case "DELETE", ["secrets", name]:
                self._authorise(principal, vault, "delete")
                return 200, self._mark(vault, name, deleted=True)
            case "POST", ["deletedsecrets", name, "recover"]:
                self._authorise(principal, vault, "recover")
                return 200, self._mark(vault, name, deleted=False)
        raise _Refused(404, "NotFound", f"Nothing answers {request.method} {request.path}.")

    def _authenticate(self, request: web.BaseRequest) -> Principal:
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        base = self._vaults.base.rstrip("/")
        challenge = f'Bearer authorization="{self.authority}{self._directory.tenant_id}", resource="{base}"'
        headers = {"WWW-Authenticate": challenge}
        if scheme.lower() != "bearer" or not bearer:
            text = "AKV10000: Request is missing a Bearer or PoP token."
            raise _Refused(401, "Unauthorized", text, **headers)
        try:
            return self._directory.who(bearer.strip(), (VAULT_AUDIENCE,))
        except TokenError as refused:
            text = f"AKV10022: Invalid audience. Expected {VAULT_AUDIENCE}: {refused}"
            raise _Refused(401, "Unauthorized", text, **headers) from refused

    def _strike(self, verb: str, vault: Resource) -> None:
        where = {"region": vault.location, "resource": KIND, "verb": verb}
        if self._faults.strike(FaultKind.THROTTLE, **where):
            text = (
                "Request was not processed because too many requests were received. "
                "Reason: VaultRequestTypeLimitReached"
            )
            wait = str(max(1, math.ceil(self._clock.real(_RETRY_S))))
            raise _Refused(429, "Throttled", text, **{"Retry-After": wait})
        for kind in (FaultKind.SERVER_ERROR, FaultKind.REGION_DOWN):
            if self._faults.strike(kind, **where):
                raise _Refused(503, "ServiceUnavailable", "The service is temporarily unavailable.")

    def _authorise(self, principal: Principal, vault: Resource, action: str) -> None:
        if self._vaults.may(principal, vault, action):
            return
        raise _Refused(
            403,
            "Forbidden",
            "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments "
            "or role definitions were changed recently, please observe propagation time.\r\n"
            f"Caller: appid={principal.client_id};oid={principal.object_id}\r\n"
            f"Action: '{VAULT}/secrets/{action}/action'\r\nVault: {vault.id.name};location={vault.location}\r\n",
            "ForbiddenByRbac",
        )

    def _living(self, vault: Resource, name: str) -> Secret:
        secret = self._vaults.secrets(vault.id.name).get(name)
        if secret is None or secret.deleted:
            raise _Refused(
                404,
                "SecretNotFound",
                f"A secret with (name/id) {name} was not found in this key vault. If you recently deleted "
                "this secret you may be able to recover it using the correct recovery command.",
            )
        return secret

    def _get(self, vault: Resource, name: str, version: str = "") -> dict[str, Any]:
        found = self._living(vault, name).version(version)
        if found is None:
            text = f"A secret with (name/id) {name}/{version} was not found in this key vault."
            raise _Refused(404, "SecretNotFound", text)
        return {"value": found.value, **self._described(vault, name, found)}

    def _list(self, vault: Resource) -> list[dict[str, Any]]:
        found = []
        for name, secret in sorted(self._vaults.secrets(vault.id.name).items()):
            newest = secret.version("")
            if newest is not None and not secret.deleted:
                shown = self._described(vault, name, newest)
                found.append({**shown, "id": f"{self._vaults.uri(vault.id.name)}secrets/{name}"})
        return found

    def _set(self, vault: Resource, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if not isinstance(body.get("value"), str):
            raise _Refused(400, "BadParameter", "Property value has invalid value.")
        before = self._vaults.secrets(vault.id.name).get(name)
        if before is not None and before.deleted:
            raise _Refused(
                409,
                "Conflict",
                f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused; "
                "in this state, the secret can only be recovered or purged.",
                "ObjectIsDeletedButRecoverable",
            )
        made = self._vaults.set(
            vault.id.name,
            name,
            body["value"],
            tags=body.get("tags") or {},
            content_type=body.get("contentType") or "",
        )
        return {"value": made.value, **self._described(vault, name, made)}

    def _mark(self, vault: Resource, name: str, *, deleted: bool) -> dict[str, Any]:
        secret = self._living(vault, name) if deleted else self._vaults.secrets(vault.id.name).get(name)
        if secret is None or not (newest := secret.version("")):
            raise _Refused(404, "SecretNotFound", f"There is no deleted secret {name} in this key vault.")
        self._vaults.mark(vault.id.name, name, deleted=deleted)
        return self._described(vault, name, newest)

    def _described(self, vault: Resource, name: str, version: Version) -> dict[str, Any]:
        days = int(value_at(vault.computed, "properties.softDeleteRetentionInDays") or 90)
        protected = bool(value_at(vault.desired, "properties.enablePurgeProtection"))
        return {
            "id": f"{self._vaults.uri(vault.id.name)}secrets/{name}/{version.id}",
            "contentType": version.content_type,
            "attributes": {
                "enabled": version.enabled,
                "created": version.created,
                "updated": version.created,
                "recoveryLevel": "Recoverable" if protected else "Recoverable+Purgeable",
                "recoverableDays": days,
            },
            "tags": dict(version.tags),
        }


def _cut(request: web.BaseRequest) -> web.Response:
    """Break the connection off, so that no answer arrives."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)


def _pass_firewall(vault: Resource) -> None:
    """Refuse everybody from outside where the vault admits nobody.

    Which address a caller on the loopback would have outside can't be told, so any rule that admits somebody admits all.
    """
    rules = value_at(vault.desired, "properties.networkAcls") or {}
    if rules.get("defaultAction") == "Deny" and not rules.get("ipRules"):
        raise _Refused(
            403,
            "Forbidden",
            "Client address is not authorized and caller is not a trusted service.\r\n"
            f"Client address: 127.0.0.1\r\nVault: {vault.id.name};location={vault.location}",
            "ForbiddenByFirewall",
        )


async def _json(request: web.BaseRequest) -> Mapping[str, Any]:
    try:
        body = json.loads(await request.read())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise _Refused(400, "BadParameter", "The request body is not a JSON object.")
    return body
