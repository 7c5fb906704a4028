"""A small ARM client: tokens, throttling and long-running operations, as in Microsoft's provider."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

_RETRIED = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses that the Azure SDK for Go tries again."""

_TRIES = 4
"""One call and three retries: the Azure SDK for Go's default."""

_LINE = "-" * 80


class ArmError(Exception):
    """ARM refused a call or an operation failed.

    Args:
        status: HTTP status of the answer.
        code: ARM's error code; empty if the answer has none.
        text: the error as the Azure SDK for Go prints it.
    """

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class Settings:
    """Where ARM answers and who asks, from the variables that Microsoft's provider reads."""

    endpoint: str
    audience: str
    authority: str
    tenant: str
    client: str
    secret: str
    ca_file: str | None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Settings:
        """Read them; KeyError names a variable that is missing."""
        endpoint = environ["ARM_RESOURCE_MANAGER_ENDPOINT"].rstrip("/")
        return cls(
            endpoint=endpoint,
            audience=environ.get("ARM_RESOURCE_MANAGER_AUDIENCE", endpoint).rstrip("/"),
            authority=environ["ARM_ACTIVE_DIRECTORY_AUTHORITY_HOST"].rstrip("/"),
            tenant=environ["ARM_TENANT_ID"],
            client=environ["ARM_CLIENT_ID"],
            secret=environ["ARM_CLIENT_SECRET"],
            ca_file=environ.get("SSL_CERT_FILE"),
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, read to its end."""

    method: str
    url: str
    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes

    def document(self) -> Any:
        """The body as JSON; None if it has none."""
        try:
            return json.loads(self.body) if self.body else None
        except ValueError:
            return None

    def error(self) -> ArmError:
        """The answer as the error that the Azure SDK for Go makes of it."""
        document = self.document()
        error = document.get("error", document) if isinstance(document, dict) else None
        code = str(error.get("code") or "") if isinstance(error, dict) else ""
        lines = [
            f"{self.method} {self.url.split('?', 1)[0]}",
            _LINE,
            f"RESPONSE {self.status}: {self.status} {self.reason}",
            f"ERROR CODE: {code}" if code else "ERROR CODE UNAVAILABLE",
            _LINE,
            json.dumps(document, indent=2) if document is not None else "Response contained no body",
            _LINE,
        ]
        return ArmError(self.status, code, "\n".join(lines))


class Arm:
    """Calls ARM for all roots at once; one session, one token."""

    def __init__(self, settings: Settings, random_source: random.Random) -> None:
        self._settings = settings
        self._random = random_source
        self._session: aiohttp.ClientSession | None = None
        self._token = ""
        self._token_until = 0.0
        self._token_lock = asyncio.Lock()

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def get(self, resource_id: str, api_version: str) -> dict[str, Any] | None:
        """Read a resource; None if it does not exist."""
        answer = await self._call("GET", self._url(resource_id, api_version))
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise answer.error()
        document = answer.document()
        return document if isinstance(document, dict) else {}

    async def put(self, resource_id: str, api_version: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create or replace a resource and wait until that is over; its final state."""
        url = self._url(resource_id, api_version)
        answer = await self._call("PUT", url, body)
        if answer.status not in (200, 201, 202):
            raise answer.error()
        document = answer.document()
        operation = _operation(answer)
        if operation is None and answer.status != 202 and _settled(document):
            if _failed(document):
                raise answer.error()
            return document if isinstance(document, dict) else {}
        await self._finish(answer, operation, url)
        return await self.get(resource_id, api_version) or {}

    async def delete(self, resource_id: str, api_version: str) -> None:
        """Delete a resource and wait until it is gone; one that does not exist is fine."""
        answer = await self._call("DELETE", self._url(resource_id, api_version))
        if answer.status in (200, 204, 404):
            return
        if answer.status != 202:
            raise answer.error()
        await self._finish(answer, _operation(answer), None)

    async def _finish(self, answer: Answer, operation: str | None, resource_url: str | None) -> None:
        """Poll until the operation is over."""
        step = 0.06
        while True:
            await asyncio.sleep(_retry_after(answer.headers, step))
            step = min(step * 1.3, 1.0)
            answer = await self._call("GET", operation or resource_url or answer.url)
            document = answer.document()
            if answer.status == 202:
                operation = _operation(answer) or operation
                continue
            if answer.status == 404 and resource_url is None:
                return
            if answer.status not in (200, 201, 204):
                raise answer.error()
            state = _status(document) if operation else _provisioning(document)
            if state in ("failed", "canceled"):
                raise answer.error()
            if state in ("", "succeeded"):
                return

    def _url(self, resource_id: str, api_version: str) -> str:
        return f"{self._settings.endpoint}{resource_id}?api-version={api_version}"

    async def _call(self, method: str, url: str, body: Mapping[str, Any] | None = None) -> Answer:
        """One call, tried again while ARM throttles or stumbles."""
        for attempt in range(1, _TRIES + 1):
            try:
                answer = await self._once(method, url, body)
            except (aiohttp.ClientConnectionError, TimeoutError):
                if attempt == _TRIES:
                    raise
                answer = None
            if answer is not None and (answer.status not in _RETRIED or attempt == _TRIES):
                return answer
            wait = _retry_after(answer.headers if answer else {}, 0.1 * 2**attempt)
            # Jitter spreads callers that were told the same second.
            await asyncio.sleep(wait * self._random.uniform(1.0, 1.25))
        raise AssertionError("the last attempt returns or raises")

    async def _once(self, method: str, url: str, body: Mapping[str, Any] | None) -> Answer:
        headers = {"Authorization": f"Bearer {await self._bearer()}", "Accept": "application/json"}
        async with self._open().request(method, url, json=body, headers=headers) as response:
            return Answer(
                method, url, response.status, response.reason or "", response.headers, await response.read()
            )

    async def _bearer(self) -> str:
        async with self._token_lock:
            if time.monotonic() < self._token_until:
                return self._token
            settings = self._settings
            form = {
                "grant_type": "client_credentials",
                "client_id": settings.client,
                "client_secret": settings.secret,
                "scope": f"{settings.audience}/.default",
            }
            url = f"{settings.authority}/{settings.tenant}/oauth2/v2.0/token"
            async with self._open().post(url, data=form) as response:
                answer = Answer(
                    "POST", url, response.status, response.reason or "", {}, await response.read()
                )
            if answer.status != 200:
                raise answer.error()
            document = answer.document()
            self._token = document["access_token"]
            self._token_until = time.monotonic() + 0.8 * float(document.get("expires_in", 300))
            return self._token

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            context = ssl.create_default_context(cafile=self._settings.ca_file)
            connector = aiohttp.TCPConnector(limit=256, ssl=context)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=aiohttp.ClientTimeout(total=300)
            )
        return self._session


def _operation(answer: Answer) -> str | None:
    return answer.headers.get("Azure-AsyncOperation") or answer.headers.get("Location")


def _retry_after(headers: Mapping[str, str], otherwise: float) -> float:
    try:
        return max(0.0, float(headers["Retry-After"]))
    except (KeyError, ValueError):
        return otherwise


def _status(document: Any) -> str:
    """Status of an operation; a `Location` answers with the resource itself and its provisioning state."""
    if isinstance(document, dict) and isinstance(document.get("status"), str):
        return str(document["status"]).lower()
    return _provisioning(document)


def _provisioning(document: Any) -> str:
    properties = document.get("properties") if isinstance(document, dict) else None
    return str((properties or {}).get("provisioningState") or "").lower()


def _settled(document: Any) -> bool:
    return _provisioning(document) in ("", "succeeded", "failed", "canceled")


def _failed(document: Any) -> bool:
    return _provisioning(document) in ("failed", "canceled")
