"""Tuning: the ceilings, waves and order with which nine of ten runs end soonest, within a risk that is allowed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from chainfleet.model.errors import InputError
from chainfleet.model.fleet import Ceilings
from chainfleet.model.task import Mode, Phase, Plan

from ..blueprint import Blueprint
from ..planning.limits import ceilings_of
from .forecasting import summary_of
from .question import Hands, Question
from .summary import Summary

RUNS = 60
ROUNDS = 3
_HAIR = 0.005
"""A smaller setting is taken if P90 is worse by less than this share."""


@dataclass(frozen=True, slots=True)
class Risk:
    """What a tuned setting may risk.

    Attributes:
        degraded: how likely a run may end with something not succeeded.
        exposed: largest share of the validators that may take the risky step together, in one wave.
    """

    degraded: float = 0.05
    exposed: float = 1.0

    def __post_init__(self) -> None:
        for name, value in (("degraded", self.degraded), ("exposed", self.exposed)):
            if not 0 <= value <= 1:
                raise InputError(f"a risk ({name}) of {value:g} can't be", way_out="give 0 to 1")


@dataclass(frozen=True, slots=True)
class Tuned:
    """The best setting found.

    Attributes:
        options: that bring it about, as the command line takes them.
        before, after: finish as declared, and tuned.
        tried: settings rehearsed.
    """

    options: tuple[str, ...]
    before: Summary
    after: Summary
    tried: int


class _Search:
    """Remembers what has been rehearsed; one setting is a mode, ceilings and waves."""

    def __init__(self, question: Question, risk: Risk, hands: Hands) -> None:
        self.question = question
        self.risk = risk
        self.hands = hands
        self.known: dict[str, tuple[float, Summary]] = {}

    def cost(self, question: Question) -> float:
        """P90 in seconds; infinite where the risk is too high."""
        return self._known(question)[0]

    def summary(self, question: Question) -> Summary:
        """The forecast of a setting."""
        return self._known(question)[1]

    def _known(self, question: Question) -> tuple[float, Summary]:
        key = repr((question.mode, question.overrides))
        if key not in self.known:
            plan = question.plan()
            world = question.world(Blueprint(plan))
            runs = min(RUNS, question.runs)
            summary = summary_of(plan, world, question, self.hands, runs=runs)
            allowed = summary.chance_degraded <= self.risk.degraded and exposure(plan) <= self.risk.exposed
            self.known[key] = (summary.finish.p90_s if allowed else float("inf"), summary)
        return self.known[key]


def exposure(plan: Plan) -> float:
    """Largest share of the validators that start in one wave."""
    starting = Counter(
        task.region for task in plan.tasks if task.region is not None and task.id.startswith("besu/start/")
    )
    waves = plan.waves or (tuple(region for region in starting if region is not None),)
    largest = max(sum(starting[region] for region in wave) for wave in waves)
    return largest / starting.total() if starting else 0.0


def tune(question: Question, risk: Risk, hands: Hands) -> Tuned:
    """Search over modes, waves and ceilings, one at a time, until nothing is better any more.

    Raises:
        InputError: no setting stays within the risk.
    """
    search = _Search(question, risk, hands)
    declared = replace(question, mode=question.mode or question.fleet.deployment.mode)
    best = min(_starts(declared, risk), key=lambda q: (search.cost(q), repr(q.overrides)))
    if search.cost(best) == float("inf"):
        raise InputError(
            f"no setting keeps the risk: {search.summary(best).chance_degraded:.0%} of the runs end degraded, "
            f"{exposure(best.plan()):.0%} of the validators start together",
            way_out="allow more of either",
        )
    for _ in range(ROUNDS):
        found = _round(search, best)
        if found is best:
            break
        best = found
    return Tuned(_options(best), search.summary(declared), search.summary(best), len(search.known))


def _starts(question: Question, risk: Risk) -> Iterator[Question]:
    """The declared setting, the modes without a needless ceiling, and waves that keep the exposure."""
    yield question
    for mode in (Mode.ULTRA, Mode.MAX):
        yield replace(question, mode=mode)
        if risk.exposed < 1:
            regions = len(question.fleet.regions)
            size = max(1, int(regions * risk.exposed))
            waves = (size,) * ((regions - 1) // size)
            yield replace(question, mode=mode, overrides=replace(question.overrides, waves=waves))


def _round(search: _Search, best: Question) -> Question:
    """Double or halve each ceiling in turn; a smaller one that costs nothing is better."""
    for phase in Phase:
        ceilings = _ceilings(best)
        now = getattr(ceilings, phase.value)
        for number in (2 * now, now // 2):
            if not 1 <= number <= 512:
                continue
            changed = ceilings.model_copy(update={phase.value: number})
            other = replace(best, overrides=replace(best.overrides, ceilings=changed))
            allowed = search.cost(best) * (1 + (_HAIR if number < now else -_HAIR))
            if search.cost(other) < allowed:
                best = other
                break
    return best


def _ceilings(question: Question) -> Ceilings:
    declared = question.overrides.ceilings or question.fleet.deployment.ceilings
    return ceilings_of(question.mode or question.fleet.deployment.mode, declared)


def _options(question: Question) -> tuple[str, ...]:
    options = [f"--mode {question.mode.value}"] if question.mode else []
    if question.overrides.waves:
        options.append(f"--waves {','.join(map(str, question.overrides.waves))}")
    if question.overrides.ceilings is not None:
        ceilings = question.overrides.ceilings
        options += [f"--ceiling {phase.value}={getattr(ceilings, phase.value)}" for phase in Phase]
    return tuple(options)
