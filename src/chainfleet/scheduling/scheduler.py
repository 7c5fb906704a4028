"""The scheduler: a state machine that is told what happened and answers what to do.

It knows no clock, no process and no network: `handle(event, now)` returns commands, and the runtime,
the rehearsal and the tests drive the very same object. What it decides, it decides from its plan, its
seed and the events so far, so a log of events replays every decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chainfleet.model.event import (
    AttemptFailed,
    AttemptSucceeded,
    CancelRequested,
    Command,
    Event,
    Finish,
    GateDecided,
    LimitObserved,
    PauseRequested,
    ResumeRequested,
    RetryRequested,
    RunStarted,
    SkipRequested,
    TaskState,
    TimePassed,
    TokensGranted,
)
from chainfleet.model.task import Estimate, Phase, Plan

from . import attempts, observing, requests, sharing, throttling
from .blueprint import Blueprint
from .engine import Engine
from .limits import LimitView
from .observing import Bottleneck
from .parallelism import parallelism
from .rehearsal import improve
from .sharing import Want
from .speaking import Commands
from .units import micros

SEARCH = 30_000
"""Effort of a deployment's own search for a better order: a fraction of a second, and none where nobody waits."""


def _time_passed(engine: Engine, _: TimePassed) -> None:
    """Timers are looked at before every event; this one only has to be asked for again."""
    engine.woken()


_MEANINGS: dict[type[Any], Callable[[Engine, Any], None]] = {
    RunStarted: requests.run_started,
    AttemptSucceeded: attempts.succeeded,
    AttemptFailed: attempts.failed,
    LimitObserved: throttling.limit_observed,
    TokensGranted: sharing.tokens_granted,
    TimePassed: _time_passed,
    GateDecided: requests.gate_decided,
    PauseRequested: requests.pause,
    ResumeRequested: requests.resume,
    CancelRequested: requests.cancel,
    RetryRequested: requests.retry,
    SkipRequested: requests.skip,
}


class Scheduler:
    """Decides, for one run of one plan, what happens when.

    Args:
        plan: what to run.
        seed: of the jitter; the same seed and events give the same commands.
        durations: learned estimates by task id; they win over the plan's.
        effort: tasks placed in the search for a better order than the longest path first; 0 for none,
            `improving.EFFORT` is about a second. It only searches where durations are well known.

    Raises:
        PlanError: the plan can't be run; the message names the tasks or the limit.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        seed: int = 0,
        durations: Mapping[str, Estimate] | None = None,
        effort: int = 0,
    ) -> None:
        self.plan = plan
        self._commands = Commands(plan.tasks, self._parallelism)
        blueprint = Blueprint(plan, durations)
        if effort:
            blueprint = improve(blueprint, effort=effort, seed=seed)
        self.engine = Engine(blueprint, seed, self._commands, effort // 10)
        self._started = False

    def handle(self, event: Event, now: float) -> list[Command]:
        """Take one event and say what to do.

        Args:
            event: what happened; the first one is `RunStarted`.
            now: seconds on the caller's monotonic axis; a step backwards counts as no time at all.

        Returns:
            Commands in the order in which they were decided.

        Raises:
            PlanError: the event names a task that the plan does not have; nothing has changed then.
            RuntimeError: `RunStarted` did not come first, or came twice.
        """
        if self._started == isinstance(event, RunStarted):
            raise RuntimeError("RunStarted comes first, and once")
        engine = self.engine
        engine.now = max(engine.now, micros(now))
        engine.fire_timers()
        _MEANINGS[type(event)](engine, event)
        self._started = True
        engine.advance()
        return self._commands.take()

    def _parallelism(self, task: int) -> int:
        return parallelism(self.engine.board, self.engine.gauges, task)

    # --- views for observers -------------------------------------------------------------------

    @property
    def finished(self) -> Finish | None:
        """How the run ended, once it has."""
        return self.engine.finished

    @property
    def paused(self) -> bool:
        """Whether a pause was asked for and not undone."""
        return self.engine.paused

    @property
    def cancelling(self) -> bool:
        """Whether a cancel was asked for."""
        return self.engine.cancelling

    def state(self, task_id: str) -> TaskState:
        """Where a task stands; KeyError if the plan has none with that id."""
        return observing.state(self.engine, task_id)

    def counts(self) -> Mapping[Phase, Mapping[TaskState, int]]:
        """How many tasks of each phase are in each state; states with none are left out."""
        return observing.counts(self.engine)

    def region_states(self) -> Mapping[str, Mapping[Phase, TaskState]]:
        """One state for each region and phase that has tasks: the most telling one."""
        return observing.region_states(self.engine)

    def limits(self) -> list[LimitView]:
        """What is drawn from each limit, and how many ready tasks wait for it."""
        return observing.limits(self.engine)

    def wants(self) -> list[Want]:
        """What is wanted, held or noticed of limits that are shared with other runs, in the plan's order."""
        return sharing.wants(self.engine)

    def bottleneck(self, now: float) -> Bottleneck:
        """What the run waits for at that moment (seconds)."""
        return observing.bottleneck(self.engine, max(self.engine.now, micros(now)))

    def remaining_s(self, now: float) -> float:
        """Seconds until the end, as expected at that moment: remaining path, or work over limits."""
        return observing.remaining(self.engine, max(self.engine.now, micros(now)))
