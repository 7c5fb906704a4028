"""What many rehearsals say together: quantiles, the critical path's shares, what bound, what was wasted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from chainfleet.model.event import Verdict

from ..blueprint import Blueprint
from ..bounds import Bound, bound_of
from ..graph import GATE, PHASES
from ..units import seconds
from .sampling import VERDICTS, Sample

BINS = 24


@dataclass(frozen=True, slots=True)
class Spread:
    """Quantiles of a moment, in seconds from the start of the run."""

    p50_s: float
    p90_s: float
    p99_s: float


@dataclass(frozen=True, slots=True)
class Share:
    """What the critical path did for how long: an action such as `infrastructure/cluster`, or a wait."""

    what: str
    seconds: float
    share: float


@dataclass(frozen=True, slots=True)
class Held:
    """A limit that held up tasks of the critical path.

    Attributes:
        seconds: how long its tasks were ready and waited for that limit, on average over the rehearsals.
        runs: share of the rehearsals in which it did.
    """

    limit: str
    seconds: float
    runs: float


@dataclass(frozen=True, slots=True)
class Summary:
    """The forecast of one plan.

    Attributes:
        finish: of the whole run; `phases` and `regions` of its parts.
        bound: what no schedule can beat with every duration at its median.
        critical_path: in the order in which it comes along; shares add up to 1.
        held: the limits that held it up, the worst first.
        chances: share of the rehearsals by how they ended.
        histogram: rehearsals by finish, in equal bins from `first_s` on, `bin_s` wide.
        throttled, retries, wasted_calls: on average in one run.
        median: number of the rehearsal in the middle.
    """

    runs: int
    finish: Spread
    mean_s: float
    bound: Bound
    phases: Mapping[str, Spread]
    regions: Mapping[str, Spread]
    critical_path: tuple[Share, ...]
    held: tuple[Held, ...]
    chances: Mapping[str, float]
    first_s: float
    bin_s: float
    histogram: tuple[int, ...]
    throttled: float
    retries: float
    wasted_calls: float
    calls_per_success: float
    median: int

    @property
    def chance_degraded(self) -> float:
        """How likely a run does not end with everything succeeded."""
        return 1 - self.chances.get(Verdict.SUCCEEDED.value, 0.0)


def summarise(blueprint: Blueprint, samples: Sequence[Sample]) -> Summary:
    """What the samples of a plan come to."""
    runs = len(samples)
    ordered = sorted(samples, key=lambda each: (each.makespan, each.number))
    spans = [each.makespan for each in ordered]
    tasks = sum(each.tasks for each in samples)
    attempts = sum(each.attempts for each in samples)
    first, width, counts = _histogram(spans)
    by_phase, by_region = _groups(blueprint)
    verdicts = Counter(VERDICTS[each.verdict].value for each in samples)
    return Summary(
        runs=runs,
        finish=spread(spans),
        mean_s=seconds(round(sum(spans) / runs)),
        bound=bound_of(blueprint),
        phases=_ends(by_phase, samples),
        regions=_ends(by_region, samples),
        critical_path=_shares(blueprint, samples),
        held=_held(samples),
        chances={verdict: count / runs for verdict, count in sorted(verdicts.items())},
        first_s=first,
        bin_s=width,
        histogram=counts,
        throttled=sum(each.throttled for each in samples) / runs,
        retries=(attempts - tasks) / runs,
        wasted_calls=sum(each.wasted for each in samples) / runs,
        calls_per_success=attempts / tasks if tasks else 1.0,
        median=ordered[(runs - 1) // 2].number,
    )


def quantile(ordered: Sequence[int], share: float) -> int:
    """The smallest value that at least that share does not exceed (nearest rank)."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def spread(ordered: Sequence[int]) -> Spread:
    """Quantiles of ascending microseconds."""
    return Spread(*(seconds(quantile(ordered, share)) for share in (0.5, 0.9, 0.99)))


def _histogram(spans: Sequence[int]) -> tuple[float, float, tuple[int, ...]]:
    width = max(1, -(-(spans[-1] - spans[0] + 1) // BINS))
    counts = Counter((span - spans[0]) // width for span in spans)
    return seconds(spans[0]), seconds(width), tuple(counts.get(i, 0) for i in range(BINS))


def _groups(blueprint: Blueprint) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Indices of region × phase by phase and by region, of those that have tasks."""
    by_phase: dict[str, list[int]] = defaultdict(list)
    by_region: dict[str, list[int]] = defaultdict(list)
    for group in sorted(set(blueprint.graph.group), key=lambda g: (g % len(PHASES), g)):
        by_phase[PHASES[group % len(PHASES)].value].append(group)
        region = blueprint.graph.regions[group // len(PHASES)]
        if region is not None:
            by_region[region].append(group)
    return by_phase, by_region


def _ends(groups: Mapping[str, Sequence[int]], samples: Sequence[Sample]) -> dict[str, Spread]:
    return {
        name: spread(sorted(max(each.group_ends[g] for g in members) for each in samples))
        for name, members in groups.items()
    }


def _shares(blueprint: Blueprint, samples: Sequence[Sample]) -> tuple[Share, ...]:
    """Mean seconds of the critical path by action and wait, in the order of their mean moments."""
    graph = blueprint.graph
    lasted: dict[str, float] = defaultdict(float)
    moments: dict[str, list[float]] = defaultdict(list)
    traced = [each.path for each in samples if each.path]
    for path in traced:
        for step in path:
            gate = graph.kind[graph.index[step.task]] == GATE
            what = "gate" if gate else step.task.rsplit("/", 1)[0]
            lasted[what] += step.end_s - step.start_s
            moments[what].append(step.start_s)
            if step.waited_s > 0:
                wait = f"waiting for {step.waited_for or 'time'}"
                lasted[wait] += step.waited_s
                moments[wait].append(step.start_s - step.waited_s)
    total = sum(lasted.values())
    order = sorted(lasted, key=lambda what: (sum(moments[what]) / len(moments[what]), what))
    return tuple(Share(what, lasted[what] / len(traced), lasted[what] / total) for what in order if total)


def _held(samples: Sequence[Sample]) -> tuple[Held, ...]:
    lasted: dict[str, float] = defaultdict(float)
    runs: Counter[str] = Counter()
    traced = [each.path for each in samples if each.path]
    for path in traced:
        here = {step.held_by for step in path if step.held_by}
        runs.update(here)
        for step in path:
            if step.held_by:
                lasted[step.held_by] += step.queued_s
    worst = sorted(lasted, key=lambda limit: (-lasted[limit], limit))
    return tuple(Held(limit, lasted[limit] / len(traced), runs[limit] / len(traced)) for limit in worst)
