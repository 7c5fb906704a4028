"""What a run's drawings need: the graph with places, spans with the critical path, two runs side by side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from chainfleet.ledger.projection import RunView, Span
from chainfleet.model.event import TaskState
from chainfleet.model.task import Estimate, Phase, Plan
from chainfleet.runtime.report import critical_chain
from chainfleet.scheduling.bounds import lower_bound

from ..environments.desk import Book
from ..models.run_parts import LimitOfPlan, PlanNode, PlanView, SpansView, SpanView, TaskView
from ..models.runs import PhaseComparison, RunComparison, RunSummary
from .view import PortalView


def plan_view(plan: Plan, *, command: str = "", learned: dict[str, Estimate] | None = None) -> PlanView:
    """A plan as a graph with places: columns by longest path, rows so that edges cross little."""
    bound = lower_bound(plan, learned or {})
    places = _places(plan)
    return PlanView(
        fleet=plan.fleet,
        revision=plan.revision,
        mode=plan.mode,
        waves=[list(wave) for wave in plan.waves],
        limits=[
            LimitOfPlan(name=m.name, kind=m.kind, capacity=m.capacity, rate_per_s=m.rate_per_s)
            for m in plan.limits
        ],
        nodes=[
            PlanNode(
                id=task.id,
                phase=task.phase,
                kind=task.kind,
                region=task.region,
                wave=task.wave,
                needs=list(task.needs),
                after=[other for other in task.after if other not in set(task.needs)],
                at_least=task.at_least,
                median_s=task.estimate.median_s,
                layer=places[task.id][0],
                place=places[task.id][1],
            )
            for task in plan.tasks
        ],
        edges=sum(len({*task.needs, *task.after}) for task in plan.tasks),
        lower_bound_s=round(bound.seconds, 3),
        bound_by=bound.binding,
        command=command,
    )


def _places(plan: Plan) -> dict[str, tuple[int, int]]:
    layers: dict[str, int] = {}
    for task in plan.tasks:
        layers[task.id] = max((layers[other] + 1 for other in (*task.needs, *task.after)), default=0)
    columns: defaultdict[int, list[str]] = defaultdict(list)
    for task in plan.tasks:
        columns[layers[task.id]].append(task.id)
    rows: dict[str, int] = {}
    before = {task.id: [*task.needs, *task.after] for task in plan.tasks}
    for layer in sorted(columns):
        # Each node at the mean height of what it waits for: the first half of Sugiyama's ordering.
        heights = {name: _mean([rows[other] for other in before[name]]) for name in columns[layer]}
        rows.update((name, row) for row, name in enumerate(sorted(columns[layer], key=heights.__getitem__)))
    return {name: (layers[name], rows[name]) for name in layers}


def _mean(values: list[int]) -> float:
    return sum(values) / len(values) if values else 0.0


def spans_view(book: Book) -> SpansView:
    """All attempts in time."""
    view = book.view
    chain = critical_chain(view) if view.plan else []
    critical = {(span.task, span.attempt) for span in chain}
    return SpansView(
        seq=book.seq,
        last_at=view.last,
        spans=[_span(view, span, critical) for span in view.spans],
        critical=[span.task for span in chain],
    )


def _span(view: PortalView, span: Span, critical: set[tuple[str, int]]) -> SpanView:
    task = view.tasks.get(span.task)
    return SpanView(
        task=span.task,
        region=task.region if task else None,
        phase=Phase(span.task.split("/", 1)[0]),
        attempt=span.attempt,
        start=span.start,
        end=span.end,
        ok=span.ok,
        changed=span.changed,
        error=span.error,
        error_class=span.error_class,
        critical=(span.task, span.attempt) in critical,
    )


def task_views(view: PortalView) -> list[TaskView]:
    """All tasks in the plan's order."""
    last = {span.task: span for span in view.spans}
    found = []
    for task in view.tasks.values():
        span, state = last.get(task.id), view.states[task.id]
        seconds = 0.0 if span is None else (view.last if span.end is None else span.end) - span.start
        found.append(
            TaskView(
                id=task.id,
                phase=task.phase,
                kind=task.kind,
                region=task.region,
                wave=task.wave,
                state=state,
                reason=view.reasons.get(task.id, ""),
                attempts=view.attempts.get(task.id, 0),
                since_at=view.since.get(task.id, 0.0),
                retry_at=view.retry_at.get(task.id) if state is TaskState.BACKING_OFF else None,
                seconds=round(max(0.0, seconds), 3),
                median_s=task.estimate.median_s,
            )
        )
    return found


def comparison(a: Book, b: Book, a_line: RunSummary, b_line: RunSummary) -> RunComparison:
    """Two runs side by side, by region and phase."""
    a_groups, b_groups = _phases(a.view), _phases(b.view)
    keys = dict.fromkeys([*a_groups, *b_groups])
    return RunComparison(
        a=a_line,
        b=b_line,
        phases=[
            PhaseComparison(
                region=region,
                phase=phase,
                a_s=a_groups.get((region, phase), (None, None))[0],
                b_s=b_groups.get((region, phase), (None, None))[0],
                a_state=a_groups.get((region, phase), (None, None))[1],
                b_state=b_groups.get((region, phase), (None, None))[1],
            )
            for region, phase in keys
        ],
        only_a=sorted(set(a.view.tasks) - set(b.view.tasks)),
        only_b=sorted(set(b.view.tasks) - set(a.view.tasks)),
    )


def _phases(view: PortalView) -> dict[tuple[str | None, Phase], tuple[float | None, TaskState | None]]:
    from .matrix import cell

    groups: defaultdict[tuple[str | None, Phase], list[str]] = defaultdict(list)
    for task in view.tasks.values():
        groups[task.region, task.phase].append(task.id)
    seconds = work_by_phase(view, view.spans)
    return {
        key: (seconds.get(key), cell(view, [view.tasks[name] for name in names]).state)
        for key, names in groups.items()
    }


def work_by_phase(view: RunView, spans: Iterable[Span]) -> dict[tuple[str | None, Phase], float]:
    """Seconds from the first start to the last end of each region's phase."""
    regions = {task.id: task.region for task in view.plan.tasks} if view.plan else {}
    edges: dict[tuple[str | None, Phase], tuple[float, float]] = {}
    for span in spans:
        key = (regions.get(span.task), Phase(span.task.split("/", 1)[0]))
        end = view.last if span.end is None else span.end
        first, last = edges.get(key, (span.start, end))
        edges[key] = (min(first, span.start), max(last, end))
    return {key: round(last - first, 3) for key, (first, last) in edges.items()}
