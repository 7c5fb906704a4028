"""The region × phase matrix of a run, what failed alike in it, and who lags behind their peers."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Iterable

from chainfleet.model.event import TaskState
from chainfleet.model.task import Phase, Task

from ..models.runs import Cell, ErrorCluster, Gate, RegionRow, Straggler
from .view import PortalView

_TELLING = (
    TaskState.FAILED,
    TaskState.RUNNING,
    TaskState.BACKING_OFF,
    TaskState.AT_GATE,
    TaskState.READY,
    TaskState.WAITING,
    TaskState.CANCELLED,
    TaskState.SKIPPED,
    TaskState.SUCCEEDED,
)
"""Which state stands for a whole cell, the most telling first."""
_TWINS = 5
"""Peers from which on a median says something."""
_LAGS = 2.0


def cell(view: PortalView, tasks: Iterable[Task]) -> Cell:
    """The cell of some tasks."""
    counts = Counter(view.states[task.id] for task in tasks)
    state = next(s for s in _TELLING if counts.get(s))
    telling = [task.id for task in tasks if view.states[task.id] is state]
    reasons = [view.reasons.get(task, "") for task in telling]
    return Cell(
        state=state,
        since_at=max((view.since.get(task, 0.0) for task in telling), default=0.0),
        tasks=dict(counts),
        attempts=sum(view.attempts.get(task.id, 0) for task in tasks),
        reason=next((reason for reason in reasons if reason), ""),
    )


def rows(view: PortalView, clouds: dict[str, str]) -> tuple[list[RegionRow], dict[Phase, Cell]]:
    """The matrix: one row per region in the plan's order, and the cells of the network as a whole."""
    groups: dict[tuple[str | None, Phase], list[Task]] = {}
    waves: dict[str, int | None] = {}
    for task in view.tasks.values():
        groups.setdefault((task.region, task.phase), []).append(task)
        if task.region is not None:
            waves.setdefault(task.region, task.wave)
    verdicts = view.finish.regions if view.finish else {}
    found = [
        RegionRow(
            region=region,
            cloud=clouds.get(region, ""),
            wave=wave,
            verdict=verdicts.get(region),
            cells={p: cell(view, groups[region, p]) for p in Phase if (region, p) in groups},
        )
        for region, wave in waves.items()
    ]
    return found, {p: cell(view, groups[None, p]) for p in Phase if (None, p) in groups}


def gates(view: PortalView) -> list[Gate]:
    """The gates in the plan's order."""
    found = []
    for task in view.tasks.values():
        if task.kind.value != "gate":
            continue
        decided, note = view.decided.get(task.id), view.notes.get(task.id, {})
        found.append(
            Gate(
                task=task.id,
                state=view.states[task.id],
                since_at=view.since.get(task.id, 0.0),
                approved=decided.approved if decided else None,
                by=decided.by if decided else "",
                reason=decided.reason if decided else "",
                evidence=str(note.get("reason", "")),
                needs_person=bool(note.get("needs_person", False)),
            )
        )
    return found


def clusters(view: PortalView) -> list[ErrorCluster]:
    """Tasks whose last attempt failed, by cause: the most first."""
    groups: dict[tuple[str, str], list[str]] = {}
    for task, failure in view.failures.items():
        region = view.tasks[task].region if task in view.tasks else None
        # The same cause in two regions differs by their names and by numbers only.
        words = failure.fingerprint or failure.message.split("\n", 1)[0]
        alike = re.sub(r"\d+", "#", words.replace(region, "…") if region else words)
        groups.setdefault((failure.error_class.value, alike), []).append(task)
    found = []
    for (error_class, alike), tasks in groups.items():
        regions = {view.tasks[task].region for task in tasks if task in view.tasks}
        found.append(
            ErrorCluster(
                fingerprint=alike[:200],
                error_class=error_class,
                message=view.failures[tasks[0]].message,
                tasks=tasks,
                regions=sorted(region for region in regions if region),
                retryable=any(view.states.get(task) is TaskState.FAILED for task in tasks),
            )
        )
    return sorted(found, key=lambda cluster: (-len(cluster.tasks), cluster.fingerprint))


def stragglers(view: PortalView) -> list[Straggler]:
    """Attempts that take, or took, much longer than their twins in other regions; the worst first, ten at most."""
    taken: dict[str, list[tuple[str, float, bool]]] = {}
    for span in view.spans:
        task = view.tasks.get(span.task)
        if task is None or not task.twins or (span.end is not None and not span.ok):
            continue
        end = view.last if span.end is None else span.end
        taken.setdefault(task.twins, []).append((task.id, end - span.start, span.end is None))
    found = []
    for twins in taken.values():
        over = [seconds for _, seconds, running in twins if not running]
        if len(over) < _TWINS:
            continue
        median = statistics.median(over)
        spread = statistics.median(abs(seconds - median) for seconds in over)
        for task_id, seconds, running in twins:
            if median > 0 and seconds > _LAGS * median and seconds > median + 5 * spread:
                found.append(
                    Straggler(
                        task=task_id,
                        region=view.tasks[task_id].region or "",
                        seconds=round(seconds, 2),
                        median_s=round(median, 2),
                        factor=round(seconds / median, 2),
                        running=running,
                    )
                )
    # What is over is history: those that still run come first.
    return sorted(found, key=lambda one: (not one.running, -one.factor))[:10]
