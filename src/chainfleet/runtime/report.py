"""`report.html`: what happened in a run, on one page that needs nothing else: Gantt, regions, trouble."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from chainfleet.ledger.projection import RunView, Span
from chainfleet.model.event import TaskState
from chainfleet.model.fleet import Fleet
from chainfleet.model.task import Phase, Task

_ROW = 15
_LEFT = 150
_WIDTH = 1000


def write_report(path: Path, fleet: Fleet, view: RunView) -> None:
    """Write the page, replacing one that is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(render_report(fleet, view), encoding="utf-8")
    temporary.replace(path)


def render_report(fleet: Fleet, view: RunView) -> str:
    """The page as text."""
    template = Template((files("chainfleet.runtime") / "report.html.in").read_text(encoding="utf-8"))
    verdict = view.finish.verdict.value if view.finish else "unfinished"
    return template.substitute(
        title=escape(f"{fleet.name}: {view.run}"),
        verdict=escape(verdict),
        facts="".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in _facts(fleet, view)),
        legend="".join(f'<span class="key {phase.value}">{phase.value}</span>' for phase in Phase),
        gantt=_gantt(fleet, view),
        regions=_regions_table(fleet, view),
        chain="".join(_chain_row(span) for span in critical_chain(view)),
        trouble="".join(_trouble_row(span) for span in view.spans if span.error)
        or "<tr><td colspan=5>none</td></tr>",
    )


def critical_chain(view: RunView) -> list[Span]:
    """The attempts that determined the end: from the last one back along whichever predecessor ended last."""
    assert view.plan is not None
    tasks = {task.id: task for task in view.plan.tasks}
    last: dict[str, Span] = {}
    for span in view.spans:
        if span.end is not None:
            last[span.task] = span
    if not last:
        return []
    span = max(last.values(), key=_end)
    chain = [span]
    while (before := _latest_before(tasks[span.task], span, tasks, last)) is not None:
        chain.append(before)
        span = before
    return chain[::-1]


def _latest_before(task: Task, span: Span, tasks: dict[str, Task], last: dict[str, Span]) -> Span | None:
    found: list[Span] = []
    waiting = [*task.needs, *task.after]
    while waiting:
        before = waiting.pop()
        if before in last:
            found.append(last[before])
        else:
            # Barriers have no attempts: look through them.
            waiting += [*tasks[before].needs, *tasks[before].after]
    found = [other for other in found if _end(other) <= span.start + 1e-3]
    return max(found, key=_end, default=None)


def _end(span: Span) -> float:
    return span.end if span.end is not None else span.start


def _facts(fleet: Fleet, view: RunView) -> Iterable[tuple[str, str]]:
    assert view.plan is not None
    yield "mode", view.plan.mode.value
    yield "regions", str(len(fleet.regions))
    yield "validators", str(fleet.validator_count)
    yield "duration", f"{view.last:.1f} s"
    yield "tasks", f"{len(view.plan.tasks)} in {len(view.spans)} attempts, {view.retries} retries"
    yield "throttled calls", str(view.throttled)
    for name, value in view.outputs.get("verification/network/network", {}).items():
        if not isinstance(value, dict | list):
            yield name.replace("_", " "), str(value)
    for chain, facts in view.outputs.get("verification/network/network", {}).get("contracts", {}).items():
        yield f"contract on {chain}", str(facts.get("address"))


def _gantt(fleet: Fleet, view: RunView) -> str:
    """One lane per region (and one for the network), bars of attempts stacked where they overlap."""
    assert view.plan is not None
    scale = (_WIDTH - _LEFT - 30) / max(view.last, 1e-6)
    region_of = {task.id: task.region for task in view.plan.tasks}
    parts: list[str] = []
    y = 20
    for lane in (None, *(region.name for region in fleet.regions)):
        spans = sorted((s for s in view.spans if region_of.get(s.task) == lane), key=lambda s: s.start)
        rows = _stack(spans, view.last)
        parts.append(f'<text x="4" y="{y + 11}">{escape(lane or "network")}</text>')
        for depth, row in enumerate(rows):
            parts += [_bar(span, y + depth * _ROW, scale, view.last) for span in row]
        y += max(1, len(rows)) * _ROW + 4
    ticks = [_tick(view.last * i / 10, scale, y) for i in range(11)]
    return f'<svg viewBox="0 0 {_WIDTH} {y + 6}" role="img" aria-label="Gantt chart">{"".join(ticks)}{"".join(parts)}</svg>'


def _stack(spans: list[Span], until: float) -> list[list[Span]]:
    rows: list[list[Span]] = []
    for span in spans:
        for row in rows:
            if (row[-1].end if row[-1].end is not None else until) <= span.start + 1e-9:
                row.append(span)
                break
        else:
            rows.append([span])
    return rows


def _bar(span: Span, y: int, scale: float, until: float) -> str:
    end = span.end if span.end is not None else until
    width = max(1.0, (end - span.start) * scale)
    phase = span.task.split("/", 1)[0]
    state = "" if span.ok else " bad"
    title = f"{span.task}, attempt {span.attempt}: {span.start:.2f} to {end:.2f} s ({end - span.start:.2f} s)"
    if span.error:
        title += f", {span.error_class}: {span.error}"
    rect = f'<rect class="{phase}{state}" x="{_LEFT + span.start * scale:.1f}" y="{y}" width="{width:.1f}" height="{_ROW - 3}">'
    return f"{rect}<title>{escape(title)}</title></rect>"


def _tick(at: float, scale: float, height: int) -> str:
    x = _LEFT + at * scale
    line = f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="14" y2="{height}"/>'
    return f'{line}<text class="tick" x="{x:.1f}" y="10" text-anchor="middle">{at:.0f} s</text>'


def _regions_table(fleet: Fleet, view: RunView) -> str:
    assert view.plan is not None
    rows = []
    for region in fleet.regions:
        cells = []
        for phase in Phase:
            tasks = [task for task in view.plan.tasks if task.region == region.name and task.phase is phase]
            seconds = sum(_end(s) - s.start for s in view.spans for t in tasks if s.task == t.id)
            states = {view.states[task.id] for task in tasks}
            bad = states & {TaskState.FAILED, TaskState.SKIPPED, TaskState.CANCELLED}
            text = "" if not tasks else (", ".join(sorted(s.value for s in bad)) or f"{seconds:.1f} s")
            cells.append(f"<td{' class=bad' if bad else ''}>{escape(text)}</td>")
        rows.append(f"<tr><th>{escape(region.name)}</th>{''.join(cells)}</tr>")
    head = "".join(f"<th>{phase.value}</th>" for phase in Phase)
    return f"<tr><th>region</th>{head}</tr>{''.join(rows)}"


def _chain_row(span: Span) -> str:
    seconds = _end(span) - span.start
    return f"<tr><td>{escape(span.task)}</td><td>{span.start:.2f}</td><td>{seconds:.2f}</td></tr>"


def _trouble_row(span: Span) -> str:
    cells = (f"{span.start:.1f} s", span.task, str(span.attempt), span.error_class, span.error)
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
