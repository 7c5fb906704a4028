"""The house: floors, what flows between them, and the outside world."""

from __future__ import annotations

from drawing import FAINT, INK, arrow, box, picture, text

FLOORS = (
    ("cli · portal", "commands; HTTP API and pages", "#dbe7f6"),
    ("runtime", "asyncio: joins scheduler, ledger, executors, drivers", "#dbe7f6"),
    (
        "drivers",
        "terraform · kubernetes · besu · contracts · monitoring · verification · inventory",
        "#d8efe9",
    ),
    ("ledger", "append-only records, lease; SQLite or PostgreSQL", "#e9e0f5"),
    ("scheduling", "fleet → plan → scheduler; rehearsal, forecast; no clock, no I/O", "#f6ead2"),
    ("model", "frozen types: fleet, task, plan, event, error", "#eceff3"),
)
LEFT, WIDTH, HIGH, GAP = 24, 520, 54, 12


def architecture() -> str:
    """The picture as text."""
    parts = [text(LEFT, 32, "A floor imports only from floors below it", size=15, weight=600)]
    for index, (name, what, colour) in enumerate(FLOORS):
        top = 48 + index * (HIGH + GAP)
        parts.append(box(LEFT, top, WIDTH, HIGH, colour))
        parts.append(text(LEFT + 16, top + 23, name, size=15, weight=600))
        parts.append(text(LEFT + 16, top + 42, what, fill=FAINT, size=12.5))
    parts += _outside()
    parts += _flow()
    return picture(
        940, 526, "Architecture: floors of the house, the outside world, and the flow of data", parts
    )


def _outside() -> list[str]:
    x, parts = 650, [text(650, 32, "Outside", size=15, weight=600)]
    rows = (
        (1, "Executors", ("this process's children", "or workers on other machines")),
        (2, "Real world", ("Azure · AWS · Google Cloud", "Kubernetes · Besu · chains")),
        (3, "Emulated cloud", ("the same protocols on loopback:", "ARM, Kubernetes, JSON-RPC")),
    )
    for row, name, lines in rows:
        top = 48 + row * (HIGH + GAP)
        parts.append(box(x, top, 266, HIGH, "#ffffff", stroke=INK))
        parts.append(text(x + 14, top + 19, name, weight=600))
        parts += [text(x + 14, top + 34 + 14 * i, line, fill=FAINT, size=12) for i, line in enumerate(lines)]
    drivers = 48 + 2 * (HIGH + GAP) + HIGH / 2
    runtime = 48 + (HIGH + GAP) + HIGH / 2
    parts.append(arrow(f"M{LEFT + WIDTH} {runtime} H{x - 4}"))
    parts.append(arrow(f"M{LEFT + WIDTH} {drivers} H{x - 4}"))
    parts.append(arrow(f"M{LEFT + WIDTH} {drivers + 8} H600 V{drivers + HIGH + GAP} H{x - 4}"))
    parts.append(text(560, drivers - 6, "effects", size=11.5, fill=FAINT))
    parts.append(text(560, runtime - 6, "attempts", size=11.5, fill=FAINT))
    return parts


def _flow() -> list[str]:
    """How data goes from the fleet file to who looks at a run."""
    top = 474
    steps = (
        "fleet.yaml",
        "Fleet",
        "Plan",
        "Scheduler",
        "Driver",
        "events",
        "ledger",
        "terminal · portal · report",
    )
    parts, x = (
        [text(LEFT, top - 12, "How data flows; nothing flows back except results", size=13, weight=600)],
        float(LEFT),
    )
    for index, step in enumerate(steps):
        width = 22 + 7.4 * len(step)
        parts.append(box(x, top, width, 34, "#f4f6f8", stroke="#9aa5b1"))
        parts.append(text(x + width / 2, top + 22, step, anchor="middle"))
        if index < len(steps) - 1:
            parts.append(arrow(f"M{x + width} {top + 17} H{x + width + 20}"))
        x += width + 24
    return parts
