"""What the end of an attempt means: success, another try, or a failure and who else it stops."""

from __future__ import annotations

from chainfleet.model.errors import ErrorClass
from chainfleet.model.event import AttemptFailed, AttemptSucceeded

from .breaker import fingerprint_of
from .codes import CANCELLED, FAILED, SUCCEEDED, WAIVED
from .engine import Engine
from .retry import backoff
from .throttling import attempt_throttled


def succeeded(engine: Engine, event: AttemptSucceeded) -> None:
    """An attempt ended well; news of any but the task's running attempt is ignored."""
    task = _attempt_over(engine, event.task, event.attempt)
    if task < 0:
        return
    engine.waive.discard(task)
    engine.revive.discard(task)
    if engine.graph.twin[task]:
        engine.breaker.succeeded(engine.graph.twin[task])
    engine.end(task, SUCCEEDED)


def failed(engine: Engine, event: AttemptFailed) -> None:
    """An attempt ended badly; news of any but the task's running attempt is ignored."""
    task = _attempt_over(engine, event.task, event.attempt)
    if task < 0:
        return
    attempt_throttled(engine, task, event)
    if task in engine.waive:
        engine.waive.discard(task)
        engine.end(task, WAIVED, "skipped by request")
    elif task in engine.revive:
        engine.revive.discard(task)
        engine.back_off(task, 0, "asked for again")
    elif event.error_class is ErrorClass.CANCELLED or (engine.cancelling and event.error_class.retryable):
        engine.end(task, CANCELLED, event.message)
    else:
        _retry_or_fail(engine, task, event)


def _attempt_over(engine: Engine, name: str, attempt: int) -> int:
    """The running task whose attempt this is, with what it held released; -1 for late news."""
    task = engine.graph.index.get(name, -1)
    if task not in engine.running or engine.attempts[task] != attempt:
        return -1
    del engine.running[task]
    engine.admission.release(task)
    return task


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
