"""Runs: start, list, read, and ask something of them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from chainfleet.model.event import TaskState
from chainfleet.model.task import Phase

from ..models.common import Page, RunName
from ..models.runs import (
    ActionGiven,
    ActionTaken,
    EventPage,
    LogPage,
    PlanView,
    RunAction,
    RunComparison,
    RunDetail,
    RunExport,
    RunGiven,
    RunSummary,
    SpansView,
    TaskView,
)
from ..permissions import Permission
from ..problems import ProblemError
from .declaring import route
from .parameters import Cursor, EnvironmentPath, IdempotencyKey, Limit, RunPath, Since

router = APIRouter(tags=["runs"])
ONE = "/environments/{environment}/runs/{run}"


@route(router, "GET", "/runs", permission=Permission.READ)
async def list_all_runs(limit: Limit = 50, cursor: Cursor = None) -> Page[RunSummary]:
    """Runs of all environments, newest first."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "GET", "/environments/{environment}/runs", permission=Permission.READ, problems=(404,))
async def list_runs(
    environment: EnvironmentPath, limit: Limit = 50, cursor: Cursor = None
) -> Page[RunSummary]:
    """Runs of an environment, newest first."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "POST", "/environments/{environment}/runs", permission=Permission.RUN, status=202,
       problems=(404, 409, 503))  # fmt: skip
async def start_run(
    environment: EnvironmentPath, given: RunGiven, idempotency_key: IdempotencyKey = None
) -> RunSummary:
    """Start a run; `Location` names it. `destroy` needs the permission of that name and the fleet's name."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "GET", ONE, permission=Permission.READ, problems=(404,))
async def get_run(
    environment: EnvironmentPath,
    run: RunPath,
    at: Annotated[
        int | None, Query(ge=1, le=2**53, description="As it stood at that sequence number.")
    ] = None,
) -> RunDetail:
    """A run as it stands, or stood at a sequence number."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "GET", f"{ONE}/tasks", permission=Permission.READ, problems=(404,))
async def list_tasks(
    environment: EnvironmentPath,
    run: RunPath,
    region: Annotated[str | None, Query(max_length=60)] = None,
    phase: Phase | None = None,
    state: TaskState | None = None,
    query: Annotated[str, Query(max_length=100)] = "",
    limit: Limit = 200,
    cursor: Cursor = None,
) -> Page[TaskView]:
    """Tasks of a run in the plan's order."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "GET", f"{ONE}/plan", permission=Permission.READ, problems=(404,))
async def get_run_plan(environment: EnvironmentPath, run: RunPath) -> PlanView:
    """The run's graph with places for drawing it."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "GET", f"{ONE}/spans", permission=Permission.READ, problems=(404,))
async def get_spans(environment: EnvironmentPath, run: RunPath) -> SpansView:
    """All attempts in time, and the critical path."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "GET", f"{ONE}/events", permission=Permission.READ, problems=(404,))
async def list_events(
    environment: EnvironmentPath,
    run: RunPath,
    since: Since = 0,
    limit: Annotated[int, Query(ge=1, le=5000)] = 500,
    region: Annotated[str | None, Query(max_length=60)] = None,
    type_: Annotated[str | None, Query(alias="type", max_length=40, description="Type of record.")] = None,
) -> EventPage:
    """The run's records after a sequence number; for replay, and instead of the stream."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "GET", f"{ONE}/logs", permission=Permission.READ, problems=(404,))
async def get_logs(
    environment: EnvironmentPath,
    run: RunPath,
    task: Annotated[str, Query(min_length=1, max_length=200)],
    attempt: Annotated[int | None, Query(ge=1, le=10_000, description="The last one if left out.")] = None,
    query: Annotated[str, Query(max_length=200, description="Only lines that contain this text.")] = "",
    tail: Annotated[bool, Query(description="Begin with the last lines.")] = False,
    limit: Annotated[int, Query(ge=1, le=2000)] = 500,
    cursor: Cursor = None,
) -> LogPage:
    """Lines of an attempt's log; follow it by asking on with `next`."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "GET", f"{ONE}/logs/raw", permission=Permission.READ, problems=(404,), response_class=Response,
       responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}})  # fmt: skip
async def get_raw_log(
    environment: EnvironmentPath,
    run: RunPath,
    task: Annotated[str, Query(min_length=1, max_length=200)],
    attempt: Annotated[int | None, Query(ge=1, le=10_000)] = None,
) -> Response:
    """An attempt's whole log as text."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "GET", f"{ONE}/compare", permission=Permission.READ, problems=(404,))
async def compare_runs(
    environment: EnvironmentPath, run: RunPath, to: Annotated[RunName, Query(description="The other run.")]
) -> RunComparison:
    """Two runs of an environment side by side."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "GET", f"{ONE}/export", permission=Permission.READ, problems=(404,))
async def export_run(environment: EnvironmentPath, run: RunPath) -> RunExport:
    """Everything the one-file offline page needs."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "POST", f"{ONE}/actions/{{action}}", permission=Permission.RUN, status=202,
       problems=(404, 409, 503))  # fmt: skip
async def act_on_run(
    environment: EnvironmentPath,
    run: RunPath,
    action: Annotated[RunAction, Path()],
    given: ActionGiven,
    idempotency_key: IdempotencyKey = None,
) -> ActionTaken:
    """Ask something of a run; `approve` and `refuse` need the permission `approve`."""
    raise ProblemError(501, "not-done", "not done yet")
