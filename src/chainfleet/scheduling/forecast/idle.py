"""Leaves out of a plan the limits that can't hold anybody back: rehearsals then have less to keep account of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from chainfleet.model.task import LimitKind, Plan


def without_idle_limits(plan: Plan, keep: Collection[str] = ()) -> Plan:
    """The same plan without limits that have room for all of its tasks at once, every attempt of theirs counted.

    Whatever the order and the luck, such a limit never decides anything.

    Args:
        plan: of a run.
        keep: names of limits that stay, because the other side's are smaller.
    """
    kinds = {limit.name: limit.kind for limit in plan.limits}
    drawn: Counter[str] = Counter()
    for task in plan.tasks:
        for demand in task.demands:
            # Tokens are spent by every attempt; all else is given back before the next one.
            times = task.max_attempts if kinds.get(demand.limit) is LimitKind.TOKENS else 1
            drawn[demand.limit] += demand.amount * times  # type: ignore[assignment]  # a Counter may count fractions
    idle = {
        limit.name for limit in plan.limits if limit.name not in keep and drawn[limit.name] <= limit.capacity
    }
    tasks = tuple(
        replace(task, demands=tuple(d for d in task.demands if d.limit not in idle))
        if any(d.limit in idle for d in task.demands)
        else task
        for task in plan.tasks
    )
    return replace(plan, tasks=tasks, limits=tuple(limit for limit in plan.limits if limit.name not in idle))
