"""The outlook of a run that goes on: when it will end, how sure that is, and who is late."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from chainfleet.model.task import Estimate

from ..codes import is_over
from ..continuing import Continuing
from ..engine import Engine
from ..retry import mix
from ..units import micros, seconds
from .learned import p90
from .luck import pace_of
from .summary import quantile

SAMPLES = 32
"""Rehearsals of the rest of a run; each takes some milliseconds for two hundred tasks."""

MATTERS = 0.02
"""Share of the whole run by which an attempt must be late before anybody is told."""

_WHICH = 98


@dataclass(frozen=True, slots=True)
class Interval:
    """When a run ends, in seconds on its axis: eight of ten outcomes lie between `low_s` and `high_s`."""

    low_s: float
    p50_s: float
    high_s: float

    def text(self) -> str:
        """For a terminal, e.g. `20.3 s (18.9-22.4)`."""
        if self.p50_s < 180:
            return f"{self.p50_s:.1f} s ({self.low_s:.1f}-{self.high_s:.1f})"
        return f"{self.p50_s / 60:.1f} min ({self.low_s / 60:.1f}-{self.high_s / 60:.1f})"


@dataclass(frozen=True, slots=True)
class Straggler:
    """A running attempt that takes longer than nine of ten of its kind.

    Attributes:
        took_s: how long it has run; `expected_s` the median that was expected, `p90_s` what nine of ten stay below.
        why: what is known of its twins.
    """

    task: str
    took_s: float
    expected_s: float
    p90_s: float
    why: str


def interval(makespans: list[int]) -> Interval:
    """Of rehearsed moments in microseconds."""
    ordered = sorted(makespans)
    return Interval(*(seconds(quantile(ordered, share)) for share in (0.1, 0.5, 0.9)))


def outlook(
    engine: Engine, now: float, *, samples: int = SAMPLES, seed: int = 0, common: float = 0.0
) -> Interval:
    """When the run of that engine will end, as it looks now.

    Args:
        engine: of the run; it is copied, not touched.
        now: seconds on the run's axis.
        samples: rehearsals of what is left.
        seed: of what is still to come.
        common: spread of what all durations of one run have in common (standard deviation of its logarithm).
    """
    ends = []
    for number in range(samples):
        luck = mix(seed, number, _WHICH) >> 1
        run = Continuing(engine, micros(now), seed=luck, pace=pace_of(luck, common))
        run.run()
        ends.append(run.makespan)
    return interval(ends)


def stragglers(engine: Engine, now: float) -> list[Straggler]:
    """Running attempts that are late, the latest first."""
    sigmas, moment = engine.blueprint.sigmas(), max(engine.now, micros(now))
    matters = MATTERS * seconds(engine.blueprint.expected_makespan)
    found = []
    for task, since in engine.running.items():
        expected = seconds(max(engine.blueprint.durations[task], engine.durations[task]))
        took, late = seconds(moment - since), p90(Estimate(expected, sigmas[task]))
        if expected and took > late + matters:
            why = _twins(engine, task)
            found.append(Straggler(engine.graph.names[task], round(took, 1), expected, round(late, 1), why))
    return sorted(found, key=lambda each: (each.expected_s - each.took_s, each.task))


def _twins(engine: Engine, task: int) -> str:
    graph = engine.graph
    twin = graph.twin[task]
    others = [t for t in range(graph.size) if twin and graph.twin[t] == twin and t != task]
    if not others:
        return "there is nothing to compare it with"
    running = sum(t in engine.running for t in others)
    # Not all that has been tried is over: what failed may be waiting for its next attempt.
    done = sum(is_over(engine.board.states[t]) for t in others)
    failed = engine.failures.get(task, 0)
    again = f"; it has failed {failed} times before" if failed else ""
    if done > len(others) // 2:
        return f"{done} of its {len(others)} twins are over: this region is slow{again}"
    if not running:
        return f"none of its {len(others)} twins runs beside it{again}"
    if running < len(others) // 2:
        return f"{done} of its {len(others)} twins are over and {running} run: too few to tell why{again}"
    return f"{running} of its {len(others)} twins run as well: all of them are slow{again}"


def late_lines(late: Sequence[Straggler]) -> dict[str, str]:
    """One line for each action that is late somewhere, by action: what is slow alike is one thing to look at."""
    by_action: dict[str, list[Straggler]] = defaultdict(list)
    for each in late:
        by_action[each.task.rsplit("/", 1)[0]].append(each)
    lines = {}
    for action, group in by_action.items():
        worst = group[0]
        subject = worst.task.rsplit("/", 1)[1]
        more = f" and {len(group) - 1} more" if len(group) > 1 else ""
        lines[action] = (
            f"{action} of {subject}{more} runs for {worst.took_s:g} s, "
            f"9 of 10 end within {worst.p90_s:g} s; {worst.why}"
        )
    return lines


def outlook_document(found: Interval, late: list[Straggler]) -> dict[str, Any]:
    """An outlook as plain data."""
    return {
        "low_s": round(found.low_s, 1),
        "p50_s": round(found.p50_s, 1),
        "high_s": round(found.high_s, 1),
        "stragglers": [asdict(each) for each in late],
    }
