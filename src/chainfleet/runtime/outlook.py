"""What a run's scheduler says of its limits, its bottleneck and its end, as a note for the ledger."""

from __future__ import annotations

from typing import Any

from chainfleet.model.event import TaskState
from chainfleet.model.task import LimitKind
from chainfleet.scheduling.limits import LimitView
from chainfleet.scheduling.scheduler import Scheduler


def outlook(scheduler: Scheduler, now: float) -> dict[str, Any]:
    """JSON values; `now` is seconds on the run's axis."""
    binding = scheduler.bottleneck(now)
    counts: dict[TaskState, int] = {}
    for row in scheduler.counts().values():
        for state, number in row.items():
            counts[state] = counts.get(state, 0) + number
    return {
        "remaining_s": round(scheduler.remaining_s(now), 2),
        "binding": {
            "kind": binding.kind.value,
            "name": binding.name,
            "text": binding.text,
            "waiting": binding.waiting,
        },
        "limits": [_limit(limit) for limit in scheduler.limits()],
        "running": counts.get(TaskState.RUNNING, 0),
        "ready": counts.get(TaskState.READY, 0),
    }


def _limit(limit: LimitView) -> dict[str, Any]:
    full = limit.capacity if limit.kind is LimitKind.TOKENS else limit.current_capacity
    return {
        "name": limit.name,
        "kind": limit.kind.value,
        "capacity": limit.capacity,
        "current": round(limit.current_capacity, 3),
        "in_use": round(limit.in_use, 3),
        "waiting": limit.waiting,
        "throttled": limit.throttled,
        "closed_s": round(limit.closed_s, 2),
        "headroom": round(max(0.0, 1 - limit.in_use / full), 4) if full else 0.0,
    }
