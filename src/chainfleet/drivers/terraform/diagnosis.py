"""What a failed Terraform command means: its errors, sorted into classes that the retry policy knows.

The texts are those of Terraform, of Microsoft's `azapi` provider (which prints the Azure SDK's error with
ARM's code and body) and of the clouds; AWS's and Google's throttling codes are known too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chainfleet.model.errors import ErrorClass, TaskFailed

from .messages import Diagnostic

# The first row that matches counts, so what is special stands above what is general. A 429 may mean that
# another operation holds the resource, and a 409 that a quota is used up: codes go before statuses.
_RULES: tuple[tuple[ErrorClass, str], ...] = (
    (ErrorClass.STATE_LOCK, r"Error acquiring the state lock|state blob is already locked"),
    (
        ErrorClass.CONFLICT,
        r"RetryableErrorDueToAnotherOperation|AnotherOperationInProgress|ConflictingConcurrentWrite"
        r"|OperationPreempted|there's an in progress|in progress .{0,40}operation|EtagMismatch"
        r"|ResourceGroupBeingDeleted|InUseSubnetCannotBeDeleted|ConcurrentFederatedIdentityCredentialsWrites",
    ),
    (
        ErrorClass.QUOTA,
        r"QuotaExceeded|InsufficientVCPUQuota|ExceedsQuotaLimit|PublicIPCountLimitReached|CountLimitReached"
        r"|quota limit|Insufficient \S+ vcpu quota|exceeding approved .{0,60}quota",
    ),
    (
        ErrorClass.CAPACITY,
        r"SkuNotAvailable|AllocationFailed|OverconstrainedAllocation|OverconstrainedZonalAllocation"
        r"|AKSCapacity|InsufficientCapacity|InsufficientInstanceCapacity|CapacityReservation\w*Exceeded"
        r"|ZONE_RESOURCE_POOL_EXHAUSTED|currently not available in (location|region)",
    ),
    (
        ErrorClass.THROTTLED,
        r"TooManyRequests|\bThrottled\b|RequestsThrottled|RequestLimitExceeded|ThrottlingException"
        r"|rateLimitExceeded|RESPONSE 429",
    ),
    (
        ErrorClass.CONFIGURATION,
        r"deleted state|VaultAlreadyExists|NotAvailableForSubscription|VMSizeNotSupported"
        r"|K8sVersionNotSupported|Resource already exists",
    ),
    (
        ErrorClass.AUTHORISATION,
        r"AuthorizationFailed|RequestDisallowedByPolicy|InvalidAuthenticationToken|ExpiredAuthenticationToken"
        r"|AuthenticationFailed|AADSTS\d+|invalid_client|RESPONSE 40[13]|UnauthorizedOperation|AccessDenied"
        r"|Missing configuration",
    ),
    (ErrorClass.TIMEOUT, r"context deadline exceeded|OperationTimedOut|GatewayTimeout|timeout while waiting"),
    (
        ErrorClass.TRANSIENT,
        r"RESPONSE (408|5\d\d)|InternalServerError|InternalExecutionError|ServerTimeout|ServiceUnavailable"
        r"|connection (reset|refused)|Cannot connect|ServerDisconnected|ClientOSError|unexpected EOF"
        r"|i/o timeout|TLS handshake|no such host|context canceled|Plugin did not respond"
        r"|Reattachment process not found|OperationInterrupted|execution halted",
    ),
    (ErrorClass.CONFLICT, r"RESPONSE (409|412)"),
    (
        ErrorClass.CONFIGURATION,
        r"RESPONSE 4\d\d|Provider produced in|Invalid |Unsupported |Missing required"
        r"|No value for required variable|Inconsistent dependency lock file",
    ),
)
_COMPILED = tuple((error_class, re.compile(pattern, re.IGNORECASE)) for error_class, pattern in _RULES)

_WORST_FIRST = (
    ErrorClass.AUTHORISATION,
    ErrorClass.CONFIGURATION,
    ErrorClass.QUOTA,
    ErrorClass.STATE_LOCK,
    ErrorClass.CAPACITY,
    ErrorClass.THROTTLED,
    ErrorClass.CONFLICT,
    ErrorClass.TIMEOUT,
    ErrorClass.TRANSIENT,
)

_WAYS_OUT = {
    ErrorClass.QUOTA: "ask for more quota in that region, or take another region",
    ErrorClass.AUTHORISATION: "check the credentials and their roles on the subscription",
    ErrorClass.STATE_LOCK: "wait for the holder to finish; if it is gone, `terraform force-unlock` its lock",
}

_CODE = re.compile(r"ERROR CODE: (\S+)")
_WAIT = re.compile(r"(?:try again after|retry after|Retry-After:?|retry in)\s*['\"]?(\d+)", re.IGNORECASE)
_NAMESPACE = re.compile(r"/providers/Microsoft\.(\w+)/", re.IGNORECASE)
_METHOD = re.compile(r"\b(GET|PUT|PATCH|POST|DELETE) https?://")
_LOCK_FIELD = re.compile(r"^\s*(ID|Who|Created|Operation):\s*(.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Finding:
    """One error, understood.

    Attributes:
        error_class: its class.
        code: the cloud's error code; empty if it has none.
        message: one line.
        retry_after_s: seconds the other side asked us to wait.
        reading: whether the refused call was a read.
        address: the resource it is about.
        provider: the resource provider that was called, e.g. `network`; empty if not told.
    """

    error_class: ErrorClass
    code: str
    message: str
    retry_after_s: float | None
    reading: bool
    address: str
    provider: str = ""


def understand(diagnostic: Diagnostic) -> Finding:
    """Class, code and message of one error."""
    text = f"{diagnostic.summary}\n{diagnostic.detail}"
    error_class = next((kind for kind, rule in _COMPILED if rule.search(text)), ErrorClass.TRANSIENT)
    code = _CODE.search(text)
    wait = _WAIT.search(text)
    method = _METHOD.search(text)
    return Finding(
        error_class=error_class,
        code=code[1] if code else "",
        message=_lock(text) if error_class is ErrorClass.STATE_LOCK else _one_line(diagnostic),
        retry_after_s=float(wait[1]) if wait else None,
        reading=method is not None and method[1] == "GET",
        address=diagnostic.address,
        provider=_provider(text, code[1] if code else ""),
    )


def failure(diagnostics: Sequence[Diagnostic], limits: Iterable[str]) -> TaskFailed:
    """The failure that a command's errors add up to: the worst class, told by its first error.

    Args:
        diagnostics: at least one.
        limits: names of the limits that the task draws from.
    """
    findings = [understand(diagnostic) for diagnostic in diagnostics]
    worst = min(findings, key=lambda finding: _WORST_FIRST.index(finding.error_class))
    more = len(findings) - 1
    return TaskFailed(
        worst.error_class,
        worst.message + (f" (and {more} more)" if more else ""),
        retry_after_s=max((f.retry_after_s for f in findings if f.retry_after_s is not None), default=None),
        limit=throttled_limit(worst, limits),
        fingerprint=f"terraform:{worst.error_class}:{worst.code}:{_kind(worst.address)}",
        way_out=_WAYS_OUT.get(worst.error_class, ""),
    )


def throttled_limit(finding: Finding, limits: Iterable[str]) -> str | None:
    """The limit that a throttled call drew from: the cloud's, for reading or for writing."""
    if finding.error_class is not ErrorClass.THROTTLED:
        return None
    names = [name for name in limits if not name.endswith("/slots") and not name.startswith("machine/")]
    kind = "read" if finding.reading else "write"
    own = [name for name in names if finding.provider and f"/{finding.provider}/" in name and kind in name]
    return next(iter(own), None) or next(
        (name for name in names if kind in name), names[0] if names else None
    )


