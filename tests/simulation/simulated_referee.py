"""The referee: a second, naive opinion on everything the scheduler says, after every event.

It shares no code with the scheduler: states come from `StateChanged`, sums are made anew each time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from chainfleet.model.event import (
    AttemptFailed,
    AttemptSucceeded,
    CancelAttempt,
    CancelRequested,
    Command,
    Event,
    Finish,
    Incident,
    LimitObserved,
    OpenGate,
    PauseRequested,
    ResumeRequested,
    RetryRequested,
    SkipRequested,
    StartAttempt,
    StateChanged,
    TaskState,
    Verdict,
    WakeAt,
)
from chainfleet.model.task import LimitKind, Phase, Plan, Task, TaskKind
from chainfleet.scheduling.scheduler import Scheduler

S = TaskState
WAIVED = "skipped by request"
SLACK = 2e-6
LEGAL = {
    S.WAITING: {S.READY, S.SKIPPED, S.CANCELLED},
    S.READY: {S.RUNNING, S.AT_GATE, S.SUCCEEDED, S.SKIPPED, S.CANCELLED, S.WAITING},
    S.RUNNING: {S.SUCCEEDED, S.FAILED, S.BACKING_OFF, S.SKIPPED, S.CANCELLED},
    S.BACKING_OFF: {S.READY, S.WAITING, S.SKIPPED, S.CANCELLED},
    S.AT_GATE: {S.SUCCEEDED, S.FAILED, S.SKIPPED, S.CANCELLED},
    S.SUCCEEDED: set(),
    S.FAILED: {S.WAITING, S.SKIPPED},
    S.SKIPPED: {S.WAITING, S.READY, S.SKIPPED},
    S.CANCELLED: {S.WAITING, S.SKIPPED},
}


class Foul(AssertionError):
    """An invariant is broken."""


def must(condition: object, *what: object) -> None:
    if not condition:
        raise Foul(" ".join(str(w) for w in what))


class Referee:
    """Follows one run across crashes of its coordinator."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.tasks: dict[str, Task] = {task.id: task for task in plan.tasks}
        self.limits = {limit.name: limit for limit in plan.limits}
        self.state = dict.fromkeys(self.tasks, S.WAITING)
        self.reason = dict.fromkeys(self.tasks, "")
        self.attempts: Counter[str] = Counter()
        self.tokens = {x.name: x.capacity for x in plan.limits if x.kind is LimitKind.TOKENS}
        self.tokens_at = 0.0
        self.now = 0.0
        self.succeeded: set[str] = set()
        self.forget()

    def forget(self) -> None:
        """The coordinator died: what it only had in its head is gone."""
        self.running: dict[str, int] = {}
        self.failures: Counter[str] = Counter()
        self.retry_at: dict[str, float] = {}
        self.closed_until: dict[str, float] = {}
        self.paused = self.cancelling = False
        self.finish: Finish | None = None
        self.stopped: set[str] = set()
        self.retries: Counter[str | None] = Counter()
        self.wake_at: float | None = None
        self.begun = {self.tasks[t].region for t in self.attempts}
        self.shut = False

    # --- what happened -------------------------------------------------------------------------

    def event(self, event: Event, now: float) -> None:
        """Called before the scheduler handles it."""
        self.now = max(self.now, now)
        match event:
            case PauseRequested():
                self.paused = True
            case ResumeRequested():
                self.paused = False
                self.stopped.clear()
            case CancelRequested():
                self.cancelling = self.cancelling or self.finish is None
            case RetryRequested():
                self.cancelling = False
                self.stopped.clear()
                self.retries.clear()
                self.failures.clear()
                self.retry_at = {t: at for t, at in self.retry_at.items() if self.state[t] is S.BACKING_OFF}
                self.finish = None
                self.shut = False
            case SkipRequested():
                self.finish = None if self.finish and not self._met(event.task) else self.finish
            case LimitObserved() if event.limit in self.limits and event.retry_after_s:
                self._close(event.limit, event.retry_after_s)
            case AttemptSucceeded() if self.running.get(event.task) == event.attempt:
                del self.running[event.task]
            case AttemptFailed() if self.running.get(event.task) == event.attempt:
                self._failed(event)

    def _failed(self, event: AttemptFailed) -> None:
        del self.running[event.task]
        self.failures[event.task] += 1
        if event.retry_after_s and event.limit in self.limits:
            self._close(event.limit, event.retry_after_s)
        if event.retry_after_s:
            self.retry_at[event.task] = self.now + event.retry_after_s

    def _close(self, limit: str, seconds: float) -> None:
        self.closed_until[limit] = max(self.closed_until.get(limit, 0.0), self.now + seconds)

    # --- what was decided --------------------------------------------------------------------------

    def commands(self, commands: Sequence[Command]) -> None:
        """Called with what the scheduler answered."""
        for command in commands:
            match command:
                case StateChanged():
                    self._changed(command)
                case StartAttempt():
                    self._start(command)
                case CancelAttempt():
                    must(
                        self.running.get(command.task) == command.attempt, "stops what does not run", command
                    )
                case OpenGate():
                    must(self.state[command.task] is S.AT_GATE, "opens a gate that is not reached", command)
                    must(self.tasks[command.task].kind is TaskKind.GATE, "no gate", command)
                case WakeAt():
                    must(command.at > self.now - SLACK, "a wake-up in the past", command, self.now)
                    self.wake_at = command.at
                case Incident() if command.fingerprint:
                    self.stopped.add(self.tasks[command.tasks[0]].twins)
                case Finish():
                    must(self.finish is None, "finished twice", command)
                    self.finish = command

    def _changed(self, change: StateChanged) -> None:
        old = self.state[change.task]
        must(change.state in LEGAL[old], change.task, old, "->", change.state, change.reason)
        task = self.tasks[change.task]
        if change.state in (S.READY, S.RUNNING, S.AT_GATE) or (
            task.kind is TaskKind.BARRIER and change.state is S.SUCCEEDED
        ):
            must(self._open(task), change.task, "goes on to", change.state, "before its predecessors")
        if change.state is S.BACKING_OFF:
            self._backs_off(change)
        if change.state is S.SKIPPED and change.reason.startswith("needs "):
            must(self._hopeless(task), change.task, "is skipped although it can still be met")
        if not change.state.over:
            self.finish = None
        if change.state is S.SUCCEEDED:
            self.succeeded.add(change.task)
        self.state[change.task] = change.state
        self.reason[change.task] = change.reason

    def _backs_off(self, change: StateChanged) -> None:
        must(change.retry_at is not None, "backs off without a moment", change)
        asked = self.retry_at.get(change.task, 0.0)
        must(change.retry_at >= asked - SLACK, change.task, "comes back before Retry-After")
        self.retry_at[change.task] = change.retry_at
        if change.reason == "asked for again":
            self.failures[change.task] -= 1
            return
        task, policy = self.tasks[change.task], self.plan.policy.retry
        must(self.failures[task.id] < task.max_attempts, task.id, "is tried too often")
        self.retries[task.region] += 1
        self.retries["all of them"] += 1
        must(
            task.region is None or self.retries[task.region] <= policy.region_budget, "region's retry budget"
        )
        work = sum(t.kind is TaskKind.WORK for t in self.plan.tasks)
        must(self.retries["all of them"] <= int(policy.run_budget * work) + 10, "run's retry budget")

    def _start(self, start: StartAttempt) -> None:
        task = self.tasks[start.task]
        must(task.kind is TaskKind.WORK, "an attempt of a", task.kind, start)
        must(self.state[task.id] is S.RUNNING, "starts in state", self.state[task.id], start)
        must(task.id not in self.succeeded, "does again what was done", start)
        must(task.id not in self.running, "runs twice at once", start)
        must(start.attempt == self.attempts[task.id] + 1, "attempt number", start, self.attempts[task.id])
        must(not self.paused, "starts while paused", start)
        must(not self.cancelling, "starts while cancelling", start)
        must(self.retry_at.get(task.id, 0.0) <= self.now + SLACK, "starts before its backoff is over", start)
        must(task.twins not in self.stopped or not task.twins, "starts a stopped twin", start)
        must(start.parallelism >= 2, "parallelism", start)
        self._within_failure_budget(task)
        self.attempts[task.id] += 1
        self.running[task.id] = start.attempt
        self.begun.add(task.region)
        self._draw(task)

    def _within_failure_budget(self, task: Task) -> None:
        allowed = self._allowed()
        failed = {self.tasks[t].region for t, s in self.state.items() if s is S.FAILED} - {None}
        if allowed is not None and len(failed) > allowed and task.region is not None:
            must(
                task.region in self.begun, "begins region", task.region, "with", len(failed), "failed already"
            )

    def _allowed(self) -> int | None:
        budget = self.plan.policy.budget
        regions = len({t.region for t in self.plan.tasks} - {None})
        bounds = [
            b
            for b in (budget.regions, None if budget.percent is None else int(regions * budget.percent / 100))
            if b is not None
        ]
        return min(bounds, default=None)

    def _draw(self, task: Task) -> None:
        for name in self.tokens:
            limit = self.limits[name]
            grown = self.tokens[name] + (self.now - self.tokens_at) * limit.rate_per_s
            self.tokens[name] = min(limit.capacity, grown)
        self.tokens_at = self.now
        for demand in task.demands:
            must(
                self.now >= self.closed_until.get(demand.limit, 0.0) - SLACK,
                "ignores Retry-After of",
                demand.limit,
            )
            if demand.limit in self.tokens:
                self.tokens[demand.limit] -= demand.amount
                must(self.tokens[demand.limit] >= -1e-3, "overdraws", demand.limit, self.tokens[demand.limit])
            else:
                held = self.held(demand.limit)
                must(held <= self.limits[demand.limit].capacity + 1e-6, "overdraws", demand.limit, held)

    def held(self, limit: str) -> float:
        return sum(d.amount for t in self.running for d in self.tasks[t].demands if d.limit == limit)

    # --- how things stand ------------------------------------------------------------------------

    def _met(self, name: str) -> bool:
        state = self.state[name]
        return state is S.SUCCEEDED or (state is S.SKIPPED and self.reason[name] == WAIVED)

    def _open(self, task: Task) -> bool:
        if not all(self.state[p].over for p in task.after):
            return False
        met = [p for p in task.needs if self._met(p)]
        if task.at_least is None:
            return len(met) == len(task.needs)
        return sum(self.tasks[p].weight for p in met) >= task.at_least

    def _hopeless(self, task: Task) -> bool:
        possible = [p for p in task.needs if self._met(p) or not self.state[p].over]
        if task.at_least is None:
            return len(possible) < len(task.needs)
        return sum(self.tasks[p].weight for p in possible) < task.at_least

    def stands(self, scheduler: Scheduler) -> None:
        """Called after each event: nothing is lost, forgotten or misreported."""
        for task in self.plan.tasks:
            state = self.state[task.id]
            if state is S.WAITING:
                must(not self._open(task), task.id, "waits although it could start")
                must(not self._hopeless(task), task.id, "waits for what can't come")
            elif state is S.RUNNING:
                must(task.id in self.running, task.id, "is called running")
            elif state is S.SKIPPED and self.reason[task.id].startswith("needs "):
                must(self._hopeless(task), task.id, "stays skipped although it can be met again")
            if task.kind is TaskKind.BARRIER:
                must(state is not S.READY or self.cancelling, task.id, "is a barrier and hesitates")
        must(all(self.state[t] is S.RUNNING for t in self.running), "something runs unnoticed")
        over = all(state.over for state in self.state.values())
        must(over == (self.finish is not None), "over:", over, "but finish:", self.finish)
        must(scheduler.finished is None or scheduler.finished == self.finish, "finish is misreported")
        if self.finish is not None:
            self._verdict(self.finish)
        self._views(scheduler)
        if not self.paused and not self.cancelling:
            self._work_is_taken(scheduler)

    def _views(self, scheduler: Scheduler) -> None:
        want: Counter[tuple[Phase, TaskState]] = Counter()
        for task in self.plan.tasks:
            want[task.phase, self.state[task.id]] += 1
        got = {(p, s): n for p, row in scheduler.counts().items() for s, n in row.items()}
        must(got == dict(want), "counts", got, "are not", dict(want))
        for view in scheduler.limits():
            if view.kind is not LimitKind.TOKENS:
                must(
                    abs(view.in_use - self.held(view.name)) < 1e-6, "holds", view, "not", self.held(view.name)
                )
            must(view.current_capacity > 0, "nothing left of", view)
        scheduler.bottleneck(self.now)
        must(scheduler.remaining_s(self.now) >= 0, "negative remaining time")

    def _work_is_taken(self, scheduler: Scheduler) -> None:
        """A ready task that would find room everywhere does not wait, except for one that was passed too often."""
        views = {view.name: view for view in scheduler.limits()}
        reserved = {g.limit.name for g in scheduler.engine.gauges if g.reserved < 1 << 60}
        for task in self.plan.tasks:
            if self.state[task.id] is not S.READY or (task.twins and task.twins in self.stopped):
                continue
            full = reserved & {d.limit for d in task.demands} if task.kind is TaskKind.WORK else set()
            for demand in task.demands if task.kind is TaskKind.WORK else ():
                view, limit = views[demand.limit], self.limits[demand.limit]
                if self.now < scheduler.engine.gauges[self.plan.limits.index(limit)].meter.gate_until / 1e6:
                    full.add(demand.limit)
                elif limit.kind is LimitKind.TOKENS:
                    if limit.capacity - view.in_use < demand.amount + 1e-6:
                        full.add(demand.limit)
                elif view.in_use and view.in_use + demand.amount > view.current_capacity + 1e-9:
                    full.add(demand.limit)
            must(full, task.id, "is ready, finds room and is not started")

    def _verdict(self, finish: Finish) -> None:
        bad = [t for t in self.plan.tasks if not self._met(t.id)]
        cancelled = any(self.state[t.id] is S.CANCELLED for t in bad)
        failed = any(self.state[t.id] is S.FAILED for t in bad)
        if not bad:
            must(finish.verdict is Verdict.SUCCEEDED, "all is well, yet", finish)
            return
        must(finish.verdict is not Verdict.SUCCEEDED, "failures are hidden", finish)
        if finish.verdict is Verdict.DEGRADED:
            network = [t for t in self.plan.tasks if t.region is None]
            checks = [t for t in network if t.phase is Phase.VERIFICATION]
            must(checks, "degraded without verification")
            must(all(self._met(t.id) for t in network), "degraded with a failed network task")
        if finish.verdict is Verdict.CANCELLED:
            must(cancelled or self.cancelling, "not cancelled", finish)
        if cancelled and not failed:
            must(finish.verdict in (Verdict.CANCELLED, Verdict.DEGRADED), "a cancel is hidden", finish)
        for region, verdict in finish.regions.items():
            fine = all(self._met(t.id) for t in self.plan.tasks if t.region == region)
            must(fine == (verdict is Verdict.SUCCEEDED), region, verdict)
