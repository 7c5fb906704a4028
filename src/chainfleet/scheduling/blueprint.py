"""What is worked out of a plan once and never changes: graph, durations, ranks, order.

A thousand rehearsals of one plan share one blueprint.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from zlib import crc32

from chainfleet.model.task import Estimate, LimitKind, Plan

from .graph import Graph
from .ranking import Order, expected_durations, order_by, upward_rank
from .units import SECOND


class Blueprint:
    """A checked plan, its expected durations (microseconds) and the order made of them.

    Args:
        plan: what to run.
        durations: learned estimates by task id; they win over the plan's.
        order: the order to start tasks in; the longest remaining path first where none is given.

    Raises:
        PlanError: the plan can't be run; the message names the tasks or the limit.
    """

    def __init__(
        self, plan: Plan, durations: Mapping[str, Estimate] | None = None, order: Order | None = None
    ) -> None:
        self.plan = plan
        self._learned = durations or {}
        self._sigmas: array[float] | None = None
        self._keys: array[int] | None = None
        self.graph = Graph(plan)
        self.durations = expected_durations(plan, self.graph, durations)
        self.ranks = upward_rank(self.graph, self.durations)
        self.order = order or order_by(self.ranks)
        self.critical_path = max(self.ranks, default=0)
        self.expected_makespan = max(self.critical_path, self._most_work())

    def _most_work(self) -> int:
        """Microseconds in which the busiest limit passes all its work, or all its tokens."""
        graph = self.graph
        work, tasks = [0] * len(graph.classes), [0] * len(graph.classes)
        for demands, duration in zip(graph.demand_class, self.durations, strict=True):
            work[demands] += duration
            tasks[demands] += 1
        passed = [0.0] * len(self.plan.limits)
        for demands, row in enumerate(graph.classes):
            for index, amount in row:
                limit = self.plan.limits[index]
                tokens = limit.kind is LimitKind.TOKENS
                speed = limit.rate_per_s / SECOND if tokens else limit.capacity
                passed[index] += amount * (tasks[demands] if tokens else work[demands]) / speed
        return int(max(passed, default=0.0))

    def ordered(self, order: Order) -> Blueprint:
        """The same with another order."""
        other = copy(self)
        other.order = order
        return other

    def calls_of(self, task: int) -> float:
        """Calls that one attempt makes, as far as token buckets count them; at least one."""
        drawn = self.graph.classes[self.graph.demand_class[task]]
        tokens = (n for index, n in drawn if self.plan.limits[index].kind is LimitKind.TOKENS)
        return max(1.0, sum(tokens))

    def keys(self) -> array[int]:
        """A number for each task that depends on its name alone, so that other plans give it the same luck."""
        if self._keys is None:
            self._keys = array("q", (crc32(name.encode()) for name in self.graph.names))
        return self._keys

    def sigmas(self) -> array[float]:
        """Spread of each task's duration (standard deviation of its logarithm)."""
        if self._sigmas is None:
            self._sigmas = array("d", (estimate.sigma for _, estimate in self._estimates()))
        return self._sigmas

    def shapes(self) -> Mapping[int, tuple[float, ...]]:
        """Of tasks whose durations are known better than by median and spread: see `Estimate.shape`."""
        return {t: each.shape for t, each in self._estimates() if each.shape}

    def doubts(self) -> Mapping[str, tuple[float, Sequence[int]]]:
        """By action, how unsure its median is (see `Estimate.doubt`), and its tasks."""
        found: dict[str, tuple[float, list[int]]] = {}
        for t, estimate in self._estimates():
            if estimate.doubt:
                found.setdefault(self.graph.names[t].rsplit("/", 1)[0], (estimate.doubt, []))[1].append(t)
        return found

    def _estimates(self) -> Iterator[tuple[int, Estimate]]:
        for t, task in enumerate(self.plan.tasks):
            yield t, self._learned.get(task.id, task.estimate)
