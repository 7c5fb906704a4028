"""ARM's front door: authentication, limits, faults, routing, headers, counting."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from chainfleet.emulator.clock import ScaledClock
from chainfleet.emulator.seams import FaultKind, Faults, Traffic

from .answers import Answer, Asked, json_answer
from .errors import ArmError, bad_request
from .identity import Directory, Principal, TokenError
from .names import Target
from .routing import Router
from .throttling import Buckets, Call, Operation

_NO_BODY = frozenset({204, 304})


class Gateway:
    """Turns HTTP requests into calls of the router and their results into responses."""

    def __init__(
        self, router: Router, directory: Directory, clock: ScaledClock, faults: Faults, traffic: Traffic
    ) -> None:
        self._router = router
        self._directory = directory
        self._clock = clock
        self._faults = faults
        self._traffic = traffic
        self._buckets = Buckets(clock.now)
        self.authority = ""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        headers: dict[str, str] = {}
        call: Call | None = None
        cut = False
        try:
            asked = await _asked(request)
            if asked.segments[:2] == ["metadata", "endpoints"]:
                return web.json_response(self._metadata(asked.base))
            principal = self._authenticate(request)
            asked = replace(asked, principal=principal)
            target = self._router.target(asked)
            call = self._call(asked, target, principal)
            self._authorise(asked, call, principal)
            if not asked.api_version:
                raise bad_request(
                    "MissingApiVersionParameter",
                    "The api-version query parameter (?api-version=) is required for all requests.",
                )
            cut = self._strike(call)
            headers = self._throttle(call)
            answer = await self._router.answer(asked, target)
        except ArmError as error:
            answer = json_answer(error.body(), error.status, {**headers, **error.headers})
            answer.headers["x-ms-failure-cause"] = "gateway"
        self._count(request.method, call, answer)
        if cut and request.transport is not None:
            request.transport.abort()
        return _response(request, answer, {**headers, **answer.headers})

    def _authenticate(self, request: web.BaseRequest) -> Principal:
        header = request.headers.get("Authorization", "")
        scheme, _, bearer = header.partition(" ")
        try:
            if scheme.lower() != "bearer" or not bearer:
                raise TokenError(
                    "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."
                )
            return self._directory.who(bearer.strip())
        except TokenError as refused:
            challenge = (
                f'Bearer authorization_uri="{self.authority}{self._directory.tenant_id}", '
                f'error="invalid_token", error_description="{refused}"'
            )
            raise ArmError(
                401, refused.code, str(refused), headers={"WWW-Authenticate": challenge}
            ) from refused

    def _authorise(self, asked: Asked, call: Call, principal: Principal) -> None:
        if not call.subscription:
            return
        if call.subscription != self._directory.subscription_id:
            raise ArmError(
                404, "SubscriptionNotFound", f"The subscription '{call.subscription}' could not be found."
            )
        if not principal.access:
            raise ArmError(
                403,
                "AuthorizationFailed",
                f"The client '{principal.client_id}' with object id '{principal.object_id}' does not have "
                f"authorization to perform action '{call.type}/{Operation.of(call.verb)}' over scope "
                f"'{asked.path}' "
                "or the scope is invalid. If access was recently granted, please refresh your credentials.",
            )

    def _call(self, asked: Asked, target: Target | None, principal: Principal) -> Call:
        segments = asked.segments
        subscription = (
            segments[1].lower() if len(segments) > 1 and segments[0].lower() == "subscriptions" else ""
        )
        if target is None:
            kind, region, is_status = _of_path([s.lower() for s in segments])
            group, key, is_list = "", "", asked.verb == "GET" and not is_status
        else:
            kind, group, key = target.id.type.lower(), target.id.group, ""
            if not target.collection:
                key = target.id.key
            region = self._router.region(target, asked.body)
            is_list, is_status = target.collection, False
        return Call(
            subscription=subscription,
            tenant=self._directory.tenant_id,
            principal=principal.client_id,
            verb=asked.verb,
            type=kind,
            region=region,
            group=group,
            key=key,
            is_list=is_list,
            is_status=is_status,
        )

    def _strike(self, call: Call) -> bool:
        """Let faults of the wire strike; returns whether the connection is to be cut at the end."""
        where = {"region": call.region, "resource": call.type, "verb": call.verb}
        fault = self._faults.strike(FaultKind.THROTTLE, **where)
        if fault is not None:
            # How long a storm asks to wait isn't documented; ARM's own buckets ask for seconds.
            raise self._too_many("TooManyRequests", 10.0, f"The request is being throttled ({call.type}).")
        in_region = call.type.split("/")[0] not in ("microsoft.resources", "") and bool(call.region)
        if in_region and self._faults.strike(FaultKind.REGION_DOWN, **where):
            raise ArmError(
                503, "ServiceUnavailable", f"The service is unavailable in region '{call.region}'."
            )
        if self._faults.strike(FaultKind.SERVER_ERROR, **where):
            raise ArmError(
                500, "InternalServerError", "Encountered internal server error. Please retry the request."
            )
        return self._faults.strike(FaultKind.LOST_CONNECTION, **where) is not None

    def _throttle(self, call: Call) -> dict[str, str]:
        headers, throttled = self._buckets.admit(call)
        if throttled is None:
            return headers
        rule = throttled.rule
        operation = Operation.of(call.verb)
        if rule.key[0].startswith("arm"):
            text = (
                f"Number of '{operation}s' for subscription '{call.subscription}' actor "
                f"'{call.principal}' exceeded. "
                "Refer to https://aka.ms/arm-throttling for additional information."
            )
        else:
            text = f"The request limit '{rule.key[0]}' of {call.type} in region '{call.region}' is exceeded."
        error = self._too_many(rule.code, throttled.wait_s, text)
        error.headers = {**headers, **error.headers}
        raise error

    def _too_many(self, code: str, wait_s: float, text: str) -> ArmError:
        real = self._clock.real(wait_s)
        whole = max(1, math.ceil(real))
        headers = {"Retry-After": str(whole), "retry-after-ms": str(max(1, math.ceil(real * 1000)))}
        return ArmError(429, code, f"{text} Please try again after '{whole}' seconds.", headers=headers)

    def _count(self, verb: str, call: Call | None, answer: Answer) -> None:
        kind, region = (call.type, call.region) if call else ("", "")
        self._traffic.request(system="arm", verb=verb, kind=kind, region=region, status=answer.status)
        if answer.changed:
            self._traffic.change(system="arm", verb=verb, kind=kind, region=region)

    def _metadata(self, base: str) -> list[dict[str, Any]]:
        return [
            {
                "name": "chainfleet-emulated",
                "resourceManager": f"{base}/",
                "authentication": {
                    "loginEndpoint": self.authority,
                    "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
                    "tenant": "common",
                    "identityProvider": "AAD",
                },
                "suffixes": {"keyVaultDns": "vault.azure.net", "storage": "core.windows.net"},
            }
        ]


def _of_path(lower: list[str]) -> tuple[str, str, bool]:
    """Type, region and whether it asks for an operation's status, of a path that names no resource."""
    kind, region = "microsoft.resources/subscriptions", ""
    if "providers" in lower:
        rest = lower[lower.index("providers") + 1 :]
        kind = "/".join(rest[:1] + rest[1::2]) if rest else kind
        if len(rest) > 2 and rest[1] == "locations":
            region = rest[2]
            kind = f"{rest[0]}/locations/{rest[3]}" if len(rest) > 3 else f"{rest[0]}/locations"
    status = any(part in ("operations", "operationresults") for part in lower)
    return kind, region, status


