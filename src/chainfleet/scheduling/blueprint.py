"""What is worked out of a plan once and never changes: graph, durations, ranks, order.

A thousand rehearsals of one plan share one blueprint.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from copy import copy

from chainfleet.model.task import Estimate, Limit, LimitKind, Plan

from .graph import Graph
from .ranking import Order, expected_durations, order_by, upward_rank


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
        self.graph = Graph(plan)
        self.durations = expected_durations(plan, self.graph, durations)
        self.ranks = upward_rank(self.graph, self.durations)
        self.order = order or order_by(self.ranks)
        self.critical_path = max(self.ranks, default=0)
        self.expected_makespan = max(self.critical_path, self._most_work())

    def _most_work(self) -> int:
        """Microseconds in which the busiest of the slots and the memory passes all its work."""
        graph, work = self.graph, [0] * len(self.graph.classes)
        for demands, duration in zip(graph.demand_class, self.durations, strict=True):
            work[demands] += duration
        total = [0.0] * len(self.plan.limits)
        for demands, row in enumerate(graph.classes):
            for limit, amount in row:
                total[limit] += work[demands] * amount
        limits = zip(total, self.plan.limits, strict=True)
        return int(max((w / limit.capacity for w, limit in limits if _holds(limit)), default=0.0))

    def ordered(self, order: Order) -> Blueprint:
        """The same with another order."""
        other = copy(self)
        other.order = order
        return other

    def sigmas(self) -> array[float]:
        """Spread of each task's duration (standard deviation of its logarithm)."""
        if self._sigmas is None:
            out = array("d", (task.estimate.sigma for task in self.plan.tasks))
            for name, estimate in self._learned.items():
                if name in self.graph.index:
                    out[self.graph.index[name]] = estimate.sigma
            self._sigmas = out
        return self._sigmas


def _holds(limit: Limit) -> bool:
    return limit.kind is not LimitKind.TOKENS
