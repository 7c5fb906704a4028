"""How a run and each of its regions ended; nothing failed is ever hidden behind "completed"."""

from __future__ import annotations

from chainfleet.model.event import Finish, Verdict
from chainfleet.model.task import Phase

from .board import Board
from .codes import CANCELLED, FAILED, SKIPPED, SUCCEEDED, WAIVED
from .graph import PHASES

_VERIFICATION = PHASES.index(Phase.VERIFICATION)


def finish(board: Board, *, cancelled: bool) -> Finish:
    """The end of a run in which every task is over.

    The run is degraded if something failed in regions only and the verification of the network as a
    whole, for which its quorum is enough, succeeded all the same.
    """
    graph = board.graph
    regions = {name: _region(board, i) for i, name in enumerate(graph.regions) if name is not None}
    if board.all_met():
        verdict = Verdict.SUCCEEDED
    elif cancelled or (board.count(FAILED) == 0 and board.count(CANCELLED) > 0):
        verdict = Verdict.CANCELLED
    elif _only(board, 0) and _verified(board, 0):
        verdict = Verdict.DEGRADED
    else:
        verdict = Verdict.FAILED
    return Finish(verdict, regions, _reason(board))


def _counts(board: Board, region: int, *states: int) -> int:
    first = region * len(PHASES)
    return sum(board.group_count(g, s) for g in range(first, first + len(PHASES)) for s in states)


def _only(board: Board, region: int) -> bool:
    """Whether every task of that region succeeded or was waived."""
    return _counts(board, region, FAILED, SKIPPED, CANCELLED) == 0


def _verified(board: Board, region: int) -> bool:
    group = region * len(PHASES) + _VERIFICATION
    bad = sum(board.group_count(group, s) for s in (FAILED, SKIPPED, CANCELLED, WAIVED))
    return bad == 0 and board.group_count(group, SUCCEEDED) > 0


def _region(board: Board, region: int) -> Verdict:
    if _only(board, region):
        return Verdict.SUCCEEDED
    if _counts(board, region, CANCELLED) and not _counts(board, region, FAILED):
        return Verdict.CANCELLED
    return Verdict.DEGRADED if _verified(board, region) else Verdict.FAILED


def _reason(board: Board) -> str:
    parts = [
        f"{count} {word}"
        for word, count in (
            ("succeeded", board.count(SUCCEEDED)),
            ("failed", board.count(FAILED)),
            ("skipped", board.count(SKIPPED)),
            ("skipped by request", board.count(WAIVED)),
            ("cancelled", board.count(CANCELLED)),
        )
        if count
    ]
    return ", ".join(parts) or "nothing to do"
