"""Durations learned from what attempts really took: robust, per action and region, shrunk where little is known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import exp, log, sqrt
from statistics import mean, median, stdev, variance

from chainfleet.model.task import Estimate, Plan, TaskKind

ENOUGH = 2
"""Attempts of an action before anything is believed of it."""

PRIOR = 2
"""As many attempts the usual spread of durations counts for, beside what was seen: two that are alike prove little."""

SHRINK = 4.0
"""A region's own factor counts half once it has been seen so often."""

RECENT = 200
"""Attempts of an action that are remembered, the latest ones: clouds change."""

SHAPED, STEPS = 12, 24
"""Attempts from which on their distribution itself is believed, and in how many equally likely steps it is kept."""

_SPREAD = 1.4826
"""Standard deviation over median absolute deviation, of a normal distribution."""
_MEDIAN = 1.5708
"""Variance of a median over that of a mean, of a normal distribution: pi / 2."""
_MOST = 1.0

Took = tuple[str, str, str | None, float]
"""A run, an action (`besu/start`), its region, and the seconds that an attempt took which changed something."""

UNKNOWN = 0.05
"""Spread of what runs have in common where there are too few of them to tell."""


class Learned:
    """What is known of the durations of actions.

    Attributes:
        actions: estimate of each action over all regions.
        common: spread of what all durations of one run have in common: slow days of a cloud, a busy machine.
    """

    def __init__(self, history: Iterable[Took]) -> None:
        took: dict[str, list[tuple[str, str | None, float]]] = defaultdict(list)
        for run, action, region, seconds in history:
            if seconds > 0:
                took[action].append((run, region, log(seconds)))
        self._off: dict[str, list[float]] = defaultdict(list)
        self.actions: dict[str, Estimate] = {}
        self._regions: dict[tuple[str, str], float] = {}
        for action, seen in sorted(took.items()):
            if len(seen) >= ENOUGH:
                self._learn(action, seen[-RECENT:])
        self.common = self._common() if self.actions else 0.0

    def __bool__(self) -> bool:
        return bool(self.actions)

    def _common(self) -> float:
        """Spread of the runs' own medians, each over everything that was done in that run."""
        medians = [median(off) for off in self._off.values()]
        return max(0.01, min(0.5, stdev(medians))) if len(medians) >= ENOUGH else UNKNOWN

    def _learn(self, action: str, seen: Sequence[tuple[str, str | None, float]]) -> None:
        middle = median(value for _, _, value in seen)
        by_region: dict[str, list[float]] = defaultdict(list)
        for run, region, value in seen:
            self._off[run].append(value - middle)
            if region is not None:
                by_region[region].append(value - middle)
        factors = _factors(by_region)
        rest = [value - middle - factors.get(region or "", 0.0) for _, region, value in seen]
        spread = _SPREAD * median(abs(value) for value in rest)
        # The median of few absolute deviations is itself uncertain; the root mean square sees the tails.
        rms = sqrt(sum(value * value for value in rest) / len(rest))
        seen_spread = max(spread, rms * 0.9)
        weighed = (len(rest) * seen_spread**2 + PRIOR * Estimate(1.0).sigma ** 2) / (len(rest) + PRIOR)
        sigma = min(_MOST, sqrt(weighed) * _unsure(len(rest)))
        doubt = sqrt(_MEDIAN / len(rest)) * sigma
        self.actions[action] = Estimate(exp(middle), sigma, _shape(rest), round(doubt, 4))
        self._regions.update({(action, region): factor for region, factor in factors.items()})

    def estimate(self, action: str, region: str | None) -> Estimate | None:
        """What an attempt of that action in that region is expected to take; None where nothing is known."""
        known = self.actions.get(action)
        if known is None:
            return None
        factor = self._regions.get((action, region or ""), 0.0)
        return replace(known, median_s=known.median_s * exp(factor))

    def applied(self, plan: Plan) -> Plan:
        """The plan with everything that is known; what is not keeps its estimate."""
        tasks = []
        for task in plan.tasks:
            known = None
            if task.kind is TaskKind.WORK:
                known = self.estimate(task.id.rsplit("/", 1)[0], task.region)
            tasks.append(task if known is None else replace(task, estimate=known))
        return replace(plan, tasks=tuple(tasks))


def _factors(by_region: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Logarithm of each region's own factor: believed as far as regions differ more than chance makes them.

    Empirical Bayes with a one-way analysis of variance (Efron and Morris, "Data Analysis Using Stein's Estimator",
    1975): what a region was off counts with the weight b / (b + w / n), where b is the variance between regions, w
    the one within them, and n how often it was seen; few times never count more than `SHRINK` lets them.
    """
    middles = {region: median(off) for region, off in by_region.items()}
    freedom = sum(len(off) - 1 for off in by_region.values())
    if freedom < 1 or len(middles) < 2:
        return {}
    within = sum((value - middles[r]) ** 2 for r, off in by_region.items() for value in off) / freedom
    noise = {region: _MEDIAN * within / len(off) for region, off in by_region.items()}
    between = max(0.0, variance(middles.values()) - mean(noise.values()))
    return {
        region: middles[region]
        * min(between / (between + noise[region] or 1.0), len(off) / (len(off) + SHRINK))
        for region, off in by_region.items()
    }


def _shape(rest: Sequence[float]) -> tuple[float, ...]:
    """What was seen, or equally likely steps of it; nothing where too little was."""
    if len(rest) < SHAPED:
        return ()
    ordered, unsure = sorted(rest), _unsure(len(rest))
    steps = min(STEPS, len(ordered))
    middles = ((2 * step + 1) * len(ordered) // (2 * steps) for step in range(steps))
    return tuple(round(ordered[at] * unsure, 3) for at in middles)


def _unsure(count: int) -> float:
    """How much wider durations may be spread than so few that were seen (Bessel's correction)."""
    return sqrt(count / (count - 1))


def p90(estimate: Estimate) -> float:
    """Seconds that nine of ten attempts do not exceed."""
    return estimate.median_s * exp(1.2815515655446004 * estimate.sigma)


def as_document(learned: Learned) -> Mapping[str, Mapping[str, float]]:
    """The actions' estimates as plain data."""
    return {
        action: {"median_s": round(e.median_s, 3), "sigma": round(e.sigma, 3)}
        for action, e in learned.actions.items()
    }
