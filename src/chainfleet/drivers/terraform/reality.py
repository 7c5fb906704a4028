"""Compares a state with what ARM really has, by reading every resource: no Terraform, no change.

A plan would say the same, but a second deployment asks this of 48 roots: reading costs a fraction of a plan.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from chainfleet.drivers.azure import IDENTITY_VARIABLES, credential, endpoint, load_sdk, scope
from chainfleet.model.errors import ErrorClass, TaskFailed

from .diagnosis import understand
from .messages import Diagnostic
from .states import Held

if TYPE_CHECKING:
    import httpx2

_TIMEOUT_S = 60.0
_CONCURRENT = 16
"""Reads at once, over all roots of this process."""

_TRIES = 4
_LONGEST_WAIT_S = 30.0


class Reality:
    """Reads resources from ARM; its token and connections are shared by all roots.

    Belongs to one event loop. Connections live as long as anybody reads: nothing is left to close.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)
        self._client: httpx2.AsyncClient | None = None
        self._readers = 0
        self._token = ""
        self._token_until = 0.0
        self._token_lock = asyncio.Lock()
        self._gate = asyncio.Semaphore(_CONCURRENT)
        self.left: float | None = None
        """Reads that ARM said are left of its bucket, at the last answer; None before any."""

    async def read(self, resource_id: str, api_version: str) -> dict[str, Any] | None:
        """A resource as ARM has it; None if there is none.

        Raises:
            TaskFailed: ARM refused, or can't be reached.
        """
        async with self._connections() as client:
            return await self._read(client, resource_id, api_version)

    async def _read(
        self, client: httpx2.AsyncClient, resource_id: str, api_version: str
    ) -> dict[str, Any] | None:
        import httpx2

        url = f"{endpoint(self._environ)}{resource_id}?api-version={api_version}"
        for attempt in range(1, _TRIES + 1):
            headers = {"Authorization": f"Bearer {await self._bearer()}"}
            try:
                async with self._gate:
                    response = await client.get(url, headers=headers)
            except httpx2.TransportError as error:
                if attempt == _TRIES:
                    raise TaskFailed(ErrorClass.TRANSIENT, f"ARM can't be reached: {error}") from error
                await asyncio.sleep(0.2 * attempt)
                continue
            self.left = _left(response, self.left)
            if response.status_code == 404:
                return None
            if response.status_code == 200:
                document = response.json()
                return document if isinstance(document, dict) else {}
            wait = _wait_s(response)
            if response.status_code not in (429, 503) or attempt == _TRIES or wait > _LONGEST_WAIT_S:
                raise _refused(response, resource_id)
            await asyncio.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    async def differences(self, resources: tuple[Held, ...]) -> list[str]:
        """What is missing or changed, one line each; empty if all is as the state says."""
        async with self._connections():
            found = await asyncio.gather(*(self._difference(resource) for resource in resources))
        return [line for line in found if line]

    async def _difference(self, held: Held) -> str:
        if held.tainted:
            return f"{held.address} was left unfinished"
        version = held.type.partition("@")[2]
        if not version or not held.id:
            return f"{held.address} is of a kind that can't be read back"
        answered = await self.read(held.id, version)
        if answered is None:
            return f"{held.address} is gone"
        if str((answered.get("properties") or {}).get("provisioningState", "")).lower() == "failed":
            return f"{held.address} has failed"
        path = changed_at(held.body, answered)
        if path is None and held.tags and (answered.get("tags") or {}) != held.tags:
            path = "tags"
        return f"{held.address} was changed at {path}" if path is not None else ""

    @asynccontextmanager
    async def _connections(self) -> AsyncIterator[httpx2.AsyncClient]:
        """The client, opened for the first of those who read at the same time and closed by the last."""
        self._readers += 1
        client = self._client = self._client or self._new_client()
        try:
            yield client
        finally:
            self._readers -= 1
            if self._readers == 0:
                self._client = None
                await client.aclose()

    def _new_client(self) -> httpx2.AsyncClient:
        import httpx2

        context = ssl.create_default_context(cafile=self._environ.get("REQUESTS_CA_BUNDLE"))
        limits = httpx2.Limits(max_connections=_CONCURRENT, max_keepalive_connections=_CONCURRENT)
        return httpx2.AsyncClient(verify=context, timeout=_TIMEOUT_S, limits=limits, trust_env=False)

    async def _bearer(self) -> str:
        async with self._token_lock:
            if time.time() > self._token_until:
                token = await asyncio.to_thread(self._fetch_token)
                self._token = token.token
                self._token_until = token.expires_on - 120
            return self._token

    def _fetch_token(self) -> Any:
        load_sdk()
        from azure.core.exceptions import AzureError, ClientAuthenticationError

        try:
            with credential(self._environ) as identity:
                return identity.get_token(scope(self._environ))
        except ClientAuthenticationError as error:
            message = f"no token for ARM: {str(error).splitlines()[0]}"
            raise TaskFailed(ErrorClass.AUTHORISATION, message, way_out="check the credentials") from error
        except AzureError as error:
            raise TaskFailed(ErrorClass.TRANSIENT, f"no token for ARM: {error}") from error


