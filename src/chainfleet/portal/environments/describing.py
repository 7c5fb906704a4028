"""An environment as the API tells it."""

from __future__ import annotations

from chainfleet.model.errors import FleetError
from chainfleet.runtime.commands import deploy_words, shown
from chainfleet.runtime.targets import PolicyOptions

from ..models.environments import (
    EnvironmentAction,
    EnvironmentDetail,
    EnvironmentSummary,
    Health,
    LedgerProblem,
    Lock,
    RunBar,
    TargetSettings,
)
from ..permissions import Permission
from ..principals import Principal
from ..runs.describing import summary as run_summary
from .changing import etag_of
from .desk import Desk
from .fleets import facts_of, findings, form_of, load_text
from .registry import Trouble

_BARS = 30


def summary(
    desk: Desk, principal: Principal, now: float, *, health: Health, four_eyes: bool
) -> EnvironmentSummary:
    """An environment in a line."""
    return EnvironmentSummary(**_line(desk, principal, now, health=health, four_eyes=four_eyes))


def unreadable(name: str, trouble: Trouble) -> EnvironmentSummary:
    """An environment of which nothing can be read but why."""
    return EnvironmentSummary(
        name=name,
        revision=0,
        etag="",
        fleet=None,
        target=TargetSettings(),
        run=None,
        allowed=[],
        ledger_problem=LedgerProblem(
            kind="ledger-away" if trouble.is_away else "ledger-unusable",
            since=round(trouble.since, 3),
            detail=trouble.error.message,
            way_out=trouble.error.way_out,
        ),
    )


def detail(
    desk: Desk, principal: Principal, now: float, *, health: Health, four_eyes: bool
) -> EnvironmentDetail:
    """An environment in full."""
    made = desk.revision()
    document = made.document if made else ""
    line = _line(desk, principal, now, health=health, four_eyes=four_eyes)
    loaded = load_text(document) if made else None
    return EnvironmentDetail(
        **line,
        document=document,
        form=form_of(document) if made else {},
        unresolved=sorted(loaded.unresolved) if loaded and not desk.settings().emulated else [],
        warnings=[fault for _, fault in findings(loaded)] if loaded else [],
        command=shown(deploy_words(desk.fleet_file, desk.target(), PolicyOptions())),
        state_folder=str(desk.state.root),
    )


def allowed(desk: Desk, principal: Principal) -> list[EnvironmentAction]:
    """What that caller may do with it now."""
    view = desk.environment()
    has = view.revision is not None
    actions: list[EnvironmentAction] = []
    if principal.may(Permission.CHANGE):
        actions += ["clone"] if has else []
        if view.archived:
            actions.append("restore")
        elif view.lock is not None:
            actions.append("unlock")
        else:
            actions += ["change", "lock", "archive"]
    if view.archived or not has:
        return actions
    if principal.may(Permission.RUN):
        actions.append("rehearse")
    if view.lock is None and desk.ledger.holder() is None:
        if principal.may(Permission.RUN):
            actions.append("deploy")
            if desk.ledger.runs():
                actions.append("verify")
        if principal.may(Permission.DESTROY) and desk.ledger.runs():
            actions.append("destroy")
    return actions


def _line(
    desk: Desk, principal: Principal, now: float, *, health: Health, four_eyes: bool
) -> dict[str, object]:
    view, runs = desk.environment(), desk.runs()
    last = run_summary(desk, desk.book(runs[-1]), principal, now, four_eyes=four_eyes) if runs else None
    fleet = None
    if view.revision is not None:
        try:
            fleet = facts_of(load_text(view.revision.document))
        except FleetError:
            # Written by another version: the environment's page says what is wrong with it.
            fleet = None
    return {
        "name": desk.name,
        "revision": view.revision.number if view.revision else 0,
        "etag": etag_of(desk),
        "fleet": fleet,
        "target": desk.settings(),
        "archived": view.archived,
        "lock": Lock(by=view.lock[1].by, reason=view.lock[1].reason, wall=view.lock[0])
        if view.lock
        else None,
        "changed_wall": view.revisions[-1][0] if view.revisions else None,
        "health": health,
        "run": last,
        "history": [_bar(desk, run) for run in runs[-_BARS:]],
        "allowed": allowed(desk, principal),
        "head": desk.ledger.head(),
    }


def _bar(desk: Desk, run: str) -> RunBar:
    verdict, elapsed_s = desk.ending(run)
    return RunBar(run=run, verdict=verdict, elapsed_s=elapsed_s)
