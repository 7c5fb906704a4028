"""How many calls one Terraform root may make at once, so that all roots together respect the limits."""

from __future__ import annotations

from collections.abc import Sequence

from chainfleet.model.task import LimitKind, Phase

from .board import Board
from .codes import READY, RUNNING
from .graph import PHASES
from .limits import Gauge
from .slots import Slots

LEAST = 2
"""A root with fewer would spend its time waiting for itself."""

USUAL = 10
"""Terraform's own default, for tasks that are no Terraform roots or draw from no limit."""

_INFRASTRUCTURE = PHASES.index(Phase.INFRASTRUCTURE)


def parallelism(board: Board, gauges: Sequence[Gauge], task: int) -> int:
    """Calls at once for an attempt that is about to start.

    The infrastructure limit's present capacity is divided among the roots that run or could run now;
    what throttling has taken from the buckets the root draws from is taken from it too.
    """
    graph = board.graph
    if graph.group[task] % len(PHASES) != _INFRASTRUCTURE:
        return USUAL
    share = 0.0
    openness = 1.0
    for index, _ in graph.classes[graph.demand_class[task]]:
        meter = gauges[index].meter
        if not isinstance(meter, Slots):
            openness = min(openness, meter.openness)
        elif not share and gauges[index].limit.kind is LimitKind.CONCURRENCY:
            roots = board.phase_count(_INFRASTRUCTURE, READY) + board.phase_count(_INFRASTRUCTURE, RUNNING)
            share = meter.current / max(1.0, min(float(roots), meter.current))
    return max(LEAST, int(share * openness)) if share else USUAL
