"""A world made of one seed: clock, clouds, operators, crashes. It drives a scheduler and asks the referee."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from typing import Any

from simulated_books import Books, Memory
from simulated_plans import random_plan
from simulated_referee import WAIVED, Foul, Referee, must

from chainfleet.model.errors import ErrorClass
from chainfleet.model.event import (
    AttemptFailed,
    AttemptSucceeded,
    CancelAttempt,
    CancelRequested,
    Command,
    Event,
    GateDecided,
    LimitObserved,
    OpenGate,
    PauseRequested,
    ResumeRequested,
    RetryRequested,
    RunStarted,
    SkipRequested,
    StartAttempt,
    TaskState,
    TimePassed,
    WakeAt,
)
from chainfleet.model.task import Plan
from chainfleet.scheduling.requests import resumed
from chainfleet.scheduling.scheduler import Scheduler

_FINAL = (ErrorClass.CONFIGURATION, ErrorClass.AUTHORISATION, ErrorClass.INTERNAL, ErrorClass.QUOTA)
_PASSING = (
    ErrorClass.TRANSIENT,
    ErrorClass.TIMEOUT,
    ErrorClass.CAPACITY,
    ErrorClass.STATE_LOCK,
    ErrorClass.CONFLICT,
    ErrorClass.CHAIN_NOT_READY,
)
_MOST_EVENTS = 20_000
_MOST_CRASHES = 40
"""A coordinator that dies faster than a bucket refills, which each new one takes for empty, never gets on."""


class World:
    """One simulated deployment, from its first event until it is over and nobody asks for more."""

    def __init__(self, seed: int, books: Callable[[Plan], Books] = Memory) -> None:
        self.seed = seed
        self.rng = rng = Random(seed)
        self.plan = random_plan(rng)
        self.referee = Referee(self.plan)
        self.books = books(self.plan)
        self.now = 0.0
        self.events = self.crashes = 0
        self.agenda: list[tuple[float, int, int, Event]] = []
        self._sequence = 0
        self._life = 0
        self._requests = rng.choice((0, 0, 1, 3, 6))
        self._crash_rate = rng.choice((0.0, 0.0, 0.005, 0.05))
        self._flakiness = rng.choice((0.0, 0.05, 0.3))
        self._doom = rng.choice((0.0, 0.02, 0.2))
        self._throttle = rng.choice((0.0, 0.05, 0.3))
        self._prints = rng.choice((("",), ("x",), ("x", "y", "z")))

    # --- the loop ----------------------------------------------------------------------------------

    def run(self) -> World:
        """Play it to its end; Foul names the seed if an invariant breaks."""
        try:
            self._begin(RunStarted())
            while True:
                self._play()
                if not self._reopen():
                    return self
        except Foul as foul:
            raise Foul(f"seed {self.seed}, event {self.events}: {foul}") from foul
        except Exception as error:
            raise Foul(f"seed {self.seed}, event {self.events}: {type(error).__name__}: {error}") from error
        finally:
            self.books.close()

    def _play(self) -> None:
        while self.agenda:
            at, _, life, event = heappop(self.agenda)
            self.now = max(self.now, at)
            if isinstance(event, TimePassed) and life != self._life:
                continue
            self._tell(event)
            if self._dies(self._crash_rate):
                self._crash()
            if self._requests and self.rng.random() < 0.1:
                self._request()
        must(
            self.referee.finish is not None or self.referee.paused, "nothing is due, yet the run is not over"
        )
        if self.referee.paused and self.referee.finish is None:
            self._tell(ResumeRequested())
            self._play()

    def _begin(self, first: RunStarted) -> None:
        self.scheduler = Scheduler(self.plan, seed=self.seed)
        self._tell(first)

    def _tell(self, event: Event) -> None:
        self.events += 1
        must(self.events < _MOST_EVENTS, "the run does not end")
        steps_back = self.rng.random() < 0.02 and not isinstance(event, RunStarted)
        now = self.now - (self.rng.random() if steps_back else 0.0)
        self.referee.event(event, now)
        commands = self.scheduler.handle(event, now)
        if self._dies(self._crash_rate / 2):
            self._crash()  # Before anything was durable: neither event nor commands ever were.
            return
        durable = [event, *(c for c in commands if not isinstance(c, WakeAt))]
        if not self.books.write(self.now, durable):
            self._crash()  # The disk is full; somebody makes room.
            return
        self.referee.commands(commands)
        for command in commands:
            self._obey(command)
        self.referee.stands(self.scheduler)

    def _dies(self, chance: float) -> bool:
        return self.crashes < _MOST_CRASHES and self.rng.random() < chance

    def _crash(self) -> None:
        """The coordinator dies; some of its attempts live on and report to whoever comes next."""
        self.crashes += 1
        self._life += 1
        keep = [item for item in self.agenda if self.rng.random() < 0.5 or not hasattr(item[3], "attempt")]
        self.agenda = sorted(item for item in keep if not isinstance(item[3], TimePassed | GateDecided))
        self.now += self.rng.random() * 10
        self.referee.now = self.now
        self.referee.forget()
        self.books.reopen(self.now)
        view = self.books.view
        event = resumed(view.states, view.reasons, view.attempts)
        for task, state in self.referee.state.items():
            kept = state in (TaskState.SUCCEEDED, TaskState.FAILED) or self.referee.reason[task] == WAIVED
            recovered = event.done.get(task)
            must(
                recovered is (state if kept else None), "the ledger says", recovered, "of", task, "not", state
            )
        for task in self.referee.state:
            self.referee.state[task] = event.done.get(task, TaskState.WAITING)
        self._begin(event)

    # --- the clouds --------------------------------------------------------------------------------

    def _obey(self, command: Command) -> None:
        match command:
            case StartAttempt():
                self._attempt(command)
            case CancelAttempt() if self.rng.random() < 0.9:
                error = AttemptFailed(command.task, command.attempt, ErrorClass.CANCELLED, command.reason)
                self._later(self.rng.random() * 3, error)
            case OpenGate():
                self._later(self.rng.random() * 30, GateDecided(command.task, self.rng.random() < 0.8, "sim"))
            case WakeAt():
                self._at(command.at + (self.rng.random() if self.rng.random() < 0.1 else 0.0), TimePassed())

    def _attempt(self, start: StartAttempt) -> None:
        task = self.referee.tasks[start.task]
        lasts = task.estimate.median_s * self.rng.lognormvariate(0, 0.5)
        event = self._outcome(start)
        self._later(lasts, event)
        if self.rng.random() < 0.05:
            self._later(lasts + self.rng.random() * 5, event)
        if self.rng.random() < self._throttle and task.demands:
            limit = self.rng.choice(task.demands).limit
            wait = self.rng.choice((None, 0.0, 3.0, 20.0))
            left = self.rng.choice((None, 0.0, 2.0, 1e6))
            seen = LimitObserved(limit, left, self.rng.randint(0, 2), wait, 5)
            self._later(lasts * self.rng.random(), seen)

    def _outcome(self, start: StartAttempt) -> Event:
        rng, name, number = self.rng, start.task, start.attempt
        if rng.random() < self._doom:
            return AttemptFailed(name, number, rng.choice(_FINAL), "broken", rng.choice(self._prints))
        if rng.random() < self._flakiness:
            print_ = rng.choice(self._prints)
            wait = rng.choice((None, None, 2.0))
            return AttemptFailed(name, number, rng.choice(_PASSING), "flaky", print_, wait)
        if rng.random() < self._throttle:
            limits = [d.limit for d in self.referee.tasks[name].demands]
            limit = rng.choice((None, "unknown", *limits))
            wait = rng.choice((None, 1.0, 15.0))
            return AttemptFailed(name, number, ErrorClass.THROTTLED, "429", "", wait, limit)
        return AttemptSucceeded(name, number)

    def _later(self, wait: float, event: Event) -> None:
        self._at(self.now + wait, event)

    def _at(self, at: float, event: Event) -> None:
        self._sequence += 1
        heappush(self.agenda, (max(at, self.now), self._sequence, self._life, event))

    # --- the people --------------------------------------------------------------------------------

    def _request(self) -> None:
        self._requests -= 1
        name = self.rng.choice(self.plan.tasks).id
        event: Any = self.rng.choice(
            (
                PauseRequested(),
                ResumeRequested(),
                CancelRequested(),
                SkipRequested(name),
                SkipRequested(name),
                RetryRequested(),
                RetryRequested((name,)),
            )
        )
        self._tell(event)
        if isinstance(event, PauseRequested):
            self._later(self.rng.random() * 60, ResumeRequested())

    def _reopen(self) -> bool:
        """After the end somebody may want another try."""
        if self._requests <= 0:
            return False
        self._requests -= 2
        self._doom /= 4
        self._flakiness /= 2
        self._tell(RetryRequested())
        return True
