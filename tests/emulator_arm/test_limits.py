"""Token buckets: the documented sizes, refilled in emulated time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chainfleet.emulator.arm.throttling import Buckets, Call

AKS = "microsoft.containerservice/managedclusters"


@pytest.fixture
def now():
    return [0.0]


@pytest.fixture
def buckets(now):
    return Buckets(lambda: now[0])


def call(verb="PUT", kind="microsoft.resources/resourcegroups", **values):
    base = Call("sub", "tenant", "me", verb, kind, "northeurope", "group", "key")
    return replace(base, **values)


def admitted(buckets, a_call, most=3000):
    for number in range(most):
        if buckets.admit(a_call)[1] is not None:
            return number
    return most


@pytest.mark.parametrize(
    ("a_call", "burst", "refill"),
    [
        (call("PUT"), 200, 10),
        (call("DELETE"), 200, 10),
        (call("GET"), 250, 25),
        (call("PUT", AKS), 20, 1 / 60),
        (call("GET", AKS, region="x"), 60, 1),
        (call("GET", AKS, is_list=True), 60, 1),
        (call("POST", AKS), 60, 1),
    ],
)
def test_a_bucket_has_the_documented_size_and_refill(buckets, now, a_call, burst, refill):
    assert admitted(buckets, a_call) == burst
    now[0] += 120
    assert admitted(buckets, a_call) == pytest.approx(min(burst, 120 * refill), abs=1)


def test_principals_have_buckets_of_their_own_up_to_fifteen_times_one(buckets):
    principals = [f"p{n}" for n in range(20)]
    passed = [admitted(buckets, call("PUT", principal=principal)) for principal in principals]
    assert passed[:15] == [200] * 15
    assert passed[15:] == [0] * 5


def test_regions_share_arms_bucket_but_not_their_providers(buckets):
    first = admitted(buckets, call("PUT", AKS, key="one", region="northeurope"))
    second = admitted(buckets, call("PUT", AKS, key="two", region="japaneast"))
    assert (first, second) == (20, 20)
    assert admitted(buckets, call("PUT")) == 160


def test_what_is_left_and_how_long_to_wait_is_told(buckets, now):
    a_call = call("PUT")
    headers, throttled = buckets.admit(a_call)
    assert headers["x-ms-ratelimit-remaining-subscription-writes"] == "199"
    assert throttled is None
    admitted(buckets, a_call)
    headers, throttled = buckets.admit(a_call)
    assert headers["x-ms-ratelimit-remaining-subscription-writes"] == "0"
    assert throttled.wait_s == pytest.approx(0.1)
    assert throttled.rule.code == "SubscriptionRequestsThrottled"
    now[0] += throttled.wait_s + 1e-6
    assert buckets.admit(a_call)[1] is None


def test_over_the_limit_the_server_answers_429_with_when_to_come_back(true_cloud):
    cloud = true_cloud
    answers = []
    # 250 at once and 25 a second: a busy machine may need some more than others.
    for _ in range(5000):
        answers.append(cloud.call("GET", f"{cloud.sub}/resourcegroups"))
        if answers[-1].status_code == 429:
            break
    refused = [a for a in answers if a.status_code == 429]
    assert len(refused) == 1
    assert refused[0].json()["error"]["code"] == "SubscriptionRequestsThrottled"
    assert refused[0].headers["Retry-After"] == "1"
    assert 1 <= int(refused[0].headers["retry-after-ms"]) <= 1000
    left = [int(a.headers["x-ms-ratelimit-remaining-subscription-reads"]) for a in answers[:50]]
    assert left[-1] < left[0] <= 249
    assert cloud.running.control("/stats")["requests"]["by_status"]["429"] == len(refused)
