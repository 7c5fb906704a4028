"""What if: the same fleet with one thing changed, in the same luck, and the change worth making."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from chainfleet.model.errors import InputError
from chainfleet.model.fleet import Ceilings, Fleet
from chainfleet.model.task import LimitKind, Mode, Phase, Plan

from ..blueprint import Blueprint
from ..planning.limits import ceilings_of
from .forecasting import Forecast, summary_of
from .question import Hands, Question
from .summary import Summary

RUNS = 120
"""Rehearsals per variation: the luck is the same, so that few suffice to compare."""

WORTH = 0.02
"""A change is recommended if it shortens P90 by more than this share."""

FEWER_REGIONS = 4


@dataclass(frozen=True, slots=True)
class Variation:
    """One thing changed.

    Attributes:
        change: in words, e.g. `besu 24 → 48 at once`.
        gain_p50_s, gain_p90_s: how much sooner the run ends; negative if later.
        chance_degraded: how likely it does not end with everything succeeded.
        setting: options that bring it about, e.g. `--ceiling besu=48`; empty where it takes more than that.
        costs: whether it needs something that is not there yet, e.g. another principal.
    """

    change: str
    gain_p50_s: float
    gain_p90_s: float
    chance_degraded: float
    setting: str = ""
    costs: bool = False


@dataclass(frozen=True, slots=True)
class _Try:
    change: str
    question: Question
    alter: Callable[[Plan], Plan] = lambda plan: plan
    setting: str = ""
    costs: bool = False


def variations(
    question: Question, forecast: Forecast, hands: Hands, *, modes: Sequence[Mode] = tuple(Mode)
) -> tuple[Variation, ...]:
    """Try the changes that could matter, in the same world; the other modes only as far as they are named."""
    runs = min(RUNS, question.runs)
    base = summary_of(forecast.plan, forecast.world, question, hands, runs=runs)
    out = []
    for attempt in _tries(question, forecast, modes):
        try:
            plan = attempt.alter(attempt.question.plan())
            world = attempt.question.world(Blueprint(plan))
        except InputError:  # E.g. waves that name more regions than are left: not a change to propose.
            continue
        out.append(_compare(attempt, base, summary_of(plan, world, attempt.question, hands, runs=runs)))
    return tuple(out)


def recommend(forecast: Forecast, found: tuple[Variation, ...]) -> str:
    """The setting to take, and why."""
    summary = forecast.summary
    main = max(summary.critical_path, key=lambda share: share.seconds)
    why = f"{main.what} is {main.share:.0%} of the critical path"
    free = [v for v in found if v.setting and v.gain_p90_s > WORTH * summary.finish.p90_s]
    if free:
        best = max(free, key=lambda v: (v.gain_p90_s, v.change))
        return f"{best.change} ({best.setting}): P90 is {duration(best.gain_p90_s)} sooner; {why}"
    paid = [v for v in found if v.costs and v.gain_p90_s > WORTH * summary.finish.p90_s]
    keep = f"keep the setting: nothing that an option changes gains {WORTH:.0%}; {why}"
    if paid:
        best = max(paid, key=lambda v: (v.gain_p90_s, v.change))
        return f"{keep}; {best.change} would gain {duration(best.gain_p90_s)}"
    return keep


def duration(seconds: float) -> str:
    """Seconds for people."""
    if abs(seconds) < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if abs(seconds) < 5400 else f"{seconds / 3600:.1f} h"


def _tries(question: Question, forecast: Forecast, modes: Sequence[Mode]) -> Iterator[_Try]:
    mode = forecast.plan.mode
    declared = question.overrides.ceilings or question.fleet.deployment.ceilings
    ceilings = ceilings_of(mode, declared)
    if mode in (Mode.MAX, Mode.ULTRA):
        for phase in Phase:
            yield from _slots(question, forecast, ceilings, phase)
    if any(limit.kind is LimitKind.TOKENS for limit in forecast.plan.limits):
        yield _Try("a second principal: twice the API calls", question, _second_principal, costs=True)
    if len(question.fleet.regions) > 2 * FEWER_REGIONS:
        yield _Try(f"{FEWER_REGIONS} fewer regions", replace(question, fleet=_smaller(question.fleet)))
    yield _Try(
        "twice the memory for Terraform",
        replace(question, machine=replace(question.machine, memory_mib=2 * question.machine.memory_mib)),
        costs=True,
    )
    if question.cores:
        yield _Try("twice the cores", replace(question, cores=2 * question.cores), costs=True)
    for other in modes:
        if other is not mode:
            yield _Try(f"mode {other.value}", replace(question, mode=other), setting=f"--mode {other.value}")


def _slots(question: Question, forecast: Forecast, ceilings: Ceilings, phase: Phase) -> Iterator[_Try]:
    """Twice and half the ceiling of a phase that has tasks."""
    now = getattr(ceilings, phase.value)
    tasks = sum(task.phase is phase for task in forecast.plan.tasks)
    # What more than the tasks there are can't use, and half of what is still more than they are, say nothing.
    for number in ([2 * now] if now < tasks else []) + ([now // 2] if 2 <= now <= 2 * tasks else []):
        changed = ceilings.model_copy(update={phase.value: number})
        yield _Try(
            f"{phase.value} {now} → {number} at once",
            replace(question, overrides=replace(question.overrides, ceilings=changed)),
            setting=f"--ceiling {phase.value}={number}",
        )


def _second_principal(plan: Plan) -> Plan:
    limits = tuple(
        replace(limit, capacity=2 * limit.capacity, rate_per_s=2 * limit.rate_per_s)
        if limit.kind is LimitKind.TOKENS
        else limit
        for limit in plan.limits
    )
    return replace(plan, limits=limits)


def _smaller(fleet: Fleet) -> Fleet:
    return fleet.model_copy(update={"regions": fleet.regions[:-FEWER_REGIONS]})


def _compare(attempt: _Try, base: Summary, other: Summary) -> Variation:
    return Variation(
        attempt.change,
        base.finish.p50_s - other.finish.p50_s,
        base.finish.p90_s - other.finish.p90_s,
        other.chance_degraded,
        attempt.setting,
        attempt.costs,
    )
