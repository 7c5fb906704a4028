"""The rest of a run, rehearsed: a copy of the very engine that drives it, taken on from this moment."""

from __future__ import annotations

from copy import deepcopy

from .codes import AT_GATE
from .engine import Engine
from .rehearsal import Rehearsing
from .sharing import alone
from .world import Faults

_SEEN_ENOUGH = 20
"""Attempts after which the share that failed is half believed."""


class Continuing(Rehearsing):
    """Rehearses what is left of a run; the engine it is given is not touched.

    What runs is taken to end as late as one that has run for so long already would, a pause to end now, and as many
    attempts to fail as have failed so far.

    Args:
        engine: of the run.
        now: microseconds on the run's axis.
        seed: of what is still to come.
        pace: see `Rehearsing`.
        gate_s: how long a person takes at a gate.
    """

    def __init__(
        self, engine: Engine, now: int, *, seed: int, pace: float = 1.0, gate_s: float = 0.0
    ) -> None:
        faults = Faults(transient=failing(engine), policed=False, gate_s=gate_s)
        super().__init__(engine.blueprint, seed=seed, faults=faults, pace=pace, traced=False)
        shared = (engine.blueprint, engine.graph, engine.plan, engine.durations)
        memo = {id(each): each for each in shared}
        self.engine = deepcopy(engine, {**memo, id(engine.speaker): self})
        self.engine.seed = seed
        self.durations.expect(engine.durations, pace)
        self._from = max(now, engine.now)

    def begin(self) -> None:
        """Take over what runs, waits and is due."""
        engine = self.engine
        engine.now = self.makespan = self._from
        alone(engine)
        engine.paused = False
        for task, since in engine.running.items():
            left = self.durations.left(task, engine.attempts[task], self._from - since)
            self.ends_at(self._from + left, task)
        for task in engine.board.tasks_in(AT_GATE):
            self.gate(task)
        engine.fire_timers()
        engine.woken()


def failing(engine: Engine) -> float:
    """Share of the attempts that fail, as far as this run has shown: 0 at first."""
    failures = sum(engine.failures.values())
    return min(0.5, failures / (sum(engine.attempts) + _SEEN_ENOUGH))
