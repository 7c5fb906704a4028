"""Metrics of one run, kept by watching its events and read from the scheduler's own views."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from chainfleet.model.event import (
    AttemptFailed,
    AttemptSucceeded,
    Command,
    Event,
    Incident,
    LimitObserved,
    StartAttempt,
    TaskState,
)
from chainfleet.model.metric import Metric
from chainfleet.model.task import LimitKind, Phase

from ..coordinator import Coordinator

if TYPE_CHECKING:
    from prometheus_client.core import Metric as Family

_BOUNDS_S = (1.0, 5.0, 15.0, 60.0, 180.0, 420.0, 900.0, 1800.0)
_RUN = ("fleet", "run")
_RESULTS = ("succeeded", "failed")

Labels = tuple[str, ...]
Value = tuple[str, Labels, float]


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(f"chainfleet_run_{name}", "gauge", text, (*_RUN, *labels))


def _counter(name: str, text: str, *labels: str) -> Metric:
    return Metric(f"chainfleet_run_{name}_total", "counter", text, (*_RUN, *labels))


RUN_METRICS: tuple[Metric, ...] = (
    _gauge("tasks", "Tasks by state", "state"),
    _gauge("attempts_running", "Attempts under way", "phase"),
    _counter("attempts", "Attempts that ended", "phase", "result"),
    _counter("failed_attempts", "Attempts that failed, by class of error", "error_class"),
    _counter("retries", "Attempts beyond a task's first", "phase"),
    Metric(
        "chainfleet_run_attempt_seconds", "histogram", "Duration of attempts that ended", (*_RUN, "phase")
    ),
    _counter("estimated_seconds", "What attempts that ended were expected to take", "phase"),
    _counter("throttled_calls", "Calls answered 429", "limit"),
    _counter("calls", "Calls made under a limit, as far as drivers tell", "limit"),
    _gauge("limit_headroom_ratio", "Share of a limit that is free", "limit"),
    _gauge("limit_capacity_ratio", "Share of a limit's declared capacity that throttling has left", "limit"),
    _gauge("limit_waiting_tasks", "Ready tasks that wait for a limit", "limit"),
    _gauge("remaining_seconds", "Time to the end, as expected now"),
    _gauge("ledger_lag_seconds", "From handing over the newest records to their being durable"),
    _counter("incidents", "Incidents: several twins failed alike, or a budget was used up"),
    _counter("coordinator_busy_seconds", "Seconds the coordinator itself was busy", "part"),
    _gauge("last_event_timestamp_seconds", "When something last happened"),
    _gauge("finished", "1 once the run is over"),
)
"""All of them. Labels are bounded by the plan: its phases and limits."""


class RunMetrics:
    """Observes a run and shows it (a collector in the sense of prometheus-client).

    Args:
        coordinator: of the run.
        wall: seconds since 1970.
    """

    def __init__(self, coordinator: Coordinator, wall: Callable[[], float]) -> None:
        self._coordinator = coordinator
        self._wall = wall
        self._tasks = {task.id: task for task in coordinator.plan.tasks}
        self._started: dict[tuple[str, int], float] = {}
        self._running: Counter[str] = Counter()
        self._ended: Counter[Labels] = Counter()
        self._failed: Counter[str] = Counter()
        self._retries: Counter[str] = Counter()
        self._buckets: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}
        self._estimated: dict[str, float] = {}
        self._throttled: Counter[str] = Counter()
        self._calls: Counter[str] = Counter()
        self._incidents = 0
        self._last = wall()

    def see(self, at: float, things: Sequence[Event | Command]) -> None:
        """Count what happened."""
        self._last = self._wall()
        for thing in things:
            match thing:
                case StartAttempt():
                    self._started[thing.task, thing.attempt] = at
                    phase = self._tasks[thing.task].phase
                    self._running[phase] += 1
                    self._retries[phase] += thing.attempt > 1
                case AttemptSucceeded():
                    self._end(thing.task, thing.attempt, at, "succeeded")
                case AttemptFailed():
                    self._end(thing.task, thing.attempt, at, "failed")
                    self._failed[thing.error_class.value] += 1
                case LimitObserved():
                    self._throttled[thing.limit] += thing.throttled
                    self._calls[thing.limit] += thing.calls
                case Incident():
                    self._incidents += 1

    def _end(self, task_id: str, attempt: int, at: float, result: str) -> None:
        began = self._started.pop((task_id, attempt), None)
        if began is None:
            return
        task = self._tasks[task_id]
        phase, seconds = task.phase.value, max(0.0, at - began)
        self._running[phase] -= 1
        self._ended[phase, result] += 1
        buckets = self._buckets.setdefault(phase, [0] * (len(_BOUNDS_S) + 1))
        buckets[bisect_left(_BOUNDS_S, seconds)] += 1
        self._seconds[phase] = self._seconds.get(phase, 0.0) + seconds
        self._estimated[phase] = self._estimated.get(phase, 0.0) + task.estimate.median_s

    def collect(self) -> Iterator[Family]:
        """Yield the metric families."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        common = (self._coordinator.plan.fleet, self._coordinator.run)
        values: dict[str, list[tuple[Labels, float]]] = {}
        for name, labels, value in self._values():
            values.setdefault(f"chainfleet_run_{name}", []).append(((*common, *labels), float(value)))
        for metric in RUN_METRICS:
            if metric.kind == "histogram":
                histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
                for phase, counts in self._buckets.items():
                    histogram.add_metric((*common, phase), _cumulated(counts), self._seconds[phase])
                yield histogram
                continue
            make = GaugeMetricFamily if metric.kind == "gauge" else CounterMetricFamily
            family = make(metric.name, metric.help, labels=metric.labels)
            for labels, value in values.get(metric.name, ()):
                family.add_metric(labels, value)
            yield family

    def _values(self) -> Iterator[Value]:
        yield from self._states()
        for phase in Phase:
            yield "attempts_running", (phase.value,), self._running[phase.value]
            yield "retries_total", (phase.value,), self._retries[phase.value]
            yield "estimated_seconds_total", (phase.value,), self._estimated.get(phase.value, 0.0)
            for result in _RESULTS:
                yield "attempts_total", (phase.value, result), self._ended[phase.value, result]
        for error_class, count in self._failed.items():
            yield "failed_attempts_total", (error_class,), count
        yield from self._limits()
        yield from self._coordinators_own()

    def _states(self) -> Iterator[Value]:
        counts: Counter[TaskState] = Counter()
        for of_phase in self._coordinator.scheduler.counts().values():
            counts.update(of_phase)
        for state in TaskState:
            yield "tasks", (state.value,), counts[state]

    def _limits(self) -> Iterator[Value]:
        for limit in self._coordinator.scheduler.limits():
            name = (limit.name,)
            # What throttling has left of a bucket is its refill; of slots, the slots.
            room = limit.capacity if limit.kind is LimitKind.TOKENS else limit.current_capacity
            yield "limit_headroom_ratio", name, max(0.0, 1 - limit.in_use / room) if room else 0.0
            yield "limit_waiting_tasks", name, limit.waiting
            if limit.kind is not LimitKind.TOKENS and limit.capacity:
                yield "limit_capacity_ratio", name, limit.current_capacity / limit.capacity
            yield "throttled_calls_total", name, self._throttled[limit.name]
            yield "calls_total", name, self._calls[limit.name]

    def _coordinators_own(self) -> Iterator[Value]:
        coordinator = self._coordinator
        busy: Mapping[str, float] = {
            "scheduling": coordinator.accounting.scheduling_s,
            "recording": coordinator.accounting.recording_s,
            "observing": coordinator.accounting.observing_s,
        }
        for part, seconds in busy.items():
            yield "coordinator_busy_seconds_total", (part,), seconds
        finished = coordinator.scheduler.finished is not None
        yield (
            "remaining_seconds",
            (),
            0.0 if finished else coordinator.scheduler.remaining_s(coordinator.now()),
        )
        yield "ledger_lag_seconds", (), coordinator.accounting.ledger_lag_s
        yield "incidents_total", (), self._incidents
        yield "last_event_timestamp_seconds", (), self._last
        yield "finished", (), finished


def _cumulated(counts: Sequence[int]) -> list[tuple[str, float]]:
    total, buckets = 0, []
    for bound, count in zip((*map(str, _BOUNDS_S), "+Inf"), counts, strict=True):
        total += count
        buckets.append((bound, float(total)))
    return buckets
