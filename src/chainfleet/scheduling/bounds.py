"""What no schedule can beat: four lower bounds of the makespan, so that every result is a ratio.

    critical path   max  h + d + q
    work            per limit, all its work over its capacity
    head and tail   per limit, the work of tasks with head ≥ a and tail ≥ b over the capacity, plus a and b
    rate            per token bucket, a + (tokens of such tasks - burst) / rate + the shortest of them + b

h is the longest path into a task, q the longest out of it, d its duration. Head and tail follow Carlier
(1982) and the energetic reasoning of Klein and Scholl; the rate bound is one line of network calculus
(departures ≤ burst + rate · time; Le Boudec and Thiran). A quorum edge lets later predecessors be late,
so it counts for a head as the moment the quorum can be reached, and for a tail not at all.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from chainfleet.model.task import Estimate, Limit, LimitKind, Plan

from .blueprint import Blueprint
from .graph import Graph
from .units import NEVER, SECOND, seconds

_CUTS = 32
"""Heads and tails that are tried; any subset gives a valid bound, and 32 by 32 costs nothing."""

CRITICAL_PATH = "critical path"


@dataclass(frozen=True, slots=True)
class Bound:
    """A lower bound of the makespan without failures and with every duration at its median.

    Attributes:
        seconds: the strongest of all bounds.
        binding: which one that is, e.g. `critical path`, `work of besu/slots`, `rate of azure/arm/write`.
        parts: every bound by name, in seconds.
    """

    seconds: float
    binding: str
    parts: Mapping[str, float]


def lower_bound(plan: Plan, durations: Mapping[str, Estimate] | None = None) -> Bound:
    """The strongest lower bound of a plan's makespan.

    Raises:
        PlanError: the plan can't be run.
    """
    return bound_of(Blueprint(plan, durations))


def bound_of(blueprint: Blueprint, durations: Sequence[int] | None = None) -> Bound:
    """The same for a blueprint, if need be with the durations (microseconds) that a rehearsal drew."""
    graph = blueprint.graph
    if durations is None:
        durations = blueprint.durations
    heads, tails = earliest_starts(graph, durations), _tails(graph, durations)
    longest = max((h + d + q for h, d, q in zip(heads, durations, tails, strict=True)), default=0)
    parts = {CRITICAL_PATH: seconds(longest)}
    by_class = _by_class(graph, durations, heads, tails)
    for index, limit in enumerate(blueprint.plan.limits):
        users = _users(graph, index, by_class)
        if users:
            parts.update(_limit_bounds(limit, users))
    binding = max(parts, key=lambda name: parts[name])
    return Bound(parts[binding], binding, parts)


def earliest_starts(graph: Graph, durations: Sequence[int]) -> array[int]:
    """The earliest moment at which each task can start when nothing is limited, in microseconds."""
    heads = array("q", bytes(8 * graph.size))
    for t in graph.topo:
        start = max((heads[p] + durations[p] for p in graph.afters(t)), default=0)
        needs = graph.needs(t)
        if t in graph.quorum:
            start = max(start, _quorum_at(graph, t, heads, durations))
        elif needs:
            start = max(start, max(heads[p] + durations[p] for p in needs))
        heads[t] = start
    return heads


def _quorum_at(graph: Graph, task: int, heads: Sequence[int], durations: Sequence[int]) -> int:
    weight, wanted = 0, graph.quorum[task]
    if weight >= wanted:
        return 0
    for end, p in sorted((heads[p] + durations[p], p) for p in graph.needs(task)):
        weight += graph.weight.get(p, 1)
        if weight >= wanted:
            return end
    return NEVER


def _tails(graph: Graph, durations: Sequence[int]) -> array[int]:
    """The longest path out of each task over edges that hold in every schedule, its own duration excluded."""
    tails = array("q", bytes(8 * graph.size))
    for t in reversed(graph.topo):
        tail = 0
        for entry in graph.nexts(t):
            successor = entry >> 1
            if entry & 1 or successor not in graph.quorum:
                tail = max(tail, durations[successor] + tails[successor])
        tails[t] = tail
    return tails


_Moments = tuple[int, int, int]
"""Head, duration and tail of a task."""

_User = tuple[int, int, int, float]
"""The same, and what the task draws."""


def _by_class(
    graph: Graph, durations: Sequence[int], heads: Sequence[int], tails: Sequence[int]
) -> list[list[_Moments]]:
    out: list[list[_Moments]] = [[] for _ in graph.classes]
    for demands, *moments in zip(graph.demand_class, heads, durations, tails, strict=True):
        out[demands].append((moments[0], moments[1], moments[2]))
    return out


def _users(graph: Graph, limit: int, by_class: Sequence[Sequence[_Moments]]) -> list[_User]:
    return [
        (*moments, amount)
        for demands, row in enumerate(graph.classes)
        for index, amount in row
        if index == limit
        for moments in by_class[demands]
    ]


def _limit_bounds(limit: Limit, users: Sequence[_User]) -> dict[str, float]:
    if limit.kind is LimitKind.TOKENS:
        return {f"rate of {limit.name}": _rate_bound(limit, users)}
    work = sum(duration * amount for _, duration, _, amount in users) / limit.capacity
    return {
        f"work of {limit.name}": work / SECOND,
        f"head and tail of {limit.name}": _head_tail_bound(limit, users) / SECOND,
    }


def _head_tail_bound(limit: Limit, users: Sequence[_User]) -> float:
    heads, tails = _cuts({u[0] for u in users}), _cuts({u[2] for u in users})
    work = [[0.0] * len(tails) for _ in heads]
    for head, duration, tail, amount in users:
        work[_cell(heads, head)][_cell(tails, tail)] += duration * amount
    best = 0.0
    for i, row in enumerate(_suffix_sums(work)):
        for j, energy in enumerate(row):
            if energy:
                best = max(best, heads[i] + energy / limit.capacity + tails[j])
    return best


def _rate_bound(limit: Limit, users: Sequence[_User]) -> float:
    heads, tails = _cuts({u[0] for u in users}), _cuts({u[2] for u in users})
    tokens = [[0.0] * len(tails) for _ in heads]
    shortest = [[NEVER] * len(tails) for _ in heads]
    for head, duration, tail, amount in users:
        i, j = _cell(heads, head), _cell(tails, tail)
        tokens[i][j] += amount
        shortest[i][j] = min(shortest[i][j], duration)
    best = 0.0
    _suffix_minima(shortest)
    for i, row in enumerate(_suffix_sums(tokens)):
        for j, drawn in enumerate(row):
            if drawn:
                paced = max(0.0, drawn - limit.capacity) / limit.rate_per_s
                best = max(best, seconds(heads[i] + shortest[i][j] + tails[j]) + paced)
    return best


def _cuts(values: set[int]) -> list[int]:
    """Some of the values that occur, ascending, the smallest among them."""
    distinct = sorted(values)
    step = max(1, -(-len(distinct) // _CUTS))
    return distinct[::step]


def _cell(cuts: list[int], value: int) -> int:
    """Index of the greatest cut that is not above the value."""
    return bisect_right(cuts, value) - 1


def _suffix_sums(cells: list[list[float]]) -> list[list[float]]:
    """Turn each cell into the sum of all cells with indices at least its own."""
    for row in cells:
        for j in range(len(row) - 2, -1, -1):
            row[j] += row[j + 1]
    for above, row in pairwise(reversed(cells)):
        for j, value in enumerate(above):
            row[j] += value
    return cells


def _suffix_minima(cells: list[list[int]]) -> None:
    for row in cells:
        for j in range(len(row) - 2, -1, -1):
            row[j] = min(row[j], row[j + 1])
    for above, row in pairwise(reversed(cells)):
        for j, value in enumerate(above):
            row[j] = min(row[j], value)
