"""The rehearsal: the very engine that runs a deployment, under a virtual clock, in a modelled world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from chainfleet.model.errors import ErrorClass, InputError
from chainfleet.model.event import AttemptFailed, Finish, GateDecided, RunStarted, Verdict
from chainfleet.model.task import Estimate, Phase, Plan

from .attempts import end_badly, end_well
from .blueprint import Blueprint
from .board import Change
from .durations import Durations
from .engine import Engine
from .graph import PHASES
from .improving import EFFORT, improved_order
from .ranking import Order
from .requests import gate_decided, run_started
from .tracing import NOBODY, Step, Trace
from .units import micros, seconds
from .world import Adoption, Crowd, Failure, Faults, Misfortune, Processors, Warden

_END, _WAKE, _GATE = range(3)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """How a rehearsed run went.

    Attributes:
        makespan_s: from the start until the last task was over.
        verdict: how it ended; `regions` how each region did.
        phases: first start and last end of each phase, in seconds.
        critical_path: the chain of waits and attempts that the end hung on, from the start on.
        attempts: attempts begun; `tasks` of them would have done had nothing gone wrong.
        throttled: attempts answered 429; `retries` attempts after a task's first.
        bound_by: seconds of the makespan by what the critical path did then: a phase, or a wait.
    """

    makespan_s: float
    verdict: Verdict
    regions: Mapping[str, Verdict]
    phases: Mapping[Phase, tuple[float, float]]
    critical_path: tuple[Step, ...]
    tasks: int
    attempts: int
    throttled: int
    retries: int
    bound_by: Mapping[str, float]

    @property
    def calls_per_success(self) -> float:
        """Attempts per attempt that was needed."""
        return self.attempts / self.tasks if self.tasks else 1.0


def rehearse(
    plan: Plan,
    *,
    seed: int = 0,
    durations: Mapping[str, Estimate] | None = None,
    sigma: float | None = None,
    faults: Faults | None = None,
) -> Rehearsal:
    """Run a plan in a modelled world; the same arguments give the same result everywhere.

    Args:
        plan: what to run.
        seed: of the world and of the scheduler's jitter.
        durations: learned estimates by task id.
        sigma: spread of all durations; None takes each estimate's own, 0 makes them exact.
        faults: what goes wrong; nothing if not given.

    Raises:
        PlanError: the plan can't be run.
        InputError: the faults don't fit the plan.
    """
    return Rehearsing(Blueprint(plan, durations), seed=seed, sigma=sigma, faults=faults).result()


def improve(blueprint: Blueprint, *, effort: int = EFFORT, seed: int = 0) -> Blueprint:
    """The blueprint with the better of two orders, longest path first and the searched one, in rehearsal.

    Args:
        blueprint: of the plan.
        effort: tasks placed in the search.
        seed: of the search.
    """

    def simulate(order: Order) -> float:
        world = Faults(policed=False)
        rehearsing = Rehearsing(blueprint.ordered(order), sigma=0, faults=world, traced=False)
        rehearsing.run()
        return rehearsing.makespan

    return blueprint.ordered(improved_order(blueprint, simulate, effort=effort, seed=seed))


class Rehearsing:
    """One rehearsal; also the driver that benchmarks and forecasts use without asking for a full result.

    Args:
        blueprint: of the plan; many rehearsals may share it.
        seed, sigma, faults: see `rehearse`.
        processors: that attempts share; as many as they like if not given.
        pace: factor on every duration, for what all of them have in common in one run.
        traced: whether to remember every task's moments; without, only the makespan and counts are known.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        *,
        seed: int = 0,
        sigma: float | None = None,
        faults: Faults | None = None,
        processors: Processors | None = None,
        pace: float = 1.0,
        traced: bool = True,
    ) -> None:
        faults = faults or Faults()
        faults.check(blueprint)
        if sigma is not None and not sigma >= 0:
            raise InputError(f"durations can't have a spread of {sigma:g}", way_out="give 0 or more")
        self.blueprint = blueprint
        self.engine = Engine(blueprint, seed, self)
        self.attempts = 0
        self.throttled = 0
        self.makespan = 0
        self.wasted = 0.0
        self.group_ends = [0] * (len(blueprint.graph.regions) * len(PHASES))
        self.trace = Trace(self.engine) if traced else None
        self._gate = micros(faults.gate_s)
        self.durations = Durations(blueprint, seed, faults.slow_regions, sigma, pace)
        self._misfortune = Misfortune(blueprint, seed, faults)
        self._adoption = Adoption(blueprint) if self._misfortune.possible else None
        warden = Warden(blueprint, faults)
        self._warden = warden if warden.awake else None
        self._crowd = Crowd(blueprint, processors) if processors is not None and processors.cores else None
        self._agenda: list[tuple[int, int, int]] = []
        self._failures: dict[int, Failure] = {}

    def run(self) -> Finish:
        """Drive the engine until the run is over."""
        engine, agenda = self.engine, self._agenda
        self.begin()
        engine.advance()
        while engine.finished is None:
            if not agenda:
                raise RuntimeError("nothing runs and nothing is due, yet the run is not over")
            now, kind, task = heappop(agenda)
            engine.now = now
            engine.fire_timers()
            self._happen(kind, task)
            engine.advance()
        return engine.finished

    def begin(self) -> None:
        """Bring the engine to the moment from which on it is rehearsed: the start of a run."""
        self.engine.now = 0
        run_started(self.engine, RunStarted())

    def ends_at(self, moment: int, task: int) -> None:
        """A running attempt will end well at that moment."""
        heappush(self._agenda, (moment, _END, task))

    def _happen(self, kind: int, task: int) -> None:
        if kind == _WAKE:
            if self.trace is not None:
                self.trace.cause = NOBODY
            return
        if self.trace is not None:
            self.trace.ended(task)
        self.makespan = self.group_ends[self.blueprint.graph.group[task]] = self.engine.now
        if kind == _GATE:
            gate_decided(self.engine, GateDecided(self.blueprint.graph.names[task], approved=True))
            return
        failure = self._failures.pop(task, None)
        if self._crowd is not None:
            self._crowd.leave(task)
        if self._warden is not None and (failure is None or failure.error_class is not ErrorClass.THROTTLED):
            self._warden.leave(task)
        if failure is None:
            end_well(self.engine, task)
            return
        self.wasted += 1 if failure.error_class is ErrorClass.THROTTLED else self.blueprint.calls_of(task)
        name, attempt = self.blueprint.graph.names[task], self.engine.attempts[task]
        wait, limit = failure.retry_after_s, failure.limit
        event = AttemptFailed(name, attempt, failure.error_class, failure.message, "", wait, limit)
        end_badly(self.engine, task, event)

    # --- what the engine says --------------------------------------------------------------------

    def start(self, task: int, attempt: int) -> None:
        """An attempt begins: decide now how and when it ends."""
        now = self.engine.now
        self.attempts += 1
        if self.trace is not None:
            self.trace.started(task)
        failure = None if self._warden is None else self._warden.refuse(task, now)
        if failure is not None:
            self.throttled += 1
            lasts = failure.after
        else:
            lasts = self.durations.sample(task, attempt)
            if self._adoption is not None:
                lasts = self._adoption.rest(task, now, lasts)
                failure = self._misfortune.strike(task, attempt, now, lasts)
                if failure is not None and failure.cut_off:
                    self._adoption.cut_off(task, now + lasts)
                lasts = lasts if failure is None else failure.after
        if failure is not None:
            self._failures[task] = failure
        if self._crowd is not None:
            lasts += self._crowd.enter(task)
        heappush(self._agenda, (now + lasts, _END, task))

    def gate(self, task: int) -> None:
        """A person will decide."""
        if self.trace is not None:
            self.trace.started(task)
        heappush(self._agenda, (self.engine.now + self._gate, _GATE, task))

    def wake(self, at: int) -> None:
        """Time alone makes something possible then."""
        heappush(self._agenda, (at, _WAKE, 0))

    def changed(self, changes: Sequence[Change], retry_at: Mapping[int, int]) -> None:  # noqa: ARG002 - part of the protocol
        """Only what becomes ready matters to the trace."""
        if self.trace is not None:
            self.trace.changed(changes)

    def stop(self, task: int, attempt: int, reason: str) -> None:
        """Nobody cancels a rehearsal."""

    def incident(self, message: str, tasks: tuple[str, ...], fingerprint: str) -> None:
        """Incidents show in the verdicts."""

    def finish(self, finish: Finish) -> None:
        """The engine remembers it."""

    # --- what it comes to ------------------------------------------------------------------------

    def result(self) -> Rehearsal:
        """Run, and tell how it went."""
        finish = self.run()
        trace = self.trace or Trace(self.engine)
        path = tuple(trace.critical_path())
        began = sum(1 for attempts in self.engine.attempts if attempts)
        return Rehearsal(
            makespan_s=seconds(self.makespan),
            verdict=finish.verdict,
            regions=finish.regions,
            phases=trace.phases(),
            critical_path=path,
            tasks=began,
            attempts=self.attempts,
            throttled=self.throttled,
            retries=self.attempts - began,
            bound_by=trace.shares(path),
        )
