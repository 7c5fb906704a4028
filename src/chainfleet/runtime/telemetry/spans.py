"""Spans of a run: run → phase → task → attempt → call, with links from a task to what it waited for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from chainfleet.drivers.calls import RECORDER
from chainfleet.model.event import (
    AttemptFailed,
    AttemptSucceeded,
    Command,
    Event,
    Finish,
    StartAttempt,
    StateChanged,
    TaskState,
)
from chainfleet.model.task import Task

from ..attempts import AttemptEnd
from ..coordinator import Coordinator, RunAttempt

if TYPE_CHECKING:
    from opentelemetry.trace import Link, Span, Tracer

_NANO = 1_000_000_000


class RunSpans:
    """Observes a run and makes its spans.

    Args:
        coordinator: of the run.
        tracer: of the OpenTelemetry SDK.
        wall: seconds since 1970.
    """

    def __init__(self, coordinator: Coordinator, tracer: Tracer, wall: Callable[[], float]) -> None:
        self._tracer = tracer
        self._tasks = {task.id: task for task in coordinator.plan.tasks}
        self._origin = wall() - coordinator.now()
        plan = coordinator.plan
        attributes = {
            "chainfleet.run": coordinator.run,
            "chainfleet.fleet": plan.fleet,
            "chainfleet.mode": plan.mode.value,
        }
        self._attributes = {"chainfleet.run": coordinator.run}
        self._run = tracer.start_span(
            f"run {coordinator.run}", start_time=self._time(coordinator.now()), attributes=attributes
        )
        self._phases: dict[str, Span] = {}
        self._open: dict[str, Span] = {}
        self._over: dict[str, Span] = {}
        self._attempts: dict[tuple[str, int], Span] = {}
        self._ended_at = 0

    def see(self, at: float, things: Sequence[Event | Command]) -> None:
        """Begin and end spans."""
        for thing in things:
            match thing:
                case StartAttempt():
                    self._begin(self._tasks[thing.task], thing.attempt, at)
                case AttemptSucceeded():
                    self._end_attempt(thing.task, thing.attempt, at, None)
                case AttemptFailed():
                    self._end_attempt(thing.task, thing.attempt, at, thing)
                case StateChanged() if thing.state.over:
                    self._end_task(thing, at)
                case Finish():
                    self._finish(thing, at)

    def traced(self, run_attempt: RunAttempt) -> RunAttempt:
        """Return a function that runs attempts with their calls recorded under their span."""

        async def run(task: Task, start: StartAttempt) -> AttemptEnd:
            span = self._attempts.get((start.task, start.attempt))
            if span is None:
                return await run_attempt(task, start)
            token = RECORDER.set(_Calls(self._tracer, span))
            try:
                return await run_attempt(task, start)
            finally:
                RECORDER.reset(token)

        return run

    def _begin(self, task: Task, attempt: int, at: float) -> None:
        from opentelemetry.trace import Link

        moment = self._time(at)
        phase = self._phases.get(task.phase)
        if phase is None:
            phase = self._phases[task.phase] = self._child(f"phase {task.phase.value}", self._run, moment)
        span = self._open.get(task.id)
        if span is None:
            before = [self._over[name] for name in (*task.needs, *task.after) if name in self._over]
            links = [Link(other.get_span_context()) for other in before]
            span = self._child(task.id, phase, moment, links)
            span.set_attribute("chainfleet.task", task.id)
            if task.region is not None:
                span.set_attribute("chainfleet.region", task.region)
            self._open[task.id] = span
        mine = self._child(f"attempt {attempt} of {task.id}", span, moment)
        mine.set_attributes({"chainfleet.task": task.id, "chainfleet.attempt": attempt})
        self._attempts[task.id, attempt] = mine

    def _end_attempt(self, task: str, attempt: int, at: float, failed: AttemptFailed | None) -> None:
        span = self._attempts.pop((task, attempt), None)
        if span is None:
            return
        if failed is not None:
            span.set_attribute("chainfleet.error_class", failed.error_class.value)
            self._fail(span, failed.message)
        span.end(self._time(at))

    def _end_task(self, changed: StateChanged, at: float) -> None:
        span = self._open.pop(changed.task, None)
        if span is None:
            return
        span.set_attribute("chainfleet.state", changed.state.value)
        if changed.state is not TaskState.SUCCEEDED:
            self._fail(span, changed.reason)
        self._over[changed.task] = span
        self._ended_at = self._time(at)
        span.end(self._ended_at)

    def _finish(self, finish: Finish, at: float) -> None:
        self._run.set_attribute("chainfleet.verdict", finish.verdict.value)
        if finish.verdict.value != "succeeded":
            self._fail(self._run, finish.reason)
        self.close(at)

    def close(self, at: float) -> None:
        """End whatever is open: the run is over, or this process is."""
        moment = self._time(at)
        for span in (*self._attempts.values(), *self._open.values(), *self._phases.values()):
            span.end(moment)
        self._attempts.clear()
        self._open.clear()
        self._phases.clear()
        if self._run.is_recording():
            self._run.end(moment)

    def _child(self, name: str, parent: Span, moment: int, links: Sequence[Link] = ()) -> Span:
        from opentelemetry.trace import set_span_in_context

        return self._tracer.start_span(
            name,
            context=set_span_in_context(parent),
            start_time=moment,
            links=links,
            attributes=self._attributes,
        )

    def _fail(self, span: Span, message: str) -> None:
        from opentelemetry.trace import Status, StatusCode

        span.set_status(Status(StatusCode.ERROR, message.splitlines()[0] if message else ""))

    def _time(self, at: float) -> int:
        return int((self._origin + at) * _NANO)


class _Calls:
    """Records the calls of one attempt."""

    def __init__(self, tracer: Tracer, attempt: Span) -> None:
        self._tracer = tracer
        self._attempt = attempt

    @contextmanager
    def call(self, system: str, what: str) -> Iterator[None]:
        from opentelemetry.trace import SpanKind, set_span_in_context

        with self._tracer.start_as_current_span(
            what,
            context=set_span_in_context(self._attempt),
            kind=SpanKind.CLIENT,
            attributes={"chainfleet.system": system},
        ):
            yield