def reality_key(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Equal for environments that may share a `Reality`."""
    return tuple(environ.get(name, "") for name in IDENTITY_VARIABLES)


def changed_at(configured: Any, answered: Any, path: str = "") -> str | None:
    """Where what ARM answers differs from what was configured; None if nowhere.

    What ARM adds or does not tell is no difference; list items with a name are matched by it.
    """
    if configured is None or answered is None:
        return None
    if isinstance(configured, dict):
        if not isinstance(answered, dict):
            return path
        parts = ((key, value, answered.get(key)) for key, value in configured.items())
        return _first(parts, path)
    if isinstance(configured, list):
        if not isinstance(answered, list) or len(answered) != len(configured):
            return path
        if all(isinstance(item, dict) and "name" in item for item in [*configured, *answered]):
            named = {item["name"]: item for item in answered}
            if any(item["name"] not in named for item in configured):
                return path
            return _first(((i["name"], i, named[i["name"]]) for i in configured), path)
        return _first(zip(map(str, range(len(configured))), configured, answered, strict=True), path)
    if isinstance(configured, str) and isinstance(answered, str):
        return None if configured.lower() == answered.lower() else path
    return None if configured == answered else path


def _first(parts: Any, path: str) -> str | None:
    for key, configured, answered in parts:
        found = changed_at(configured, answered, f"{path}.{key}" if path else str(key))
        if found is not None:
            return found
    return None


def _left(response: httpx2.Response, before: float | None) -> float | None:
    text = response.headers.get("x-ms-ratelimit-remaining-subscription-reads", "")
    return float(text) if text.isdigit() else before


def _wait_s(response: httpx2.Response) -> float:
    try:
        return max(0.0, float(response.headers.get("Retry-After", "")))
    except ValueError:
        return 1.0


def _refused(response: httpx2.Response, resource_id: str) -> TaskFailed:
    try:
        error = response.json().get("error", {})
        code, message = str(error.get("code", "")), str(error.get("message", ""))
    except (ValueError, AttributeError):
        code, message = "", response.text[:200]
    text = f"GET https://\nRESPONSE {response.status_code}\nERROR CODE: {code}\n{message}"
    finding = understand(Diagnostic("reading", text))
    name = "/".join(resource_id.rsplit("/", 2)[-2:])
    return TaskFailed(
        finding.error_class,
        f"can't read {name}: {response.status_code} {code} {message}".rstrip(),
        retry_after_s=_wait_s(response) if response.status_code == 429 else None,
        limit="azure/arm/read" if finding.error_class is ErrorClass.THROTTLED else None,
        fingerprint=f"arm:read:{response.status_code}:{code}",
    )
