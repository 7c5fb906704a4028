"""The engine: the state of one run, in integers, and the moves that all events have in common.

What an event means is decided in `attempts`, `throttling` and `requests`; here is what they use: end a
task, start what may start, fire and set timers, notice the end.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from heapq import heappop, heappush

from chainfleet.model.event import Finish

from .admission import Admission
from .blueprint import Blueprint
from .board import Board
from .breaker import TwinBreaker
from .budgets import RegionBudget, retryable_tasks
from .codes import AT_GATE, BACKING_OFF, CANCELLED, FAILED, READY, RUNNING, SKIPPED, SUCCEEDED, is_over
from .drift import Drift
from .graph import BARRIER, GATE
from .improving import remaining_order
from .limits import Gauge, gauges
from .ranking import upward_rank
from .retry import RetryBudget
from .speaking import Speaker
from .units import NEVER, SECOND
from .verdicts import finish

_RETRY, _LIMIT, _CALM = range(3)

OVER_BUDGET = "failure budget used up"
CANCEL_REASON = "the run is cancelled"


class Engine:
    """One run of one plan.

    Attributes:
        now: microseconds; never goes back.
        running: when each running task's attempt began.
        retry_at: when each backing-off task becomes ready again.
        attempts: attempts begun so far by each task; `failures` those that count against its allowance.
        waive: running tasks that were asked to be skipped; `revive` those asked for again.
        speaker: is told every decision.
        effort: tasks placed in the search for a better order after a drift.
    """

    def __init__(self, blueprint: Blueprint, seed: int, speaker: Speaker, effort: int = 0) -> None:
        self.blueprint = blueprint
        self.plan = plan = blueprint.plan
        self.seed = seed
        self.graph = blueprint.graph
        self.durations = blueprint.durations
        self._ranks: Sequence[int] | None = blueprint.ranks
        self._stale = False
        self.board = Board(self.graph)
        self.gauges = gauges(plan.limits, calm_interval(blueprint.expected_makespan))
        self.admission = Admission(self.graph, self.gauges, blueprint.order, self.board.states)
        self.breaker = TwinBreaker()
        self.budget = RegionBudget(plan, self.graph)
        self.retries = RetryBudget(plan.policy.retry, retryable_tasks(plan))
        self.finished: Finish | None = None
        self.paused = False
        self.cancelling = False
        self.now = -NEVER
        self.running: dict[int, int] = {}
        self.retry_at: dict[int, int] = {}
        self.attempts = array("i", bytes(4 * self.graph.size))
        self.failures: dict[int, int] = {}
        self.waive: set[int] = set()
        self.revive: set[int] = set()
        self.speaker = speaker
        self.effort = effort
        self._drift = Drift()
        self._timers: list[tuple[int, int, int]] = []
        self._calming: set[int] = set()
        self._idle: set[int] = set()
        self._wake_at = NEVER

    # --- moves -----------------------------------------------------------------------------------

    def end(self, task: int, state: int, reason: str = "") -> None:
        """A task is over; what it held has been released before."""
        if self.board.states[task] == READY:
            self.admission.withdraw(task)
        if self.retry_at:
            self.retry_at.pop(task, None)
        self.board.end(task, state, reason)

    def back_off(self, task: int, wait: int, reason: str) -> None:
        """Wait without a slot: everything was released when the attempt ended."""
        at = self.retry_at[task] = self.now + max(1, wait)
        self.board.move(task, BACKING_OFF, reason)
        heappush(self._timers, (at, _RETRY, task))

    def tell(self, message: str, tasks: tuple[str, ...], fingerprint: str = "") -> None:
        """Report an incident."""
        self.tell_changes()
        self.speaker.incident(message, tasks, fingerprint)

    def settle(self) -> None:
        """Work out anew who waits and who is ready; every queue is built again."""
        if self.budget.restart({self.graph.region_of(t) for t in self.board.tasks_in(FAILED)}):
            self._tell_closed()
        self.board.settle()
        self.admission.reset(self.admission.order)
        if self.cancelling:
            self.cancel_waiting()

    def cancel_waiting(self) -> None:
        """Everything that is neither over nor running is cancelled."""
        for task, state in enumerate(self.board.states):
            if state != RUNNING and not is_over(state):
                self.retry_at.pop(task, None)
                self.board.move(task, CANCELLED, CANCEL_REASON)
        self.board.take_ready()
        self.admission.reset(self.admission.order)

    def close_regions(self) -> None:
        """Too many regions have failed: those not begun are not begun any more."""
        self._tell_closed()
        for task in range(self.graph.size):
            if not is_over(self.board.states[task]) and self.budget.bars(self.graph.region_of(task)):
                self.end(task, SKIPPED, OVER_BUDGET)

    def _tell_closed(self) -> None:
        failed = tuple(sorted(str(self.graph.regions[r]) for r in self.budget.failed))
        text = f"{len(failed)} regions failed, {self.budget.allowed} may; no further region is begun"
        self.tell(text, failed)

    # --- learning --------------------------------------------------------------------------------

    def learn(self, task: int, twin: int, took: int) -> None:
        """An attempt that changed something took so long: if its twins drift, plan the rest anew."""
        expected = self.blueprint.durations[task]
        sigma = self.blueprint.sigmas()[task]
        factor = self._drift.observe(twin, took, expected, sigma) if expected else None
        if factor is None:
            return
        self.durations = array("q", self.durations)
        for t, other in enumerate(self.graph.twin):
            if other == twin and self.board.states[t] < SUCCEEDED:
                self.durations[t] = round(self.blueprint.durations[t] * factor)
        self._ranks, self._stale = None, True

    @property
    def ranks(self) -> Sequence[int]:
        """Longest remaining path from each task on, in microseconds, as expected now."""
        if self._ranks is None:
            self._ranks = upward_rank(self.graph, self.durations)
        return self._ranks

    def _plan_anew(self) -> None:
        """Make an order of what is expected now; only done where somebody waits, for else no order matters."""
        self._stale = False
        left = array("q", self.durations)
        for t, since in self.running.items():
            left[t] = max(0, left[t] - (self.now - since))
        over = (t for t, state in enumerate(self.board.states) if is_over(state))
        order = remaining_order(self.blueprint, left, self.ranks, self.admission.order, over, self.effort)
        self.admission.reset(order)
        for t in self.board.tasks_in(READY):
            self.admission.offer(t)

    # --- going on --------------------------------------------------------------------------------

    def advance(self) -> None:
        """Do everything that has become possible, until nothing more is."""
        while True:
            self._take_ready()
            if self._stale and any(queue.parked for queue in self.admission.queues):
                self._plan_anew()
            if not self.paused and not self.cancelling:
                self.admission.grant(self.now, self._start)
            self.tell_changes()
            if not self.admission.shelf or not self._release_the_stuck():
                break
        if self.board.over == self.graph.size and self.finished is None:
            self.finished = finish(self.board, cancelled=self.cancelling)
            self.speaker.finish(self.finished)
        self._set_timers()

    def _take_ready(self) -> None:
        states, kind = self.board.states, self.graph.kind
        while ready := self.board.take_ready():
            for task in ready:
                if states[task] != READY:
                    continue
                if self.budget.closed and self.budget.bars(self.graph.region_of(task)):
                    self.end(task, SKIPPED, OVER_BUDGET)
                elif kind[task] == BARRIER:
                    self.board.end(task, SUCCEEDED)
                else:
                    self.admission.offer(task)

    def _start(self, task: int) -> None:
        if self.graph.kind[task] == GATE:
            self.board.move(task, AT_GATE)
            self.tell_changes()
            self.speaker.gate(task)
            return
        self.attempts[task] += 1
        if self.budget.allowed is not None:
            self.budget.begun.add(self.graph.region_of(task))
        self.running[task] = self.now
        self.board.move(task, RUNNING)
        self.tell_changes()
        self.speaker.start(task, self.attempts[task])

    def _release_the_stuck(self) -> bool:
        """If only tasks held back by the breaker are left, skip them: every run ends."""
        if self.paused or self.running or self.retry_at:
            return False
        held = self.admission.shelved()
        if not held or self.board.count(AT_GATE) or self.board.count(READY) > len(held):
            return False
        for task in held:
            self.end(task, SKIPPED, "held back: its twins failed alike")
        self.admission.shelf.clear()
        return True

    def tell_changes(self) -> None:
        """Report the transitions made so far."""
        if self.board.changes:
            self.speaker.changed(self.board.changes, self.retry_at)
            self.board.changes.clear()

    # --- timers ----------------------------------------------------------------------------------

    def fire_timers(self) -> None:
        """Do what was due until now."""
        timers = self._timers
        while timers and timers[0][0] <= self.now:
            at, kind, which = heappop(timers)
            if kind == _LIMIT:
                self.admission.timer_fired(self.gauges[which], at)
            elif kind == _CALM:
                self._calm(self.gauges[which])
            elif self.retry_at.get(which) == at:
                del self.retry_at[which]
                if self.board.reconsider(which):
                    self.admission.offer(which)

    def woken(self) -> None:
        """A wake-up has come; if it came too early, another one is asked for."""
        self._wake_at = NEVER

    def _set_timers(self) -> None:
        for index in tuple(self._idle):
            self.watch_calm(self.gauges[index])
        if self.admission.untimed:
            for at, gauge in self.admission.timers(self.now):
                heappush(self._timers, (at, _LIMIT, gauge.index))
        if self._timers and self.finished is None:
            soonest = self._timers[0][0]
            if soonest < self._wake_at or self._wake_at <= self.now:
                self._wake_at = soonest
                self.speaker.wake(soonest)

    def watch_calm(self, gauge: Gauge) -> None:
        """See to it that calm opens a lowered limit again, once somebody wants more of it than it gives."""
        level = gauge.meter.adaptive
        if level is None or level.value >= level.top or gauge.index in self._calming:
            return
        if not (gauge.meter.binding or gauge.waiting):
            # Calm is only seen under load: without it, waking up to look would be polling.
            self._idle.add(gauge.index)
            return
        self._idle.discard(gauge.index)
        self._calming.add(gauge.index)
        at = max(level.due(), self.now + level.interval // 4)
        heappush(self._timers, (at, _CALM, gauge.index))

    def _calm(self, gauge: Gauge) -> None:
        self._calming.discard(gauge.index)
        if (gauge.meter.binding or gauge.waiting) and gauge.meter.calm(self.now):
            self.admission.touch(gauge)
        self.watch_calm(gauge)


def calm_interval(makespan: int) -> int:
    """Microseconds between two moves of an adaptive limit: a 240th of the run, at most 10 s.

    Tied to the plan, so that a run in an emulated cloud that goes 60 times faster adapts 60 times faster.
    """
    return max(SECOND // 20, min(10 * SECOND, makespan // 240))
