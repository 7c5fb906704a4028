"""The loop that joins scheduler, ledger and attempts.

Order of things, which recovery relies on: an event is handled, the commands it caused are recorded, and only when
they are durable do attempts start (intent before effect). Outputs are recorded before the success that announces them.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from chainfleet.ledger.codec import encode
from chainfleet.ledger.lease import Lease
from chainfleet.ledger.mailbox import Ask, Request
from chainfleet.ledger.projection import RunView
from chainfleet.ledger.store import Entry, Ledger
from chainfleet.model.errors import EnvironmentProblem, ErrorClass
from chainfleet.model.event import (
    AttemptFailed,
    CancelAttempt,
    CancelRequested,
    Command,
    Event,
    Finish,
    GateDecided,
    OpenGate,
    PauseRequested,
    ResumeRequested,
    StartAttempt,
    TimePassed,
    WakeAt,
)
from chainfleet.model.task import Plan, Task
from chainfleet.scheduling.forecast.outlook import outlook_document
from chainfleet.scheduling.scheduler import SEARCH, Scheduler

from .attempts import AttemptEnd
from .foresight import Foresight
from .outlook import outlook
from .sharing import SOONEST_S, Sharing

SHARING_RETRY_S = 0.5
MAIL_EVERY_S = 0.25
"""How often to look for what other processes ask for."""
OUTLOOK_EVERY_S = 1.0
"""How often limits, bottleneck and remaining time are noted, where anything happened."""


class Observer(Protocol):
    """Sees every event and command once it happened: the terminal, a report, a metric."""

    def see(self, at: float, things: Sequence[Event | Command]) -> None:
        """Take note; must be quick and must not raise."""
        ...


RunAttempt = Callable[[Task, StartAttempt], Coroutine[Any, Any, AttemptEnd]]
DecideGate = Callable[[Task, RunView], GateDecided]


@dataclass(slots=True)
class Accounting:
    """Where the coordinator's own time went, in seconds of its thread."""

    scheduling_s: float = 0.0
    recording_s: float = 0.0
    observing_s: float = 0.0
    ledger_lag_s: float = 0.0
    """From handing over the newest records to their being durable."""

    @property
    def total_s(self) -> float:
        """All of it."""
        return self.scheduling_s + self.recording_s + self.observing_s


