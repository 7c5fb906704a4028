"""JSON-RPC to one chain: the seam, and the implementation over HTTP.

The fleet's own chain is reached through its clusters instead (`fleet_rpc`).
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

from chainfleet.drivers.calls import call as traced
from chainfleet.model.errors import ErrorClass, TaskFailed

if TYPE_CHECKING:
    import httpx2

TIMEOUT_S = 20.0


class RpcError(Exception):
    """A node answered a call with an error.

    Attributes:
        method: what was called.
        code: JSON-RPC error code.
        message: the node's text.
        data: revert data as `0x…`, where there is some.
    """

    def __init__(self, method: str, code: int, message: str, data: str | None = None) -> None:
        super().__init__(f"{method}: {message} ({code})")
        self.method = method
        self.code = code
        self.message = message
        self.data = data


class JsonRpc(Protocol):
    """A node, or several that answer for the same chain."""

    async def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        """Return the result.

        Raises:
            RpcError: the node refused.
            TaskFailed: the node can't be reached; its class says whether trying again helps.
        """
        ...

    async def close(self) -> None:
        """Give connections back."""
        ...


class HttpJsonRpc:
    """A node behind an HTTP address.

    Args:
        url: the address; it may hold a secret and is never shown.
        name: what messages call the chain.
        environ: `SSL_CERT_FILE` (trust) and `HTTPS_PROXY` are read from it.
        timeout_s: seconds one call may take.
    """

    def __init__(
        self, url: str, name: str, environ: Mapping[str, str], *, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._url = url
        self._name = name
        self._environ = environ
        self._timeout_s = timeout_s
        self._ids = count(1)
        self._client: httpx2.AsyncClient | None = None

    async def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        """Return the result; see `JsonRpc.call`."""
        import httpx2

        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(params)}
        try:
            with traced("chain", f"{method} of {self._name}"):
                response = await self._connection().post(self._url, json=body)
        except httpx2.TimeoutException as error:
            message = f"{self._name}: no answer to {method} within {self._timeout_s:.0f} s"
            raise TaskFailed(ErrorClass.TRANSIENT, message, fingerprint="chain:timeout") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            message = f"{self._name}: can't be reached for {method} ({type(error).__name__})"
            raise TaskFailed(ErrorClass.TRANSIENT, message, fingerprint="chain:unreachable") from error
        return answer_of(method, response.status_code, response.headers, response.content, self._name)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _connection(self) -> httpx2.AsyncClient:
        import httpx2

        if self._client is None:
            secure = self._url.startswith("https:")
            verify = (
                ssl.create_default_context(cafile=self._environ.get("SSL_CERT_FILE") or None)
                if secure
                else False
            )
            self._client = httpx2.AsyncClient(
                verify=verify,
                timeout=self._timeout_s,
                trust_env=False,
                proxy=self._environ.get("HTTPS_PROXY") or None if secure else None,
            )
        return self._client


def answer_of(method: str, status: int, headers: Mapping[str, str], content: bytes, name: str) -> Any:
    """Turn an HTTP answer into a result, an `RpcError` or a `TaskFailed`."""
    import json

    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    if isinstance(answer, Mapping) and isinstance(answer.get("error"), Mapping):
        problem = answer["error"]
        if problem.get("code") == -32005 or status == 429:
            raise _throttled(method, headers, name)
        raise RpcError(
            method,
            int(problem.get("code", 0)),
            str(problem.get("message", "")),
            revert_data(problem.get("data")),
        )
    if status == 429:
        raise _throttled(method, headers, name)
    if status in (401, 403):
        message = f"{name}: the node refuses {method} ({status})"
        raise TaskFailed(ErrorClass.AUTHORISATION, message, way_out="check the address and its credentials")
    if status >= 400 or not isinstance(answer, Mapping) or "result" not in answer:
        kind = ErrorClass.TRANSIENT if status >= 500 or status < 400 else ErrorClass.CONFIGURATION
        message = f"{name}: {method} was answered with status {status} and no JSON-RPC result"
        raise TaskFailed(kind, message, fingerprint=f"chain:status:{status}")
    return answer["result"]


def _throttled(method: str, headers: Mapping[str, str], name: str) -> TaskFailed:
    after = headers.get("retry-after", "")
    return TaskFailed(
        ErrorClass.THROTTLED,
        f"{name}: the node throttles {method}",
        retry_after_s=float(after) if after.isdigit() else None,
        fingerprint="chain:throttled",
    )


def revert_data(data: Any) -> str | None:
    """Revert data of an error: in `data`, `data.data` or `data.originalError.data`, by the node's kind."""
    if isinstance(data, Mapping):
        data = data.get("data") or (data.get("originalError") or {}).get("data")
    return data if isinstance(data, str) and data.startswith("0x") else None
