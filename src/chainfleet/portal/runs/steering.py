"""Asking something of a run that a process works on, or going on with one that none does."""

from __future__ import annotations

from chainfleet.ledger.mailbox import Ask, Request
from chainfleet.model.event import (
    CancelRequested,
    Event,
    GateDecided,
    PauseRequested,
    ResumeRequested,
    RetryRequested,
    SkipRequested,
)
from chainfleet.runtime.asking import ask
from chainfleet.runtime.commands import shown, steer_words

from ..environments.desk import Book, Desk
from ..models.runs import ActionGiven, RunAction, RunState
from ..problems import ProblemError
from .standing import Standing, waiting_gates
from .starting import Starter, require_words


def act(
    starter: Starter,
    desk: Desk,
    book: Book,
    stands: Standing,
    action: RunAction,
    given: ActionGiven,
    *,
    by: str,
) -> str:
    """Do it; returns the command that does the same.

    Raises:
        ProblemError, InputError: it can't be done now; nothing was.
    """
    require_words(given.tasks)
    request = _request(book, action, given, by)
    if stands.worked_on and stands.state is not RunState.FINISHED:
        command = shown(_words(desk, action, given))
        ask(desk.state, desk.ledger.fleet, request, reason=given.reason, by=by, needed=True)
        return command
    if action is RunAction.RESUME:
        return starter.go_on(desk, book.view.run, (), retry=False)
    return starter.go_on(desk, book.view.run, given.tasks, retry=True)


def _request(book: Book, action: RunAction, given: ActionGiven, by: str) -> Request:
    if action is RunAction.DRAIN:
        return Request(Ask.DRAIN)
    return Request(Ask.EVENT, _event(book, action, given, by))


def _event(book: Book, action: RunAction, given: ActionGiven, by: str) -> Event:
    match action:
        case RunAction.PAUSE:
            return PauseRequested()
        case RunAction.RESUME:
            return ResumeRequested()
        case RunAction.CANCEL:
            return CancelRequested()
        case RunAction.RETRY:
            from chainfleet.runtime.operations import tasks_to_retry

            chosen = tasks_to_retry(book.view, given.tasks)
            if not chosen:
                raise ProblemError(
                    409, "nothing-failed", "nothing of that has failed", way_out="see the run's tasks"
                )
            return RetryRequested(chosen)
        case RunAction.SKIP:
            if len(given.tasks) != 1 or given.tasks[0] not in book.view.tasks:
                raise ProblemError(422, "invalid-input", "`tasks` must name one task by its id")
            return SkipRequested(given.tasks[0])
        case _:
            return _decision(book, given, by, approved=action is RunAction.APPROVE)


def _decision(book: Book, given: ActionGiven, by: str, *, approved: bool) -> Event:
    waiting = waiting_gates(book)
    gate = given.gate or (waiting[0] if len(waiting) == 1 else None)
    if gate not in waiting:
        raise ProblemError(
            409,
            "no-such-gate",
            f"gate `{gate}` does not wait",
            way_out=f"waiting: {', '.join(waiting) or 'none'}",
        )
    found = book.view.notes[gate]
    if approved and not found["approved"] and not given.reason:
        message = f"the check of the wave says no ({found['reason']}): approving against it needs a reason"
        raise ProblemError(422, "reason-missing", message, way_out="send `reason`")
    return GateDecided(gate, approved=approved, by=by, reason=given.reason)


def _words(desk: Desk, action: RunAction, given: ActionGiven) -> list[str]:
    match action:
        case RunAction.APPROVE | RunAction.REFUSE:
            more = [
                *([given.gate] if given.gate else []),
                *(["--refuse"] if action is RunAction.REFUSE else []),
            ]
        case RunAction.RETRY | RunAction.SKIP:
            more = list(given.tasks)
        case _:
            more = []
    verb = "approve" if action is RunAction.REFUSE else action.value
    takes_reason = action in (RunAction.PAUSE, RunAction.CANCEL, RunAction.APPROVE, RunAction.REFUSE)
    reason = ["--reason", given.reason] if given.reason and takes_reason else []
    return [*steer_words(verb, desk.fleet_file, desk.target(), *more), *reason]