@dataclass(slots=True)
class Coordinator:
    """Runs one plan to its end.

    Attributes:
        plan: what to do.
        run: name of the run in the ledger.
        ledger: where everything is recorded.
        lease: proof that this process may have effects.
        run_attempt: carries out one attempt (see `attempts.run_attempt`).
        decide_gate: judges a gate between waves.
        observers: who wants to see everything.
        earlier: what the ledger has of this run, if an earlier process began it; its axis goes on from there.
        take_requests: what other processes have asked for since the last call; called on another thread.
        sharing: the API budgets that this run shares with others; None where it is alone.
        foresight: looks ahead, for screens and for the ledger.
        progress: what attempts said last of how far they are, by task; see `doing`.
    """

    plan: Plan
    run: str
    ledger: Ledger
    lease: Lease
    run_attempt: RunAttempt
    decide_gate: DecideGate
    observers: Sequence[Observer] = ()
    earlier: RunView | None = None
    take_requests: Callable[[], Sequence[Request]] = tuple
    sharing: Sharing | None = None
    view: RunView = field(init=False)
    scheduler: Scheduler = field(init=False)
    foresight: Foresight = field(init=False)
    accounting: Accounting = field(default_factory=Accounting)
    progress: dict[str, str] = field(default_factory=dict)
    _tasks: dict[str, Task] = field(init=False)
    _running: dict[tuple[str, int], asyncio.Task[AttemptEnd]] = field(default_factory=dict)
    _inbox: asyncio.Queue[tuple[Event, Mapping[str, Any] | None]] = field(init=False)
    _began: float = field(init=False)
    _offset_s: float = field(init=False)
    _wake_at: float | None = None
    _lost: BaseException | None = None
    _draining: bool = False
    _last_commit: Future[int] | None = None
    _moved: asyncio.Event = field(default_factory=asyncio.Event)
    """Something was handled since it was cleared."""

    def __post_init__(self) -> None:
        self.scheduler = Scheduler(self.plan, effort=SEARCH)
        self.view = self.earlier or RunView(self.run)
        self.foresight = Foresight(self.scheduler)
        self._offset_s = self.view.last
        if self.view.plan is None:
            self.view.see(self.plan, 0.0)
        self._tasks = {task.id: task for task in self.plan.tasks}
        self._inbox = asyncio.Queue()
        self._began = time.monotonic()

    def doing(self, most: int) -> list[str]:
        """What runs and says how far it is, those that the rest waits for longest first: task and text."""
        engine = self.scheduler.engine
        running = sorted(engine.running, key=lambda task: -engine.blueprint.ranks[task])
        names = (engine.graph.names[task] for task in running)
        return [f"{name}: {self.progress[name]}" for name in names if name in self.progress][:most]

    def now(self) -> float:
        """Seconds on the run's axis."""
        return self._offset_s + time.monotonic() - self._began

    def send(self, event: Event) -> None:
        """Hand in an event from outside (pause, cancel, an observation); same thread only."""
        self._inbox.put_nowait((event, None))

    def drain(self) -> None:
        """Start nothing new; when what runs has ended, the run is cancelled, and `resume` goes on from there."""
        self._draining = True
        self.send(PauseRequested())

    async def drive(self, first: Iterable[Event]) -> Finish:
        """Run until the plan is finished and nothing runs any more.

        Raises:
            LeaseLost: another coordinator took over; every attempt has been stopped.
            EnvironmentProblem: the ledger can't be written; every attempt has been stopped.
        """
        for event in first:
            self.send(event)
        work = (self._renew_lease, self._read_mail, self._look_out, self._share)
        chores = [asyncio.create_task(self._chore(chore)) for chore in work]
        try:
            while self.scheduler.finished is None or self._running or not self._inbox.empty():
                await self._step()
                if self._lost is not None:
                    raise self._lost
                self._end_drain()
        finally:
            for chore in chores:
                chore.cancel()
            await asyncio.gather(*chores, return_exceptions=True)
            await self._stop_all()
        if self._last_commit is not None:
            # Whoever is told the end must find it in the ledger.
            await asyncio.wrap_future(self._last_commit)
        assert self.scheduler.finished is not None
        return self.scheduler.finished

    async def _step(self) -> None:
        """Wait for something to happen, then take up everything that has."""
        pause = None if self._wake_at is None else max(0.0, self._wake_at - self.now())
        try:
            async with asyncio.timeout(pause):
                batch = [await self._inbox.get()]
        except TimeoutError:
            self._wake_at = None
            batch = [(TimePassed(), None)]
        while not self._inbox.empty():
            batch.append(self._inbox.get_nowait())
        if self._lost is None:
            self._handle(batch)

    def _handle(self, batch: list[tuple[Event, Mapping[str, Any] | None]]) -> None:
        entries: list[Entry] = []
        things: list[Event | Command] = []
        commands: list[Command] = []
        now = self.now()
        clock = time.perf_counter()
        for event, outputs in batch:
            if outputs is not None:
                subject = getattr(event, "task", "")
                self.view.outputs[subject] = outputs
                entries.append(Entry(self.run, now, "outputs", subject, json.dumps(outputs)))
            caused = self.scheduler.handle(event, now)
            commands += caused
            things += [event, *caused]
        self.accounting.scheduling_s += time.perf_counter() - clock
        clock = time.perf_counter()
        entries += [
            Entry(self.run, now, "record", getattr(t, "task", ""), encode(t))
            for t in things
            if not isinstance(t, WakeAt)
        ]
        durable = self._last_commit = self.ledger.append(entries)
        durable.add_done_callback(partial(self._became_durable, clock))
        self.accounting.recording_s += time.perf_counter() - clock
        clock = time.perf_counter()
        for thing in things:
            self.view.see(thing, now)
        self.view.last = now
        for observer in self.observers:
            observer.see(now, things)
        self.accounting.observing_s += time.perf_counter() - clock
        self._obey(commands, durable)
        self._moved.set()

    def _became_durable(self, handed_over: float, _: Future[int]) -> None:
        self.accounting.ledger_lag_s = time.perf_counter() - handed_over

    def _obey(self, commands: list[Command], durable: Future[int]) -> None:
        written = self._written(durable)
        for command in commands:
            match command:
                case StartAttempt():
                    attempt = self._attempt(command, durable, written)
                    task = asyncio.create_task(attempt, name=command.task)
                    self._running[command.task, command.attempt] = task
                    task.add_done_callback(partial(self._attempt_over, command))
                case CancelAttempt():
                    running = self._running.get((command.task, command.attempt))
                    if running is not None:
                        running.cancel()
                case OpenGate():
                    self._open_gate(self._tasks[command.task])
                case WakeAt():
                    self._wake_at = command.at if self._wake_at is None else min(self._wake_at, command.at)

    def _open_gate(self, gate: Task) -> None:
        """Judge the wave; where a person is to approve, show them the judgement and wait for their word."""
        found = self.decide_gate(gate, self.view)
        needs_person = self.plan.policy.approval
        self._note(
            gate.id, {"approved": found.approved, "reason": found.reason, "needs_person": needs_person}
        )
        if not needs_person:
            self.send(found)

    def _note(self, subject: str, body: Mapping[str, Any]) -> None:
        self.view.notes[subject] = body
        self.ledger.append([Entry(self.run, self.now(), "note", subject, json.dumps(body))])

    def _written(self, durable: Future[int]) -> asyncio.Event:
        """Is set once that commit is over, well or not; one for all attempts that wait for it."""
        written, loop = asyncio.Event(), asyncio.get_running_loop()

        def tell(_: Future[int]) -> None:
            with suppress(RuntimeError):  # The loop is closed: nobody waits any more.
                loop.call_soon_threadsafe(written.set)

        durable.add_done_callback(tell)
        return written

    async def _attempt(self, start: StartAttempt, durable: Future[int], written: asyncio.Event) -> AttemptEnd:
        await written.wait()
        durable.result()
        return await self.run_attempt(self._tasks[start.task], start)

    def _attempt_over(self, start: StartAttempt, task: asyncio.Task[AttemptEnd]) -> None:
        """Report how an attempt ended; a callback, because a task that is cancelled early never enters its body."""
        self._running.pop((start.task, start.attempt), None)
        if task.cancelled():
            # The intent is recorded, so its end must be too.
            never_began = AttemptFailed(
                start.task, start.attempt, ErrorClass.CANCELLED, "stopped before it began"
            )
            self._inbox.put_nowait((never_began, None))
        elif (error := task.exception()) is not None:
            self._give_up(error)
        else:
            event, outputs = task.result()
            self._inbox.put_nowait((event, outputs or None))

    async def _chore(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        except Exception as error:
            self._give_up(error)

    async def _renew_lease(self) -> None:
        while True:
            await asyncio.sleep(self.lease.renew_every_s)
            self.lease.renew()

    async def _look_out(self) -> None:
        """Note what observers beside this process can't compute themselves."""
        seen = -1.0
        while True:
            if self.view.last != seen and self.scheduler.finished is None:
                seen = self.view.last
                now = self.now()
                self._note("outlook", outlook(self.scheduler, now))
                ends = self.foresight.look(now)
                if ends is not None:
                    self._note("ends", outlook_document(ends, self.foresight.stragglers(now)))
            await asyncio.sleep(OUTLOOK_EVERY_S)

    async def _share(self) -> None:
        """Ask the others for tokens as they are wanted, and give back what isn't."""
        while self.sharing is not None:
            self._moved.clear()
            try:
                await self._trade(self.sharing)
            except EnvironmentProblem:
                # Whether a database that is away ends the run is decided where the run is recorded.
                await asyncio.sleep(SHARING_RETRY_S)
            pause = self.sharing.next_s(self.scheduler.wants(), self.now())
            await asyncio.sleep(SOONEST_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._moved.wait()

    async def _trade(self, sharing: Sharing) -> None:
        await self._caught_up()
        over = sharing.surplus(self.scheduler.wants(), self.now())
        for event in over:
            self.send(event)
        if over:
            await self._caught_up()
            await asyncio.to_thread(sharing.give_back, over)
            await self._caught_up()
        for event in await sharing.ask(self.scheduler.wants(), self.now()):
            self.send(event)

    async def _caught_up(self) -> None:
        """What was sent is handled, so that the scheduler's view is the present one."""
        while not self._inbox.empty():  # noqa: ASYNC110 - handling takes no longer than a turn of the loop
            await asyncio.sleep(0)

    async def _read_mail(self) -> None:
        while True:
            await asyncio.sleep(MAIL_EVERY_S)
            for request in await asyncio.to_thread(self.take_requests):
                if request.ask is Ask.DRAIN:
                    self.drain()
                elif request.event is not None:
                    self._draining = self._draining and not isinstance(request.event, ResumeRequested)
                    self.send(request.event)

    def _end_drain(self) -> None:
        if self._draining and self.scheduler.paused and not self._running and self._inbox.empty():
            self._draining = False
            self.send(CancelRequested())

    def _give_up(self, error: BaseException) -> None:
        self._lost = self._lost or error
        self._inbox.put_nowait((CancelRequested(), None))

    async def _stop_all(self) -> None:
        for task in list(self._running.values()):
            task.cancel()
        if self._running:
            await asyncio.gather(*self._running.values(), return_exceptions=True)
