"""What people ask for: start or resume a run, gates, pause, cancel, another chance, skip."""

from __future__ import annotations

from collections.abc import Mapping

from chainfleet.model.errors import PlanError
from chainfleet.model.event import (
    CancelRequested,
    GateDecided,
    PauseRequested,
    ResumeRequested,
    RetryRequested,
    RunStarted,
    SkipRequested,
    TaskState,
)

from .codes import (
    AT_GATE,
    CANCELLED,
    CODES,
    FAILED,
    RUNNING,
    SKIPPED,
    SUCCEEDED,
    WAITING,
    WAIVED,
    is_met,
    is_over,
)
from .engine import CANCEL_REASON, Engine
from .graph import WORK
from .sharing import share
from .tokens import Bucket

WAIVED_REASON = "skipped by request"
"""Reason of the state change of a task that an operator asked to skip; recovery goes by it."""


def resumed(
    states: Mapping[str, TaskState], reasons: Mapping[str, str], attempts: Mapping[str, int]
) -> RunStarted:
    """The event that lets a broken-off run go on, from what the ledger says of each task.

    What succeeded or failed stays so, and what was skipped by request; everything else is worked out anew.
    Attempts that were cut off count as made, so that no number is used twice.
    """
    waived = tuple(
        name for name, s in states.items() if s is TaskState.SKIPPED and reasons.get(name) == WAIVED_REASON
    )
    kept = {name: s for name, s in states.items() if s in (TaskState.SUCCEEDED, TaskState.FAILED)}
    return RunStarted({**kept, **dict.fromkeys(waived, TaskState.SKIPPED)}, dict(attempts), waived)


def run_started(engine: Engine, event: RunStarted) -> None:
    """Begin, or go on where a run was broken off; what is over already is not reported again."""
    for name in (*event.done, *event.attempts, *event.waived):
        _task(engine, name)
    for name, state in event.done.items():
        if state.over:
            engine.board.move(_task(engine, name), CODES[state])
    share(engine, event.shared)
    for name in event.waived:
        if event.done.get(name) is TaskState.SKIPPED:
            engine.board.move(_task(engine, name), WAIVED)
    engine.board.changes.clear()
    for name, count in event.attempts.items():
        engine.attempts[_task(engine, name)] = count
    for task in range(engine.graph.size) if event.done or event.attempts else ():
        done = engine.board.states[task] == SUCCEEDED and engine.graph.kind[task] == WORK
        if engine.attempts[task] or done:
            engine.budget.begun.add(engine.graph.region_of(task))
    if event.attempts:  # Nobody knows what the process before drew in its last moments.
        for gauge in engine.gauges:
            if isinstance(gauge.meter, Bucket):
                gauge.meter.drain_to(0.0, engine.now)
    engine.settle()


def gate_decided(engine: Engine, event: GateDecided) -> None:
    """A gate was opened or refused; news of a gate that is not open is ignored."""
    task = engine.graph.index.get(event.task, -1)
    if task < 0 or engine.board.states[task] != AT_GATE:
        return
    who = f" by {event.by}" if event.by else ""
    why = f": {event.reason}" if event.reason else ""
    if event.approved:
        engine.end(task, SUCCEEDED, f"approved{who}{why}")
        return
    engine.end(task, FAILED, f"refused{who}{why}")
    if engine.budget.fail(engine.graph.region_of(task)):
        engine.close_regions()


def pause(engine: Engine, _: PauseRequested) -> None:
    """Start nothing new."""
    engine.paused = True


def resume(engine: Engine, _: ResumeRequested) -> None:
    """Go on after a pause, and after the twin breaker: what it held back, or skipped for it, may start."""
    engine.paused = False
    engine.breaker.acknowledge()
    if engine.admission.stopped:
        engine.admission.stopped.clear()
        if engine.finished is not None and not engine.cancelling:
            engine.settle()
            if engine.board.over < engine.graph.size:
                engine.finished = None
        else:
            engine.admission.unshelve()


def cancel(engine: Engine, _: CancelRequested) -> None:
    """Start nothing new, stop what runs; the rest is cancelled at once."""
    if engine.finished is not None or engine.cancelling:
        return
    engine.cancelling = True
    engine.revive.clear()
    for task in sorted(engine.running):
        _stop(engine, task, CANCEL_REASON)
    engine.cancel_waiting()


def _stop(engine: Engine, task: int, reason: str) -> None:
    engine.tell_changes()
    engine.speaker.stop(task, engine.attempts[task], reason)


def retry(engine: Engine, event: RetryRequested) -> None:
    """Another chance for those named, or for all that failed; who was skipped for them waits again."""
    named = [_task(engine, name) for name in event.tasks]
    roots = _roots(engine, named) if named else set(engine.board.tasks_in(FAILED, CANCELLED))
    if engine.cancelling:
        engine.revive.update(set(named) & set(engine.running) if named else engine.running)
    engine.cancelling = False
    engine.finished = None
    engine.breaker.acknowledge()
    engine.admission.stopped.clear()
    engine.retries.refill()
    for task in roots:
        engine.failures.pop(task, None)
        engine.board.move(task, WAITING, "asked for again")
    engine.settle()


def _roots(engine: Engine, named: list[int]) -> set[int]:
    """The failed and cancelled tasks that those named are, or were skipped because of."""
    roots: set[int] = set()
    seen = set(named)
    stack = list(named)
    while stack:
        task = stack.pop()
        state = engine.board.states[task]
        if state in (FAILED, CANCELLED):
            roots.add(task)
        if state not in (SKIPPED, CANCELLED):
            continue
        for p in engine.graph.needs(task):
            if p not in seen and is_over(engine.board.states[p]) and not is_met(engine.board.states[p]):
                seen.add(p)
                stack.append(p)
    return roots


def skip(engine: Engine, event: SkipRequested) -> None:
    """Take a task for succeeded without doing it; a running one is stopped first."""
    task = _task(engine, event.task)
    state = engine.board.states[task]
    if state == RUNNING:
        if task not in engine.waive:
            engine.waive.add(task)
            _stop(engine, task, WAIVED_REASON)
    elif not is_over(state):
        engine.end(task, WAIVED, WAIVED_REASON)
    elif not is_met(state):
        engine.finished = None
        engine.board.move(task, WAIVED, WAIVED_REASON)
        engine.settle()


def _task(engine: Engine, name: str) -> int:
    task = engine.graph.index.get(name)
    if task is None:
        raise PlanError(
            f"the plan has no task {name}", way_out="see `chainfleet plan FLEET --json` for the ids"
        )
    return task