async def _asked(request: web.BaseRequest) -> Asked:
    body: Mapping[str, Any] = {}
    if request.method in ("PUT", "PATCH", "POST"):
        text = await request.read()
        if text:
            try:
                body = json.loads(text)
            except ValueError as error:
                raise bad_request(
                    "InvalidRequestContent",
                    f"The request content was invalid and could not be deserialized: {error}",
                ) from error
        if not isinstance(body, dict):
            raise bad_request("InvalidRequestContent", "The request content must be a JSON object.")
    path = request.path.rstrip("/")
    return Asked(
        verb=request.method,
        segments=[segment for segment in path.split("/") if segment],
        query={key.lower(): value for key, value in request.query.items()},
        body=body,
        base=f"https://{request.host}",
        path=path,
    )


def _response(request: web.BaseRequest, answer: Answer, headers: Mapping[str, str]) -> web.Response:
    request_id = str(uuid.uuid4())
    correlation = request.headers.get("x-ms-correlation-request-id", request_id)
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    all_headers = {
        "x-ms-request-id": request_id,
        "x-ms-correlation-request-id": correlation,
        "x-ms-routing-request-id": f"NORTHEUROPE:{now}:{request_id}",
        "Cache-Control": "no-cache",
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
        "X-Content-Type-Options": "nosniff",
        **headers,
    }
    client_id = request.headers.get("x-ms-client-request-id")
    if client_id:
        all_headers["x-ms-client-request-id"] = client_id
    if answer.body is None or answer.status in _NO_BODY:
        return web.Response(status=answer.status, headers=all_headers)
    all_headers["Content-Type"] = "application/json; charset=utf-8"
    return web.Response(status=answer.status, body=answer.body, headers=all_headers)
