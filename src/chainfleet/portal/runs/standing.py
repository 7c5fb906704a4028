"""Where a run stands and what may be asked of it, by whom."""

from __future__ import annotations

from dataclasses import dataclass

from chainfleet.model.event import TaskState, Verdict

from ..environments.desk import Book, Desk
from ..models.runs import RunAction, RunKind, RunState
from ..permissions import Permission
from ..principals import Principal

STARTING_S = 30.0
"""A run that was asked for and has written nothing after that long has not begun."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run stands.

    Attributes:
        state: in one word.
        is_last: whether it is its environment's last run; only that one can be gone on with.
        worked_on: whether a process works on it.
    """

    state: RunState
    is_last: bool
    worked_on: bool


def standing(desk: Desk, book: Book, now: float) -> Standing:
    """Where that run stands at a wall-clock time."""
    view = book.view
    runs = desk.runs()
    is_last = not runs or runs[-1] == view.run
    worked_on = is_last and desk.ledger.holder() is not None
    if book.seq == 0:
        asked = desk.asked(view.run)
        young = asked is not None and now - asked[0] < STARTING_S
        return Standing(RunState.STARTING if young else RunState.INTERRUPTED, is_last, worked_on)
    if view.finish is not None:
        return Standing(RunState.FINISHED, is_last, worked_on)
    if not worked_on:
        return Standing(RunState.INTERRUPTED, is_last, worked_on)
    if view.cancelling:
        return Standing(RunState.CANCELLING, is_last, worked_on)
    return Standing(RunState.PAUSED if view.paused else RunState.RUNNING, is_last, worked_on)


def kind_of(run: str) -> RunKind:
    """What a run is for, by its name."""
    word = run.rsplit("-", 1)[-1]
    return RunKind(word) if word in set(RunKind) else RunKind.OTHER


def allowed(
    desk: Desk, book: Book, stands: Standing, principal: Principal, *, four_eyes: bool, open_: bool
) -> list[RunAction]:
    """What that caller may ask of the run now; `open_` is whether the environment is neither locked nor archived."""
    view, actions = book.view, list[RunAction]()
    failed = any(state is TaskState.FAILED for state in view.states.values())
    match stands.state:
        case RunState.RUNNING:
            actions += [RunAction.PAUSE, RunAction.CANCEL, RunAction.DRAIN, RunAction.SKIP]
        case RunState.PAUSED:
            actions += [RunAction.RESUME, RunAction.CANCEL, RunAction.DRAIN, RunAction.SKIP]
        case RunState.INTERRUPTED if stands.is_last and open_ and book.seq:
            actions.append(RunAction.RESUME)
        case RunState.FINISHED if stands.is_last and open_:
            if view.finish is not None and view.finish.verdict is Verdict.CANCELLED:
                actions.append(RunAction.RESUME)
    can_retry = stands.state in (RunState.RUNNING, RunState.PAUSED) or (
        stands.state is RunState.FINISHED and stands.is_last and open_
    )
    if failed and can_retry:
        actions.append(RunAction.RETRY)
    if not principal.may(Permission.RUN):
        actions.clear()
    if (
        waiting_gates(book)
        and stands.worked_on
        and may_decide(desk, view.run, principal, four_eyes=four_eyes)
    ):
        actions += [RunAction.APPROVE, RunAction.REFUSE]
    return actions


def waiting_gates(book: Book) -> list[str]:
    """Gates that wait for a person."""
    return [
        task
        for task, state in book.view.states.items()
        if state is TaskState.AT_GATE and book.view.notes.get(task, {}).get("needs_person")
    ]


def may_decide(desk: Desk, run: str, principal: Principal, *, four_eyes: bool) -> bool:
    """Whether that caller may decide the run's gates: with four eyes, not who started it."""
    if not principal.may(Permission.APPROVE):
        return False
    asked = desk.asked(run)
    return not four_eyes or asked is None or asked[1].by != principal.name
