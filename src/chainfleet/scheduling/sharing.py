"""Limits that several runs share: what this run wants of them, and what it was granted.

Who is granted what is decided where all runs meet (`ledger.budgets`); the engine is told by events, so a log replays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chainfleet.model.event import TokensGranted

from .engine import Engine
from .limits import Gauge
from .purse import Purse
from .slots import Slots
from .tokens import Bucket
from .units import micros, seconds


@dataclass(frozen=True, slots=True)
class Want:
    """What a run wants of a limit that it shares, and what it has noticed of it.

    Attributes:
        limit: its name.
        tokens: what tasks that wait for nothing else would draw.
        held: granted tokens that were not drawn.
        throttles: throttlings noticed so far.
        closed_s: seconds that a Retry-After still keeps it closed here.
        left: what a header said last is left; infinite where none did.
    """

    limit: str
    tokens: float
    held: float
    throttles: int
    closed_s: float
    left: float


def share(engine: Engine, names: tuple[str, ...]) -> None:
    """From now on these limits are shared: nothing of them is drawn that was not granted."""
    for gauge in engine.gauges:
        if gauge.limit.name in names and isinstance(gauge.meter, Bucket):
            gauge.meter = Purse(gauge.meter)


def tokens_granted(engine: Engine, event: TokensGranted) -> None:
    """Tokens came, or went back; a limit that isn't shared is none of ours."""
    for gauge in engine.gauges:
        if gauge.limit.name == event.limit and isinstance(gauge.meter, Purse):
            gauge.meter.grant(event.tokens, engine.now, micros(event.closed_s), event.pace, event.left)
            engine.admission.touch(gauge)


def alone(engine: Engine) -> None:
    """Look at what the others have left as this run's own: nobody answers in a rehearsal."""
    for gauge in engine.gauges:
        if isinstance(gauge.meter, Purse):
            gauge.meter = gauge.meter.alone()
            engine.admission.touch(gauge)


def wants(engine: Engine) -> list[Want]:
    """What is wanted, held or noticed of shared limits now; nothing is wanted by a run that starts nothing."""
    idle = engine.paused or engine.cancelling or engine.finished is not None
    sums: dict[int, float] = {}
    for index, tokens in () if idle else _lacking(engine):
        sums[index] = sums.get(index, 0.0) + tokens
    return [
        _want(gauge, gauge.meter, sums.get(gauge.index, 0.0), engine.now)
        for gauge in engine.gauges
        if isinstance(gauge.meter, Purse) and (gauge.index in sums or gauge.meter.eventful)
    ]


def _want(gauge: Gauge, purse: Purse, tokens: float, now: int) -> Want:
    closed_s = seconds(max(0, purse.gate_until - now))
    return Want(gauge.limit.name, tokens, purse.tokens, purse.throttles, closed_s, purse.left)


def _lacking(engine: Engine) -> Iterator[tuple[int, float]]:
    """Of each queue that is parked at a shared limit, what as many of its tasks as have room elsewhere would draw."""
    seen = set()
    for gauge in engine.gauges:
        if not isinstance(gauge.meter, Purse):
            continue
        for heap in gauge.waiting.values():
            for _, index in heap:
                queue = engine.admission.queues[index]
                if queue.parked is not gauge or index in seen:
                    continue
                seen.add(index)
                rooms = [
                    (other.meter.current - other.meter.held) * _tasks_per_unit(other, amount)
                    for other, amount in queue.demands
                    if isinstance(other.meter, Slots) and amount
                ]
                count = max(1, min([queue.length, *map(int, rooms)]))
                for other, amount in queue.demands:
                    if isinstance(other.meter, Purse):
                        yield other.index, amount * count


def _tasks_per_unit(gauge: Gauge, units: float) -> float:
    """How many tasks that hold so many units one whole unit of a limit has room for."""
    return gauge.meter.units(1.0) / units
