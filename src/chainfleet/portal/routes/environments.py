"""Environments: make, read, change, clone, lock, archive, and what is planned for them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from ..models.common import Page
from ..models.environments import (
    CloneGiven,
    EnvironmentChanged,
    EnvironmentDetail,
    EnvironmentGiven,
    EnvironmentSummary,
    FleetCheck,
    FleetGiven,
    FleetTemplate,
    LockGiven,
    Revision,
    RevisionDiff,
    RevisionSummary,
)
from ..models.runs import PlanView, PolicyGiven, RehearsalGiven, RehearsalResult
from ..permissions import Permission
from ..problems import ProblemError
from .declaring import route
from .parameters import Cursor, EnvironmentPath, IdempotencyKey, IfMatch, IfNoneMatch, Limit

router = APIRouter(tags=["environments"])
Number = Annotated[int, Path(ge=1, le=10**9, description="Number of the revision.")]


@route(router, "GET", "/environments", permission=Permission.READ)
async def list_environments(
    limit: Limit = 100,
    cursor: Cursor = None,
    archived: bool = False,
    query: Annotated[str, Query(max_length=100)] = "",
) -> Page[EnvironmentSummary]:
    """Environments by name."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "POST", "/environments", permission=Permission.CHANGE, status=201, problems=(409,))
async def create_environment(
    given: EnvironmentGiven, idempotency_key: IdempotencyKey = None
) -> EnvironmentDetail:
    """Make an environment from YAML or a form."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "GET", "/environments/{environment}", permission=Permission.READ, problems=(404,),
       responses={304: {"description": "Not changed."}})  # fmt: skip
async def get_environment(
    environment: EnvironmentPath, if_none_match: IfNoneMatch = None
) -> EnvironmentDetail:
    """An environment with its document; the answer carries its ETag."""
    raise ProblemError(501, "not-done", "not done yet")


@route(
    router, "PUT", "/environments/{environment}", permission=Permission.CHANGE, problems=(404, 409, 412, 428)
)
async def change_environment(
    environment: EnvironmentPath, given: EnvironmentChanged, if_match: IfMatch = None
) -> EnvironmentDetail:
    """Make a new revision; needs `If-Match`."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "POST", "/environments/{environment}/clone", permission=Permission.CHANGE, status=201,
       problems=(404, 409))  # fmt: skip
async def clone_environment(
    environment: EnvironmentPath, given: CloneGiven, idempotency_key: IdempotencyKey = None
) -> EnvironmentDetail:
    """Copy an environment, to other regions where given."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "POST", "/environments/{environment}/lock", permission=Permission.CHANGE, problems=(404, 409))
async def lock_environment(environment: EnvironmentPath, given: LockGiven) -> EnvironmentDetail:
    """Lock: nothing is changed or started until it is unlocked."""
    raise ProblemError(501, "not-done", "not done yet")


@route(
    router, "POST", "/environments/{environment}/unlock", permission=Permission.CHANGE, problems=(404, 409)
)
async def unlock_environment(environment: EnvironmentPath) -> EnvironmentDetail:
    """Take the lock away."""
    raise ProblemError(501, "not-done", "not done yet")


@route(
    router, "POST", "/environments/{environment}/archive", permission=Permission.CHANGE, problems=(404, 409)
)
async def archive_environment(environment: EnvironmentPath) -> EnvironmentDetail:
    """Put away: it is no longer listed, and keeps everything."""
    raise ProblemError(501, "not-done", "not done yet")


@route(
    router, "POST", "/environments/{environment}/restore", permission=Permission.CHANGE, problems=(404, 409)
)
async def restore_environment(environment: EnvironmentPath) -> EnvironmentDetail:
    """Take an archived environment back."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "GET", "/environments/{environment}/revisions", permission=Permission.READ, problems=(404,))
async def list_revisions(
    environment: EnvironmentPath, limit: Limit = 50, cursor: Cursor = None
) -> Page[RevisionSummary]:
    """Revisions, newest first."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "GET", "/environments/{environment}/revisions/{number}", permission=Permission.READ,
       problems=(404,))  # fmt: skip
async def get_revision(environment: EnvironmentPath, number: Number) -> Revision:
    """One revision with its document."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "GET", "/environments/{environment}/revisions/{number}/diff", permission=Permission.READ,
       problems=(404,))  # fmt: skip
async def diff_revisions(
    environment: EnvironmentPath, number: Number, to: Annotated[int, Query(ge=1, le=10**9)]
) -> RevisionDiff:
    """How revision `to` differs from this one."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "POST", "/environments/{environment}/plan", permission=Permission.READ, problems=(404, 409))
async def plan_environment(environment: EnvironmentPath, given: PolicyGiven) -> PlanView:
    """What a deployment would do, as a graph; changes nothing."""
    raise ProblemError(501, "not-done", "not done yet")


@route(
    router,
    "POST",
    "/environments/{environment}/rehearsals",
    permission=Permission.RUN,
    problems=(404, 409, 503),
)
async def rehearse_environment(environment: EnvironmentPath, given: RehearsalGiven) -> RehearsalResult:
    """How long a deployment would take, and what would bind it; changes nothing."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "POST", "/fleets/check", permission=Permission.READ)
async def check_fleet(given: FleetGiven) -> FleetCheck:
    """Check a fleet: faults with line and column, and the same as YAML and form."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "GET", "/fleets/schema", permission=Permission.READ)
async def get_fleet_schema() -> dict[str, Any]:
    """The JSON Schema of the fleet file."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "GET", "/fleets/template", permission=Permission.READ)
async def get_fleet_template(
    name: Annotated[str, Query(pattern=r"^[a-z][a-z0-9-]{0,38}[a-z0-9]$")] = "my-chain",
    chain_id: Annotated[int, Query(ge=1, le=2**53)] = 1138,
    regions: Annotated[int, Query(ge=2, le=31)] = 24,
) -> FleetTemplate:
    """A fleet file to start from."""
    raise ProblemError(501, "not-done", "not done yet")
