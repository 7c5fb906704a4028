"""Errors as Terraform, Microsoft's provider and the clouds write them, and the class that each falls into."""

from __future__ import annotations

import json

import pytest

from chainfleet.drivers.terraform.diagnosis import failure, understand
from chainfleet.drivers.terraform.messages import Diagnostic, Output
from chainfleet.model.errors import ErrorClass

LIMITS = ("infrastructure/slots", "azure/arm/write", "azure/arm/read", "machine/memory")
CLUSTER = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c"


def azapi(code: str, message: str, *, status: str = "400 Bad Request", method: str = "PUT") -> Diagnostic:
    """An error as Microsoft's provider prints it: the Azure SDK for Go's text behind its own."""
    line = "-" * 80
    body = json.dumps({"error": {"code": code, "message": message}}, indent=2)
    detail = (
        f'creating/updating Resource: (ResourceId "{CLUSTER}" / Api Version "2025-05-01"): '
        f"{method} https://management.azure.com{CLUSTER}\n{line}\nRESPONSE {status[:3]}: {status}\n"
        f"ERROR CODE: {code}\n{line}\n{body}\n{line}\n"
    )
    return Diagnostic("Failed to create/update resource", detail, "azapi_resource.cluster")


THROTTLED = (
    "Number of 'write' requests for subscription 's' actor 'a' exceeded. Please try again after '17' seconds "
    "after additional tokens are available. Refer to https://aka.ms/arm-throttling for more."
)

CASES = [
    (azapi("SubscriptionRequestsThrottled", THROTTLED, status="429 Too Many Requests"), ErrorClass.THROTTLED),
    (
        azapi("TooManyRequests", "The request is being throttled.", status="429 Too Many Requests"),
        "throttled",
    ),
    (azapi("Throttled", "Request rate exceeded", status="429 Too Many Requests"), "throttled"),
    # The Network provider answers 429 when another operation holds the resource: that is no throttling.
    (azapi("RetryableErrorDueToAnotherOperation", "in use", status="429 Too Many Requests"), "conflict"),
    (azapi("AnotherOperationInProgress", "in progress", status="409 Conflict"), "conflict"),
    (
        azapi(
            "OperationNotAllowed",
            "Operation is not allowed because there's an in progress update operation on the cluster.",
            status="409 Conflict",
        ),
        "conflict",
    ),
    (azapi("SomethingNew", "hm", status="409 Conflict"), "conflict"),
    (azapi("ErrCode_InsufficientVCPUQuota", "Insufficient regional vcpu quota left"), "quota"),
    (azapi("ManagedClusterCountExceedsQuotaLimit", "Managed cluster count exceeds"), "quota"),
    (azapi("PublicIPCountLimitReached", "Cannot create more than 10 public IP addresses"), "quota"),
    (
        azapi(
            "OperationNotAllowed",
            "Operation could not be completed as it results in exceeding approved DSv5 Cores quota.",
            status="409 Conflict",
        ),
        "quota",
    ),
    (azapi("SkuNotAvailable", "currently not available in location", status="409 Conflict"), "capacity"),
    (azapi("AllocationFailed", "We do not have sufficient capacity", status="409 Conflict"), "capacity"),
    (azapi("ZonalAllocationFailed", "no capacity in zone 1", status="409 Conflict"), "capacity"),
    (azapi("AKSCapacityHeavyUsage", "due to high demand"), "capacity"),
    (azapi("VMSizeNotSupported", "The VM size of X is not allowed in your subscription"), "configuration"),
    (azapi("InvalidParameter", "The value of parameter count is invalid"), "configuration"),
    (
        azapi(
            "ConflictError",
            "A vault with the same name already exists in deleted state.",
            status="409 Conflict",
        ),
        "configuration",
    ),
    (azapi("AuthorizationFailed", "does not have authorization", status="403 Forbidden"), "authorisation"),
    (azapi("ExpiredAuthenticationToken", "expired", status="401 Unauthorized"), "authorisation"),
    (azapi("RequestDisallowedByPolicy", "disallowed by policy", status="403 Forbidden"), "authorisation"),
    (azapi("InternalServerError", "try again", status="500 Internal Server Error"), "transient"),
    (azapi("ServiceUnavailable", "try again", status="503 Service Unavailable"), "transient"),
    (
        Diagnostic("Failed to create/update resource", "creating/updating X: context deadline exceeded"),
        "timeout",
    ),
    (
        Diagnostic("Failed to retrieve resource", "dial tcp 20.1.2.3:443: connect: connection refused"),
        "transient",
    ),
    (Diagnostic("Failed to retrieve resource", "read: connection reset by peer"), "transient"),
    (Diagnostic("Plugin did not respond", "The plugin encountered an error"), "transient"),
    (Diagnostic("Error: something nobody has seen yet", ""), "transient"),
    (Diagnostic("Invalid value for variable", "validators must be a whole number"), "configuration"),
    (Diagnostic("Unsupported argument", 'An argument named "x" is not expected here.'), "configuration"),
    (Diagnostic("Inconsistent dependency lock file", "run terraform init"), "configuration"),
    (Diagnostic("Provider produced inconsistent result after apply", ".output"), "configuration"),
    # AWS and Google
    (
        Diagnostic("creating VPC", "operation error EC2: CreateVpc, api error RequestLimitExceeded"),
        "throttled",
    ),
    (Diagnostic("Error creating", "googleapi: Error 403: rateLimitExceeded"), "throttled"),
    (Diagnostic("creating", "api error InsufficientInstanceCapacity: we have none"), "capacity"),
    (Diagnostic("creating", "ZONE_RESOURCE_POOL_EXHAUSTED"), "capacity"),
]


