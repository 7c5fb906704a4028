"""Max against ultra on one axis of time, from the ledgers of two real runs on the emulated cloud."""

from __future__ import annotations

from pathlib import Path

from drawing import FAINT, LINE, PHASES, box, picture, text

from chainfleet.ledger.projection import RunView
from chainfleet.runtime.operations import read_run
from chainfleet.runtime.state import StateFolder

LEFT, WIDTH, ROW, TOP = 150, 800, 8.4, 84


def gantt(fleet: str, states: dict[str, Path], faster: int) -> str:
    """The picture as text, from the state folder of each mode's run on a cloud so many times as fast as a real one."""
    views = {mode: read_run(StateFolder(state), fleet) for mode, state in states.items()}
    ends = {mode: max(span.end or 0.0 for span in view.spans) for mode, view in views.items()}
    scale = WIDTH / (max(ends.values()) * 1.04)
    parts = [
        text(
            24,
            32,
            f"The main job on the emulated cloud ({faster} times as fast as a real one): 24 regions, 48 validators, two chains",
            size=15,
            weight=600,
        )
    ]
    x = 24.0
    for phase, colour in PHASES.items():
        parts += [box(x, 46, 12, 12, colour), text(x + 17, 56.5, phase, size=12.5)]
        x += 38 + 7 * len(phase)
    top = float(TOP)
    for mode, view in views.items():
        drawn, top = _run(mode, view, ends[mode], scale, top)
        parts += drawn
    parts += _axis(max(ends.values()), scale, top)
    return picture(LEFT + WIDTH + 30, top + 34, "Gantt chart of mode max against mode ultra", parts)


def _run(mode: str, view: RunView, end: float, scale: float, top: float) -> tuple[list[str], float]:
    """A row for each region and one for the network as a whole."""
    assert view.plan is not None
    tasks = {task.id: task for task in view.plan.tasks}
    rows = ["network", *dict.fromkeys(task.region for task in view.plan.tasks if task.region)]
    parts = [text(24, top + 12, mode, size=15, weight=600), text(24, top + 30, f"{end:.1f} s", fill=FAINT)]
    for span in view.spans:
        task = tasks[span.task]
        y = top + rows.index(task.region or "network") * ROW
        width = max(1.0, ((span.end or span.start) - span.start) * scale)
        colour = PHASES[task.phase.value]
        parts.append(
            f'<rect x="{LEFT + span.start * scale:.1f}" y="{y:.1f}" width="{width:.1f}" height="{ROW - 1.8:.1f}" fill="{colour}" opacity="0.85"/>'
        )
    bottom = top + len(rows) * ROW
    x = LEFT + end * scale
    parts.append(
        f'<path d="M{x:.1f} {top - 4:.1f} V{bottom:.1f}" stroke="#1f2933" stroke-width="1.2" stroke-dasharray="4 3"/>'
    )
    return parts, bottom + 26


def _axis(end: float, scale: float, top: float) -> list[str]:
    step = 10 if end > 40 else 5
    parts = [f'<path d="M{LEFT} {top - 12:.1f} H{LEFT + WIDTH}" stroke="{LINE}"/>']
    for second in range(0, int(end) + step, step):
        x = LEFT + second * scale
        if x <= LEFT + WIDTH:
            parts.append(f'<path d="M{x:.1f} {top - 12:.1f} v5" stroke="{LINE}"/>')
            parts.append(text(x, top + 8, f"{second} s", size=12, fill=FAINT, anchor="middle"))
    return parts
