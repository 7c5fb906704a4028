"""The failure budget: how many regions may fail before no further region is begun."""

from __future__ import annotations

from chainfleet.model.task import FailureBudget, Plan, TaskKind

from .graph import Graph


class RegionBudget:
    """Which regions have failed, which have begun, and whether others may.

    Region indices are the graph's; 0 is the network as a whole and never counts.
    """

    def __init__(self, plan: Plan, graph: Graph) -> None:
        self.allowed = _allowed(plan.policy.budget, len(graph.regions) - 1)
        self.begun: set[int] = set()
        self.failed: set[int] = set()
        self.closed = False

    def fail(self, region: int) -> bool:
        """A region has failed; True if with it the budget is used up for the first time."""
        if region:
            self.failed.add(region)
        if self.allowed is None or self.closed or len(self.failed) <= self.allowed:
            return False
        self.closed = True
        return True

    def restart(self, failed: set[int]) -> bool:
        """Count anew from the regions that are failed now; True if that is news and the budget is used up."""
        known = self.failed if self.closed else set()
        self.failed = failed - {0}
        self.closed = self.allowed is not None and len(self.failed) > self.allowed
        return self.closed and not self.failed <= known

    def bars(self, region: int) -> bool:
        """Whether that region must not be begun."""
        return self.closed and region != 0 and region not in self.begun


def _allowed(budget: FailureBudget, regions: int) -> int | None:
    bounds = []
    if budget.regions is not None:
        bounds.append(budget.regions)
    if budget.percent is not None:
        bounds.append(int(regions * budget.percent / 100))
    return min(bounds) if bounds else None


def retryable_tasks(plan: Plan) -> int:
    """How many tasks of the plan make attempts at all."""
    return sum(task.kind is TaskKind.WORK for task in plan.tasks)
