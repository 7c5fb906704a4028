"""What observers may know of a run: states, limits, what it waits for, how long it still takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from chainfleet.model.event import TaskState
from chainfleet.model.task import Phase

from .codes import (
    AT_GATE,
    BACKING_OFF,
    CANCELLED,
    FAILED,
    NAMES,
    READY,
    RUNNING,
    SKIPPED,
    STATES,
    SUCCEEDED,
    WAITING,
    WAIVED,
    is_over,
)
from .engine import Engine
from .graph import PHASES
from .limits import Gauge, LimitView, view
from .slots import Slots
from .units import SECOND, seconds

_TELLING = (FAILED, RUNNING, BACKING_OFF, AT_GATE, READY, WAITING, CANCELLED, SKIPPED, WAIVED, SUCCEEDED)
"""Which state stands for a whole region and phase, the most telling first."""


class BottleneckKind(StrEnum):
    """What may hold a run up."""

    LIMIT = "limit"
    DEPENDENCY = "dependency"
    RETRY = "retry"
    GATE = "gate"
    PAUSE = "pause"
    BREAKER = "breaker"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """What a run waits for at a moment.

    Attributes:
        kind: what sort of thing it is.
        name: the limit, or the task, that is waited for.
        text: one line for people.
        waiting: tasks that are ready and wait for it; for a task, all that are not over.
    """

    kind: BottleneckKind
    name: str
    text: str
    waiting: int = 0


def state(engine: Engine, task_id: str) -> TaskState:
    """Where a task stands; KeyError if there is none with that id."""
    return NAMES[engine.board.states[engine.graph.index[task_id]]]


def counts(engine: Engine) -> Mapping[Phase, Mapping[TaskState, int]]:
    """How many tasks of each phase are in each state."""
    out: dict[Phase, dict[TaskState, int]] = {}
    for at, number in enumerate(engine.board.counts):
        if number:
            row = out.setdefault(PHASES[at // STATES % len(PHASES)], {})
            state = NAMES[at % STATES]
            row[state] = row.get(state, 0) + number
    return out


def region_states(engine: Engine) -> Mapping[str, Mapping[Phase, TaskState]]:
    """The most telling state of each region and phase."""
    out: dict[str, dict[Phase, TaskState]] = {}
    for r, region in enumerate(engine.graph.regions):
        if region is None:
            continue
        row = out.setdefault(region, {})
        for p, phase in enumerate(PHASES):
            group = r * len(PHASES) + p
            code = next((c for c in _TELLING if engine.board.group_count(group, c)), None)
            if code is not None:
                row[phase] = NAMES[code]
    return out


def limits(engine: Engine) -> list[LimitView]:
    """Every limit, in the plan's order."""
    waiting = _waiting(engine)
    return [view(gauge, waiting.get(gauge.index, 0), engine.now) for gauge in engine.gauges]


def _waiting(engine: Engine) -> dict[int, int]:
    out: dict[int, int] = {}
    for queue in engine.admission.queues:
        if queue.parked is not None:
            out[queue.parked.index] = out.get(queue.parked.index, 0) + queue.length
    return out


# --- what it waits for ------------------------------------------------------------------------


def _frontier(engine: Engine, now: int) -> Iterator[tuple[int, int]]:
    """Tasks whose predecessors are done, with the time from now to the end along their path."""
    ranks, durations = engine.ranks, engine.durations
    for t, since in engine.running.items():
        yield t, ranks[t] - min(now - since, durations[t])
    for t, at in engine.retry_at.items():
        yield t, ranks[t] + max(0, at - now)
    for t in engine.board.tasks_in(READY, AT_GATE):
        yield t, ranks[t]


def bottleneck(engine: Engine, now: int) -> Bottleneck:
    """What stands at the front of the longest remaining path."""
    if engine.finished is not None:
        return Bottleneck(BottleneckKind.NONE, "", "the run is over")
    left = engine.graph.size - engine.board.over
    if engine.paused and not engine.running:
        return Bottleneck(BottleneckKind.PAUSE, "", "the run is paused", left)
    front = max(_frontier(engine, now), key=lambda item: (item[1], -item[0]), default=None)
    if front is None:
        return Bottleneck(BottleneckKind.NONE, "", "nothing can start", left)
    return _at_front(engine, front[0], now, left)


