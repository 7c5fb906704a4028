"""The bare loop for plans of a million tasks: the engine's decisions where nothing goes wrong, and nothing else.

A rehearsal with the whole engine costs twelve microseconds a task; most of it is for what can go wrong. Where every
duration is given, nothing fails and no two kinds of task compete for one limit, a loop over flat arrays comes to the same
end, to the microsecond. `why_not` says whether a plan is of that kind; tests compare the loop with the engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from math import ceil

from chainfleet.model.errors import InputError

from ..blueprint import Blueprint
from ..graph import WORK
from ..limits import gauges
from ..slots import Slots
from ..units import SECOND

FINE = 1000
"""Token buckets count in nanoseconds, as the engine's do."""

FREE = -1
"""Stands for a class that no slots, or no tokens, hold back."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A plan in flat arrays, as the loops want it; one row for each demand class.

    Attributes:
        amount, room: what an attempt holds, and how much there is; `FREE` for no slots.
        cost: nanoseconds that an attempt's tokens take to refill; `FREE` for no bucket.
        tolerance: nanoseconds of a full bucket.
    """

    amount: list[int]
    room: list[int]
    cost: list[int]
    tolerance: list[int]


def why_not(blueprint: Blueprint) -> str:
    """Why a plan needs the whole engine; empty if the bare loop will do."""
    graph = blueprint.graph
    if any(kind != WORK for kind in graph.kind):
        return "it has gates or barriers"
    if graph.quorum:
        return "it has a quorum"
    seen: set[int] = set()
    slots = [isinstance(each.meter, Slots) for each in gauges(blueprint.plan.limits, 1)]
    for row in graph.classes:
        if seen & {index for index, _ in row}:
            return "kinds of task compete for a limit"
        seen |= {index for index, _ in row}
        held = sum(slots[index] for index, _ in row)
        if held > 1 or len(row) - held > 1:
            return "a task draws from two limits of one sort"
    return ""


def makespan(blueprint: Blueprint, durations: Sequence[int] | None = None) -> int:
    """Microseconds that a plan takes where nothing goes wrong.

    Args:
        blueprint: of the plan.
        durations: microseconds by task; as expected if not given.

    Raises:
        InputError: the plan needs the whole engine.
    """
    return run(blueprint, lay_out(blueprint), list(durations or blueprint.durations))


def lay_out(blueprint: Blueprint) -> Layout:
    """The limits of a plan's classes as integers; InputError if the plan needs the whole engine."""
    reason = why_not(blueprint)
    if reason:
        raise InputError(
            f"this plan needs the whole engine: {reason}",
            way_out="report it: the whole engine should have been taken",
        )
    meters = [gauge.meter for gauge in gauges(blueprint.plan.limits, SECOND)]
    size = len(blueprint.graph.classes)
    layout = Layout([0] * size, [FREE] * size, [FREE] * size, [0] * size)
    for c, row in enumerate(blueprint.graph.classes):
        for index, amount in row:
            meter = meters[index]
            if isinstance(meter, Slots):
                layout.amount[c] = meter.units(amount)
                layout.room[c] = meter.units(meter.current)
            else:
                per_token = SECOND * FINE / (meter.rate * meter.pace)
                layout.cost[c] = ceil(amount * per_token)
                layout.tolerance[c] = ceil(meter.burst * per_token) + ceil(meter.burst)
    return layout


def run(blueprint: Blueprint, layout: Layout, durations: Sequence[int]) -> int:
    """The loop; every end is followed by all starts that it makes possible, as in the engine."""
    graph = blueprint.graph
    place, task_at, class_of = blueprint.order.place, blueprint.order.task, graph.demand_class
    rows, ids = graph.next_rows, graph.next_ids
    needs, afters = graph.need_rows, graph.after_rows
    missing = [needs[t + 1] - needs[t] + afters[t + 1] - afters[t] for t in range(graph.size)]
    amounts, rooms, costs, tolerances = layout.amount, layout.room, layout.cost, layout.tolerance
    ready: list[list[int]] = [[] for _ in amounts]
    held, full_at, timer = [0] * len(amounts), [-(1 << 62)] * len(amounts), [FREE] * len(amounts)
    agenda: list[tuple[int, int]] = []
    timers: list[tuple[int, int]] = []
    for t, count in enumerate(missing):
        if not count:
            heappush(ready[class_of[t]], place[t])
    touched = [c for c, heap in enumerate(ready) if heap]
    now = last = 0
    while True:
        for c in touched:
            heap, cost, room, amount = ready[c], costs[c], rooms[c], amounts[c]
            while heap:
                if room >= 0 and held[c] and held[c] + amount > room:
                    break
                if cost >= 0:
                    conforming = full_at[c] + cost - tolerances[c]
                    if conforming > now * FINE:
                        at = -(-conforming // FINE)
                        if timer[c] != at:
                            timer[c] = at
                            heappush(timers, (at, c))
                        break
                    full_at[c] = max(full_at[c], now * FINE) + cost
                held[c] += amount
                t = task_at[heappop(heap)]
                heappush(agenda, (now + max(1, durations[t]), t))
        if not agenda and not timers:
            return last
        now = agenda[0][0] if not timers or (agenda and agenda[0][0] <= timers[0][0]) else timers[0][0]
        touched = []
        while timers and timers[0][0] <= now:
            touched.append(heappop(timers)[1])
        if agenda and agenda[0][0] == now:
            last, t = heappop(agenda)
            c = class_of[t]
            held[c] -= amounts[c]
            touched.append(c)
            for entry in ids[rows[t] : rows[t + 1]]:
                successor = entry >> 1
                missing[successor] -= 1
                if not missing[successor]:
                    c = class_of[successor]
                    heappush(ready[c], place[successor])
                    touched.append(c)
