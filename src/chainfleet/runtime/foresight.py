"""Forecasts with effects around them: what the ledger remembers, all cores, and the run that goes on."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from chainfleet.ledger.history import took
from chainfleet.ledger.lease import holder_of
from chainfleet.ledger.projection import RunView
from chainfleet.ledger.replay import replayed_scheduler
from chainfleet.ledger.store import Ledger
from chainfleet.model.event import Verdict
from chainfleet.model.task import Plan
from chainfleet.scheduling.forecast import Hands, Learned
from chainfleet.scheduling.forecast.outlook import Interval, Straggler, interval, outlook, stragglers
from chainfleet.scheduling.forecast.sampling import World, sample
from chainfleet.scheduling.scheduler import Scheduler

from .state import StateFolder

FORECAST = "forecast"
"""Name of the note in the ledger that keeps a run's first forecast."""

FIRST_SAMPLES = 200
LIVE_SAMPLES = 16
FEWEST_SAMPLES = 4
"""Fewer say nothing of a range: a plan that is too large for as many has no outlook."""

FIRST_S, LIVE_S = 1.0, 0.25
"""Seconds that the first forecast, and each outlook, may keep the coordinator from its work."""

TASK_S = 2e-5
"""Seconds that a rehearsal takes for each task, roughly; the slower the machine, the more."""

SHARE = 0.02
"""Share of the coordinator's time that outlooks may take."""

LATE_SHARE = 0.1
"""The same once the end that was said has passed."""

LEAST_EVERY_S = 1.0


def learned_from(state: StateFolder, fleet_name: str) -> Learned:
    """What an environment's ledger knows of durations; nothing where there is no ledger."""
    if not state.ledger.exists():
        return Learned(())
    ledger = Ledger(state.ledger, fleet_name)
    try:
        return Learned(took(ledger))
    finally:
        ledger.close()


@contextmanager
def all_cores() -> Iterator[Hands]:
    """Hands that use every core: processes that are forked, where no other thread could be caught in a lock."""
    cores = len(os.sched_getaffinity(0))
    if cores < 2 or threading.active_count() > 1:
        yield Hands()
        return
    with ProcessPoolExecutor(cores, mp_context=multiprocessing.get_context("fork")) as pool:
        yield Hands(pool.map, cores)


def first_forecast(plan: Plan, common: float) -> dict[str, float] | None:
    """When a run of that plan will end, in seconds from its start, told before it begins; kept with the run.

    Args:
        plan: what will be run; None is said of one that is too large to be rehearsed in a second.
        common: spread of what the durations of one run have in common.
    """
    runs = _affordable(plan, FIRST_SAMPLES, FIRST_S)
    if not runs:
        return None
    samples = sample(plan, World(common=common), runs=runs, seed=0)
    found = interval([each.makespan for each in samples])
    return {"low_s": found.low_s, "p50_s": found.p50_s, "high_s": found.high_s, "common": common}


def _affordable(plan: Plan, most: int, seconds: float) -> int:
    """How many rehearsals of a plan fit into that time, at most so many; 0 if too few to say anything."""
    runs = min(most, int(seconds / (TASK_S * max(1, len(plan.tasks)))))
    return runs if runs >= FEWEST_SAMPLES else 0


@dataclass(slots=True)
class Foresight:
    """Looks ahead while a run goes on, as often as its share of the time allows.

    Attributes:
        scheduler: of the run.
        common: spread of what durations of one run have in common.
        spent_s: seconds of this process that looking ahead has taken.
    """

    scheduler: Scheduler
    common: float = 0.0
    spent_s: float = 0.0
    _last: Interval | None = None
    _next: float | None = None
    _soonest: float = 0.0

    def expect(self, forecast: Mapping[str, float] | None) -> None:
        """Take over what was said before the run began; that stands until there is time to look again."""
        if forecast is not None:
            self.common = forecast["common"]
            self._last = Interval(forecast["low_s"], forecast["p50_s"], forecast["high_s"])

    def look(self, now: float) -> Interval | None:
        """The outlook at that moment (seconds on the run's axis), perhaps an earlier one; None if there is none."""
        plan = self.scheduler.plan
        samples = _affordable(plan, LIVE_SAMPLES, LIVE_S)
        if self.scheduler.finished is not None or not samples:
            return None
        if self._next is None:
            self._next = now + samples * TASK_S * len(plan.tasks) / SHARE
        # An end that has passed is no outlook: then it is worth more of the time to look again.
        late = self._last is not None and now > self._last.p50_s
        if now >= self._next or (late and now >= self._soonest):
            # Not the wall's clock: what others take of a busy machine is not what looking costs.
            clock = time.thread_time()
            self._last = outlook(self.scheduler.engine, now, samples=samples, common=self.common)
            cost = time.thread_time() - clock
            self.spent_s += cost
            self._next = now + max(LEAST_EVERY_S, cost / SHARE)
            self._soonest = now + max(LEAST_EVERY_S, cost / LATE_SHARE)
        return self._last

    def stragglers(self, now: float) -> list[Straggler]:
        """Who is late at that moment."""
        return [] if self.scheduler.finished is not None else stragglers(self.scheduler.engine, now)


def outlook_of_run(state: StateFolder, fleet_name: str, run: str) -> tuple[Interval, list[Straggler]] | None:
    """The outlook of a run that another process carries out, read from its ledger; None if nobody does.

    Raises:
        LedgerError: the log does not replay.
    """
    if holder_of(state.ledger) is None:
        return None
    ledger = Ledger(state.ledger, fleet_name)
    try:
        records = list(ledger.records(run))
        learned = Learned(took(ledger))
    finally:
        ledger.close()
    scheduler = replayed_scheduler(records)
    if scheduler is None or scheduler.finished is not None:
        return None
    now = records[-1].at + max(0.0, time.time() - records[-1].wall)
    found = outlook(scheduler.engine, now, common=learned.common)
    return found, stragglers(scheduler.engine, now)


def error_document(view: RunView) -> dict[str, Any] | None:
    """How far off the forecast was that was made at the start; None if there was none, or the run was cut short."""
    forecast, took_s = view.notes.get(FORECAST), view.last
    if forecast is None or view.finish is None or view.finish.verdict is Verdict.CANCELLED:
        return None
    return {
        **{name: round(value, 2) for name, value in forecast.items()},
        "took_s": round(took_s, 2),
        "error": round(took_s / forecast["p50_s"] - 1, 4) if forecast["p50_s"] else 0.0,
        "inside": forecast["low_s"] <= took_s <= forecast["high_s"],
    }
