"""What providers' logs say of limits, as they write it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from chainfleet.drivers.terraform.signals import Signals, log_settings
from chainfleet.model.event import LimitObserved

if TYPE_CHECKING:
    from conftest import Workbench

LIMITS = (
    "infrastructure/slots",
    "azure/arm/write",
    "azure/arm/read",
    "azure/containerservice/uksouth/write",
    "machine/memory",
)
CLUSTER = "https://management.azure.com/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c"


def answer(verb: str, url: str, *lines: str) -> list[str]:
    """As azcore logs a call: `==> REQUEST/RESPONSE`, then the answer's headers indented."""
    head = "2026-11-25T12:00:00.000Z [DEBUG] provider.terraform-provider-azapi_v2.3.0: ==> REQUEST/RESPONSE (Try=1/231ms)"
    return [head, f"   {verb} {url}?api-version=2025-05-01", *(f"   {line}" for line in lines)]


def told(*answers: list[str], limits: tuple[str, ...] = LIMITS) -> list[LimitObserved]:
    signals = Signals(limits)
    found = [signals.take(line) for each in answers for line in each]
    return [each for each in [*found, signals.end()] if each is not None]


def test_a_provider_s_429_belongs_to_that_provider_and_region() -> None:
    throttled = answer(
        "PUT", CLUSTER, "RESPONSE Status: 429 Too Many Requests", "Retry-After: 17", "ERROR CODE: Throttled"
    )
    assert told(throttled) == [
        LimitObserved("azure/containerservice/uksouth/write", throttled=1, retry_after_s=17.0, calls=1)
    ]


def test_arm_s_own_429_belongs_to_the_bucket_that_all_regions_share() -> None:
    throttled = answer(
        "PUT", CLUSTER, "RESPONSE Status: 429 Too Many Requests", "Retry-After: 9",
        "ERROR CODE: SubscriptionRequestsThrottled",
    )  # fmt: skip
    assert told(throttled) == [LimitObserved("azure/arm/write", throttled=1, retry_after_s=9.0, calls=1)]


def test_what_is_left_is_told_with_every_answer() -> None:
    read = answer(
        "GET", CLUSTER, "RESPONSE Status: 200 OK", "X-Ms-Ratelimit-Remaining-Subscription-Reads: 248"
    )
    written = answer(
        "PUT", CLUSTER, "RESPONSE Status: 201 Created", "X-Ms-Ratelimit-Remaining-Subscription-Writes: 12"
    )
    assert told(read, written) == [
        LimitObserved("azure/arm/read", remaining=248.0, calls=1),
        LimitObserved("azure/arm/write", remaining=12.0, calls=1),
    ]


def test_the_other_clouds_throttle_with_codes_of_their_own() -> None:
    ec2 = [
        "[DEBUG] POST https://ec2.eu-west-1.amazonaws.com/",
        "HTTP/1.1 503",
        "<Code>RequestLimitExceeded</Code>",
    ]
    gke = [
        "[DEBUG] POST https://container.googleapis.com/v1/x",
        "HTTP/2.0 403 Forbidden",
        '"reason": "rateLimitExceeded"',
    ]
    assert [each.throttled for each in told(ec2, limits=("aws/ec2/eu-west-1/write",))] == [1]
    assert [each.limit for each in told(gke, limits=("gcp/api/write",))] == ["gcp/api/write"]


def test_ordinary_lines_say_nothing() -> None:
    assert told(["Terraform 1.11.4", "", "RESPONSE Status: 429"]) == []
    assert (
        told(
            answer(
                "GET",
                CLUSTER,
                "RESPONSE Status: 200 OK",
                "X-Ms-Ratelimit-Remaining-Subscription-Reads: REDACTED",
            )
        )
        == []
    )


def test_logs_are_asked_for_only_when_wanted() -> None:
    assert log_settings({}) == {}
    assert log_settings({"CHAINFLEET_PROVIDER_LOGS": "1"}) == {"TF_LOG_PROVIDER": "DEBUG"}


def test_a_second_look_tells_what_arm_has_left_of_its_reads(workbench: Workbench) -> None:
    async def run() -> None:
        await workbench.change("network", "northeurope")
        assert await workbench.observe("network", "northeurope") is not None

    asyncio.run(run())
    left = [each.remaining for each in workbench.observed if each.limit == "azure/arm/read"]
    assert len(left) == 1
    assert left[0] is not None
    assert 0 < left[0] <= 250
