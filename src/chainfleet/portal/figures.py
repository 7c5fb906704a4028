"""What this process counts about itself, in Prometheus' text form."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


class Figures:
    """Counters and gauges of one process; told and read in its event loop."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._buckets: defaultdict[str, list[int]] = defaultdict(lambda: [0] * (len(_BUCKETS) + 1))
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self.streams = 0
        """Streams that are open."""
        self.frames = 0
        """Frames sent on streams."""
        self.records = 0
        """Records sent on streams."""
        self.lag_s = 0.0
        """Seconds between a record's commit and its frame, of the last batch."""

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        method = method if method in _METHODS else "other"
        self._requests[method, route, status] += 1
        self._buckets[route][bisect_left(_BUCKETS, seconds)] += 1
        self._seconds[route] += seconds

    def text(self, gauges: Mapping[str, float]) -> str:
        """Everything, as Prometheus reads it; `gauges` are added by name."""
        name = "chainfleet_portal"
        lines = [f"# TYPE {name}_requests_total counter"]
        lines += [
            f'{name}_requests_total{{method="{m}",route="{r}",status="{s}"}} {n}'
            for (m, r, s), n in sorted(self._requests.items())
        ]
        lines.append(f"# TYPE {name}_request_seconds histogram")
        for route, counts in sorted(self._buckets.items()):
            total = 0
            for edge, count in zip((*_BUCKETS, "+Inf"), counts, strict=True):
                total += count
                lines.append(f'{name}_request_seconds_bucket{{route="{route}",le="{edge}"}} {total}')
            lines.append(f'{name}_request_seconds_sum{{route="{route}"}} {self._seconds[route]:.6f}')
            lines.append(f'{name}_request_seconds_count{{route="{route}"}} {total}')
        for counter, number in (("stream_frames", self.frames), ("stream_records", self.records)):
            lines += [f"# TYPE {name}_{counter}_total counter", f"{name}_{counter}_total {number}"]
        both = {"streams": self.streams, "stream_lag_seconds": self.lag_s, **gauges}
        for gauge, value in both.items():
            lines += [f"# TYPE {name}_{gauge} gauge", f"{name}_{gauge} {value:g}"]
        return "\n".join(lines) + "\n"
