"""What a mode adds to the true dependencies: a chain, phase barriers, or nothing."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace

from chainfleet.model.errors import PlanError
from chainfleet.model.task import Estimate, Mode, Phase, Task, TaskKind

_RANK = {phase: index for index, phase in enumerate(Phase)}


def add_mode_edges(tasks: Sequence[Task], mode: Mode) -> list[Task]:
    """Return the tasks with the ordering edges of the mode; barriers are added as tasks of their own."""
    if mode is Mode.ULTRA:
        return list(tasks)
    if mode is Mode.SEQUENTIAL:
        return _chain(tasks)
    return _with_barriers(tasks)


def order(tasks: Iterable[Task]) -> list[Task]:
    """Every task after its predecessors; ties by phase, then by place in the input.

    Raises:
        PlanError: an unknown predecessor, or a cycle (its tasks are named).
    """
    listed = list(tasks)
    index = {task.id: i for i, task in enumerate(listed)}
    followers: list[list[int]] = [[] for _ in listed]
    missing = [0] * len(listed)
    for i, task in enumerate(listed):
        for before in {*task.needs, *task.after}:
            if before not in index:
                raise PlanError(
                    f"task `{task.id}` waits for `{before}`, which is not in the plan",
                    way_out="add it, or let the task not wait for it",
                )
            followers[index[before]].append(i)
            missing[i] += 1
    ready = [(_RANK[task.phase], i) for i, task in enumerate(listed) if not missing[i]]
    heapq.heapify(ready)
    result = []
    while ready:
        _, i = heapq.heappop(ready)
        result.append(listed[i])
        for follower in followers[i]:
            missing[follower] -= 1
            if not missing[follower]:
                heapq.heappush(ready, (_RANK[listed[follower].phase], follower))
    if len(result) < len(listed):
        stuck = ", ".join(task.id for i, task in enumerate(listed) if missing[i])
        raise PlanError(
            f"the plan has a cycle among: {stuck}", way_out="let one of them no longer wait for another"
        )
    return result


def _chain(tasks: Sequence[Task]) -> list[Task]:
    """One after the other, phase by phase; a failure does not hold up what doesn't depend on it."""
    listed = order(_with_barriers(tasks))
    works = [task for task in listed if task.kind is TaskKind.WORK]
    previous = {task.id: before.id for before, task in itertools.pairwise(works)}
    return [
        replace(task, after=(*task.after, previous[task.id])) if task.id in previous else task
        for task in listed
    ]


def _with_barriers(tasks: Sequence[Task]) -> list[Task]:
    """Every task of a phase waits until the phase before is over, whatever became of it."""
    phases = [phase for phase in Phase if any(task.phase is phase for task in tasks)]
    before = dict(zip(phases[1:], phases, strict=False))
    result = [
        replace(task, after=(*task.after, _barrier_of(before[task.phase]))) if task.phase in before else task
        for task in tasks
    ]
    for phase in phases[:-1]:
        members = tuple(task.id for task in tasks if task.phase is phase)
        barrier = Task(
            id=_barrier_of(phase),
            phase=phase,
            kind=TaskKind.BARRIER,
            after=members,
            estimate=Estimate(0.0, 0.0),
        )
        result.append(barrier)
    return result


def _barrier_of(phase: Phase) -> str:
    return f"{phase.value}/barrier/end"
