"""The graph of tasks, one box for each action, from the plan that chainfleet itself makes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from drawing import PHASES, arrow, box, picture, text

from chainfleet.model.fleet_file import load_fleet
from chainfleet.model.task import Phase, Plan, Task, TaskKind
from chainfleet.scheduling.planning import make_plan

EXAMPLE = Path(__file__).parents[2] / "examples" / "chain-138.yaml"
WIDE, HIGH, ACROSS, DOWN, TOP = 158, 40, 178, 64, 62

Edges = set[tuple[str, str]]


def phases() -> str:
    """The picture as text."""
    loaded = load_fleet(str(EXAMPLE), lambda name: Path(name).read_text(encoding="utf-8"), {})
    plan = make_plan(loaded.fleet, loaded.revision)
    counts = Counter(_action(task.id) for task in plan.tasks)
    edges = _reduced(_edges(plan))
    layer = _layers(counts, edges)
    links, chains = _with_bends(edges, layer)
    place = _places(layer, links)
    barriers = {_action(task.id) for task in plan.tasks if task.kind is not TaskKind.WORK}
    title = "What waits for what in mode ultra: a box for each action, with how many tasks it stands for"
    parts = [text(20, 32, title, size=15, weight=600)]
    parts += [_line([place[name] for name in chain]) for chain in chains]
    parts += [_node(action, place[action], counts[action], barrier=action in barriers) for action in counts]
    width = max(x for x, _ in place.values()) + WIDE + 20
    height = TOP + (max(layer.values()) + 1) * DOWN
    return picture(width, height, "Graph of tasks of the main job in mode ultra", parts)


def _action(task_id: str) -> str:
    """What a box stands for: the action, and for contracts the chain as well, since chains wait for different things."""
    phase, action, subject = task_id.split("/")
    return f"{phase}/{action} {subject}" if phase == Phase.CONTRACTS else f"{phase}/{action}"


def _edges(plan: Plan) -> Edges:
    def before(task: Task) -> Iterable[str]:
        return (*task.needs, *task.after)

    pairs = {(_action(name), _action(task.id)) for task in plan.tasks for name in before(task)}
    return {(a, b) for a, b in pairs if a != b}


def _reduced(edges: Edges) -> Edges:
    """Without edges that a longer way says as well."""
    after: dict[str, set[str]] = defaultdict(set)
    for a, b in edges:
        after[a].add(b)

    def reaches(a: str, b: str) -> bool:
        return any(c == b or reaches(c, b) for c in after[a])

    return {(a, b) for a, b in edges if not any(c != b and reaches(c, b) for c in after[a])}


def _layers(actions: Iterable[str], edges: Edges) -> dict[str, int]:
    layer = dict.fromkeys(sorted(actions, key=lambda name: list(PHASES).index(name.split("/")[0])), 0)
    for _ in layer:
        for a, b in edges:
            layer[b] = max(layer[b], layer[a] + 1)
    return layer


def _with_bends(edges: Edges, layer: dict[str, int]) -> tuple[Edges, list[list[str]]]:
    """Edges from layer to layer: a long one is led through a bend in each layer that it passes."""
    links: Edges = set()
    chains = []
    for a, b in sorted(edges):
        bends = [f"bend {a} {b} {row}" for row in range(layer[a] + 1, layer[b])]
        layer |= {bend: layer[a] + 1 + index for index, bend in enumerate(bends)}
        chain = [a, *bends, b]
        links |= set(pairwise(chain))
        chains.append(chain)
    return links, chains


def _places(layer: dict[str, int], links: Edges) -> dict[str, tuple[float, float]]:
    """Rows of boxes; within a row, by the middle of what comes before and after, until that settles."""
    rows: dict[int, list[str]] = defaultdict(list)
    for name, row in layer.items():
        rows[row].append(name)
    near: dict[str, list[str]] = defaultdict(list)
    for a, b in links:
        near[a].append(b)
        near[b].append(a)
    x = {name: float(index) for names in rows.values() for index, name in enumerate(names)}
    for _ in range(24):
        for names in rows.values():
            wanted = {name: sum(x[n] for n in near[name]) / len(near[name]) for name in names if near[name]}
            names.sort(key=lambda name: (wanted.get(name, x[name]), name))
            widths = [0.5 if name.startswith("bend") else 1.0 for name in names]
            left = -sum(widths) / 2
            for name, width in zip(names, widths, strict=True):
                x[name] = left + width / 2
                left += width
    least = min(x.values())
    return {name: (20 + (x[name] - least) * ACROSS, TOP + row * DOWN) for name, row in layer.items()}


def _node(action: str, place: tuple[float, float], count: int, *, barrier: bool) -> str:
    phase, name = action.split("/")
    x, y = place
    colour = PHASES[phase]
    ink = colour if barrier else "#ffffff"
    many = f" × {count}" if count > 1 else ""
    return (
        box(x, y, WIDE, HIGH, "#ffffff" if barrier else colour, stroke=colour)
        + text(x + 10, y + 17, f"{name}{many}", fill=ink, weight=600)
        + text(x + 10, y + 32, phase + (", waits only" if barrier else ""), fill=ink, size=11.5)
    )


def _line(points: list[tuple[float, float]]) -> str:
    """From the lower edge of the first box to the upper edge of the last, straight down past what lies between."""
    middles = [(x + WIDE / 2, y) for x, y in points]
    path = f"M{middles[0][0]:g} {middles[0][1] + HIGH:g}"
    before = (middles[0][0], middles[0][1] + HIGH)
    for index, (x, y) in enumerate(middles[1:], start=1):
        bend = (y - before[1]) / 2
        last = index == len(middles) - 1
        path += f" C{before[0]:g} {before[1] + bend:g} {x:g} {y - bend:g} {x:g} {y - (2 if last else 0):g}"
        if not last:
            path += f" V{y + HIGH:g}"
        before = (x, y + (0 if last else HIGH))
    return arrow(path)
