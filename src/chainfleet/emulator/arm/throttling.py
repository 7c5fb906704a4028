"""Token buckets as documented for ARM and the resource providers, refilled in emulated time.

Numbers: Azure Resource Manager request limits (2025-05-28), AKS quotas-skus-regions (2026-08-03),
compute throttling limits. Limits given per window are buckets of that size with the window's mean refill.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

Key = tuple[str, ...]


class Operation(StrEnum):
    """What ARM counts separately."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"

    @staticmethod
    def of(verb: str) -> Operation:
        """The class of an HTTP method."""
        if verb in ("GET", "HEAD"):
            return Operation.READ
        return Operation.DELETE if verb == "DELETE" else Operation.WRITE


@dataclass(frozen=True, slots=True)
class Rule:
    """One bucket that a call draws from.

    Attributes:
        key: which bucket.
        burst: its size in calls.
        per_s: its refill in calls per emulated second.
        code: error code when it is empty.
        header: response header that tells what is left; empty for none.
    """

    key: Key
    burst: float
    per_s: float
    code: str
    header: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """What the limits look at."""

    subscription: str
    tenant: str
    principal: str
    verb: str
    type: str
    region: str
    group: str
    key: str
    is_list: bool = False
    is_status: bool = False


@dataclass(frozen=True, slots=True)
class Throttled:
    """A call that may not pass: the empty bucket, and in how many emulated seconds it has a token again."""

    rule: Rule
    wait_s: float


ARM_BUCKETS = {Operation.READ: (250.0, 25.0), Operation.WRITE: (200.0, 10.0), Operation.DELETE: (200.0, 10.0)}
GLOBAL_MULTIPLE = 15
_AKS = "microsoft.containerservice/managedclusters"


def rules(call: Call) -> Iterator[Rule]:
    """Every bucket that a call draws from."""
    operation = Operation.of(call.verb)
    burst, per_s = ARM_BUCKETS[operation]
    plural = f"{operation}s"
    if call.subscription:
        yield Rule(
            ("arm", call.subscription, call.principal, operation),
            burst,
            per_s,
            "SubscriptionRequestsThrottled",
            f"x-ms-ratelimit-remaining-subscription-{plural}",
        )
        yield Rule(
            ("arm-global", call.subscription, operation),
            burst * GLOBAL_MULTIPLE,
            per_s * GLOBAL_MULTIPLE,
            "SubscriptionRequestsThrottled",
            f"x-ms-ratelimit-remaining-subscription-global-{plural}",
        )
    else:
        header = "" if operation is Operation.DELETE else f"x-ms-ratelimit-remaining-tenant-{plural}"
        yield Rule(
            ("tenant", call.tenant, call.principal, operation),
            burst,
            per_s,
            "TenantRequestsThrottled",
            header,
        )
    namespace = call.type.split("/", 1)[0]
    provider = _PROVIDERS.get(namespace)
    if provider is not None:
        yield from provider(call)


def _network(call: Call) -> Iterator[Rule]:
    reading = call.verb in ("GET", "HEAD")
    size = 10_000.0 if reading else 1_000.0
    kind = "read" if reading else "write"
    yield Rule(("network", call.subscription, call.region, kind), size, size / 300, "TooManyRequests")


def _containers(call: Call) -> Iterator[Rule]:
    where = (call.subscription, call.region)
    if call.is_status:
        yield Rule(("aks-status", *where), 200, 2, "Throttled")
    elif call.is_list:
        if call.group:
            yield Rule(("aks-list-group", *where, call.group.lower()), 60, 1, "Throttled")
        else:
            yield Rule(("aks-list", *where), 500, 1, "Throttled")
    elif call.verb == "PUT" and call.type in (_AKS, f"{_AKS}/agentpools"):
        yield Rule(("aks-put", call.key), 20, 1 / 60, "Throttled")
    elif call.verb == "GET" and call.type == _AKS:
        yield Rule(("aks-get", call.key), 60, 1, "Throttled")
    else:
        yield Rule(("aks-other", *where), 60, 1, "Throttled")


def _compute(call: Call) -> Iterator[Rule]:
    header = "x-ms-ratelimit-remaining-resource"
    if call.verb == "GET":
        yield Rule(
            ("compute-get", call.subscription, call.region), 24_000, 8_000 / 60, "OperationNotAllowed", header
        )


_PROVIDERS: dict[str, Callable[[Call], Iterator[Rule]]] = {
    "microsoft.network": _network,
    "microsoft.containerservice": _containers,
    "microsoft.compute": _compute,
}


class Buckets:
    """All token buckets; a call passes when each of its buckets has a token, and takes none otherwise.

    Args:
        now: emulated time in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._levels: dict[Key, tuple[float, float]] = {}

    def admit(self, call: Call) -> tuple[dict[str, str], Throttled | None]:
        """Draw a call's tokens.

        Returns:
            Headers that tell what is left, and what throttles the call, if anything does.
        """
        now = self._now()
        drawn = [(rule, self._level(rule, now)) for rule in rules(call)]
        worst: Throttled | None = None
        for rule, level in drawn:
            if level < 1.0:
                wait = (1.0 - level) / rule.per_s
                if worst is None or wait > worst.wait_s:
                    worst = Throttled(rule, wait)
        cost = 1.0 if worst is None else 0.0
        headers = {}
        for rule, level in drawn:
            self._levels[rule.key] = (level - cost, now)
            if rule.header:
                headers[rule.header] = _remaining(rule, level - cost)
        return headers, worst

    def _level(self, rule: Rule, now: float) -> float:
        level, at = self._levels.get(rule.key, (rule.burst, now))
        return min(rule.burst, level + (now - at) * rule.per_s)


def _remaining(rule: Rule, level: float) -> str:
    left = str(max(0, int(level)))
    return f"Microsoft.Compute/LowCostGet;{left}" if rule.key[0] == "compute-get" else left
