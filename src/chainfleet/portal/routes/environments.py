"""Environments: make, read, change, clone, lock, archive, and what is planned for them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request, Response

from chainfleet.model.environment import RevisionMade
from chainfleet.model.fleet_file import FEWEST_REGIONS, json_schema, new_fleet
from chainfleet.model.task import Plan
from chainfleet.runtime.commands import plan_words, rehearse_words, shown
from chainfleet.scheduling.planning import make_plan, select

from ..cursors import as_page
from ..environments import describing
from ..environments.changing import (
    archive,
    change,
    clone,
    create,
    difference,
    etag_of,
    lock,
    require_document,
    restore,
    revision,
    unlock,
)
from ..environments.desk import Desk
from ..environments.fleets import check, form_of, load_text
from ..environments.registry import Trouble
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
from ..models.rehearsals import RehearsalGiven, RehearsalResult
from ..models.run_parts import PlanView
from ..models.runs import PolicyGiven
from ..permissions import Permission
from ..principals import Principal
from ..problems import ProblemError
from ..runs.charts import plan_view
from ..runs.starting import policy_of
from ..service import Portal
from .declaring import new_router, route
from .dependencies import Caller, DeskHere, PortalHere
from .parameters import Cursor, IdempotencyKey, IfMatch, IfNoneMatch, Limit

router = new_router("environments")


class Telling:
    """Tells an environment to the caller: in full, with its ETag, and its address where it was just made."""

    def __init__(self, portal: PortalHere, caller: Caller, response: Response) -> None:
        self._portal = portal
        self._caller = caller
        self._response = response

    def __call__(self, desk: Desk, *, made: bool = False) -> EnvironmentDetail:
        """The environment in full."""
        portal = self._portal
        health, four_eyes = portal.health(desk), portal.settings.four_eyes
        found = describing.detail(desk, self._caller, portal.wall(), health=health, four_eyes=four_eyes)
        self._response.headers["ETag"] = found.etag
        if made:
            self._response.headers["Location"] = f"/api/v1/environments/{desk.name}"
        return found


Tell = Annotated[Telling, Depends()]
Number = Annotated[int, Path(ge=1, le=10**9, description="Number of the revision.")]


@route(router, "GET", "/environments", permission=Permission.READ)
def list_environments(
    portal: PortalHere,
    caller: Caller,
    limit: Limit = 100,
    cursor: Cursor = None,
    archived: Annotated[bool, Query(description="Those that were put away, instead.")] = False,
    query: Annotated[str, Query(max_length=100, description="Only names that contain it.")] = "",
) -> Page[EnvironmentSummary]:
    """Environments by name; one whose ledger can't be read says why (`ledger_problem`), and is never among the archived."""
    readable = portal.registry.readable(caller)
    named: dict[str, Desk | Trouble] = {} if archived else dict(portal.registry.troubled(caller))
    named |= {desk.name: desk for desk in readable if desk.environment().archived == archived}
    found = sorted((one for one in named.items() if query.lower() in one[0]), key=lambda one: one[0])
    about = ["environments", archived, query, caller.token_id]
    part, following = portal.cursors.page(about, found, cursor, limit, lambda one: one[0])
    items = [
        _summary(portal, caller, one) if isinstance(one, Desk) else describing.unreadable(name, one)
        for name, one in part
    ]
    return as_page(items, following, len(found))


@route(router, "POST", "/environments", permission=Permission.CHANGE, status=201, problems=(409,))
def create_environment(
    portal: PortalHere,
    caller: Caller,
    request: Request,
    tell: Tell,
    given: EnvironmentGiven,
    idempotency_key: IdempotencyKey = None,
) -> EnvironmentDetail:
    """Make an environment from YAML or a form."""
    request.state.audit.update(environment=given.name, reason=given.note)
    if not caller.sees(given.name):
        raise ProblemError(403, "role-too-low", f"your token is not for `{given.name}`")
    desk = create(portal.registry, given, by=caller.name)
    return tell(desk, made=True)