def _provider(text: str, code: str) -> str:
    """The resource provider that refused, where it was that and not Azure Resource Manager itself.

    ARM's own codes say so: `SubscriptionRequestsThrottled`, `TenantRequestsThrottled`.
    """
    if "RequestsThrottled" in code:
        return ""
    found = _NAMESPACE.findall(text)
    return found[0].lower() if found else ""


def _kind(address: str) -> str:
    """An address without the key of its instance: equal for twins."""
    return address.split("[", 1)[0]


def _one_line(diagnostic: Diagnostic) -> str:
    name = diagnostic.address.removeprefix("azapi_resource.")
    code, message = _of_body(diagnostic.detail)
    if code or message:
        text = ": ".join(part for part in (code, message) if part)
    else:
        detail = " ".join(diagnostic.detail.split())
        text = f"{diagnostic.summary}: {detail}" if detail else diagnostic.summary
    text = " ".join(text.split())
    return f"{name}: {text}"[:600] if name else text[:600]


def _of_body(detail: str) -> tuple[str, str]:
    """Code and message of the JSON body inside the Azure SDK's error text."""
    start = detail.find("\n{")
    if start < 0:
        return "", ""
    try:
        document, _ = json.JSONDecoder().raw_decode(detail[start + 1 :])
    except ValueError:
        return "", ""
    error = document.get("error", document) if isinstance(document, dict) else {}
    if not isinstance(error, dict):
        return "", ""
    # AKS and compute wrap the reason in a general error: the innermost one says what is wrong.
    for inner in error.get("details") or ():
        if isinstance(inner, dict) and inner.get("code"):
            return str(inner["code"]), str(inner.get("message", ""))
    return str(error.get("code", "")), str(error.get("message", ""))


def _lock(text: str) -> str:
    fields = dict(_LOCK_FIELD.findall(text))
    if not fields:
        return "the state is locked by another process"
    who, since, lock = (fields.get(name, "?") for name in ("Who", "Created", "ID"))
    return f"the state is locked by {who} since {since} ({fields.get('Operation', '?')}, lock {lock})"