@pytest.mark.parametrize(
    ("diagnostic", "error_class"),
    CASES,
    ids=[f"{n}-{case[1]}" for n, case in enumerate(CASES)],
)
def test_every_known_error_falls_into_its_class(diagnostic: Diagnostic, error_class: ErrorClass) -> None:
    assert understand(diagnostic).error_class == error_class


def test_the_message_is_one_line_with_resource_code_and_reason() -> None:
    error = failure([azapi("SkuNotAvailable", "not\navailable", status="409 Conflict")], LIMITS)
    assert error.message == "cluster: SkuNotAvailable: not available"


def test_the_innermost_reason_is_told() -> None:
    inner = {"code": "AllocationFailed", "message": "no room"}
    body = json.dumps({"error": {"code": "VMExtensionError", "message": "general", "details": [inner]}})
    diagnostic = Diagnostic("Failed", f"RESPONSE 409: 409 Conflict\n{body}\n", "azapi_resource.cluster")
    assert failure([diagnostic], LIMITS).message == "cluster: AllocationFailed: no room"


def test_throttling_carries_the_wait_and_the_limit_of_the_verb() -> None:
    write = failure(
        [azapi("SubscriptionRequestsThrottled", THROTTLED, status="429 Too Many Requests")], LIMITS
    )
    assert (write.retry_after_s, write.limit) == (17.0, "azure/arm/write")
    read = failure([azapi("TooManyRequests", "slow down", status="429 Too Many", method="GET")], LIMITS)
    assert (read.retry_after_s, read.limit) == (None, "azure/arm/read")
    assert failure([azapi("AuthorizationFailed", "no", status="403 Forbidden")], LIMITS).limit is None


def test_what_needs_a_person_outweighs_what_passes_by_itself() -> None:
    passing = azapi("TooManyRequests", "slow down", status="429 Too Many Requests")
    lasting = azapi("PublicIPCountLimitReached", "too many")
    error = failure([passing, lasting], LIMITS)
    assert error.error_class is ErrorClass.QUOTA
    assert error.message.endswith("(and 1 more)")


def test_twins_have_equal_fingerprints_and_different_causes_differ() -> None:
    def of(code: str, address: str) -> str:
        diagnostic = azapi(code, "in another region")
        return failure([Diagnostic(diagnostic.summary, diagnostic.detail, address)], LIMITS).fingerprint

    assert of("SkuNotAvailable", 'azapi_resource.a["x"]') == of("SkuNotAvailable", 'azapi_resource.a["y"]')
    assert of("SkuNotAvailable", "azapi_resource.a") != of("AllocationFailed", "azapi_resource.a")


def test_a_locked_state_names_its_holder() -> None:
    detail = (
        "Error message: resource temporarily unavailable\nLock Info:\n"
        "  ID:        9db590f1-b6fe-c5f2-2678-8804f089deba\n  Path:      terraform.tfstate\n"
        "  Operation: OperationTypeApply\n  Who:       ops@bastion\n  Version:   1.11.4\n"
        "  Created:   2026-11-23 20:00:00 +0000 UTC\n  Info:      \n\nTerraform acquires a state lock …"
    )
    error = failure([Diagnostic("Error acquiring the state lock", detail)], LIMITS)
    assert error.error_class is ErrorClass.STATE_LOCK
    assert "ops@bastion since 2026-11-23 20:00:00 +0000 UTC" in error.message
    assert "9db590f1-b6fe-c5f2-2678-8804f089deba" in error.message


def test_warnings_are_no_errors_and_lines_that_are_no_messages_are_kept() -> None:
    output = Output()
    output.take(json.dumps({"type": "diagnostic", "diagnostic": {"severity": "warning", "summary": "w"}}))
    output.take("panic: runtime error")
    output.take('"a string"')
    assert output.errors == []
    assert output.text == ["panic: runtime error", '"a string"']
