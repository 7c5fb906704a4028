"""The plan as flat arrays: integer ids, adjacency in compressed rows, demands as classes.

A task's integer id is its place in the plan. Names exist at the border only.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from chainfleet.model.errors import PlanError
from chainfleet.model.task import Demand, Limit, LimitKind, Phase, Plan, Task, TaskKind

PHASES: tuple[Phase, ...] = tuple(Phase)
WORK, BARRIER, GATE = range(3)
_KINDS = {TaskKind.WORK: WORK, TaskKind.BARRIER: BARRIER, TaskKind.GATE: GATE}
_SMALLEST_LOOP = 12
"""How many members of a cycle an error names before it says `…`."""


class Graph:
    """A checked plan in integers.

    Attributes:
        names: task ids by integer id; `index` is the way back.
        topo: integer ids in an order in which predecessors come first.
        kind: WORK, BARRIER or GATE of each task.
        need_rows, need_ids: compressed rows of `needs`; `after_rows`, `after_ids` those of `after`.
        next_rows, next_ids: successors; an entry is `2 * id`, plus 1 if the edge is an `after` edge.
        quorum: `at_least` of the tasks that have one.
        weight: what a task counts for in somebody's quorum, where that is not 1.
        group: index of the task's region x phase; `groups` says which.
        twin: index of the task's twins, 0 for none; `twin_names` says which.
        demand_class: index into `classes`; tasks of one class draw the same from the same limits.
    """

    def __init__(self, plan: Plan) -> None:
        self.size = len(plan.tasks)
        self.names: list[str] = [task.id for task in plan.tasks]
        self.index = _index(self.names)
        _check_limits(plan.limits)
        self.kind = bytearray(_KINDS[task.kind] for task in plan.tasks)
        self._lay_edges(plan.tasks)
        self.topo: Sequence[int] = self._topological_order()
        self._lay_quorums(plan.tasks)
        self._lay_groups(plan.tasks)
        self._lay_demands(plan)
        self._check_tasks(plan.tasks)

    def needs(self, task: int) -> array[int]:
        """Tasks that must have succeeded first."""
        return self.need_ids[self.need_rows[task] : self.need_rows[task + 1]]

    def afters(self, task: int) -> array[int]:
        """Tasks that must be over first."""
        return self.after_ids[self.after_rows[task] : self.after_rows[task + 1]]

    def nexts(self, task: int) -> array[int]:
        """Successors as `2 * id + (1 if it is an "after" edge)`."""
        return self.next_ids[self.next_rows[task] : self.next_rows[task + 1]]

    # --- edges ------------------------------------------------------------------------------

    def _lay_edges(self, tasks: Sequence[Task]) -> None:
        index = self.index
        try:
            self.need_ids = array("i", [index[p] for task in tasks for p in task.needs])
            self.after_ids = array("i", [index[p] for task in tasks for p in task.after])
        except KeyError as unknown:
            raise _unknown_predecessor(tasks, str(unknown.args[0])) from None
        self.need_rows = _rows(len(task.needs) for task in tasks)
        self.after_rows = _rows(len(task.after) for task in tasks)
        self._lay_successors()

    def _lay_successors(self) -> None:
        counts = [0] * self.size
        for p in self.need_ids:
            counts[p] += 1
        for p in self.after_ids:
            counts[p] += 1
        self.next_rows = _rows(counts)
        self.next_ids = array("i", bytes(4 * self.next_rows[-1]))
        cursor = self.next_rows[:-1]
        for rows, ids, mark in ((self.need_rows, self.need_ids, 0), (self.after_rows, self.after_ids, 1)):
            if not ids:
                continue
            for task in range(self.size):
                entry = 2 * task + mark
                for p in ids[rows[task] : rows[task + 1]]:
                    self.next_ids[cursor[p]] = entry
                    cursor[p] += 1

    def _in_plan_order(self) -> bool:
        rows, ids = self.need_rows, self.need_ids
        if any(max(ids[rows[t] : rows[t + 1]], default=-1) >= t for t in range(self.size)):
            return False
        rows, ids = self.after_rows, self.after_ids
        return not ids or all(max(ids[rows[t] : rows[t + 1]], default=-1) < t for t in range(self.size))

    def _topological_order(self) -> Sequence[int]:
        """The plan's own order where it is one, else Kahn's; PlanError names a cycle."""
        if self._in_plan_order():
            return range(self.size)
        open_ = [len(self.needs(t)) + len(self.afters(t)) for t in range(self.size)]
        order = [t for t in range(self.size) if open_[t] == 0]
        for task in order:
            for entry in self.nexts(task):
                open_[entry >> 1] -= 1
                if open_[entry >> 1] == 0:
                    order.append(entry >> 1)
        if len(order) < self.size:
            raise self._cycle_error(open_)
        return array("i", order)

    def _cycle_error(self, open_: Sequence[int]) -> PlanError:
        """Walk backwards through tasks that never opened until one comes twice."""
        task = next(t for t in range(self.size) if open_[t])
        seen: dict[int, int] = {}
        path: list[int] = []
        while task not in seen:
            seen[task] = len(path)
            path.append(task)
            task = next(p for p in (*self.needs(task), *self.afters(task)) if open_[p])
        loop = [self.names[t] for t in reversed(path[seen[task] :])]
        shown = loop[:_SMALLEST_LOOP] + (["…"] if len(loop) > _SMALLEST_LOOP else [loop[0]])
        return PlanError(
            f"the plan has a cycle of {len(loop)} tasks: {' → '.join(shown)}",
            way_out="remove one of these dependencies",
        )

    # --- what tasks are ------------------------------------------------------------------------

    def _lay_quorums(self, tasks: Sequence[Task]) -> None:
        self.weight = {t: task.weight for t, task in enumerate(tasks) if task.weight != 1}
        self.quorum: dict[int, int] = {}
        for t, task in enumerate(tasks):
            if task.at_least is None:
                continue
            reachable = sum(self.weight.get(p, 1) for p in self.needs(t))
            if task.at_least > reachable:
                raise PlanError(
                    f"task {task.id} waits for a weight of {task.at_least}; its needs weigh {reachable}",
                    way_out="lower at_least or add needs",
                )
            self.quorum[t] = task.at_least

    def _lay_groups(self, tasks: Sequence[Task]) -> None:
        place = {phase: i for i, phase in enumerate(PHASES)}
        regions: dict[str | None, int] = {None: 0}
        twins: dict[str, int] = {"": 0}
        self.group = array("i", bytes(4 * self.size))
        self.twin = array("i", bytes(4 * self.size))
        for t, task in enumerate(tasks):
            region = regions.setdefault(task.region, len(regions))
            self.group[t] = region * len(PHASES) + place[task.phase]
            self.twin[t] = twins.setdefault(task.twins, len(twins))
        self.regions: list[str | None] = list(regions)
        self.twin_names = list(twins)

    def region_of(self, task: int) -> int:
        """Index into `regions`; 0 is the network as a whole."""
        return self.group[task] // len(PHASES)

    def phase_of(self, task: int) -> Phase:
        """The task's phase."""
        return PHASES[self.group[task] % len(PHASES)]

    # --- demands ---------------------------------------------------------------------------------

    def _lay_demands(self, plan: Plan) -> None:
        limits = {limit.name: i for i, limit in enumerate(plan.limits)}
        capacity = [limit.capacity for limit in plan.limits]
        classes: dict[tuple[tuple[int, float], ...], int] = {(): 0}
        by_identity: dict[int, int] = {}
        self.demand_class = array("i", bytes(4 * self.size))
        for t, task in enumerate(plan.tasks):
            if not task.demands or self.kind[t] != WORK:
                continue
            known = by_identity.get(id(task.demands))
            if known is None:
                key = _demands(task, limits, capacity)
                known = classes.setdefault(key, len(classes))
                by_identity[id(task.demands)] = known
            self.demand_class[t] = known
        self.classes: list[tuple[tuple[int, float], ...]] = list(classes)

    def _check_tasks(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            if not task.timeout_s > 0:
                raise PlanError(
                    f"task {task.id} has a timeout of {task.timeout_s:g} s", way_out="give it one above 0"
                )
            if not task.estimate.median_s >= 0:
                raise PlanError(
                    f"task {task.id} has an estimate of {task.estimate.median_s:g} s",
                    way_out="give 0 or more",
                )
            if task.max_attempts < 1:
                raise PlanError(
                    f"task {task.id} may be tried {task.max_attempts} times", way_out="allow 1 or more"
                )


def _index(names: Sequence[str]) -> dict[str, int]:
    index = {name: i for i, name in enumerate(names)}
    if len(index) < len(names):
        twice = next(name for place, name in enumerate(names) if index[name] != place)
        raise PlanError(f"the plan has two tasks with the id {twice}", way_out="give every task its own id")
    return index


def _rows(lengths: Iterable[int]) -> array[int]:
    return array("i", accumulate(lengths, initial=0))


def _unknown_predecessor(tasks: Iterable[Task], name: str) -> PlanError:
    owner = next(task.id for task in tasks if name in task.needs or name in task.after)
    return PlanError(
        f"task {owner} waits for {name}, which the plan does not have", way_out="add it or drop the edge"
    )


def _check_limits(limits: Sequence[Limit]) -> None:
    seen: set[str] = set()
    for limit in limits:
        if limit.name in seen:
            raise PlanError(f"the plan has two limits named {limit.name}", way_out="merge them")
        seen.add(limit.name)
        if not limit.capacity > 0:
            raise PlanError(
                f"limit {limit.name} has a capacity of {limit.capacity:g}", way_out="give it one above 0"
            )
        if limit.kind is LimitKind.TOKENS and not limit.rate_per_s > 0:
            raise PlanError(
                f"token bucket {limit.name} refills at {limit.rate_per_s:g}/s",
                way_out="give it a rate above 0",
            )


def _demands(task: Task, limits: dict[str, int], capacity: Sequence[float]) -> tuple[tuple[int, float], ...]:
    """Demands as (limit, amount), several on one limit added up, in the plan's order of limits."""
    total: dict[int, float] = {}
    for demand in _positive(task):
        if demand.limit not in limits:
            raise PlanError(
                f"task {task.id} draws from the limit {demand.limit}, which the plan does not have",
                way_out="declare the limit or drop the demand",
            )
        limit = limits[demand.limit]
        total[limit] = total.get(limit, 0.0) + demand.amount
        if total[limit] > capacity[limit]:
            raise PlanError(
                f"task {task.id} needs {total[limit]:g} of {demand.limit}, "
                f"which never has more than {capacity[limit]:g}",
                way_out="raise the limit or lower the demand",
            )
    return tuple(sorted(total.items()))


def _positive(task: Task) -> Iterator[Demand]:
    for demand in task.demands:
        if not demand.amount >= 0:
            raise PlanError(
                f"task {task.id} draws {demand.amount:g} from {demand.limit}", way_out="give 0 or more"
            )
        if demand.amount:
            yield demand
