"""How long attempts really took in earlier runs, for those who learn from it."""

from __future__ import annotations

from collections.abc import Iterator

from .projection import project
from .store import Ledger

RUNS = 6
"""How many runs are looked at, the latest ones; older ones say little about today's clouds."""

DESTROY = "-destroy"


def took(ledger: Ledger, *, runs: int = RUNS) -> Iterator[tuple[str, str, str | None, float]]:
    """Run, action, region and seconds of every attempt that succeeded and changed something, oldest first."""
    for run in [name for name in ledger.runs() if not name.endswith(DESTROY)][-runs:]:
        view = project(run, ledger.records(run))
        regions = {task.id: task.region for task in view.plan.tasks} if view.plan else {}
        for span in view.spans:
            if span.ok and span.changed and span.end is not None:
                yield run, span.task.rsplit("/", 1)[0], regions.get(span.task), span.end - span.start
