"""Runs: start, list, read, and ask something of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import Path, Query, Request, Response
from starlette.responses import FileResponse

from chainfleet import __version__
from chainfleet.model.event import TaskState
from chainfleet.model.task import Estimate, Phase

from ..cursors import as_page
from ..environments.desk import Book, Desk
from ..models.common import Page, RunName
from ..models.run_parts import EventPage, LogLine, LogPage, PlanView, SpansView, TaskView
from ..models.runs import (
    ActionGiven,
    ActionTaken,
    RunAction,
    RunComparison,
    RunDetail,
    RunExport,
    RunGiven,
    RunSummary,
)
from ..permissions import Permission
from ..principals import Principal
from ..problems import ProblemError, not_found
from ..runs.charts import comparison, plan_view, spans_view, task_views
from ..runs.describing import command_of, detail, summary
from ..runs.events import event_view, events_page
from ..runs.logs import lines_of, path_of, tail_of
from ..runs.standing import Standing, allowed, may_decide, standing
from ..runs.starting import curl_of
from ..runs.steering import act
from ..service import Portal
from .declaring import new_router, route
from .dependencies import Caller, DeskHere, PortalHere
from .parameters import Cursor, IdempotencyKey, Limit, RunPath, Since

router = new_router("runs")
ONE = "/environments/{environment}/runs/{run}"


@route(router, "GET", "/runs", permission=Permission.READ)
def list_all_runs(
    portal: PortalHere, caller: Caller, limit: Limit = 50, cursor: Cursor = None
) -> Page[RunSummary]:
    """Runs of all environments, newest first."""
    found = [(desk, run) for desk in portal.registry.readable(caller) for run in desk.runs()]
    return _page(portal, caller, found, ["all-runs", caller.token_id], cursor, limit)


@route(router, "GET", "/environments/{environment}/runs", permission=Permission.READ, problems=(404,))
def list_runs(
    desk: DeskHere,
    portal: PortalHere,
    caller: Caller,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[RunSummary]:
    """Runs of an environment, newest first."""
    found = [(desk, run) for run in desk.runs()]
    return _page(portal, caller, found, ["runs", desk.ledger.id], cursor, limit)


@route(router, "POST", "/environments/{environment}/runs", permission=Permission.RUN, status=202,
       problems=(404, 409, 503))  # fmt: skip
def start_run(
    desk: DeskHere,
    portal: PortalHere,
    caller: Caller,
    request: Request,
    response: Response,
    given: RunGiven,
    idempotency_key: IdempotencyKey = None,
) -> RunSummary:
    """Start a run; `Location` names it. `destroy` needs the permission of that name and the fleet's name."""
    request.state.audit.update(subject=given.kind, reason=given.reason)
    if given.kind == "destroy" and not caller.may(Permission.DESTROY):
        raise ProblemError(
            403, "role-too-low", f"`{caller.role.value}` may not destroy", way_out="ask an admin"
        )
    run = portal.starter.start(desk, given, by=caller.name)
    request.state.audit["details"] = {"run": run}
    response.headers["Location"] = f"/api/v1/environments/{desk.name}/runs/{run}"
    return _summary(portal, caller, desk, run)


@route(router, "GET", ONE, permission=Permission.READ, problems=(404,))
def get_run(
    desk: DeskHere,
    portal: PortalHere,
    caller: Caller,
    run: RunPath,
    at: Annotated[
        int | None, Query(ge=1, le=2**53, description="As it stood at that sequence number.")
    ] = None,
) -> RunDetail:
    """A run as it stands, or stood at a sequence number."""
    book = desk.book(run) if at is None else desk.book_at(run, at)
    return detail(desk, book, caller, portal.wall(), four_eyes=portal.settings.four_eyes)


@route(router, "GET", f"{ONE}/tasks", permission=Permission.READ, problems=(404,))
def list_tasks(
    desk: DeskHere,
    portal: PortalHere,
    run: RunPath,
    region: Annotated[str | None, Query(max_length=60, description="Only of that region.")] = None,
    phase: Annotated[Phase | None, Query(description="Only of that phase.")] = None,
    state: Annotated[TaskState | None, Query(description="Only in that state.")] = None,
    query: Annotated[str, Query(max_length=100, description="Only ids that contain it.")] = "",
    limit: Limit = 200,
    cursor: Cursor = None,
) -> Page[TaskView]:
    """Tasks of a run in the plan's order."""
    with desk.lock:
        found = [
            task
            for task in task_views(desk.book(run).view)
            if (region is None or task.region == region)
            and (phase is None or task.phase is phase)
            and (state is None or task.state is state)
            and query in task.id
        ]
    about = ["tasks", desk.ledger.id, run, region, phase, state, query]
    part, following = portal.cursors.page(about, found, cursor, limit, lambda task: task.id)
    return as_page(part, following, len(found))


