"""Azure Resource Manager through the Azure SDK's own pipeline: tokens, retries, connections, and what errors mean."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from chainfleet.drivers import azure
from chainfleet.model.errors import ErrorClass, TaskFailed

if TYPE_CHECKING:
    from azure.core import PipelineClient

_CONNECT_S, _READ_S = 10, 60.0

_CLASSES = {
    401: ErrorClass.AUTHORISATION,
    403: ErrorClass.AUTHORISATION,
    404: ErrorClass.CONFIGURATION,
    408: ErrorClass.TIMEOUT,
    409: ErrorClass.CONFLICT,
    429: ErrorClass.THROTTLED,
}


def pipeline(environ: Mapping[str, str], *, retries: int) -> PipelineClient[Any, Any]:
    """A client that signs requests.

    Args:
        environ: endpoint and credentials.
        retries: how often a request that was throttled or got lost is repeated, as Retry-After says. None inside
            attempts: there the scheduler waits, and holds no slot meanwhile.
    """
    azure.load_sdk()
    from azure.core import PipelineClient
    from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy

    return PipelineClient(
        azure.endpoint(environ),
        policies=[
            RetryPolicy(retry_total=retries, retry_backoff_factor=0.5, retry_backoff_max=30),
            BearerTokenCredentialPolicy(azure.credential(environ), azure.scope(environ)),
        ],
        **connection(environ),
    )


def connection(environ: Mapping[str, str]) -> dict[str, Any]:
    """How a client connects: whom it trusts, and how long it waits."""
    return {
        "connection_verify": environ.get("REQUESTS_CA_BUNDLE") or True,
        "connection_timeout": _CONNECT_S,
        "read_timeout": _READ_S,
    }


class ArmReader:
    """Reads a subscription; one for all threads. Close it, or use it as a context manager.

    Every method raises TaskFailed: ARM refused, can't be reached, or gave no token.
    """

    def __init__(self, environ: Mapping[str, str], subscription: str) -> None:
        self.subscription = subscription
        self._environ = dict(environ)
        self._client: PipelineClient[Any, Any] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> ArmReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give its connections back."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def get(self, path: str, api_version: str, **query: str) -> dict[str, Any] | None:
        """What lies at a path below the subscription; None if there is nothing."""
        return self._ask("GET", f"/subscriptions/{self.subscription}{path}", api_version, query)

    def rows(self, path: str, api_version: str, **query: str) -> list[dict[str, Any]]:
        """All rows of a list below the subscription, page after page; empty if there is no such list."""
        document = self.get(path, api_version, **query)
        found: list[dict[str, Any]] = []
        while document is not None:
            found += document.get("value") or []
            following = document.get("nextLink")
            document = self._send("GET", following, None) if following else None
        return found

    def graph(self, query: str) -> list[dict[str, Any]]:
        """All rows that a Resource Graph query selects in the subscription."""
        found: list[dict[str, Any]] = []
        options: dict[str, Any] = {"resultFormat": "objectArray", "$top": 1000}
        while True:
            body = {"subscriptions": [self.subscription], "query": query, "options": options}
            path = "/providers/Microsoft.ResourceGraph/resources"
            document = self._ask("POST", path, "2022-10-01", {}, body) or {}
            found += document.get("data") or []
            if not document.get("$skipToken"):
                return found
            options = {**options, "$skipToken": document["$skipToken"]}

    def _ask(
        self, verb: str, path: str, api_version: str, query: Mapping[str, str], body: Any = None
    ) -> dict[str, Any] | None:
        from urllib.parse import urlencode

        words = urlencode({"api-version": api_version, **query})
        return self._send(verb, f"{azure.endpoint(self._environ)}{path}?{words}", body)

    def _send(self, verb: str, url: str, body: Any) -> dict[str, Any] | None:
        azure.load_sdk()
        from azure.core.exceptions import AzureError
        from azure.core.rest import HttpRequest

        what = url.partition("?")[0].rsplit("/", 1)[-1]
        try:
            request = HttpRequest(verb, url, json=body) if body is not None else HttpRequest(verb, url)
            response = self._connected().send_request(request)
            if response.status_code == 404:
                return None
            if response.status_code != 200:
                raise refused(response, what)
            document = response.json()
        except AzureError as error:
            raise unreachable(error, what) from error
        return document if isinstance(document, dict) else {}

    def _connected(self) -> PipelineClient[Any, Any]:
        with self._lock:
            self._client = self._client or pipeline(self._environ, retries=5)
            return self._client


def refused(response: Any, what: str) -> TaskFailed:
    """What an answer other than 200 means."""
    code = response.status_code
    try:
        problem = response.json().get("error", {})
        reason = f"{problem.get('code', '')}: {problem.get('message', '')}"
    except (ValueError, AttributeError):
        reason = response.reason
    retry_after = response.headers.get("Retry-After", "")
    error_class = _CLASSES.get(code, ErrorClass.TRANSIENT if code >= 500 else ErrorClass.CONFIGURATION)
    return TaskFailed(
        error_class,
        f"{what}: {reason} ({code})",
        retry_after_s=float(retry_after) if retry_after.isdigit() else None,
        limit="azure/arm/read" if error_class is ErrorClass.THROTTLED else None,
        fingerprint=f"arm:{code}",
        way_out="check the credentials and their roles on the subscription"
        if error_class is ErrorClass.AUTHORISATION
        else "",
    )


def unreachable(error: Exception, what: str) -> TaskFailed:
    """What an error of the SDK means: no token, or no connection."""
    azure.load_sdk()
    from azure.core.exceptions import ClientAuthenticationError

    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    if isinstance(error, ClientAuthenticationError):
        way_out = "check the credentials: the secret may be wrong or expired; or `az login`"
        return TaskFailed(
            ErrorClass.AUTHORISATION, f"{what}: {reason}", fingerprint="arm:authentication", way_out=way_out
        )
    return TaskFailed(ErrorClass.TRANSIENT, f"{what}: {reason}", fingerprint="arm:connection")
