"""What an API server's refusal means for the scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chainfleet.model.errors import ErrorClass, TaskFailed

if TYPE_CHECKING:
    import httpx2

_CLASSES = {
    400: ErrorClass.CONFIGURATION,
    401: ErrorClass.AUTHORISATION,
    403: ErrorClass.AUTHORISATION,
    404: ErrorClass.TRANSIENT,
    408: ErrorClass.TIMEOUT,
    409: ErrorClass.CONFLICT,
    410: ErrorClass.TRANSIENT,
    422: ErrorClass.CONFIGURATION,
    429: ErrorClass.THROTTLED,
    504: ErrorClass.TIMEOUT,
}


def failure(error: Exception, what: str) -> TaskFailed:
    """Return the failure that an error of the HTTP client stands for.

    Args:
        error: what the client raised.
        what: what was being done, for the operator: `apply StatefulSet/validator-0 in northeurope`.
    """
    import httpx2

    if isinstance(error, httpx2.HTTPStatusError):
        return _refusal(error.response, what)
    if isinstance(error, httpx2.TimeoutException):
        return TaskFailed(ErrorClass.TIMEOUT, f"{what}: the API server did not answer in time")
    reason = str(error) or type(error).__name__
    fingerprint = f"kubernetes:{type(error).__name__}"
    return TaskFailed(ErrorClass.TRANSIENT, f"{what}: {reason}", fingerprint=fingerprint)


def _refusal(response: httpx2.Response, what: str) -> TaskFailed:
    code, status = response.status_code, _status(response)
    message = str(status.get("message") or response.reason_phrase or f"status {code}")
    owners = _owners(status)
    way_out = ""
    if owners:
        message = f"other managers own these fields: {owners}"
        way_out = "let them give the fields up, or leave the object to them"
    error_class = _CLASSES.get(code, ErrorClass.TRANSIENT if code >= 500 else ErrorClass.CONFIGURATION)
    if code == 403 and "exceeded quota" in message:
        error_class = ErrorClass.QUOTA
    if code == 403 and "is being terminated" in message:
        error_class = ErrorClass.TRANSIENT
    return TaskFailed(
        error_class,
        f"{what}: {message} ({code})",
        retry_after_s=_retry_after(response),
        fingerprint=f"kubernetes:{code}:{status.get('reason', '')}",
        way_out=way_out,
    )


def _status(response: httpx2.Response) -> Mapping[str, Any]:
    try:
        body = response.json()
    except (ValueError, RuntimeError):  # no JSON, or a stream that nobody read
        return {}
    return body if isinstance(body, Mapping) else {}


def _owners(status: Mapping[str, Any]) -> str:
    causes = (status.get("details") or {}).get("causes") or ()
    conflicts = [c for c in causes if c.get("reason") == "FieldManagerConflict"]
    return "; ".join(f"{c.get('field', '?')} ({c.get('message', '')})" for c in conflicts)


def _retry_after(response: httpx2.Response) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else None