def _at_front(engine: Engine, task: int, now: int, left: int) -> Bottleneck:
    name = engine.graph.names[task]
    code = engine.board.states[task]
    if code == RUNNING:
        taken = seconds(now - engine.running[task])
        expected = seconds(engine.durations[task])
        text = f"{name} runs for {taken:.0f} s of about {expected:.0f} s; the longest path leads through it"
        return Bottleneck(BottleneckKind.DEPENDENCY, name, text, left)
    if code == BACKING_OFF:
        wait = seconds(max(0, engine.retry_at[task] - now))
        return Bottleneck(
            BottleneckKind.RETRY, name, f"{name} failed and is tried again in {wait:.0f} s", left
        )
    if code == AT_GATE:
        return Bottleneck(BottleneckKind.GATE, name, f"{name} waits for a decision", left)
    return _ready_but_waiting(engine, task, now, left)


def _ready_but_waiting(engine: Engine, task: int, now: int, left: int) -> Bottleneck:
    name = engine.graph.names[task]
    if engine.paused:
        return Bottleneck(BottleneckKind.PAUSE, "", "the run is paused", left)
    gauge = engine.admission.queues[engine.graph.demand_class[task]].parked
    if gauge is None or engine.graph.twin[task] in engine.admission.stopped:
        text = f"{name} is held back: its twins failed alike"
        return Bottleneck(BottleneckKind.BREAKER, name, text, len(engine.admission.shelved()))
    waiting = _waiting(engine)[gauge.index]
    return Bottleneck(BottleneckKind.LIMIT, gauge.limit.name, _limit_text(gauge, waiting, now), waiting)


def _tasks(waiting: int) -> str:
    return "1 task waits" if waiting == 1 else f"{waiting} tasks wait"


def _rate(per_s: float) -> str:
    return f"{per_s:,.0f}" if per_s >= 100 else f"{per_s:.3g}"


def _limit_text(gauge: Gauge, waiting: int, now: int) -> str:
    meter, name = gauge.meter, gauge.limit.name
    if meter.gate_until > now:
        wait = seconds(meter.gate_until - now)
        return f"{name} is closed for {wait:.0f} s (Retry-After); {_tasks(waiting)}"
    if isinstance(meter, Slots):
        lowered = "" if meter.current == gauge.limit.capacity else f" (lowered from {gauge.limit.capacity:g})"
        return f"{name} is full: {meter.held:g} of {meter.current:g} in use{lowered}; {_tasks(waiting)}"
    return f"{name} refills at {_rate(meter.rate * meter.pace)}/s; {_tasks(waiting)}"


# --- how long it still takes ------------------------------------------------------------------


def remaining(engine: Engine, now: int) -> float:
    """Seconds to the end: the longest remaining path, or the work left over a limit, whichever is more."""
    if engine.finished is not None:
        return 0.0
    path = max((left for _, left in _frontier(engine, now)), default=0)
    return max(seconds(path), _work_left(engine, now))


def _work_left(engine: Engine, now: int) -> float:
    graph = engine.graph
    busy = [0] * len(graph.classes)
    unstarted = [0] * len(graph.classes)
    for t, code in enumerate(engine.board.states):
        if is_over(code):
            continue
        demands = graph.demand_class[t]
        since = engine.running.get(t)
        busy[demands] += engine.durations[t] - (0 if since is None else min(now - since, engine.durations[t]))
        unstarted[demands] += since is None
    work = [0.0] * len(engine.gauges)
    for demands, drawn in enumerate(graph.classes):
        for index, amount in drawn:
            tokens = not isinstance(engine.gauges[index].meter, Slots)
            work[index] += amount * (unstarted[demands] if tokens else busy[demands] / SECOND)
    return max((_drained(gauge, work[gauge.index], now) for gauge in engine.gauges), default=0.0)


def _drained(gauge: Gauge, work: float, now: int) -> float:
    """Seconds in which a limit passes the work that is left for it."""
    meter = gauge.meter
    closed = seconds(max(0, meter.gate_until - now)) if work else 0.0
    if isinstance(meter, Slots):
        return closed + work / meter.current
    return closed + max(0.0, work - meter.available(now)) / (meter.rate * meter.pace)
