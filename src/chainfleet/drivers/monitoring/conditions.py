"""What a validator's own metrics must not say: one definition for the alerts and for verification.

An alert is the condition written as an expression; verification reads the same metric from the validator
itself and compares it with the same bound.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from chainfleet.model.fleet import Fleet

from .thresholds import Thresholds

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
}
VERSION_METRIC = "process_release"

Reading = tuple[str, Mapping[str, str], float]
"""Name of a metric, labels, value: one sample of a scrape."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Something is wrong while a metric compares so with a bound.

    Attributes:
        alert: name of the alert that tells it.
        metric: what is compared.
        comparison: how.
        bound: with what, in the metric's unit.
        meaning: in words.
    """

    alert: str
    metric: str
    comparison: Literal["<", ">", "=="]
    bound: float
    meaning: str

    @property
    def expression(self) -> str:
        """The condition for Prometheus."""
        return f"{self.metric} {self.comparison} {self.bound:g}"

    def problem(self, readings: Iterable[Reading]) -> str | None:
        """Return what is wrong by these samples of one validator, or None.

        A metric that isn't there is wrong as well: an alert on it would never fire.
        """
        values = [value for name, _, value in readings if name == self.metric]
        if not values:
            return f"it exports no {self.metric}"
        bad = next((value for value in values if _COMPARE[self.comparison](value, self.bound)), None)
        return None if bad is None else f"{self.meaning} ({self.metric} is {bad:g}; alert {self.alert})"


def peers_low(limits: Thresholds, expected: int | None = None) -> Condition:
    """The condition that a validator has too few peers.

    Args:
        limits: of the fleet.
        expected: peers it can have at most, where less than all were started.
    """
    bound = limits.low_peers if expected is None else min(limits.low_peers, expected)
    return Condition("PeersLow", "ethereum_peer_count", "<", bound, "it has too few peers")


OUT_OF_SYNC = Condition("OutOfSync", "besu_synchronizer_in_sync", "==", 0, "it is not in sync")


def problem_of(fleet: Fleet, readings: Iterable[Reading], expected_peers: int) -> str | None:
    """Return what one validator's own metrics say is wrong, or that they aren't those of this revision."""
    seen = list(readings)
    for condition in (peers_low(Thresholds.of(fleet), expected_peers), OUT_OF_SYNC):
        if (problem := condition.problem(seen)) is not None:
            return problem
    if not _versions(seen):
        return f"it runs no known version, not {fleet.network.besu_version}"
    return outdated(fleet, seen)


def outdated(fleet: Fleet, readings: Iterable[Reading]) -> str | None:
    """Return what it runs instead, if a validator runs another version than the fleet's: waiting won't change that."""
    wanted, versions = fleet.network.besu_version, _versions(readings)
    if not versions or any(f"v{wanted}" in version for version in versions):
        return None
    return f"it runs {', '.join(sorted(versions))}, not {wanted}"


def _versions(readings: Iterable[Reading]) -> set[str]:
    return {labels.get("version", "") for name, labels, _ in readings if name == VERSION_METRIC}


def readings_of(text: str) -> list[Reading]:
    """Return the samples of a scrape in Prometheus' text format.

    Raises:
        ValueError: it isn't that.
    """
    from prometheus_client.parser import text_string_to_metric_families

    families = text_string_to_metric_families(text)
    return [(sample.name, sample.labels, sample.value) for family in families for sample in family.samples]