@route(router, "GET", "/environments/{environment}", permission=Permission.READ, problems=(404,),
       response_model=EnvironmentDetail, responses={304: {"description": "Not changed."}})  # fmt: skip
def get_environment(
    desk: DeskHere,
    tell: Tell,
    if_none_match: IfNoneMatch = None,
) -> Any:
    """An environment with its document; the answer carries its ETag."""
    if if_none_match is not None and etag_of(desk) in [tag.strip() for tag in if_none_match.split(",")]:
        return Response(status_code=304, headers={"ETag": etag_of(desk)})
    return tell(desk)


@route(
    router, "PUT", "/environments/{environment}", permission=Permission.CHANGE, problems=(404, 409, 412, 428)
)
def change_environment(
    desk: DeskHere,
    caller: Caller,
    request: Request,
    tell: Tell,
    given: EnvironmentChanged,
    if_match: IfMatch = None,
) -> EnvironmentDetail:
    """Make a new revision; needs `If-Match`."""
    request.state.audit["reason"] = given.note
    change(desk, given, if_match, by=caller.name)
    return tell(desk)


@route(router, "POST", "/environments/{environment}/clone", permission=Permission.CHANGE, status=201,
       problems=(404, 409))  # fmt: skip
def clone_environment(
    desk: DeskHere,
    portal: PortalHere,
    caller: Caller,
    request: Request,
    tell: Tell,
    given: CloneGiven,
    idempotency_key: IdempotencyKey = None,
) -> EnvironmentDetail:
    """Copy an environment, to other regions where given."""
    request.state.audit.update(subject=given.name, reason=given.note)
    if not caller.sees(given.name):
        raise ProblemError(403, "role-too-low", f"your token is not for `{given.name}`")
    copy = clone(portal.registry, desk, given, by=caller.name)
    return tell(copy, made=True)


@route(router, "POST", "/environments/{environment}/lock", permission=Permission.CHANGE, problems=(404, 409))
def lock_environment(
    desk: DeskHere,
    caller: Caller,
    request: Request,
    tell: Tell,
    given: LockGiven,
) -> EnvironmentDetail:
    """Lock: nothing is changed or started until it is unlocked."""
    request.state.audit["reason"] = given.reason
    lock(desk, given.reason, by=caller.name)
    return tell(desk)


@route(
    router, "POST", "/environments/{environment}/unlock", permission=Permission.CHANGE, problems=(404, 409)
)
def unlock_environment(desk: DeskHere, caller: Caller, tell: Tell) -> EnvironmentDetail:
    """Take the lock away."""
    unlock(desk, by=caller.name)
    return tell(desk)


@route(
    router, "POST", "/environments/{environment}/archive", permission=Permission.CHANGE, problems=(404, 409)
)
def archive_environment(desk: DeskHere, caller: Caller, tell: Tell) -> EnvironmentDetail:
    """Put away: it is no longer listed, and keeps everything."""
    archive(desk, by=caller.name)
    return tell(desk)


@route(
    router, "POST", "/environments/{environment}/restore", permission=Permission.CHANGE, problems=(404, 409)
)
def restore_environment(desk: DeskHere, caller: Caller, tell: Tell) -> EnvironmentDetail:
    """Take an archived environment back."""
    restore(desk, by=caller.name)
    return tell(desk)


@route(router, "GET", "/environments/{environment}/revisions", permission=Permission.READ, problems=(404,))
def list_revisions(
    desk: DeskHere, portal: PortalHere, limit: Limit = 50, cursor: Cursor = None
) -> Page[RevisionSummary]:
    """Revisions, newest first."""
    found = [_revision(wall, made) for wall, made in reversed(desk.environment().revisions)]
    about = ["revisions", desk.ledger.id]
    part, following = portal.cursors.page(about, found, cursor, limit, lambda one: one.number)
    return as_page(part, following, len(found))


