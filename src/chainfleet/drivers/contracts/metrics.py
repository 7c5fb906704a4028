"""What the relayer counts, in Prometheus' text form over a loopback port."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from chainfleet.drivers.scraping import TEXT, served


class Metrics:
    """Counters of one relayer.

    Args:
        wall: seconds since 1970.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._rounds: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._source = 0
        self._target = 0
        self._last_s = 0.0

    def at(self, *, source: int, target: int) -> None:
        """Where both feeds stand."""
        self._source, self._target = source, target

    def relayed(self, number: int) -> None:
        """A round was brought over."""
        self._rounds["relayed"] += 1
        self._target, self._last_s = number, self._wall()

    def left_out(self, why: str) -> None:
        """A round was left out for good."""
        self._rounds[why] += 1

    def failed(self, error_class: str) -> None:
        """A try failed."""
        self._errors[error_class] += 1

    def text(self) -> str:
        """Everything, as Prometheus reads it."""
        lines = ["# TYPE chainfleet_relay_rounds_total counter"]
        lines += [
            f'chainfleet_relay_rounds_total{{result="{result}"}} {self._rounds[result]}'
            for result in ("relayed", "unanswered", "superseded")
        ]
        lines.append("# TYPE chainfleet_relay_errors_total counter")
        lines += [
            f'chainfleet_relay_errors_total{{class="{c}"}} {n}' for c, n in sorted(self._errors.items())
        ]
        gauges = {
            "source_round": self._source,
            "target_round": self._target,
            "lag_rounds": max(0, self._source - self._target),
            "last_relayed_timestamp_seconds": round(self._last_s, 3),
        }
        for name, value in gauges.items():
            lines += [f"# TYPE chainfleet_relay_{name} gauge", f"chainfleet_relay_{name} {value}"]
        return "\n".join(lines) + "\n"

    def served(self, port: int) -> AbstractAsyncContextManager[int]:
        """Answer scrapes on a loopback port with the metrics; gives the port (0 takes a free one)."""
        return served(lambda _accept: (self.text().encode(), TEXT), port)
