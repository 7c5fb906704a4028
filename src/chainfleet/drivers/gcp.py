"""Google Cloud through its own authentication library: tokens, pages, throttling, and what errors mean.

google-auth is an extra (`chainfleet[gcp]`) and is imported at the first call. The APIs are plain REST; the few methods
that are needed don't pay for a client library with gRPC of its own for each of them. Where an API answers is taken
from the variables that Terraform's provider reads, e.g. GOOGLE_COMPUTE_CUSTOM_ENDPOINT.
"""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from chainfleet.model.errors import EnvironmentProblem, ErrorClass, TaskFailed

ENDPOINTS = {
    "compute": ("GOOGLE_COMPUTE_CUSTOM_ENDPOINT", "https://compute.googleapis.com/compute/v1/"),
    "container": ("GOOGLE_CONTAINER_CUSTOM_ENDPOINT", "https://container.googleapis.com/v1/"),
    "cloudasset": ("GOOGLE_CLOUD_ASSET_CUSTOM_ENDPOINT", "https://cloudasset.googleapis.com/v1/"),
}
"""By API: the variable that names its address, and the address itself."""

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_TIMEOUT_S = 60.0
_TRIES = 7
_LONGEST_WAIT_S = 32.0
"""A budget is refilled at the start of the next minute: seven tries with doubling waits last longer than that."""

_AGAIN = frozenset({ErrorClass.THROTTLED, ErrorClass.TRANSIENT})
_RATE = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"})
_DISABLED = frozenset({"accessNotConfigured", "SERVICE_DISABLED"})

DENIED = "gcp:denied"
"""Fingerprint of a call that the credentials may not make, or whose API isn't enabled."""


class GoogleReader:
    """Reads a project; one for all threads.

    Every method raises TaskFailed: Google refused, can't be reached, or there are no credentials.

    Args:
        environ: credentials and addresses.
        sleep: waits, in seconds, before a throttled call is repeated.

    Raises:
        EnvironmentProblem: google-auth isn't installed.
    """

    def __init__(
        self, environ: Mapping[str, str], project: str, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.project = project
        self._environ = dict(environ)
        self._sleep = sleep
        self._session = _session(environ)

    def close(self) -> None:
        """Give its connections back."""
        self._session.close()

    def get(
        self, api: str, path: str, repeated: Sequence[tuple[str, str]] = (), **query: str
    ) -> dict[str, Any]:
        """What lies at a path of an API, e.g. `get("compute", "projects/p/regions/europe-west1")`.

        Args:
            api: one of `ENDPOINTS`.
            path: below its address.
            repeated: parameters that may come more than once.
            query: parameters that come once.
        """
        variable, public = ENDPOINTS[api]
        url = (self._environ.get(variable) or public).rstrip("/") + "/" + path
        what = f"{api} {path.removeprefix(f'projects/{self.project}').lstrip('/') or self.project}"
        words = urlencode([*repeated, *query.items()])
        return self._ask(f"{url}?{words}" if words else url, what, api)

    def pages(
        self, api: str, path: str, repeated: Sequence[tuple[str, str]] = (), **query: str
    ) -> Iterator[dict[str, Any]]:
        """A list, page by page."""
        token = ""
        while True:
            page = self.get(api, path, repeated, **query, **({"pageToken": token} if token else {}))
            yield page
            token = page.get("nextPageToken", "")
            if not token:
                return

    def _ask(self, url: str, what: str, api: str) -> dict[str, Any]:
        for attempt in range(_TRIES):
            try:
                return self._once(url, what, api)
            except TaskFailed as error:
                if error.error_class not in _AGAIN or attempt == _TRIES - 1:
                    raise
                # With jitter: 24 readers that were throttled together must not come back together.
                doubled = random.uniform(0.5, 1.0) * min(2.0**attempt, _LONGEST_WAIT_S)  # noqa: S311 - jitter, not secret
                self._sleep(error.retry_after_s or doubled)
        raise AssertionError("the last attempt returns or raises")

    def _once(self, url: str, what: str, api: str) -> dict[str, Any]:
        response = self._send(url, what)
        if response.status_code != 200:
            raise refused(response, what, api, self.project)
        document: dict[str, Any] = response.json()
        return document

    def _send(self, url: str, what: str) -> Any:
        from google.auth import exceptions as auth
        from requests import exceptions as http

        try:
            return self._session.get(url, timeout=_TIMEOUT_S)
        except auth.RefreshError as error:
            raise _no_token(error, what) from error
        except (auth.TransportError, http.RequestException) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise TaskFailed(
                ErrorClass.TRANSIENT, f"{what}: {reason}", fingerprint="gcp:connection"
            ) from error


def _session(environ: Mapping[str, str]) -> Any:
    try:
        import google.auth
        from google.auth.transport.requests import AuthorizedSession
        from requests.adapters import HTTPAdapter
    except ImportError:
        message = "Google Cloud is asked through google-auth, which is not installed"
        raise EnvironmentProblem(message, way_out="pip install 'chainfleet[gcp]'") from None
    path = environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    try:
        if path:
            # The library would rather have one call for each kind of file, so that nobody loads a stranger's
            # configuration; this file is the operator's own.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                load = google.auth.load_credentials_from_file
                credentials, _ = load(path, scopes=_SCOPES)  # type: ignore[no-untyped-call]  # theirs has none
        else:
            credentials, _ = google.auth.default(scopes=_SCOPES)
    except google.auth.exceptions.GoogleAuthError as error:
        raise _no_token(error, "credentials") from error
    session = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]  # theirs has none
    session.mount("https://", HTTPAdapter(pool_maxsize=32))
    session.mount("http://", HTTPAdapter(pool_maxsize=32))
    return session


