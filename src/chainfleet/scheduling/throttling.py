"""What the other side lets us know about its limits: 429, Retry-After, remaining-quota headers."""

from __future__ import annotations

from chainfleet.model.errors import ErrorClass
from chainfleet.model.event import AttemptFailed, LimitObserved

from .engine import Engine
from .limits import Gauge
from .units import micros


def attempt_throttled(engine: Engine, task: int, event: AttemptFailed) -> None:
    """An attempt failed because it was throttled, or was told when to come back."""
    if event.error_class is not ErrorClass.THROTTLED and event.retry_after_s is None:
        return
    for gauge in _blamed(engine, task, event):
        _close(engine, gauge, event.retry_after_s)


def limit_observed(engine: Engine, event: LimitObserved) -> None:
    """A driver reports what it saw while its attempt goes on; an unknown limit is none of ours."""
    gauge = _named(engine, event.limit)
    if gauge is None:
        return
    if event.throttled or event.retry_after_s is not None:
        _close(engine, gauge, event.retry_after_s)
    if event.remaining is not None:
        gauge.meter.drain_to(event.remaining, engine.now)
        engine.admission.touch(gauge)
        engine.watch_calm(gauge)


def _close(engine: Engine, gauge: Gauge, retry_after_s: float | None) -> None:
    wait = None if retry_after_s is None else max(0, micros(retry_after_s))
    gauge.meter.throttled(engine.now, wait)
    engine.admission.touch(gauge)
    engine.watch_calm(gauge)


def _blamed(engine: Engine, task: int, event: AttemptFailed) -> list[Gauge]:
    """The limit that was named, else every adaptive one that the attempt drew from."""
    if event.limit is not None:
        named = _named(engine, event.limit)
        return [] if named is None else [named]
    if event.error_class is not ErrorClass.THROTTLED:
        return []
    drawn = engine.graph.classes[engine.graph.demand_class[task]]
    return [engine.gauges[g] for g, _ in drawn if engine.gauges[g].meter.adaptive is not None]


def _named(engine: Engine, name: str) -> Gauge | None:
    return next((gauge for gauge in engine.gauges if gauge.limit.name == name), None)