@route(router, "GET", "/environments/{environment}/revisions/{number}", permission=Permission.READ,
       problems=(404,))  # fmt: skip
def get_revision(desk: DeskHere, number: Number) -> Revision:
    """One revision with its document."""
    wall, made = revision(desk, number)
    return Revision(**_revision(wall, made).model_dump(), document=made.document, form=form_of(made.document))


@route(router, "GET", "/environments/{environment}/revisions/{number}/diff", permission=Permission.READ,
       problems=(404,))  # fmt: skip
def diff_revisions(
    desk: DeskHere,
    number: Number,
    to: Annotated[int, Query(ge=1, le=10**9, description="Number of the other revision.")],
) -> RevisionDiff:
    """How revision `to` differs from this one."""
    (_, a), (_, b) = revision(desk, number), revision(desk, to)
    text, changes = difference(a, b)
    return RevisionDiff(a=number, b=to, text=text, changes=changes)


@route(router, "POST", "/environments/{environment}/plan", permission=Permission.READ, problems=(404, 409))
def plan_environment(desk: DeskHere, given: PolicyGiven) -> PlanView:
    """What a deployment would do, as a graph; changes nothing."""
    plan = _plan(desk, given)
    return plan_view(plan, command=shown(plan_words(desk.fleet_file, policy_of(given))))


@route(
    router,
    "POST",
    "/environments/{environment}/rehearsals",
    permission=Permission.RUN,
    problems=(404, 409, 503),
)
def rehearse_environment(desk: DeskHere, given: RehearsalGiven) -> RehearsalResult:
    """How long a deployment would take, and what would bind it; changes nothing."""
    from ..runs.rehearsing import rehearsed

    loaded, policy = load_text(require_document(desk).document), policy_of(given)
    found = rehearsed(loaded, policy, given, desk.state, desk.time_scale())
    command = shown(
        rehearse_words(desk.fleet_file, desk.target(), policy, given.runs, given.seed, given.faults)
    )
    return found.model_copy(update={"command": command})


@route(router, "POST", "/fleets/check", permission=Permission.READ)
def check_fleet(given: FleetGiven) -> FleetCheck:
    """Check a fleet: faults with line and column, and the same as YAML and form."""
    return check(given)


@route(router, "GET", "/fleets/schema", permission=Permission.READ)
def get_fleet_schema() -> dict[str, Any]:
    """The JSON Schema of the fleet file."""
    return json_schema()


@route(router, "GET", "/fleets/template", permission=Permission.READ)
def get_fleet_template(
    name: Annotated[
        str, Query(pattern=r"^[a-z][a-z0-9-]{0,38}[a-z0-9]$", description="Name of the fleet.")
    ] = "my-chain",
    chain_id: Annotated[int, Query(ge=1, le=2**53, description="Its chain id.")] = 1138,
    regions: Annotated[
        int, Query(ge=FEWEST_REGIONS, le=31, description="How many recommended regions.")
    ] = 24,
) -> FleetTemplate:
    """A fleet file to start from."""
    return FleetTemplate(document=new_fleet(name, chain_id, regions))


def _summary(portal: Portal, caller: Principal, desk: Desk) -> EnvironmentSummary:
    health, four_eyes = portal.health(desk), portal.settings.four_eyes
    return describing.summary(desk, caller, portal.wall(), health=health, four_eyes=four_eyes)


def _revision(wall: float, made: RevisionMade) -> RevisionSummary:
    return RevisionSummary(
        number=made.number, fingerprint=made.fingerprint, wall=wall, by=made.by, note=made.note
    )


def _plan(desk: Desk, given: PolicyGiven) -> Plan:
    loaded, policy = load_text(require_document(desk).document), policy_of(given)
    plan = make_plan(loaded.fleet, loaded.revision, overrides=policy.overrides(loaded.fleet))
    return select(plan, policy.selection())