def _no_token(error: Exception, what: str) -> TaskFailed:
    reason = str(error.args[0] if error.args else error).splitlines()[0]
    way_out = (
        "`gcloud auth application-default login`, or GOOGLE_APPLICATION_CREDENTIALS with a key that is valid"
    )
    return TaskFailed(
        ErrorClass.AUTHORISATION, f"{what}: {reason}", fingerprint="gcp:credentials", way_out=way_out
    )


def refused(response: Any, what: str, api: str, project: str) -> TaskFailed:
    """What an answer other than 200 means. Compute Engine throttles with 403, not 429."""
    code = response.status_code
    try:
        problem = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        problem = {}
    reasons = {
        str(row.get("reason", "")) for row in (*problem.get("errors", ()), *problem.get("details", ()))
    }
    text = str(problem.get("message") or response.reason)
    message = f"{what}: {text} ({code})"
    if code == 429 or reasons & _RATE:
        waited = response.headers.get("Retry-After", "")
        return TaskFailed(
            ErrorClass.THROTTLED,
            message,
            retry_after_s=float(waited) if waited.isdigit() else None,
            limit=f"gcp/{api}/read",
            fingerprint=f"gcp:{code}:rate",
        )
    if reasons & _DISABLED:
        way_out = f"gcloud services enable {api}.googleapis.com --project {project}"
        return TaskFailed(ErrorClass.AUTHORISATION, message, fingerprint=DENIED, way_out=way_out)
    if code == 401:
        way_out = "`gcloud auth application-default login`: the credentials are expired or not valid"
        return TaskFailed(ErrorClass.AUTHORISATION, message, fingerprint="gcp:credentials", way_out=way_out)
    if code == 403:
        way_out = f"give the credentials a role that may read it in {project}, e.g. roles/viewer"
        return TaskFailed(ErrorClass.AUTHORISATION, message, fingerprint=DENIED, way_out=way_out)
    error_class = ErrorClass.TRANSIENT if code >= 500 else ErrorClass.CONFIGURATION
    return TaskFailed(error_class, message, fingerprint=f"gcp:{code}")