@route(router, "GET", f"{ONE}/plan", permission=Permission.READ, problems=(404,))
def get_run_plan(desk: DeskHere, run: RunPath) -> PlanView:
    """The run's graph with places for drawing it."""
    book = desk.book(run)
    with desk.lock:
        if book.view.plan is None:
            raise ProblemError(404, "no-plan", f"run {run} has no plan yet")
        learned = {
            span.task: Estimate(span.end - span.start, 0.0)
            for span in book.view.spans
            if span.ok and span.end is not None
        }
        return plan_view(book.view.plan, command=command_of(desk, book.view), learned=learned)


@route(router, "GET", f"{ONE}/spans", permission=Permission.READ, problems=(404,))
def get_spans(desk: DeskHere, run: RunPath) -> SpansView:
    """All attempts in time, and the critical path."""
    with desk.lock:
        return spans_view(desk.book(run))


@route(router, "GET", f"{ONE}/events", permission=Permission.READ, problems=(404,))
def list_events(
    desk: DeskHere,
    run: RunPath,
    since: Since = 0,
    limit: Annotated[int, Query(ge=1, le=5000, description="Most records.")] = 500,
    region: Annotated[str | None, Query(max_length=60, description="Only of that region.")] = None,
    type_: Annotated[str | None, Query(alias="type", max_length=40, description="Type of record.")] = None,
) -> EventPage:
    """The run's records after a sequence number; for replay, and instead of the stream."""
    _require_run(desk, run)
    return events_page(desk, run=run, since=since, limit=limit, region=region, type_=type_)


@route(router, "GET", f"{ONE}/logs", permission=Permission.READ, problems=(404,))
def get_logs(
    desk: DeskHere,
    portal: PortalHere,
    run: RunPath,
    task: Annotated[str, Query(min_length=1, max_length=200, description="Id of the task.")],
    attempt: Annotated[int | None, Query(ge=1, le=10_000, description="The last one if left out.")] = None,
    query: Annotated[str, Query(max_length=200, description="Only lines that contain this text.")] = "",
    tail: Annotated[bool, Query(description="Begin with the last lines.")] = False,
    limit: Annotated[int, Query(ge=1, le=2000, description="Most lines.")] = 500,
    cursor: Cursor = None,
) -> LogPage:
    """Lines of an attempt's log; follow it by asking on with `next`."""
    book = desk.book(run)
    path, number = path_of(desk, book, task, attempt)
    about = ["log", desk.ledger.id, run, task, number, query]
    offset, line = portal.cursors.read(about, cursor) if cursor else tail_of(path, limit) if tail else (0, 0)
    found, offset, line = lines_of(path, offset, line, query, limit)
    span = next((s for s in reversed(book.view.spans) if (s.task, s.attempt) == (task, number)), None)
    return LogPage(
        lines=[LogLine(task=task, attempt=number, number=place, text=text) for place, text in found],
        next=portal.cursors.make(about, [offset, line]),
        over=(span is None or span.end is not None) and offset >= path.stat().st_size,
        attempts=list(range(1, book.view.attempts.get(task, 0) + 1)),
    )


@route(router, "GET", f"{ONE}/logs/raw", permission=Permission.READ, problems=(404,), response_class=Response,
       responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}})  # fmt: skip
def get_raw_log(
    desk: DeskHere,
    run: RunPath,
    task: Annotated[str, Query(min_length=1, max_length=200, description="Id of the task.")],
    attempt: Annotated[int | None, Query(ge=1, le=10_000, description="The last one if left out.")] = None,
) -> Response:
    """An attempt's whole log as text."""
    path, number = path_of(desk, desk.book(run), task, attempt)
    name = f"{task.replace('/', '.')}.{number}.log"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return FileResponse(path, media_type="text/plain; charset=utf-8", headers=headers)


