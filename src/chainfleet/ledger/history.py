"""How long attempts really took in earlier runs, for those who learn from it."""

from __future__ import annotations

from collections.abc import Iterator

from chainfleet.scheduling.planning.estimates import PROFILES

from .projection import Span, project
from .store import Ledger

RUNS = 12
"""How many runs are looked at, the latest ones; older ones say little about today's clouds."""

DESTROY = "-destroy"


def took(ledger: Ledger, *, runs: int = RUNS) -> Iterator[tuple[str, str, str | None, float]]:
    """Run, action, region and seconds of every attempt that succeeded and did something, oldest first.

    What finds everything as it should be takes no time, and says nothing of the next network that is made. Actions that
    only look (a chain that begins, a verification) count where most of their run had something to do.
    """
    for run in [name for name in ledger.runs() if not name.endswith(DESTROY)][-runs:]:
        view = project(run, ledger.records(run))
        regions = {task.id: task.region for task in view.plan.tasks} if view.plan else {}
        ended = [span for span in view.spans if span.ok and span.end is not None]
        acted = [span for span in ended if not _observes(span)]
        busy = 2 * sum(span.changed for span in acted) >= len(acted)
        for span in ended:
            if span.end is not None and (span.changed or (busy and _observes(span))):
                yield run, _action(span), regions.get(span.task), span.end - span.start


def _action(span: Span) -> str:
    return span.task.rsplit("/", 1)[0]


def _observes(span: Span) -> bool:
    profile = PROFILES.get(_action(span))
    return profile is not None and profile.observes
