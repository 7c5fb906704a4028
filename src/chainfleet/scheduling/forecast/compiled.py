"""The bare loop of `kernel`, compiled by numba (extra `fast`): the same makespan, ten times sooner."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from chainfleet.model.errors import EnvironmentProblem

from ..blueprint import Blueprint
from .kernel import FREE, lay_out


def makespan(blueprint: Blueprint, durations: Sequence[int] | None = None) -> int:
    """Microseconds that a plan takes where nothing goes wrong; see `kernel.makespan`.

    Raises:
        InputError: the plan needs the whole engine.
        EnvironmentProblem: numba is not installed.
    """
    try:
        import numpy as np
    except ImportError:
        raise EnvironmentProblem("numba is not installed", way_out="pip install chainfleet[fast]") from None
    layout, graph = lay_out(blueprint), blueprint.graph
    needs, afters = np.asarray(graph.need_rows), np.asarray(graph.after_rows)
    lasts = np.asarray(durations if durations is not None else blueprint.durations, dtype=np.int64)
    return int(
        _loop()(
            (np.diff(needs) + np.diff(afters)).astype(np.int32),
            np.asarray(graph.next_rows),
            np.asarray(graph.next_ids),
            np.asarray(graph.demand_class),
            np.asarray(blueprint.order.place),
            np.asarray(blueprint.order.task),
            np.maximum(lasts, 1),
            *(np.asarray(row, dtype=np.int64) for row in (layout.amount, layout.room)),
            *(np.asarray(row, dtype=np.int64) for row in (layout.cost, layout.tolerance)),
        )
    )


@cache
def _loop() -> Any:
    """Compile the loop, once in a process; numba keeps the result beside this file where it may."""
    try:
        import numpy as np
        from numba import njit
    except ImportError:
        raise EnvironmentProblem("numba is not installed", way_out="pip install chainfleet[fast]") from None

    @njit(cache=False)
    def push(keys: Any, first: int, size: int, key: int) -> None:
        at = size
        while at > 0:
            above = (at - 1) >> 1
            if keys[first + above] <= key:
                break
            keys[first + at] = keys[first + above]
            at = above
        keys[first + at] = key

    @njit(cache=False)
    def pop(keys: Any, first: int, size: int) -> int:
        """Take the least key of a heap of that size; one fewer are left."""
        top = keys[first]
        key = keys[first + size - 1]
        at, left = 0, size - 1
        while True:
            below = 2 * at + 1
            if below >= left:
                break
            if below + 1 < left and keys[first + below + 1] < keys[first + below]:
                below += 1
            if keys[first + below] >= key:
                break
            keys[first + at] = keys[first + below]
            at = below
        keys[first + at] = key
        return int(top)

    @njit(cache=False)
    def push_pair(times: Any, tasks: Any, size: int, time: int, task: int) -> None:
        at = size
        while at > 0:
            above = (at - 1) >> 1
            if times[above] < time or (times[above] == time and tasks[above] < task):
                break
            times[at], tasks[at] = times[above], tasks[above]
            at = above
        times[at], tasks[at] = time, task

    @njit(cache=False)
    def pop_pair(times: Any, tasks: Any, size: int) -> None:
        """Drop the first pair of a heap of that size."""
        time, task = times[size - 1], tasks[size - 1]
        at, left = 0, size - 1
        while True:
            below = 2 * at + 1
            if below >= left:
                break
            other = below + 1
            if other < left and (
                times[other] < times[below] or (times[other] == times[below] and tasks[other] < tasks[below])
            ):
                below = other
            if times[below] > time or (times[below] == time and tasks[below] >= task):
                break
            times[at], tasks[at] = times[below], tasks[below]
            at = below
        times[at], tasks[at] = time, task

    @njit(cache=False)
    def loop(
        missing: Any,
        rows: Any,
        ids: Any,
        class_of: Any,
        place: Any,
        task_at: Any,
        lasts: Any,
        amounts: Any,
        rooms: Any,
        costs: Any,
        tolerances: Any,
    ) -> int:
        size, classes = missing.size, amounts.size
        first = np.zeros(classes + 1, np.int64)
        for t in range(size):
            first[class_of[t] + 1] += 1
        first = np.cumsum(first)
        ready, waiting = np.zeros(size, np.int64), np.zeros(classes, np.int64)
        held = np.zeros(classes, np.int64)
        full_at = np.full(classes, -(1 << 61))
        timer = np.full(classes, FREE)
        end_times, end_tasks, running = np.zeros(size, np.int64), np.zeros(size, np.int64), 0
        # Each class has at most one timer that counts; those overtaken are dropped when they come.
        wake_times, wake_classes, wakes = (
            np.zeros(2 * classes + size, np.int64),
            np.zeros(2 * classes + size, np.int64),
            0,
        )
        touched, changed = np.zeros(classes + size, np.int64), 0
        for t in range(size):
            if missing[t] == 0:
                c = class_of[t]
                push(ready, first[c], waiting[c], place[t])
                waiting[c] += 1
        for c in range(classes):
            touched[changed] = c
            changed += 1
        now = last = 0
        while True:
            for i in range(changed):
                c = touched[i]
                while waiting[c] > 0:
                    if rooms[c] >= 0 and held[c] > 0 and held[c] + amounts[c] > rooms[c]:
                        break
                    if costs[c] >= 0:
                        conforming = full_at[c] + costs[c] - tolerances[c]
                        if conforming > now * 1000:
                            at = -(-conforming // 1000)
                            if timer[c] != at:
                                timer[c] = at
                                push_pair(wake_times, wake_classes, wakes, at, c)
                                wakes += 1
                            break
                        full_at[c] = max(full_at[c], now * 1000) + costs[c]
                    held[c] += amounts[c]
                    t = task_at[pop(ready, first[c], waiting[c])]
                    waiting[c] -= 1
                    push_pair(end_times, end_tasks, running, now + lasts[t], t)
                    running += 1
            if running == 0 and wakes == 0:
                return last
            if running > 0 and (wakes == 0 or end_times[0] <= wake_times[0]):
                now = end_times[0]
            else:
                now = wake_times[0]
            changed = 0
            while wakes > 0 and wake_times[0] <= now:
                touched[changed] = wake_classes[0]
                changed += 1
                pop_pair(wake_times, wake_classes, wakes)
                wakes -= 1
            if running > 0 and end_times[0] == now:
                last, t = now, end_tasks[0]
                pop_pair(end_times, end_tasks, running)
                running -= 1
                held[class_of[t]] -= amounts[class_of[t]]
                touched[changed] = class_of[t]
                changed += 1
                for e in range(rows[t], rows[t + 1]):
                    successor = ids[e] >> 1
                    missing[successor] -= 1
                    if missing[successor] == 0:
                        c = class_of[successor]
                        push(ready, first[c], waiting[c], place[successor])
                        waiting[c] += 1
                        touched[changed] = c
                        changed += 1

    return loop