@route(router, "GET", f"{ONE}/compare", permission=Permission.READ, problems=(404,))
def compare_runs(
    desk: DeskHere,
    portal: PortalHere,
    caller: Caller,
    run: RunPath,
    to: Annotated[RunName, Query(description="The other run.")],
) -> RunComparison:
    """Two runs of an environment side by side."""
    a, b = desk.book(run), desk.book(to)
    with desk.lock:
        return comparison(a, b, _summary(portal, caller, desk, run), _summary(portal, caller, desk, to))


@route(router, "GET", f"{ONE}/export", permission=Permission.READ, problems=(404,))
def export_run(desk: DeskHere, portal: PortalHere, caller: Caller, run: RunPath) -> RunExport:
    """Everything the one-file offline page needs."""
    book = desk.book(run)
    if book.view.plan is None:
        raise ProblemError(404, "no-plan", f"run {run} has no plan yet")
    with desk.lock:
        return RunExport(
            exported_wall=portal.wall(),
            version=__version__,
            run=detail(desk, book, caller, portal.wall(), four_eyes=portal.settings.four_eyes),
            plan=plan_view(book.view.plan),
            spans=spans_view(book),
            events=[event_view(desk.name, record) for record in desk.ledger.records(run=run)],
        )


@route(router, "POST", f"{ONE}/actions/{{action}}", permission=Permission.RUN, status=202,
       problems=(404, 409, 503))  # fmt: skip
def act_on_run(
    desk: DeskHere,
    portal: PortalHere,
    caller: Caller,
    request: Request,
    run: RunPath,
    action: Annotated[RunAction, Path(description="What is asked.")],
    given: ActionGiven,
    idempotency_key: IdempotencyKey = None,
) -> ActionTaken:
    """Ask something of a run; `approve` and `refuse` need the permission `approve`."""
    request.state.audit.update(subject=f"{run}:{action.value}", reason=given.reason)
    request.state.audit["details"] = {"tasks": given.tasks[:20], "gate": given.gate}
    book = desk.book(run)
    stands = standing(desk, book, portal.wall())
    four_eyes = portal.settings.four_eyes
    _require_allowed(desk, book, stands, action, caller, four_eyes=four_eyes)
    command = act(portal.starter, desk, book, stands, action, given, by=caller.name)
    body = given.model_dump(exclude_defaults=True)
    url = f"{portal.settings.origins[0] if portal.settings.origins else ''}{request.url.path}"
    return ActionTaken(
        environment=desk.name,
        run=run,
        action=action,
        seq=desk.ledger.head(),
        command=command,
        curl=curl_of(url, body),
    )


def _summary(portal: Portal, caller: Principal, desk: Desk, run: str) -> RunSummary:
    return summary(desk, desk.book(run), caller, portal.wall(), four_eyes=portal.settings.four_eyes)


def _page(
    portal: Portal,
    caller: Principal,
    found: list[tuple[Desk, str]],
    about: Sequence[str],
    cursor: str | None,
    limit: int,
) -> Page[RunSummary]:
    """Newest first: names begin with the time."""
    found.sort(key=lambda one: (_began(*one), one[1]), reverse=True)
    part, following = portal.cursors.page(about, found, cursor, limit, lambda one: [one[0].name, one[1]])
    return as_page([_summary(portal, caller, desk, run) for desk, run in part], following, len(found))


def _began(desk: Desk, run: str) -> float:
    return desk.began(run)


def _require_run(desk: Desk, run: str) -> None:
    if run not in desk.runs():
        raise not_found("run", run)


def _require_allowed(
    desk: Desk, book: Book, stands: Standing, action: RunAction, caller: Principal, *, four_eyes: bool
) -> None:
    """Refuse what `allowed` doesn't list, and say which of role and state is in the way."""
    decides = action in (RunAction.APPROVE, RunAction.REFUSE)
    if decides and not may_decide(desk, book.view.run, caller, four_eyes=four_eyes):
        detail_ = (
            "who started a run may not decide its gates"
            if caller.may(Permission.APPROVE)
            else "your role may not decide gates"
        )
        raise ProblemError(403, "role-too-low", detail_, way_out="ask somebody with the role `approver`")
    environment = desk.environment()
    open_ = environment.lock is None and not environment.archived
    if action not in allowed(desk, book, stands, caller, four_eyes=four_eyes, open_=open_):
        raise ProblemError(
            409,
            "not-now",
            f"`{action.value}` can't be asked of a run that is {stands.state.value}",
            way_out="see `allowed` of the run",
        )
