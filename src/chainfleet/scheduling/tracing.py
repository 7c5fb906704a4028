"""Remembers of a rehearsal when each task was ready, ran and ended, and what let it start."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chainfleet.model.task import Phase

from .board import Change
from .codes import READY
from .engine import Engine
from .graph import GATE, PHASES
from .units import seconds

NOBODY = -1
_NEVER = -1


@dataclass(frozen=True, slots=True)
class Step:
    """One stretch of the critical path.

    Attributes:
        task: what ran.
        start_s, end_s: when its last attempt ran.
        waited_s: how long the path stood still before it: for tokens, a retry or Retry-After. Waiting for
            a slot does not stand still: the step before is the task that gave the slot back.
        waited_for: what for: a limit's name, `retry`, or "".
        queued_s: how long the task was ready before it started, for a slot as well.
        held_by: the limit that had no room then, or "".
    """

    task: str
    start_s: float
    end_s: float
    waited_s: float
    waited_for: str
    queued_s: float = 0.0
    held_by: str = ""


class Trace:
    """Moments of every task, in microseconds; -1 where there was none.

    Attributes:
        cause: the task whose end is being handled; NOBODY when time alone passed.
    """

    def __init__(self, engine: Engine) -> None:
        size = engine.graph.size
        self._engine = engine
        self.cause = NOBODY
        self.ready = array("q", [_NEVER]) * size
        self.start = array("q", [_NEVER]) * size
        self.end = array("q", [_NEVER]) * size
        self._let_in_by = array("i", [NOBODY]) * size
        self._held_by = array("i", [NOBODY]) * size

    def changed(self, changes: Sequence[Change]) -> None:
        """Note who became ready for the first time."""
        for task, state, _ in changes:
            if state == READY and self.ready[task] == _NEVER:
                self.ready[task] = self._engine.now

    def started(self, task: int) -> None:
        """An attempt begins, or a gate opens."""
        self.start[task] = self._engine.now
        self._let_in_by[task] = self.cause
        queue = self._engine.admission.queues[self._engine.graph.demand_class[task]]
        self._held_by[task] = queue.last_parked

    def ended(self, task: int) -> None:
        """An attempt, or a gate, has ended; what starts now was let in by that."""
        self.end[task] = self._engine.now
        self.cause = task

    # --- reading it --------------------------------------------------------------------------

    def phases(self) -> Mapping[Phase, tuple[float, float]]:
        """First start and last end of each phase, in seconds."""
        spans: dict[Phase, tuple[int, int]] = {}
        for task, start in enumerate(self.start):
            if start != _NEVER:
                phase = self._engine.graph.phase_of(task)
                first, last = spans.get(phase, (start, 0))
                spans[phase] = (min(first, start), max(last, self.end[task]))
        return {phase: (seconds(first), seconds(last)) for phase, (first, last) in spans.items()}

    def critical_path(self) -> list[Step]:
        """The chain of attempts and waits that the end hung on, from the start of the run on."""
        steps = list(self._backwards())
        steps.reverse()
        return steps

    def _backwards(self) -> Iterator[Step]:
        task = max(range(len(self.end)), key=self.end.__getitem__, default=NOBODY)
        if task == NOBODY or self.end[task] == _NEVER:
            return
        while task != NOBODY:
            before = self._let_in_by[task]
            since = self.start[task]
            if before == NOBODY:
                before = self._last_before(task)
                since = 0 if before == NOBODY else self.end[before]
            yield Step(
                self._engine.graph.names[task],
                seconds(self.start[task]),
                seconds(self.end[task]),
                seconds(self.start[task] - since),
                self._waited_for(task, since),
                *self._queued(task),
            )
            task = before

    def _queued(self, task: int) -> tuple[float, str]:
        queued = self.start[task] - self.ready[task]
        held_by = self._held_by[task]
        if queued <= 0 or held_by == NOBODY or self._engine.attempts[task] > 1:
            return 0.0, ""
        return seconds(queued), self._engine.gauges[held_by].limit.name

    def _last_before(self, task: int) -> int:
        """The task whose end made this one ready: the last to end at or before that moment."""
        best, when = NOBODY, _NEVER
        stack = [task]
        seen = {task}
        graph = self._engine.graph
        while stack:
            behind = stack.pop()
            for p in (*graph.needs(behind), *graph.afters(behind)):
                if p in seen:
                    continue
                seen.add(p)
                if self.start[p] == _NEVER:
                    stack.append(p)
                elif when < self.end[p] <= self.ready[task]:
                    best, when = p, self.end[p]
        return best

    def _waited_for(self, task: int, since: int) -> str:
        if self.start[task] <= since:
            return ""
        if self._engine.attempts[task] > 1:
            return "retry"
        held_by = self._held_by[task]
        return "" if held_by == NOBODY else self._engine.gauges[held_by].limit.name

    def shares(self, path: Sequence[Step]) -> Mapping[str, float]:
        """Seconds of the path by what it did: a phase, `gate`, or `waiting for …`."""
        graph = self._engine.graph
        out: dict[str, float] = {}
        for step in path:
            task = graph.index[step.task]
            what = "gate" if graph.kind[task] == GATE else PHASES[graph.group[task] % len(PHASES)].value
            out[what] = out.get(what, 0.0) + step.end_s - step.start_s
            if step.waited_s > 0:
                name = f"waiting for {step.waited_for or 'time'}"
                out[name] = out.get(name, 0.0) + step.waited_s
        return out
