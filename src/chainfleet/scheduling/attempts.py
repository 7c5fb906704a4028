"""What the end of an attempt means: success, another try, or a failure and who else it stops."""

from __future__ import annotations

from chainfleet.model.errors import ErrorClass
from chainfleet.model.event import AttemptFailed, AttemptSucceeded

from .breaker import fingerprint_of
from .codes import CANCELLED, FAILED, SUCCEEDED, WAIVED
from .engine import Engine
from .requests import WAIVED_REASON
from .retry import backoff
from .throttling import attempt_throttled
from .units import micros


def succeeded(engine: Engine, event: AttemptSucceeded) -> None:
    """An attempt ended well; news of any but the task's running attempt is ignored."""
    task = engine.graph.index.get(event.task, -1)
    if is_current(engine, task, event.attempt):
        end_well(engine, task, changed=event.changed)


def end_well(engine: Engine, task: int, *, changed: bool = True) -> None:
    """The running attempt of a task ended well; only one that changed something says how long it takes."""
    took = engine.now - engine.running[task]
    _give_back(engine, task)
    if engine.waive or engine.revive:
        engine.waive.discard(task)
        engine.revive.discard(task)
    engine.end(task, SUCCEEDED)
    twin = engine.graph.twin[task]
    if twin:
        engine.breaker.succeeded(twin)
        if changed:
            engine.learn(task, twin, took)


def failed(engine: Engine, event: AttemptFailed) -> None:
    """An attempt ended badly; news of any but the task's running attempt is ignored."""
    task = engine.graph.index.get(event.task, -1)
    if is_current(engine, task, event.attempt):
        end_badly(engine, task, event)


def end_badly(engine: Engine, task: int, event: AttemptFailed) -> None:
    """The running attempt of a task ended badly."""
    _give_back(engine, task)
    attempt_throttled(engine, task, event)
    if task in engine.waive:
        engine.waive.discard(task)
        engine.end(task, WAIVED, WAIVED_REASON)
    elif task in engine.revive:
        engine.revive.discard(task)
        engine.back_off(task, micros(event.retry_after_s or 0.0), "asked for again")
    elif event.error_class is ErrorClass.CANCELLED or (engine.cancelling and event.error_class.retryable):
        engine.end(task, CANCELLED, event.message)
    else:
        _retry_or_fail(engine, task, event)


def is_current(engine: Engine, task: int, attempt: int) -> bool:
    """Whether that is the attempt that runs; news of any other comes too late, or twice."""
    return task in engine.running and engine.attempts[task] == attempt


def _give_back(engine: Engine, task: int) -> None:
    del engine.running[task]
    engine.admission.release(task)


def _retry_or_fail(engine: Engine, task: int, event: AttemptFailed) -> None:
    failures = engine.failures[task] = engine.failures.get(task, 0) + 1
    refusal = ""
    if event.error_class.retryable and failures < engine.plan.tasks[task].max_attempts:
        region = engine.graph.region_of(task)
        refusal = engine.retries.spend(region)
        if not refusal:
            wait = backoff(engine.plan.policy.retry, engine.seed, task, failures, event.retry_after_s)
            engine.back_off(task, wait, event.message)
            return
        if engine.retries.first_time(region):
            engine.tell(f"{event.task}: {refusal}", (event.task,))
    engine.end(task, FAILED, f"{event.message} ({refusal})" if refusal else event.message)
    if engine.budget.fail(engine.graph.region_of(task)):
        engine.close_regions()
    _ask_the_breaker(engine, task, event)


def _ask_the_breaker(engine: Engine, task: int, event: AttemptFailed) -> None:
    twin = engine.graph.twin[task]
    if not twin or not engine.plan.policy.twin_breaker:
        return
    fingerprint = fingerprint_of(event.error_class, event.message, event.fingerprint)
    alike = engine.breaker.failed(twin, task, event.error_class, fingerprint)
    if alike:
        engine.admission.stopped.add(twin)
        names = tuple(engine.graph.names[t] for t in alike)
        what = engine.graph.twin_names[twin]
        engine.tell(
            f"{len(names)} of the first {what} failed alike; the others are held back", names, fingerprint
        )
